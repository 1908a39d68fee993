#!/usr/bin/env python3
"""summary.py SET [DIRECTORY]: the numbers by which a label is checked, one recording per line.

The value of the labelled resource at 10, 25, 50, 75 and 100 % of the run (the mean of 2 s), then what speaks against the label:
a leak that has not truly grown, or a clean program that has not come to rest, in any resource, in the last fifth of its run.
At rest: either the raw values of the last fifth differ by no more than TOLERANCE or their running minimum does (a sawtooth
or a wave). Whatever this complains about has to be judged by eye.
"""
import csv
import gzip
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = {"memory": "tree_rss_bytes"} | {name: name for name in ("fds", "threads", "sockets", "children", "zombies")}
MIB = 1 << 20


def read(path):
    with gzip.open(path, "rt") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def tolerance(column, value):
    return max(MIB, 0.015 * value) if column.endswith("bytes") else 1


def unrest(rows, column):
    """How far the last fifth is from flat, as (by how much, tolerated)."""
    values = [row[column] for row in rows if column in row]
    last = len(values) // 5
    window = len(values) * 2 // 5
    floor = [min(values[end - window : end]) for end in range(len(values) - last, len(values) + 1)]
    raw = values[-last:]
    return min(max(raw) - min(raw), max(floor) - min(floor)), tolerance(column, values[-1])


def growth(rows, column):
    """From the lowest value between 10 and 25 % of the run to the lowest of its last tenth, as (by how much, wanted)."""
    values = [row[column] for row in rows if column in row]
    count = len(values)
    before, after = min(values[count // 10 : count // 4]), min(values[-(count // 10) :])
    return after - before, max(3 * MIB, 0.05 * before) if column.endswith("bytes") else 8


def main():
    where = os.path.join(HERE, sys.argv[1])
    recordings = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "recordings", sys.argv[1])
    for entry in csv.DictReader(open(os.path.join(where, "manifest.csv"))):
        path = os.path.join(recordings, entry["name"] + ".csv.gz")
        if not os.path.exists(path):
            print(f"{entry['name']:22} no recording")
            continue
        try:
            rows = read(path)
        except EOFError:
            print(f"{entry['name']:22} not whole")
            continue
        column = COLUMNS[entry["resource"]]
        unit = MIB if column.endswith("bytes") else 1
        step = rows[-1]["seconds"] / (len(rows) - 1)
        near = max(1, round(2 / step))
        shown = []
        for share in (0.10, 0.25, 0.50, 0.75, 1.00):
            end = max(near, round(share * len(rows)))
            shown.append(sum(row.get(column, 0) for row in rows[end - near : end]) / near / unit)
        if entry["label"] == "leak":
            got, wanted = growth(rows, column)
            against = [] if got >= wanted else [f"grew by {got / unit:.1f} only"]
        else:
            against = []
            for name in COLUMNS.values():
                got, tolerated = unrest(rows, name)
                if got > tolerated:
                    against.append(f"{name} moves by {got / (MIB if name.endswith('bytes') else 1):.1f}")
        values = " ".join(f"{value:7.1f}" for value in shown)
        cpu = 100 * (rows[-1]["cpu_seconds"] - rows[0]["cpu_seconds"]) / rows[-1]["seconds"]
        print(f"{entry['name']:22} {entry['label']:5} {entry['resource']:8} {rows[-1]['seconds']:4.0f} s {values}  cpu {cpu:3.0f} %  {'; '.join(against)}")


main()
