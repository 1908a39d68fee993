"""Loads one table at FIRST and one at SECOND seconds; before, it drops what it needed to start (SHRINK MiB)."""
import random

from pace import requests, setting, uptime

due = [setting("FIRST", 30.0), setting("SECOND", 60.0)]
mib = setting("MIB", 12)
start_up = [b"\x01" * 100_000 for _ in range(setting("SHRINK", 0) * 10)]
tables = []

for number in requests(setting("RATE", 20)):
    if start_up and uptime() > 8:
        del start_up[-5:]
    if len(tables) < len(due) and uptime() > due[len(tables)]:
        tables.append({key: random.randbytes(1000) for key in range(mib * 1000)})
    [table[random.choice(range(1000))] for table in tables]
