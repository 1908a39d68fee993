"""A WSGI application whose requests leak LEAK_MB each into the worker, and answer with its pid.

A worker writes its pid into the file JOIN where that is set: the list of members of a cgroup.
"""
import os

MB = 1 << 20
LEAK = int(float(os.environ.get("LEAK_MB", "1")) * MB)
STORE = []
if os.environ.get("JOIN"):
    with open(os.environ["JOIN"], "w") as file:
        file.write(str(os.getpid()))


def app(environ, start_response):
    STORE.append(bytearray(b"x") * LEAK)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
