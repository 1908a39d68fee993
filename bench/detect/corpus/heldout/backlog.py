"""A producer and a consumer thread that does SHARE of the work that comes in. Below 1 the queue has a backlog without end."""
import queue
import random
import threading

from pace import requests, setting

share = setting("SHARE", 0.7)
message_bytes = setting("MESSAGE_BYTES", 12_000)
messages = queue.Queue()
permits = threading.Semaphore(0)


def consume():
    while True:
        permits.acquire()
        messages.get()


threading.Thread(target=consume, daemon=True).start()
for number in requests(setting("RATE", 30)):
    messages.put({"id": number, "body": random.randbytes(message_bytes), "tags": [str(number)] * 3})
    if random.random() < share:
        permits.release()
