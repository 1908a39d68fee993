#!/usr/bin/env python3
"""Starts many ordinary processes, runs a command among them, and ends them again.

    crates/probe/examples/crowd.py 5000 target/release/examples/snapshot

Each is a `sleep` with eight descriptors: a pipe of its own twice, an end of a socket pair, a log file three times and
/dev/null twice. Its environment is that of this script.
"""
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile

count, command = int(sys.argv[1]), sys.argv[2:]
# Nothing that whoever called this has open is handed on.
os.closerange(3, 1024)
children, held = [], []
end_on_signal = [signal.signal(number, lambda *_: sys.exit(1)) for number in (signal.SIGTERM, signal.SIGHUP)]
code = 1
try:
    with tempfile.NamedTemporaryFile() as log:
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(count):
            reader, writer = os.pipe()
            # Every second one has the other end of its neighbour's.
            theirs, kept = socket.socketpair() if number % 2 == 0 else (kept, None)
            wanted = [reader, log.fileno(), log.fileno(), theirs.fileno(), null, log.fileno(), null, reader]
            moves = [(os.POSIX_SPAWN_DUP2, fd, 100 + at) for at, fd in enumerate(wanted)]
            moves += [(os.POSIX_SPAWN_DUP2, 100 + at, at) for at in range(len(wanted))]
            moves += [(os.POSIX_SPAWN_CLOSE, 100 + at) for at in range(len(wanted))]
            children.append(os.posix_spawnp("sleep", ["sleep", "1000"], os.environ, file_actions=moves))
            held.append(fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 200))
            for end in (reader, writer):
                os.close(end)
            theirs.close()
        code = subprocess.call(command)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
sys.exit(code)
