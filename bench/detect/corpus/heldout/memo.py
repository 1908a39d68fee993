"""A memoised function, with MAXSIZE entries or (0) with as many as there are arguments."""
import functools
import random

from pace import requests, setting

maxsize = setting("MAXSIZE", 0) or None


@functools.lru_cache(maxsize)
def render(page):
    return [f"<li>{page}-{index}</li>" for index in range(random.randint(20, 120))]


for number in requests(setting("RATE", 25)):
    render(number)
    render(random.randint(max(1, number - 50), number))
