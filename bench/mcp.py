#!/usr/bin/env python3
"""What `scupper mcp` costs around real MCP servers, and how fast everything is gone when the client is.

    bench/mcp.py memory [--wrappers 30] [--seconds 20]     RSS and PSS of each idle wrapper: guardian and engine
    bench/mcp.py latency [--trips 4000]                    a request and its answer, with and without, in turns
    bench/mcp.py ending [--wrappers 30] [--grace 2]        from the client's kill -9 to the last process gone

The server is the reference filesystem server from npm (crates/cli/tests/mcp/install-servers.sh). Needs no root.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

from common import HERE, Place, memory, own_processes, processor_seconds, scupper_binary, wait_for

INSTALL = os.path.join(HERE, "..", "crates", "cli", "tests", "mcp", "install-servers.sh")
HANDSHAKE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
    "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}}  # fmt: skip
# A server that ends neither when its stdin does nor of TERM, with a child in a session of its own that does not either.
DEAF = """
import signal, subprocess, sys, time
for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
if sys.argv[1:] != ["child"]:
    subprocess.Popen([sys.executable, "-S", "-c", sys.orig_argv[3], "child"], start_new_session=True)
time.sleep(1000)
"""


def server():
    cache = subprocess.run([INSTALL], check=True, capture_output=True, text=True).stdout.strip()
    return ["node", os.path.join(cache, "node_modules", ".bin", "mcp-server-filesystem"), "/tmp"]


def wrapped(command, *flags):
    return [scupper_binary(), "mcp", *flags, "--", *command]


class Session:
    """A server whose stdin and stdout are ours."""

    def __init__(self, command, place, **keywords):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(place.environment, XDG_STATE_HOME=place.state), **keywords,
        )  # fmt: skip

    def ask(self, request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def handshake(self):
        if b'"result"' not in self.ask(HANDSHAKE):
            sys.exit("mcp: the server did not answer")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def measure_memory(options):
    command = server()
    with Place() as place:
        sessions = [Session(wrapped(command), place) for _ in range(options.wrappers)]
        for session in sessions:
            session.handshake()
        time.sleep(10)
        pids = [own_processes(session.process.pid) for session in sessions]
        if any(len(each) != 2 for each in pids):
            sys.exit("mcp: a wrapper is not two processes: %s" % pids)
        every = [pid for each in pids for pid in each]
        before, began, sizes = processor_seconds(every), time.monotonic(), []
        while time.monotonic() - began < options.seconds:
            time.sleep(0.37)  # No divisor of the time between two looks.
            for each in pids:
                sizes.append([memory([pid]) for pid in each])
        used, took = processor_seconds(every) - before, time.monotonic() - began
        databases = sum("evidence" in os.path.basename(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
                        for pid in every for fd in os.listdir("/proc/%d/fd" % pid))  # fmt: skip
        for session in sessions:
            session.close()
    both = {key: [guardian[key] + engine[key] for guardian, engine in sizes] for key in ("Rss", "Pss")}
    each = [statistics.median(size[index]["Rss"] for size in sizes) / 1024 for index in (0, 1)]
    result = {
        "schema": "scupper.bench.mcp_memory/1",
        "wrappers": options.wrappers,
        "rss_mb": round(statistics.median(both["Rss"]) / 1024, 2),
        "rss_mb_most": round(max(both["Rss"]) / 1024, 2),
        "pss_mb": round(statistics.median(both["Pss"]) / 1024, 2),
        "guardian_rss_mb": round(each[0], 2),
        "engine_rss_mb": round(each[1], 2),
        "cpu_s_per_min_each": round(used * 60 / took / options.wrappers, 4),
        "open_databases": databases,
    }
    print(json.dumps(result))


def measure_latency(options):
    command = server()
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    times = {"bare": [], "wrapped": []}
    with Place() as place:
        pairs = {"bare": Session(command, place), "wrapped": Session(wrapped(command), place)}
        for session in pairs.values():
            session.handshake()
            for _ in range(500):
                session.ask(request)
        # In turns, so that whatever else the machine does falls on both.
        for _ in range(options.trips):
            for name, session in pairs.items():
                began = time.perf_counter_ns()
                session.ask(request)
                times[name].append((time.perf_counter_ns() - began) / 1000)
        for session in pairs.values():
            session.close()
    quantile = lambda values, share: round(sorted(values)[int(len(values) * share)], 1)
    differences = [wrapped - bare for bare, wrapped in zip(times["bare"], times["wrapped"])]
    # The spread of the median of the differences, from halves taken in turns.
    parts = [statistics.median(differences[part :: 10]) for part in range(10)]
    result = {
        "schema": "scupper.bench.mcp_latency/1",
        "trips": options.trips,
        "median_us": {name: quantile(values, 0.5) for name, values in times.items()},
        "p99_us": {name: quantile(values, 0.99) for name, values in times.items()},
        "difference_us": round(statistics.median(differences), 2),
        "difference_us_of_tenths": [round(min(parts), 2), round(max(parts), 2)],
    }
    print(json.dumps(result))


# A client of its own process, so that it can be killed: starts one server on pipes, says so, and waits.
CLIENT = """
import json, subprocess, sys, time
server = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
if sys.argv[2]:
    server.stdin.write(sys.argv[2].encode() + b"\\n"); server.stdin.flush(); server.stdout.readline()
