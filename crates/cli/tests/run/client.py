"""A client of a server that closes every connection at once.  client.py PORT leak|pool|files LIMIT

leak   keeps each connection that the server has closed
pool   keeps four, and closes those that the server has closed
files  opens no connection, and keeps files open
"""

import resource
import socket
import sys
import time

port, how, limit = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def connect():
    made = socket.create_connection(("127.0.0.1", port))
    # Until the server has closed it.
    assert made.recv(1) == b""
    return made


kept = []
while True:
    if how == "files":
        kept.append(open("/dev/null"))
    else:
        kept.append(connect())
    if how == "pool" and len(kept) > 4:
        kept.pop(0).close()
    if len(kept) > limit - 50:
        time.sleep(1000)
    time.sleep(0.2)
