"""Writes a log and every EVERY seconds begins a new one, closing the old one; FORGET=1 leaves it open."""
import os
import tempfile

from pace import requests, setting, uptime

every = setting("EVERY", 2.0)
forget = setting("FORGET", 0)
directory = tempfile.mkdtemp()
logs = []

for number in requests(setting("RATE", 20)):
    if len(logs) <= uptime() / every:
        if logs and not forget:
            logs[-1].close()
        logs.append(open(os.path.join(directory, f"{len(logs)}.log"), "w"))
    logs[-1].write(f"{number} ok\n")
