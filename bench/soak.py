#!/usr/bin/env python3
"""Scupper's own growth over many looks, many restarts and many births.

    bench/soak.py [--looks 1000000] [--restarts 10000] [--births 100000] [--units 40] [--seconds 1500] [--json]

Looks: many flat processes sit just under their hard limit, where the look period is shortest, until `scupper ps` has
counted that many looks. Restarts: one unit is restarted through its control socket, one restart after the other. Births:
one unit starts processes without end, every third of them orphaned, each with a name of its own (R073). Own
memory is private memory (RSS less what is shared), read before and after; the first tenth does not count, it fills the
bounded histories. Exits 1 if any of them made it grow by 1 MiB or more.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time

from common import ROOT, Place, compile_c, memory, own_processes, read, wait_for


def ask(path, request):
    """One line to a unit's control socket, one line back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answer:
            return json.loads(answer.readline(8 << 20))


def status(path):
    """A unit's status as its socket gives it, or None."""
    try:
        answer = ask(path, {"ask": "status"})
    except (OSError, ValueError):
        return None
    return answer if answer.get("reply") == "status" else None


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K%s" % text, end="", file=sys.stderr, flush=True)


def resident_bytes(command):
    """What such a process takes when nobody watches it."""
    process = subprocess.Popen(command)
    try:
        time.sleep(0.5)
        return int(read("/proc/%d/statm" % process.pid).split()[1]) * 4096
    finally:
        process.kill()
        process.wait()


class Growth:
    """Own memory over a run, by the share of the work that is done."""

    def __init__(self, pid):
        self.pid, self.points = pid, []

    def look(self, share):
        size = memory(own_processes(self.pid))
        if size:
            self.points.append((share, size["Private"], size["Rss"]))

    def result(self, done, seconds):
        settled = [point for point in self.points if point[0] >= 0.1] or self.points
        if not settled:
            return {"done": done, "seconds": round(seconds), "grew_kib": None}
        # The mean of a few looks at each end: allocators give back in steps.
        few = max(len(settled) // 10, 1)
        first = sum(p[1] for p in settled[:few]) / few
        last = sum(p[1] for p in settled[-few:]) / few
        return {"done": done, "seconds": round(seconds), "private_kib_before": round(first), "private_kib_after": round(last),
                "grew_kib": round(last - first), "rss_kib": settled[-1][2]}  # fmt: skip


def looks(options):
    command = [compile_c("near_limit"), "16"]
    # 1 % below the limit: a quarter of the time that 10 % of it a second would need to get there is 25 ms.
    limit = int(resident_bytes(command) * 1.01) + 1
    with Place() as place:
        config = "\n".join(
            "[[unit]]\nname = %s\ncommand = %s\nmem_hard = %s\n" % (json.dumps("w%d" % n), json.dumps(command), json.dumps("%dB" % limit))
            for n in range(options.units)
        )
        path = place.directory + "/scupper.toml"
        with open(path, "w") as file:
            file.write(config)
        process = place.start(["up", "-f", path, "--state", place.state])
        if not wait_for(lambda: len(place.units()) == options.units, 60, 0.5):
            sys.exit("soak: not every unit started: %s" % place.log())
        growth, began, done = Growth(process.pid), time.monotonic(), 0
        sockets = [place.socket("w%d" % n) for n in range(options.units)]
        while done < options.looks and time.monotonic() - began < options.seconds:
            time.sleep(2)
            if process.poll() is not None:
                sys.exit("soak: it ended: %s" % place.log())
            answers = [status(path) for path in sockets]
            done = sum(answer["counts"]["looks"] for answer in answers if answer)
            starts = sum(answer["counts"]["starts"] for answer in answers if answer)
            growth.look(done / options.looks)
            progress("%d of %d looks, %d starts" % (done, options.looks, starts))
        return growth.result(done, time.monotonic() - began)


def restarts(options):
    with Place() as place:
        process = place.start(["run", "--name", "w", "--state", place.state, "--restart", "always", "--", "sleep", "98765"])
        path = place.socket("w")
        if not wait_for(lambda: status(path), 20):
            sys.exit("soak: the unit did not start: %s" % place.log())
        growth, began, done = Growth(process.pid), time.monotonic(), 0
        while done < options.restarts and time.monotonic() - began < options.seconds:
            if process.poll() is not None:
                sys.exit("soak: it ended: %s" % place.log())
            answer = ask(path, {"ask": "restart"})
            if answer.get("reply") != "accepted":
                sys.exit("soak: a restart was refused: %s" % answer)
            wanted = done + 2  # The first start is no restart.

            def started():
                now = status(path)
                return now and now["phase"] == "running" and now["counts"]["starts"] >= wanted

            if not wait_for(started, 60, 0.002):
                sys.exit("soak: restart %d did not come: %s %s" % (done + 1, status(path), place.log()))
            done += 1
            if done % max(options.restarts // 200, 1) == 0:
                growth.look(done / options.restarts)
                progress("%d of %d restarts" % (done, options.restarts))
        return growth.result(done, time.monotonic() - began)


def births(options):
    script = os.path.join(ROOT, "crates", "cli", "tests", "run", "births.py")
    with Place() as place:
        count = place.directory + "/births"
        command = ["python3", "-S", script, count]
        process = place.start(["run", "--name", "w", "--state", place.state, "--mem-hard", "1G", "--", *command])
        growth, began, done = Growth(process.pid), time.monotonic(), 0
        while done < options.births and time.monotonic() - began < options.seconds:
            time.sleep(1)
            if process.poll() is not None:
                sys.exit("soak: it ended: %s" % place.log())
            done = int(read(count) or 0)
            growth.look(done / options.births)
            progress("%d of %d births" % (done, options.births))
        return growth.result(done, time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--looks", type=int, default=1_000_000)
    parser.add_argument("--restarts", type=int, default=10_000)
    parser.add_argument("--births", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1500, help="at most this long for each of the three")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {"schema": "scupper.bench.soak/1"}
    if options.restarts > 0:
        result["restarts"] = restarts(options)
    if options.births > 0:
        result["births"] = births(options)
    if options.looks > 0:
        result["looks"] = looks(options)
    progress("")
    bad = []
    for kind, wanted in (("restarts", options.restarts), ("births", options.births), ("looks", options.looks)):
        part = result.get(kind)
        if not part:
            continue
        if part["done"] < wanted:
            bad.append("only %d of %d %s in the time given" % (part["done"], wanted, kind))
        if part["grew_kib"] is None or part["grew_kib"] >= 1024:
            bad.append("own memory grew by %s KiB over %d %s" % (part["grew_kib"], part["done"], kind))
        if not options.json:
            print("%d %s in %d s: private memory %s -> %s KiB, grew %s KiB, RSS %s KiB" % (
                part["done"], kind, part["seconds"], part.get("private_kib_before"), part.get("private_kib_after"),
                part["grew_kib"], part.get("rss_kib"),
            ))  # fmt: skip
    if options.json:
        print(json.dumps(result))
    for text in bad:
        print("soak: %s" % text, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
