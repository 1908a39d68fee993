"""Searches a file that it has mapped, a little further with each request, until it has been through all MIB of it."""
import mmap
import os
import tempfile

from pace import requests, setting, uptime

size = setting("MIB", 48) << 20
seconds = setting("SECONDS", 80.0)
with tempfile.TemporaryFile() as file:
    for _ in range(size >> 20):
        file.write(os.urandom(1 << 20))
    file.flush()
    index = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
index.madvise(mmap.MADV_RANDOM)
at = 0
for number in requests(setting("RATE", 20)):
    while at < size * min(1, uptime() / seconds):
        index[at]
        at += 4096
