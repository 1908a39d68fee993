#!/usr/bin/env python3
"""How long `scupper plan` takes for a vault of many notes: the first time, and when nothing has changed.

    bench/plan.py [--notes 10000] [--rounds 3] [--in DIR] [--json]

The notes are one request for a leak, each with another name and rate. Each round has a vault of its own, in the temporary
directory or in DIR; printed are the smallest and the largest of the rounds.

`plain` is what the file system takes for its part: right before the first run as many files of the size of a plan are made
beside the vault, and nobody waits for the disk. It is not the same every time: an ext4 without a journal does not use the number
of a deleted file again for a minute to six, and looks at each of them whenever a file is made (`perf top` shows
`recently_deleted`). So no round's vault is removed before all of them are over.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

SCUPPER = os.environ.get("SCUPPER", str(Path(__file__).parent.parent / "target/release/scupper"))
NOTE = """# Fix Memory Leak in Background Worker {number}

Priority: URGENT - Production issue!

## Symptoms
- Memory increases by ~{rate}MB/hour
- Process crashes after 8-10 hours

## Investigation Needed
- Profile memory usage
- Check for unclosed connections
- Review event listeners
"""


# What a plan of such a note has.
PLAN_BYTES = 5400


def plan(vault, state):
    began = time.monotonic()
    subprocess.run([SCUPPER, "plan", vault, "--state", state], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def plain(folder, notes):
    folder.mkdir(parents=True)
    text = "x" * PLAN_BYTES
    began = time.monotonic()
    for number in range(notes):
        Path(folder, "plain-%05d" % number).write_text(text, encoding="ascii")
    return time.monotonic() - began


def one_round(folder, notes):
    vault, state = Path(folder, "vault"), Path(folder, "state")
    Path(vault, "Inbox").mkdir(parents=True)
    for number in range(notes):
        text = NOTE.format(number=number, rate=50 + number % 200)
        Path(vault, "Inbox", "note-%05d.md" % number).write_text(text, encoding="utf-8")
    files = plain(Path(folder, "plain"), notes)
    first, unchanged = plan(vault, state), plan(vault, state)
    made = len(list(Path(vault, "Needs_Action").iterdir()))
    assert made == notes, "%d plans of %d notes" % (made, notes)
    return files, first, unchanged


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in", dest="within", metavar="DIR")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scupper-plan-", dir=options.within) as folder:
        folders = [Path(folder, str(number)) for number in range(options.rounds)]
        rounds = [one_round(folder, options.notes) for folder in folders]
    found = {
        name: {"least_seconds": round(min(times), 3), "most_seconds": round(max(times), 3)}
        for name, times in zip(("plain", "first", "unchanged"), zip(*rounds))
    }
    if options.json:
        print(json.dumps({"notes": options.notes, "rounds": options.rounds, **found}))
        return
    for name, times in found.items():
        print("%-10s %7.2f to %.2f s" % (name, times["least_seconds"], times["most_seconds"]))


if __name__ == "__main__":
    main()
