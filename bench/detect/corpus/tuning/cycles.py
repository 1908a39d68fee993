"""Every request leaves a cycle behind that only the garbage collector can free; it runs every COLLECT_EVERY seconds."""
import gc
import random

from pace import requests, setting, uptime

gc.disable()  # the rhythm shall not depend on the version of Python
collect_every = setting("COLLECT_EVERY", 8)
request_bytes = setting("REQUEST_BYTES", 40_000)
collections = 0


class Request:
    def __init__(self, number):
        self.number, self.itself = number, self
        self.parts = [random.randbytes(random.randint(1000, 3000)) for _ in range(request_bytes // 2000)]


for number in requests(setting("RATE", 20)):
    Request(number)
    if uptime() // collect_every > collections:
        collections += 1
        gc.collect()
