#!/usr/bin/env python3
"""What one `scupper run` around one idle process costs: memory, and processor time a minute.

    bench/own_cost.py [--seconds 60] [--limits] [--json]

Needs no root: processor time comes from /proc/PID/schedstat, to the nanosecond. --limits sets a memory limit, which
makes it look at the tree as in a real service.
"""

import argparse
import json
import statistics
import sys
import time

from common import Place, memory, own_processes, processor_seconds, wait_for


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=5)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Place() as place:
        limits = ["--mem-soft", "200M", "--mem-hard", "300M"] if options.limits else []
        process = place.start(["run", "--name", "idle", "--state", place.state, *limits, "--", "sleep", "98765"])
        if not wait_for(place.units, 20):
            sys.exit("own_cost: the unit did not start: %s" % place.log())
        time.sleep(options.settle)
        pids = own_processes(process.pid)
        before, began, sizes = processor_seconds(pids), time.monotonic(), []
        while time.monotonic() - began < options.seconds:
            time.sleep(min(5, options.seconds))
            sizes.append(memory(pids))
        took = time.monotonic() - began
        used = processor_seconds(pids) - before
        sizes = [size for size in sizes if size]
        if process.poll() is not None or not sizes:
            sys.exit("own_cost: it ended too early: %s" % place.log())
        result = {
            "schema": "scupper.bench.own_cost/1",
            "processes": len(pids),
            "rss_mb": round(statistics.median(size["Rss"] for size in sizes) / 1024, 2),
            "pss_mb": round(statistics.median(size["Pss"] for size in sizes) / 1024, 2),
            "private_mb": round(statistics.median(size["Private"] for size in sizes) / 1024, 2),
            "cpu_s_per_min": round(used * 60 / took, 5),
        }
    if options.json:
        print(json.dumps(result))
    else:
        print("processes %(processes)d, RSS %(rss_mb).2f MB, PSS %(pss_mb).2f MB, private %(private_mb).2f MB, "
              "%(cpu_s_per_min).4f CPU-s/min" % result)  # fmt: skip


if __name__ == "__main__":
    main()
