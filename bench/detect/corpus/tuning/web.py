"""A threaded HTTP server and its one client. Each request begins a session of SESSION_BYTES that nobody ends."""
import http.client
import http.server
import random
import threading

from pace import requests, setting

session_bytes = setting("SESSION_BYTES", 0)
sessions = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if session_bytes:
            sessions[self.path] = random.randbytes(session_bytes)
        body = b"x" * random.randint(500, 20000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for number in requests(setting("RATE", 20)):
    connection = http.client.HTTPConnection(*server.server_address)
    connection.request("GET", f"/{number}")
    connection.getresponse().read()
    connection.close()
