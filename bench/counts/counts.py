#!/usr/bin/env python3
"""System calls that scupper makes a look, for 1, 10 and 100 idle units: a figure that no load on the machine moves.

    bench/counts/counts.py [--units 1,10,100] [--seconds 20] [--no-limits] [--json]

Each unit is one idle process with a memory limit far away, so that it is looked at as seldom as it gets. `strace -f -c`
is put on scupper's engine; each unit is asked for its number of looks just before and just behind that, so that the
asking is not counted. Needs strace, and the right to trace.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from common import Place, own_processes, wait_for  # noqa: E402
from soak import status  # noqa: E402


class Traced:
    """Counts the system calls of a process and its threads while it is open."""

    def __init__(self, pid, output):
        self.output = output
        self.strace = subprocess.Popen(["strace", "-f", "-c", "-o", output, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        # "attached" comes once it counts.
        if b"attached" not in self.strace.stderr.readline():
            sys.exit("counts: strace may not trace process %d" % pid)

    def end(self):
        """The calls by name."""
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate(timeout=20)
        calls = {}
        with open(self.output) as file:
            for line in file:
                words = line.split()
                # % time, seconds, usecs/call, calls, errors (may be absent), name.
                if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                    calls[words[-1]] = calls.get(words[-1], 0) + int(words[3])
        return calls


def measure(units, options):
    with Place() as place:
        limit = "" if options.no_limits else 'mem_soft = "2G"\nmem_hard = "3G"\n'
        path = place.directory + "/scupper.toml"
        with open(path, "w") as file:
            for n in range(units):
                file.write('[[unit]]\nname = "w%d"\ncommand = ["sleep", "98765"]\n%s\n' % (n, limit))
        process = place.start(["up", "-f", path, "--state", place.state])
        sockets = [place.socket("w%d" % n) for n in range(units)]
        ready = lambda: all(status(socket) for socket in sockets)  # noqa: E731
        if not wait_for(ready, 60, 0.5):
            sys.exit("counts: not every unit started: %s" % place.log())
        engines = [pid for pid in own_processes(process.pid) if pid != process.pid]
        if len(engines) != 1:
            sys.exit("counts: one engine was expected, not %s" % engines)
        time.sleep(options.settle)
        output = place.directory + "/strace"
        looks = lambda: sum(status(socket)["counts"]["looks"] for socket in sockets)  # noqa: E731
        before = looks()
        traced = Traced(engines[0], output)
        time.sleep(options.seconds)
        calls = traced.end()
        done = looks() - before
        total = sum(calls.values())
        return {
            "units": units,
            "seconds": options.seconds,
            "looks": done,
            "calls": total,
            "calls_per_look": round(total / done, 1) if done else None,
            "calls_per_second_and_unit": round(total / options.seconds / units, 2),
            "by_name": dict(sorted(calls.items(), key=lambda item: -item[1])),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", default="1,10,100")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=10)
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not shutil.which("strace"):
        sys.exit("counts: strace is not installed")
    results = [measure(int(units), options) for units in options.units.split(",")]
    if options.json:
        print(json.dumps({"schema": "scupper.bench.counts/1", "limits": not options.no_limits, "results": results}))
        return
    for result in results:
        print("%(units)d units, %(seconds)g s: %(looks)d looks, %(calls)d calls, %(calls_per_look)s a look" % result)
        print("    " + ", ".join("%s %d" % item for item in list(result["by_name"].items())[:12]))


if __name__ == "__main__":
    main()
