"""A program that does operations, and counts them where a soak looks.

soak.py [--ops N] [--pause SECONDS] [--leak BYTES] [--file PATH] [--log PATH] [--rotate] [--serve PORT] [--deaf]

--ops: end with 0 after so many; else go on. --leak: keep so many bytes of each. --file: the number of operations.
--log: a line for each. --rotate: move the log away after a third of the operations, cut it to nothing after two thirds.
--serve: the number as a metric of two workers. --deaf: ignore TERM.
"""
import argparse, http.server, os, signal, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("--ops", type=int)
parser.add_argument("--pause", type=float, default=0.001)
parser.add_argument("--leak", type=int, default=0)
parser.add_argument("--file")
parser.add_argument("--log")
parser.add_argument("--rotate", action="store_true")
parser.add_argument("--serve", type=int)
parser.add_argument("--deaf", action="store_true")
args = parser.parse_args()

if args.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
done = 0
kept = []
PAGE = """# TYPE operations_total counter
operations_total{worker="1",kind="real"} %d
operations_total{worker="2",kind="real"} %d
operations_total{worker="2",kind="other"} 1000000
"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        half = done // 2
        body = (PAGE % (half, done - half)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if args.serve:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.serve), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
log = open(args.log, "a", buffering=1) if args.log else None
print("this is the command's own output", flush=True)
while args.ops is None or done < args.ops:
    if args.rotate and done in (args.ops // 3, 2 * args.ops // 3):
        # Whoever follows the log has read it by then.
        time.sleep(1.5)
        if done == args.ops // 3:
            os.rename(args.log, args.log + ".1")
            log = open(args.log, "a", buffering=1)
        else:
            log.truncate(0)
    done += 1
    if args.leak:
        kept.append(bytearray(args.leak))
    if args.file:
        with open(args.file + ".new", "w") as file:
            file.write(str(done))
        os.replace(args.file + ".new", args.file)
    if log:
        log.write(f"operation {done} done\nsomething else\n")
    time.sleep(args.pause)
