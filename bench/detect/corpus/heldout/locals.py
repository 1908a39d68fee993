"""A thread per batch leaves its buffer in a registry, keyed by thread, from which only SWEEP=1 removes it."""
import random
import threading

from pace import requests, setting

sweep = setting("SWEEP", 0)
buffer_bytes = setting("BUFFER_BYTES", 60_000)
registry = {}


def batch(number):
    registry[threading.get_ident(), number] = random.randbytes(buffer_bytes)
    if sweep:
        del registry[threading.get_ident(), number]


for number in requests(setting("RATE", 4)):
    thread = threading.Thread(target=batch, args=(number,))
    thread.start()
    thread.join()
