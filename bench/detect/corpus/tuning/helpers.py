"""Runs a short program every RUN_EVERY seconds and never asks how it ended: a zombie each."""
import os

from pace import requests, setting, uptime

run_every = setting("RUN_EVERY", 3.0)
runs = 0

for number in requests(setting("RATE", 20)):
    if runs < uptime() / run_every:
        runs += 1
        os.posix_spawn("/bin/true", ["true"], {})