print(server.pid, flush=True)
time.sleep(1000)
"""


def below(pid):
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        found.append(parent)
        try:
            with open("/proc/%d/task/%d/children" % (parent, parent)) as file:
                queue += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return found


def ending_of(place, command, handshake, options):
    wrapped_command = json.dumps(wrapped(command, "--grace", "%gs" % options.grace))
    clients = [
        subprocess.Popen([sys.executable, "-S", "-c", CLIENT, wrapped_command, handshake],
                         stdout=subprocess.PIPE, env=dict(place.environment, XDG_STATE_HOME=place.state))
        for _ in range(options.wrappers)
    ]  # fmt: skip
    wrappers = [int(client.stdout.readline()) for client in clients]
    ready = wait_for(lambda: all(len(below(pid)) >= 3 for pid in wrappers), 60)
    if not ready:
        sys.exit("mcp: not every server is there")
    time.sleep(2)
    trees = [below(pid) for pid in wrappers]
    began = time.monotonic()
    for client in clients:
        client.send_signal(signal.SIGKILL)
    for client in clients:
        client.wait()
    # The first two are the guardian and the engine, which go when they have written down what happened.
    parts = [part for tree in trees for part in (tree[2:], tree[:2])]
    gone = [None] * len(parts)
    while None in gone and time.monotonic() - began < options.grace + 30:
        for index, part in enumerate(parts):
            if gone[index] is None and not any(alive(pid) for pid in part):
                gone[index] = time.monotonic() - began
        time.sleep(0.002)
    return gone[0::2], gone[1::2]


def alive(pid):
    """Whether it is there and no zombie: who waits for those that are left to PID 1 is none of ours."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def measure_ending(options):
    result = {"schema": "scupper.bench.mcp_ending/1", "wrappers": options.wrappers, "grace_s": options.grace}
    cases = {
        "filesystem_server": (server(), json.dumps(HANDSHAKE)),
        "deaf_server_with_deaf_child": ([sys.executable, "-S", "-c", DEAF], ""),
    }
    for name, (command, handshake) in cases.items():
        with Place() as place:
            trees, wrappers = ending_of(place, command, handshake, options)
        for what, gone in (("tree", trees), ("wrapper", wrappers)):
            if None in gone:
                sys.exit("mcp: %s: something was left" % name)
            milliseconds = {"median": round(statistics.median(gone) * 1000), "most": round(max(gone) * 1000)}
            result.setdefault(name + "_ms", {})[what] = milliseconds
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["memory", "latency", "ending"])
    parser.add_argument("--wrappers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--trips", type=int, default=4000)
    parser.add_argument("--grace", type=float, default=2)
    options = parser.parse_args()
    {"memory": measure_memory, "latency": measure_latency, "ending": measure_ending}[options.what](options)


if __name__ == "__main__":
    main()
