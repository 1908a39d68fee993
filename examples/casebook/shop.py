"""A small shop: every visit makes a session. Sessions are never removed, and each keeps a picture of its cart.

  /visit     a visit
  /metrics   requests_total, for whoever counts

Nothing here knows of Scupper.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SESSIONS = {}
CART_BYTES = 256 * 1024
LOCK = threading.Lock()
COUNT = 0


def visit():
    """One visit: its session lives as long as the process."""
    global COUNT
    with LOCK:
        COUNT += 1
        number = COUNT
    SESSIONS[number] = bytearray(b"\x01") * CART_BYTES
    return "visit %d\n" % number


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/visit":
            body = visit()
        elif self.path == "/metrics":
            body = "requests_total %d\n" % COUNT
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
