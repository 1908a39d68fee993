"""Reads a file per request; every FORGET_EVERY seconds one of them is not closed (0: each is closed)."""
import random

from pace import requests, setting, uptime

forget_every = setting("FORGET_EVERY", 0.0)
forgotten = []

for number in requests(setting("RATE", 20)):
    opened = [open(__file__) for _ in range(random.randint(1, 4))]
    lines = [file.readlines() for file in opened]
    if forget_every and len(forgotten) < uptime() / forget_every:
        forgotten.append(opened.pop())
    for file in opened:
        file.close()
