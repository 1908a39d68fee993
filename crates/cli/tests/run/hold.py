"""Takes more and more of something that is counted, and keeps it.

hold.py fds|threads|children|sockets COUNT [ONCE_FILE]    with ONCE_FILE: only where that does not exist yet
Ends its children with itself where it is asked to end by TERM.
"""
import os, socket, subprocess, sys, threading, time

kind, count = sys.argv[1], int(sys.argv[2])
if len(sys.argv) > 3:
    try:
        os.close(os.open(sys.argv[3], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        count = 0
kept = []
forever = threading.Event()
while True:
    if len(kept) < count:
        if kind == "fds":
            kept.append(open("/dev/null"))
        elif kind == "sockets":
            kept.append(socket.socket())
        elif kind == "threads":
            thread = threading.Thread(target=forever.wait, daemon=True)
            thread.start()
            kept.append(thread)
        else:
            pid = os.fork()
            if pid == 0:
                # No interpreter of its own: a thousand of them have to fit.
                os.execvp("sleep", ["sleep", "1000"])
            kept.append(pid)
    time.sleep(0.05 if len(kept) >= count else 0.002)
