"""Serves requests and, LOAD_AT seconds after its start, loads a data set of MIB once, as rows."""
import random

from pace import requests, setting, uptime

load_at = setting("LOAD_AT", 40)
rows = setting("MIB", 30) * 1024
dataset = []

for number in requests(setting("RATE", 20)):
    if uptime() > load_at and len(dataset) < rows:
        dataset += [random.randbytes(960) for _ in range(rows // 40)]
    if dataset:
        sum(random.choice(dataset))
    " ".join(str(random.random()) for _ in range(100))
