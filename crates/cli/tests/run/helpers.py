"""A WSGI application whose requests start helpers, well or badly. HELPER says which.

once     one `cat` is started by the first request, talked to over its stdin and stdout, and used again by the others
each     every request starts one, keeps it and never uses it again
browser  every request starts a chromium and waits until it is ready. /render ends it; /fail fails with it still running
"""

import os
import signal
import subprocess
import tempfile

HELPER = os.environ["HELPER"]
kept = []


def server():
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def talk(child):
    child.stdin.write(b"ping\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"ping\n"


def browser(folder):
    child = subprocess.Popen(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-port=0",
            "--user-data-dir=" + folder,
            "about:blank",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    for line in child.stderr:
        if b"DevTools listening" in line:
            return child
    raise RuntimeError("chromium did not start")


def render(path):
    child = browser(tempfile.mkdtemp(dir=os.environ["PROFILES"]))
    if path == "/fail":
        kept.append(child)
        raise RuntimeError("the page cannot be rendered")
    os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    child.stderr.close()


def work(path):
    if HELPER == "browser":
        render(path)
    elif HELPER == "each" or not kept:
        kept.append(server())
        talk(kept[-1])
    else:
        talk(kept[0])


def app(environ, start_response):
    status = "200 OK"
    try:
        work(environ["PATH_INFO"])
    except Exception as error:
        status = "500 Internal Server Error"
        environ["wsgi.errors"].write("%s\n" % error)
    body = b"%d" % os.getpid()
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
