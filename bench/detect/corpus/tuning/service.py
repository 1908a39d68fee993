"""A request handler with a list that only grows: LEAK_BYTES per request from LEAK_AFTER seconds on, or only in the first
1.5 s of every BURST_EVERY seconds. LEAK_BYTES=0 is the same service without the mistake, RATE=1 the same nearly idle."""
import json
import random

from pace import requests, setting, uptime

ballast = b"\x01" * (setting("BALLAST_MIB", 0) << 20)
leak_bytes = setting("LEAK_BYTES", 0)
leak_after = setting("LEAK_AFTER", 0)
burst_every = setting("BURST_EVERY", 0)
history = []

for number in requests(setting("RATE", 25)):
    body = json.dumps({"id": number, "items": [random.random() for _ in range(random.randint(20, 400))]})
    reply = json.loads(body)
    in_burst = not burst_every or uptime() % burst_every < 1.5
    if leak_bytes and in_burst and uptime() >= leak_after:
        history.append(random.randbytes(leak_bytes))
