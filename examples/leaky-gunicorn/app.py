"""A small WSGI app that leaks the way real ones do, so that there is something to contain.

  /                     keeps LEAKY_MB_PER_REQUEST (0.5) of session state for ever, and one client socket
  /slow?seconds=5&mb=0  an in-flight request: answers after that long, keeping so much memory on the way
  /error                fails after it started a helper process, which nobody ends
  /healthy              leaks nothing

Each answer names the worker that gave it in the header X-Worker. Nothing here knows of Scupper.
"""

import json
import os
import socket
import subprocess
import threading
import time
from urllib.parse import parse_qs

MB = 1 << 20
KEPT_PER_REQUEST = int(float(os.environ.get("LEAKY_MB_PER_REQUEST", "0.5")) * MB)
MAX_SOCKETS = int(os.environ.get("LEAKY_MAX_SOCKETS", "400"))

SESSIONS = {}  # leak 1: one entry a request, never removed
CLIENTS = []  # leak 2: connections of per-request clients, never closed
_backend = None


def backend():
    """The address of a service that answers and hangs up, as backends with an idle timeout do."""
    global _backend
    if _backend is None:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                connection, _ = listener.accept()
                connection.sendall(b"ok\n")
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        _backend = listener.getsockname()
    return _backend


def remember(size):
    """Session state: written to, so that it is resident memory and not only address space."""
    SESSIONS["session-%d" % len(SESSIONS)] = bytearray(b"\x01") * size


def open_client():
    """A client made for one request. Its far end hangs up; ours stays open in CLOSE_WAIT."""
    if len(CLIENTS) < MAX_SOCKETS:
        client = socket.create_connection(backend(), timeout=5)
        client.recv(16)
        CLIENTS.append(client)


def index(_query):
    remember(KEPT_PER_REQUEST)
    open_client()
    return "200 OK", {"sessions": len(SESSIONS), "clients": len(CLIENTS)}


def slow(query):
    seconds = min(float(query.get("seconds", ["5"])[0]), 60.0)
    size = int(min(float(query.get("mb", ["0"])[0]), 500.0) * MB)
    ends_at, kept, step = time.monotonic() + seconds, 0, max(size // 40, 1)
    while time.monotonic() < ends_at:
        if kept + step <= size:
            remember(step)
            kept += step
        time.sleep(max(min(seconds / 40, ends_at - time.monotonic()), 0))
    return "200 OK", {"slept": seconds, "kept_bytes": kept}


def error(_query):
    helper = subprocess.Popen(
        ["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    raise RuntimeError("the report failed; helper %d is still running" % helper.pid)


def healthy(_query):
    return "200 OK", {"healthy": True}


ROUTES = {"/": index, "/slow": slow, "/error": error, "/healthy": healthy}


def app(environ, start_response):
    route = ROUTES.get(environ.get("PATH_INFO", "/"))
    try:
        if route is None:
            status, answer = "404 Not Found", {"error": "no such page"}
        else:
            status, answer = route(parse_qs(environ.get("QUERY_STRING", "")))
    except (RuntimeError, ValueError, OSError) as problem:
        status, answer = "500 Internal Server Error", {"error": str(problem)}
    body = json.dumps(answer).encode() + b"\n"
    start_response(
        status,
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-Worker", str(os.getpid()))],
    )
    return [body]
