"""Maps blocks of random size at random moments and unmaps others: a walk between LOW and HIGH MiB. KEEP_EVERY: each so
many seconds a block of BLOCK_KIB is mapped and never unmapped."""
import mmap
import random

from pace import requests, setting, uptime

low, high = setting("LOW", 10) << 20, setting("HIGH", 40) << 20
keep_every = setting("KEEP_EVERY", 0.0)
block_bytes = setting("BLOCK_KIB", 256) << 10
blocks, kept = [], []
random.seed(setting("SEED", 1))


def touched(size):
    block = mmap.mmap(-1, size)
    block.write(b"\x01" * size)
    return block


for number in requests(setting("RATE", 10)):
    total = sum(map(len, blocks))
    if total < low or (total < high and random.random() < 0.5):
        blocks.append(touched(random.randint(50_000, 2_000_000)))
    else:
        blocks.pop(random.randrange(len(blocks))).close()
    if keep_every and len(kept) < uptime() / keep_every:
        kept.append(touched(block_bytes))
