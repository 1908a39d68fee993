"""A process that leaks in ways that have to be told apart.

recorded.py sockets: connections that the other side has closed, and memory with each.
recorded.py load|time SECONDS: phases of work and of rest; memory with the work, or with the time. Ends by itself.
"""
import os, socket, sys, time

MB = 1 << 20
kept = []


def sockets():
    server = socket.create_server(("127.0.0.1", 0))
    while True:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        theirs.close()
        ours.recv(1)
        kept.append((ours, bytearray(b"x") * (MB // 2)))
        time.sleep(0.05)


def phases(kind, seconds):
    begun = last = time.monotonic()
    while time.monotonic() - begun < seconds:
        # Work first, then rest for several looks, however they lie: what was seen before any work is no rest yet.
        works = (time.monotonic() - begun) % 20 < 8
        if works:
            until = time.process_time() + 0.03
            while time.process_time() < until:
                pass
        # As much in a second on a slow machine.
        passed, last = time.monotonic() - last, time.monotonic()
        if works or kind == "time":
            kept.append(bytearray(b"x") * int(min(passed, 2) * 3 * MB))
        time.sleep(0.1)


if sys.argv[1] == "sockets":
    sockets()
phases(sys.argv[1], float(sys.argv[2]))
# At once: an interpreter that ends gives its memory back piece by piece, and a look may see that.
os._exit(0)
