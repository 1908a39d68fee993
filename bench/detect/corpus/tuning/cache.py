"""Answers kept by request id. With CAPACITY the oldest goes; without, the cache only grows."""
import collections
import random

from pace import requests, setting

capacity = setting("CAPACITY", 0)
answer_bytes = setting("ANSWER_BYTES", 8000)
answers = collections.OrderedDict()

for number in requests(setting("RATE", 30)):
    # One in five asks again for something recent.
    key = random.randint(max(1, number - 100), number) if random.random() < 0.2 else number
    if key in answers:
        answers.move_to_end(key)
        continue
    answers[key] = random.randbytes(random.randint(answer_bytes // 2, answer_bytes * 3 // 2))
    if capacity and len(answers) > capacity:
        answers.popitem(last=False)
