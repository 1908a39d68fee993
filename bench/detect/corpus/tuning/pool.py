"""A thread pool that starts its threads one by one as work comes, up to WORKERS, each with a buffer of its own."""
import queue
import threading
import time

from pace import requests, setting, uptime

workers = setting("WORKERS", 40)
fill_seconds = setting("FILL_SECONDS", 40)
work = queue.Queue()
started = 0


def worker():
    buffer = b"\x01" * 300_000
    while True:
        work.get()
        time.sleep(0.01)
        len(buffer)


for number in requests(setting("RATE", 20)):
    while started < min(workers, uptime() / fill_seconds * workers):
        started += 1
        threading.Thread(target=worker, daemon=True).start()
    work.put(number)
