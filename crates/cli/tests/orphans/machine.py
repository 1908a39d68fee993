"""The first process of a machine of its own (a pid namespace): starts what it is told, waits for every orphan.

Reads one JSON object a line: {"start": [argv], "env": {}, "out": FILE, "err": FILE} -> {"pid": n};
{"code": pid} -> {"code": n or null}; {"kill": [pid, signal]} -> {}.
"""
import json, os, select, sys

ended = {}


def wait_for_orphans():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ended[pid] = os.waitstatus_to_exitcode(status)


def start(argv, env, out, err):
    pid = os.fork()
    if pid:
        ended.pop(pid, None)
        return pid
    os.setsid()
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for fd, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), fd)
    os.closerange(3, 64)
    os.environ.update(env)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv}: {error}\n".encode())
        os._exit(127)


print(json.dumps({"up": True}), flush=True)
buffer = b""
while True:
    ready = select.select([0], [], [], 0.02)[0]
    wait_for_orphans()
    if not ready:
        continue
    data = os.read(0, 65536)
    if not data:
        sys.exit(0)
    buffer += data
    while b"\n" in buffer:
        line, buffer = buffer.split(b"\n", 1)
        asked = json.loads(line)
        answer = {}
        if "start" in asked:
            answer = {"pid": start(asked["start"], asked["env"], asked["out"], asked["err"])}
        elif "code" in asked:
            wait_for_orphans()
            answer = {"code": ended.get(asked["code"])}
        elif "kill" in asked:
            try:
                os.kill(*asked["kill"])
            except ProcessLookupError:
                pass
        print(json.dumps(answer), flush=True)
