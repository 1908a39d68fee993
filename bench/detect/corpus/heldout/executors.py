"""Makes a thread pool of 3 for each report, EVERY seconds; SHUTDOWN=0 keeps the pools for reports that never come again."""
import concurrent.futures

from pace import requests, setting, uptime

every, shutdown = setting("EVERY", 10.0), setting("SHUTDOWN", 0)
pools, made = [], 0

for number in requests(setting("RATE", 20)):
    if made < uptime() / every:
        made += 1
        pool = concurrent.futures.ThreadPoolExecutor(3)
        list(pool.map(lambda part: sum(range(part)), [2000, 3000, 4000]))
        if shutdown:
            pool.shutdown()
        else:
            pools.append(pool)
