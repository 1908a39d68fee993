"""A service that leaks in one way, or is healthy.  leaks.py KIND LOG

It does a request twenty times a second, writes a line about each to LOG, and forgets something:

store     what was ordered, in a global dictionary
log       lines in a buffer that nobody writes out
cache     answers in a cache without a bound
native    a buffer of C that nobody frees
sockets   a connection that the other side has closed
threads   a thread that waits for ever
files     a temporary file that is not closed
pipes     the ends of a subprocess's pipes; the subprocess itself is waited for
browsers  a chromium that renders for a request which fails (one in a hundred)

Healthy: `pool` closes what it opens, `bounded` has a cache that is full after two seconds.
"""

import collections
import ctypes
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

kind, log = sys.argv[1], open(sys.argv[2], "a", buffering=1)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))

ORDERS, LINES, ANSWERS, KEPT = {}, [], {}, []
RECENT = collections.OrderedDict()
never = threading.Event()


def closing_server():
    """Its connections are closed as soon as they are made."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve():
        while True:
            listener.accept()[0].close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()


peer = closing_server() if kind in ("sockets", "pool") else None


class Order:
    def __init__(self, number):
        self.number, self.items = number, [(number, item) for item in range(12)]


def connect():
    made = socket.create_connection(peer)
    assert made.recv(1) == b""
    return made


def request(number):
    sometimes = number % 4 == 0
    if kind == "store":
        for item in range(40):
            ORDERS[number, item] = Order(number)
    elif kind == "log":
        LINES.extend("%s INFO request %d step %d done" % (time.time(), number, step) for step in range(500))
    elif kind == "cache":
        ANSWERS["/page/%d" % number] = "x" * 400 * (1 + number % 3), [str(number + row) for row in range(600)]
    elif kind == "native":
        for _ in range(12):
            ctypes.memset(malloc(4000), 1, 4000)
    elif kind == "sockets" and sometimes:
        KEPT.append(connect())
    elif kind == "threads" and sometimes:
        threading.Thread(target=never.wait, name="notify-%d" % number, daemon=True).start()
    elif kind == "files" and sometimes:
        KEPT.append(tempfile.TemporaryFile())
        KEPT[-1].write(b"x" * 8192)
        KEPT[-1].flush()
    elif kind == "pipes" and number % 8 == 0:
        child = subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.wait()
        KEPT.append(child)
    elif kind == "browsers" and number % 100 == 0 and len(KEPT) < 12:
        KEPT.append(browser())
    elif kind == "pool" and sometimes:
        connect().close()
    elif kind == "bounded":
        RECENT[number] = bytearray(200_000)
        if len(RECENT) > 40:
            RECENT.popitem(last=False)


def browser():
    folder = tempfile.mkdtemp(dir=os.path.dirname(sys.argv[2]))
    return subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--remote-debugging-port=0", "--user-data-dir=" + folder, "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if kind == "native":
    malloc = ctypes.CDLL(None).malloc
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    ctypes.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

for number in range(1 << 40):
    request(number)
    log.write("GET /order/%d 200\n" % number)
    time.sleep(0.05)
