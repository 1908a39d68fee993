#!/usr/bin/env python3
"""Makes one page of Markdown tables from results of peers/bench.py (JSON Lines)."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict


def machine():
    def first(path, key):
        try:
            with open(path) as file:
                return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "?")
        except OSError:
            return "?"

    memory = first("/proc/meminfo", "MemTotal").split()[0]
    commit = subprocess.run(
        ["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    gib = "%.0f GiB" % (int(memory) / 2**20) if memory.isdigit() else "?"
    return "%s, %d cores, %s, Linux %s, commit %s" % (
        first("/proc/cpuinfo", "model name"), os.cpu_count() or 0, gib, platform.release(), commit or "?",
    )  # fmt: skip


def middle(rows, key, digits=2):
    """Median of what is known, with the range where there are several."""
    values = sorted(row[key] for row in rows if isinstance(row.get(key), (int, float)))
    if not values:
        return "never" if rows else "-"
    text = "%.*f" % (digits, statistics.median(values))
    if len(values) > 1:
        text += " (%.*f to %.*f)" % (digits, values[0], digits, values[-1])
    if len(values) < len(rows):
        text += ", never in %d of %d" % (len(rows) - len(values), len(rows))
    return text


def table(title, header, rows):
    if not rows:
        return
    print("## %s\n" % title)
    print("| %s |" % " | ".join(header))
    print("|%s" % ("---|" * len(header)))
    for row in rows:
        print("| %s |" % " | ".join(str(cell) for cell in row))
    print()


def left(alive):
    """The children that outlived something, in words."""
    if not isinstance(alive, dict):
        return str(alive)
    names = [name for name, there in alive.items() if there is True and name != "replaced"]
    return ", ".join(names) or "none"


def yes(value):
    return {True: "yes", False: "no", None: "?"}.get(value, str(value))


def part(rows, name, key):
    value = rows[-1].get(name, rows[-1].get("error", "?"))
    return value.get(key, "?") if isinstance(value, dict) else value


def adopter(text):
    """Whoever is PID 1 goes by that name: what it is called says nothing of the tool."""
    return "not adopted (PID 1)" if str(text).endswith("(1)") else text


def main():
    results = defaultdict(list)
    for path in sys.argv[1:]:
        with open(path) as file:
            for line in file:
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                results[row.get("test"), row.get("tool"), row.get("mode"), row.get("n")].append(row)

    def of(test):
        return [(key, rows) for key, rows in results.items() if key[0] == test]

    def trouble(rows):
        return next((row["error"] for row in rows if row.get("error")), None)

    print("# Results\n\n%s. Made by `bench/run.sh`; what each test does: `bench/peers/README.md`.\n" % machine())
    table(
        "Own cost: idle workers with a 200 MB limit each",
        ["tool", "mode", "workers", "CPU-s/min", "RSS MB", "PSS MB", "own processes", "start s"],
        [
            (key[1], key[2], key[3], middle(rows, "cpu_s_per_min", 4), middle(rows, "rss_mb", 1), middle(rows, "pss_mb", 1),
             middle(rows, "sup_procs", 0), middle(rows, "startup_s", 1))
            for key, rows in of("idle")
        ],
    )  # fmt: skip
    table(
        "From crossing the limit (20 MB/s, 200 MB) to the signal",
        ["tool", "mode", "runs", "signal after s", "dead after s", "over the limit MB", "replaced after s"],
        [
            (key[1], key[2], len(rows), trouble(rows) or middle(rows, "signalled_after_s"), middle(rows, "dead_after_s"),
             middle(rows, "overshoot_mb", 1), middle(rows, "gap_s"))
            for key, rows in of("leak")
        ],
    )  # fmt: skip
    table(
        "A 5 s request in flight at the limit",
        ["tool", "mode", "finished", "signals", "peak MB"],
        [(key[1], key[2], trouble(rows) or yes(rows[-1].get("request_done")), rows[-1].get("n_signals"), rows[-1].get("peak_mb"))
         for key, rows in of("drain")],
    )  # fmt: skip
    table(
        "A worker that ignores TERM",
        ["tool", "mode", "dead after s", "peak MB"],
        [(key[1], key[2], trouble(rows) or middle(rows, "dead_after_s"), middle(rows, "peak_mb", 1)) for key, rows in of("stubborn")],
    )
    table(
        "Children alive after a restart at the limit",
        ["tool", "mode", "left alive"],
        [(key[1], key[2], trouble(rows) or left(rows[-1].get("left_alive"))) for key, rows in of("forks")],
    )
    table(
        "A helper leaks, its parent does not",
        ["tool", "mode", "noticed", "helper dead after s", "parent dead after s"],
        [(key[1], key[2], trouble(rows) or yes(rows[-1].get("noticed")), middle(rows, "child_dead_after"),
          middle(rows, "main_dead_after")) for key, rows in of("childleak")],
    )  # fmt: skip
    table(
        "Processes alive 12 s after",
        ["tool", "mode", "stop", "crash of the worker", "KILL of the supervisor: all of it", "only what the user started", "only its engine"],
        [(key[1], key[2], *(trouble([row]) or left(row.get(what, "-")) for row in rows[-1:] for what in
          ("stop", "crash", "supdie", "supdie_front", "supdie_engine"))) for key, rows in of("tree")],
    )  # fmt: skip
    table(
        "20 orphans that exit",
        ["tool", "zombies as PID 1", "zombies otherwise", "adopted by"],
        [(key[1], part(rows, "pid1", "zombies"), part(rows, "plain", "zombies"), adopter(part(rows, "plain", "adopted_by")))
         for key, rows in of("zombie")],
    )  # fmt: skip
    table(
        "A worker that exits 1 at once, 60 s",
        ["tool", "mode", "starts", "first gaps s", "CPU s"],
        [(key[1], key[2], rows[-1].get("starts_in_60s"), rows[-1].get("first_gaps"), rows[-1].get("cpu_s")) for key, rows in of("flap")],
    )


if __name__ == "__main__":
    main()
