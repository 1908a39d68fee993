"""Writes down every signal that it gets, one a line, and ends with exit code 42 at USR1.

signals.py FILE [hang-up ends]
"""
import os, signal, sys

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(number, _frame):
    os.write(log, signal.Signals(number).name.encode() + b"\n")
    if number == signal.SIGUSR1:
        os._exit(42)


for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT"):
    signal.signal(getattr(signal, "SIG" + name), note)
os.write(log, b"ready\n")
while True:
    signal.pause()
