#!/usr/bin/env python3
"""What one `scupper scan --json` costs on a machine with so many processes: processor time, wall time, peak memory.

    bench/orphans/cost.py [--processes N]... [--looks 7] [--json]

Starts N real processes (default: 500, 5000, 10000), each with a pipe or a socket pair to one that holds it, a hundred
of them left behind, in a pid namespace of their own, and looks several times. Goals: 500 in 60 ms of processor time, 5,000 in
600 ms, 10 MB. Exit code 1 when one is missed. The binary is $SCUPPER, else target/release/scupper.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import corpus
import machine
import play
from stage import PYTHON, pids, read, wait_for

BY_EACH_HOLDER = 100
GOALS_MS = {500: 60, 5000: 600}
GOAL_KIB = 10 * 1024

# Holds the other ends of the pipes and sockets of the processes that it starts, and says when they are there.
HOLDER = """
import os, signal, socket, sys
null, held = os.open(os.devnull, os.O_RDWR), []
for number in range(int(sys.argv[1])):
    if number % 2:
        (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
        held += [to, back]
    else:
        ours, theirs = socket.socketpair()
        theirs_in = theirs_out = theirs.detach()
        held.append(ours)
    os.posix_spawn("/bin/sleep", ["sleep", "100000"], os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, theirs_in, 0), (os.POSIX_SPAWN_DUP2, theirs_out, 1), (os.POSIX_SPAWN_DUP2, null, 2)])
    for end in {theirs_in, theirs_out}:
        os.close(end)
print("ready", flush=True)
while True:
    signal.pause()
"""


def compiled(directory):
    out = os.path.join(directory, "usage")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-static", "-o", out, os.path.join(corpus.HERE, "usage.c")], check=True)
    return out


def look(usage, directory, environment):
    """One scan: exit code, processor time and wall time in ms, peak RSS in KiB, how many it saw, how many were left behind."""
    figures, answer = os.path.join(directory, "figures"), os.path.join(directory, "answer")
    with open(answer, "w") as out:
        subprocess.run([usage, figures, os.path.join(directory, "scupper"), "scan", "--json"], env=environment, stdin=subprocess.DEVNULL,
                       stdout=out, check=True)  # fmt: skip
    code, user, system, wall, peak = map(int, read(figures).split())
    found = json.loads(read(answer))
    return {"exit": code, "cpu_ms": (user + system) / 1000, "wall_ms": wall / 1000, "peak_rss_kib": peak,
            "seen": found["summary"]["processes"], "left_behind": len(found["left_behind"])}  # fmt: skip


def measure(count, looks, scupper):
    directory = corpus.place(scupper)

    def inside(_):
        holders = [
            subprocess.Popen([PYTHON, "-SEc", HOLDER, str(min(BY_EACH_HOLDER, count - started))], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, start_new_session=True)
            for started in range(0, count, BY_EACH_HOLDER)
        ]  # fmt: skip
        for holder in holders:
            holder.stdout.readline()
        holders[0].kill()
        holders[0].wait()
        wait_for("the processes are there", lambda: len(pids()) >= count + len(holders), 60)
        there = len(pids())
        own = play.user(directory, "own", os.getuid(), os.getgid(), "")
        seen = [look(compiled_usage, directory, own.environment) for _ in range(looks)]
        with open(os.path.join(directory, "result.json"), "w") as file:
            json.dump({"processes": there, "looks": seen}, file)
        return 0

    try:
        compiled_usage = compiled(directory)
        if machine.enter(inside, "systemd") != 0:
            sys.exit("cost: it could not be measured")
        with open(os.path.join(directory, "result.json")) as file:
            return json.load(file)
    finally:
        corpus.remove(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, action="append", metavar="N")
    parser.add_argument("--looks", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    scupper = corpus.scupper_binary()
    rows, missed = [], []
    for count in options.processes or [500, 5000, 10000]:
        result = corpus.in_a_child(measure, count, options.looks, scupper)
        looks = result["looks"]
        row = {"processes": result["processes"], "seen": min(each["seen"] for each in looks), "left_behind": looks[0]["left_behind"]}
        for name in ("cpu_ms", "wall_ms"):
            row[name] = round(statistics.median(each[name] for each in looks), 1)
            row[name + "_range"] = [round(pick(each[name] for each in looks), 1) for pick in (min, max)]
        row["peak_rss_kib"] = max(each["peak_rss_kib"] for each in looks)
        row["goal_cpu_ms"] = GOALS_MS.get(count)
        if row["cpu_ms"] > (row["goal_cpu_ms"] or float("inf")) or count in GOALS_MS and row["peak_rss_kib"] > GOAL_KIB:
            missed.append(count)
        rows.append(row)
        if not options.json:
            print("%(processes)6d processes, %(seen)6d seen, %(left_behind)d left behind: CPU %(cpu_ms)s ms %(cpu_ms_range)s, wall %(wall_ms)s ms "
                  "%(wall_ms_range)s, peak RSS %(peak_rss_kib)d KiB" % row, flush=True)  # fmt: skip
    if options.json:
        print(json.dumps({"schema": "scupper.bench.orphans.cost/1", "rows": rows, "reached": not missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
