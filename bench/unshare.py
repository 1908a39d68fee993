#!/usr/bin/env python3
"""How late a hard limit is for a prefork server whose children make copies of what they share: no RSS tells of it.

    bench/unshare.py [--shared 120] [--children 4] [--rate 20] [--limit 200] [--turns 5] [--json]
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys

from common import Place, compile_c, scupper_binary


def one(options, program):
    with Place() as place:
        words = [options.shared, options.children, options.rate, options.wait, options.limit]
        command = [scupper_binary(), "run", "--name", "unshare", "--state", place.state, "--log-format", "json",
                   "--mem-hard", "%dMiB" % options.limit, "--", program, *map(str, words)]  # fmt: skip
        done = subprocess.run(command, env=place.environment, capture_output=True, text=True, timeout=120)
    passed, killed = None, None
    for line in done.stderr.splitlines():
        if line.startswith("unshare: passed at "):
            passed = passed or float(line.split()[-1])
        elif line.startswith("{"):
            event = json.loads(line)
            if event["event"] == "limit_crossed" and killed is None:
                at = datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00"))
                killed = (at.timestamp(), event["value"])
    if killed is None:
        sys.exit("unshare: nothing was killed: %s" % done.stderr)
    # Whoever is killed before it could say so was killed in time.
    return max(0, killed[0] - passed) if passed else 0, killed[1] / (1 << 20) - options.limit


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=int, default=120)
    parser.add_argument("--children", type=int, default=4)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--wait", type=int, default=7)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    program = compile_c("unshare")
    turns = [one(options, program) for _ in range(options.turns)]
    late, over = zip(*turns)
    result = {
        "schema": "scupper.bench.unshare/1",
        "late_s": {"median": round(statistics.median(late), 3), "most": round(max(late), 3)},
        "over_mib": {"median": round(statistics.median(over), 1), "most": round(max(over), 1)},
    }
    if options.json:
        print(json.dumps(result))
    else:
        print("signal after %(median).3f s, at most %(most).3f s" % result["late_s"], end=", ")
        print("+%(median).1f MiB, at most +%(most).1f MiB" % result["over_mib"])


if __name__ == "__main__":
    main()
