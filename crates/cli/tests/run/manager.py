"""A service manager: starts scupper as systemd starts a service, and writes down what it hears and from whom.

manager.py ADDRESS FILE SCUPPER ARGUMENTS...    ADDRESS: a path or @name for NOTIFY_SOCKET, or - for none
"""
import json, os, signal, socket, sys

address, file, command = sys.argv[1], sys.argv[2], sys.argv[3:]
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if address != "-":
    heard.bind("\0" + address[1:] if address.startswith("@") else address)
heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
web, admin = socket.socket(), socket.socket(socket.AF_UNIX)
web.bind(("127.0.0.1", 0))
web.listen()
admin.bind(file + ".admin")
admin.listen()

pid = os.fork()
if pid == 0:
    own = str(os.getpid())
    os.environ.update(LISTEN_PID=own, LISTEN_FDS="2", LISTEN_FDNAMES="web:admin", WATCHDOG_PID=own, WATCHDOG_USEC="30000000")
    if address != "-":
        os.environ["NOTIFY_SOCKET"] = address
    fds = [os.dup(web.fileno()), os.dup(admin.fileno())]
    for number, fd in enumerate(fds):
        os.dup2(fd, 20 + number)
    for number in range(2):
        os.dup2(20 + number, 3 + number)
        os.set_inheritable(3 + number, True)
        os.close(20 + number)
    os.execv(command[0], command)


def tell(**more):
    with open(file + ".new", "w") as out:
        json.dump({"started": pid, "web": str(web.getsockname()), "admin": str(admin.getsockname()), **more}, out)
    os.rename(file + ".new", file)


datagrams, senders = [], set()
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
tell(datagrams=[])
while address != "-" and b"STOPPING=1" not in datagrams:
    data, ancillary, _, _ = heard.recvmsg(65536, socket.CMSG_SPACE(12))
    for level, kind, credentials in ancillary:
        if kind == socket.SCM_CREDENTIALS:
            senders.add(int.from_bytes(credentials[:4], sys.byteorder))
    datagrams.append(data)
    tell(datagrams=[d.hex() for d in datagrams], senders=sorted(senders))
_, status = os.waitpid(pid, 0)
tell(datagrams=[d.hex() for d in datagrams], senders=sorted(senders), code=os.waitstatus_to_exitcode(status))
