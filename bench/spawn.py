#!/usr/bin/env python3
"""How much later a command starts under `scupper run` than by a plain exec.

    bench/spawn.py [--pairs 200] [--json]

From just before the exec of scupper to the first instruction of the command's main, measured by the same small C
program on both sides. The kinds are taken in turn, in random order within each round, so that whatever else the
machine does meets all of them alike. `whole` is from the start to the end of everything, as the caller sees it.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time

from common import Place, compile_c, scupper_binary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = min(max(options.pairs, 3), 100_000)
    stamp, scupper = compile_c("stamp"), scupper_binary()
    with Place() as place:
        wrapped = [scupper, "run", "--state", place.state]
        kinds = {
            "plain exec": [stamp, stamp],
            "run, no cgroup": [stamp, *wrapped, "--cgroup", "off", "--", stamp],
            "run, cgroup": [stamp, *wrapped, "--cgroup", "auto", "--", stamp],
        }
        starts, wholes = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
        for number in range(rounds + 2):
            for kind in random.sample(list(kinds), len(kinds)):
                began = time.monotonic()
                ended = subprocess.run(
                    kinds[kind], env=place.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
                )
                whole = (time.monotonic() - began) * 1000
                times = ended.stdout.split()
                if ended.returncode != 0 or len(times) != 2:
                    sys.exit("spawn: %s: exit %d, %r %r" % (kind, ended.returncode, ended.stdout, ended.stderr[-500:]))
                if number >= 2:  # The first ones warm the caches.
                    starts[kind].append((int(times[1]) - int(times[0])) / 1e6)
                    wholes[kind].append(whole)
            if sys.stderr.isatty():
                print("\r%d of %d" % (number + 1, rounds + 2), end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    base = statistics.median(starts["plain exec"])
    rows = []
    for kind in kinds:
        ordered = sorted(starts[kind])
        rows.append({
            "kind": kind,
            "start_ms": round(statistics.median(ordered), 3),
            "start_p90_ms": round(ordered[int(len(ordered) * 0.9)], 3),
            "over_exec_ms": round(statistics.median(ordered) - base, 3),
            "whole_ms": round(statistics.median(wholes[kind]), 3),
        })  # fmt: skip
    if options.json:
        print(json.dumps({"schema": "scupper.bench.spawn/1", "rounds": rounds, "rows": rows}))
        return
    print("| kind | start ms | 90 % within | over exec | whole |\n|---|---|---|---|---|")
    for row in rows:
        print("| %(kind)s | %(start_ms).2f | %(start_p90_ms).2f | %(over_exec_ms).2f | %(whole_ms).2f |" % row)


if __name__ == "__main__":
    main()
