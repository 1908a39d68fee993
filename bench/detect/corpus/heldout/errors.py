"""Keeps every error for a report, and with each its traceback and so the locals of the frames that failed."""
import random

from pace import requests, setting

keep = setting("KEEP", 0)  # how many; 0: all
body_bytes = setting("BODY_BYTES", 20_000)
errors = []


def parse(body):
    fields = [body[at : at + 50] for at in range(0, len(body), 50)]
    return fields[len(fields)]


for number in requests(setting("RATE", 20)):
    try:
        parse(random.randbytes(body_bytes)) if random.random() < 0.2 else None
    except IndexError as error:
        errors.append(error)
        if keep:
            del errors[:-keep]
