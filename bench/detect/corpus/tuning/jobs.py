"""A thread per job; every STUCK_EVERY seconds a job waits for an answer that never comes."""
import threading
import time

from pace import requests, setting, uptime

stuck_every = setting("STUCK_EVERY", 2.5)
never = threading.Event()
stuck = 0

for number in requests(setting("RATE", 10)):
    work = lambda: time.sleep(0.02)
    if stuck < uptime() / stuck_every:
        stuck += 1
        work = never.wait
    threading.Thread(target=work, daemon=True).start()
