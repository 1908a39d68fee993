"""An event bus: each request subscribes a closure over its body; with UNSUBSCRIBE=1 it also leaves again."""
import random

from pace import requests, setting

body_bytes = setting("BODY_BYTES", 6000)
unsubscribe = setting("UNSUBSCRIBE", 0)
subscribers = []


def subscribe(body):
    callback = lambda event: len(body) + event
    subscribers.append(callback)
    return callback


for number in requests(setting("RATE", 15)):
    callback = subscribe(random.randbytes(random.randint(0, 2 * body_bytes)))
    sum(subscriber(number) for subscriber in subscribers[-20:])
    if unsubscribe:
        subscribers.remove(callback)
