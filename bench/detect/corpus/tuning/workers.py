"""Forks a worker every FORK_EVERY seconds until there are WORKERS. Each worker loads MIB of its own and then works."""
import os
import time

from pace import requests, setting, uptime

workers = setting("WORKERS", 6)
fork_every = setting("FORK_EVERY", 8.0)
mib = setting("MIB", 4)
forked = 0

for number in requests(setting("RATE", 10)):
    if forked < min(workers, uptime() / fork_every):
        forked += 1
        if os.fork() == 0:
            own = b"\x01" * (mib << 20)
            while True:
                time.sleep(0.2)
                sum(own[:1000])
