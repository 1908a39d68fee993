"""A master with WORKERS. A worker keeps LEAK_BYTES per request; after RECYCLE_AFTER requests (0: never) a new one replaces it."""
import os
import random
import time

from pace import requests, setting

leak_bytes = setting("LEAK_BYTES", 4000)
recycle_after = setting("RECYCLE_AFTER", 0)
rate = setting("RATE", 20)


def work(lifetime):
    kept = []
    while not lifetime or len(kept) < lifetime:
        kept.append(random.randbytes(leak_bytes))
        time.sleep(1 / rate)
    os._exit(0)


def fork(lifetime):
    pid = os.fork()
    if pid == 0:
        work(lifetime)


for index in range(setting("WORKERS", 2)):
    fork(recycle_after * (index + 1) // 2)
for number in requests(rate):
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid:
            fork(recycle_after)
    except ChildProcessError:
        pass
