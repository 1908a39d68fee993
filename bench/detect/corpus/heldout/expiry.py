"""Results live for LIFETIME seconds; they are swept every SWEEP seconds."""
import random
import time

from pace import requests, setting, uptime

lifetime, sweep = setting("LIFETIME", 45.0), setting("SWEEP", 5.0)
results, sweeps = {}, 0

for number in requests(setting("RATE", 25)):
    results[number] = uptime(), random.randbytes(setting("RESULT_BYTES", 15_000))
    if uptime() // sweep > sweeps:
        sweeps += 1
        oldest = uptime() - lifetime
        results = {key: (at, result) for key, (at, result) in results.items() if at > oldest}
