"""Serves small requests and every EVERY seconds builds a report of MIB that takes a few seconds, then drops it."""
import random

from pace import requests, setting, uptime

every = setting("EVERY", 30)
mib = setting("MIB", 40)
report, reports = [], 0

for number in requests(setting("RATE", 20)):
    if uptime() % every > every * 0.5 and reports <= uptime() // every:
        if number % 8 == 0:
            report.append(b"\x01" * (mib << 16))
        if len(report) == 16:
            report, reports = [], reports + 1
    " ".join(str(random.random()) for _ in range(100))
