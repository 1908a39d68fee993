#!/usr/bin/env python3
"""Starts a program, samples it and its process tree at a steady interval, writes a CSV, ends the tree.

    record.py [--seconds N] [--interval S] [--out FILE] -- [NAME=VALUE...] PROGRAM [ARGUMENT...]

The program may say how many requests it has served: it rewrites the file that PROGRESS names. DURATION and INTERVAL among
the assignments are the defaults of the two options, so that one line of a manifest says everything about its recording.
rss_bytes, rss_anon_bytes, fds, threads and sockets are those of the program itself; tree_rss_bytes, children, zombies and
cpu_seconds include its descendants. What could not be read is left empty.
"""
import argparse
import gzip
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HEADER = "seconds,rss_bytes,tree_rss_bytes,rss_anon_bytes,fds,threads,sockets,children,zombies,requests,cpu_seconds"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


class Process:
    """One line of /proc/PID/stat."""

    def __init__(self, pid, stat):
        fields = stat[stat.rindex(")") + 2 :].split()
        self.pid, self.state, self.parent, self.session = pid, fields[0], int(fields[1]), int(fields[3])
        # Own time and that of the children it has waited for, so that the sum never falls when a child is reaped.
        self.cpu_seconds = sum(map(int, fields[11:15])) / TICKS


def processes():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read(f"/proc/{name}/stat")
            if stat:
                found[int(name)] = Process(int(name), stat)
    return found


def descendants(root, table):
    children = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found, open_ends = [], [root]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += [process.pid for process in below]
    return found


def rss_bytes(pid):
    fields = read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if fields else None


def status_number(status, name):
    match = re.search(rf"^{name}:\s+(\d+)", status, re.M)
    return int(match.group(1)) if match else None


def descriptors(pid):
    """How many file descriptors, and how many of them are sockets."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None, None
    sockets = 0
    for name in names:
        try:
            sockets += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except OSError:
            pass  # closed since the listing
    return len(names), sockets


def sample(root, progress):
    table = processes()
    if root not in table or table[root].state == "Z":
        return None
    below = descendants(root, table)
    rss = rss_bytes(root)
    status = read(f"/proc/{root}/status")
    anon = status_number(status, "RssAnon")
    fds, sockets = descriptors(root)
    requests = read(progress).strip()
    return [
        rss,
        None if rss is None else rss + sum(rss_bytes(process.pid) or 0 for process in below),
        None if anon is None else anon * 1024,
        fds,
        status_number(status, "Threads"),
        sockets,
        sum(process.state != "Z" for process in below),
        sum(process.state == "Z" for process in below),
        requests or None,
        f"{table[root].cpu_seconds + sum(process.cpu_seconds for process in below):.2f}",
    ]


def end(child):
    """Ends all of the session that was begun for the program, by pid, also what has left its parent."""
    for wait_seconds, number in ((1.0, signal.SIGTERM), (2.0, signal.SIGKILL), (2.0, signal.SIGKILL)):
        give_up_at = time.monotonic() + wait_seconds
        signalled = set()
        while time.monotonic() < give_up_at:
            child.poll()
            left = [p.pid for p in processes().values() if p.session == child.pid and p.state != "Z"]
            if not left:
                child.wait()
                return
            for pid in set(left) - signalled:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            signalled |= set(left)
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--interval", type=float)
    parser.add_argument("--out")
    parser.add_argument("words", nargs="+", metavar="WORD")
    options = parser.parse_args()
    words = options.words
    environment = dict(os.environ, PYTHONPATH=os.path.join(HERE, "common"), NODE_PATH=os.path.join(HERE, "common"))
    while re.match(r"[A-Z_]+=", words[0]):
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    seconds = options.seconds or float(environment.get("DURATION", 120))
    interval = options.interval or float(environment.get("INTERVAL", 1))
    if words[0] == "python3":
        words[0] = sys.executable  # not a shim: its start would be recorded instead of the program's
    opened = gzip.open if (options.out or "").endswith(".gz") else open
    out = opened(options.out + ".part", "wt") if options.out else sys.stdout

    with tempfile.TemporaryDirectory() as scratch:
        progress = environment["PROGRESS"] = os.path.join(scratch, "progress")
        environment["TMPDIR"] = scratch
        child = subprocess.Popen(words, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
        started = time.monotonic()
        print(HEADER, file=out)
        taken = 0
        try:
            while time.monotonic() - started <= seconds:
                at = time.monotonic() - started
                row = sample(child.pid, progress)
                if row is None:
                    sys.exit(f"{words}: ended by itself after {at:.1f} s")
                print(f"{at:.2f}", *("" if cell is None else cell for cell in row), sep=",", file=out, flush=True)
                taken += 1
                time.sleep(max(0, started + taken * interval - time.monotonic()))
        finally:
            end(child)
    out.close()
    if options.out:
        os.replace(options.out + ".part", options.out)  # under its name there is only what is whole


main()
