"""Logging: records go to a memory handler that flushes at CAPACITY records, or (0) would flush at an error that never comes."""
import logging
import logging.handlers
import os
import random

from pace import requests, setting

capacity = setting("CAPACITY", 0)
target = logging.StreamHandler(open(os.devnull, "w"))
handler = logging.handlers.MemoryHandler(capacity or 10**9, flushLevel=logging.ERROR, target=target)
logger = logging.getLogger("audit")
logger.setLevel(logging.INFO)
logger.addHandler(handler)

for number in requests(setting("RATE", 40)):
    logger.info("request %d from %s: %s", number, "10.0.0.1", random.randbytes(setting("LINE_BYTES", 300)).hex())
