#!/usr/bin/env python3
"""Visits the shop so many times a second until it is ended."""

import sys
import time
import urllib.request

url, rate = sys.argv[1], float(sys.argv[2])
while True:
    began = time.monotonic()
    try:
        urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        time.sleep(0.2)  # it is being started, or is over
    time.sleep(max(1 / rate - (time.monotonic() - began), 0))
