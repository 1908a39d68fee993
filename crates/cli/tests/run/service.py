"""A service as systemd starts one: looks at what it was handed, says what it does, and ends at TERM with code 9.

service.py FILE    FILE gets what it was handed
"""
import json, os, signal, socket, sys

handed = {"pid": os.getpid(), "group": os.getpgrp(), "sockets": {}}
handed.update({name: os.environ.get(name) for name in
               ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC", "NOTIFY_SOCKET")})
for fd in range(3, 3 + int(os.environ.get("LISTEN_FDS", 0))):
    with socket.socket(fileno=os.dup(fd)) as passed:
        handed["sockets"][fd] = [str(passed.getsockname()), passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
with open(sys.argv[1] + ".new", "w") as out:
    json.dump(handed, out)
os.rename(sys.argv[1] + ".new", sys.argv[1])

upward = None
if handed["NOTIFY_SOCKET"]:
    upward = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = handed["NOTIFY_SOCKET"]
    upward.connect("\0" + name[1:] if name.startswith("@") else name)
    # SIGNS: everything that is no word of ours has to pass as it is.
    for datagram in (b"READY=1\nSTATUS=warm, 3 workers\nMAINPID=%d" % os.getpid(), b"WATCHDOG=1", b"WATCHDOG=1",
                     b"SIGNS=\xff\x01\x00\nX-OWN=1\n", b"STATUS=serving"):
        upward.send(datagram)


def end(_number, _frame):
    if upward:
        upward.send(b"STOPPING=1")
    os._exit(9)


signal.signal(signal.SIGTERM, end)
while True:
    signal.pause()
