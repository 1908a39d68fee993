"""A machine of its own for the corpus: a pid namespace with its own /proc.

`scupper reap --yes` acts on everything that it can see. In a pid namespace that is what was staged and nothing else, so no
process of the machine that the corpus runs on can be harmed, however wrong a judgement is; and when the first process of
the namespace ends, the kernel ends all others, so nothing stays behind, however the corpus itself ends.

The processes: *outside* (the one that was started) makes the namespace and waits; *init* is pid 1 in it, takes in
orphans and waits for them; *inside* stages and judges. Outside can start a process in the namespace whose parent is not in it,
which is what `docker exec` does.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys

NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
libc = ctypes.CDLL(None, use_errno=True)


class NoNamespace(Exception):
    """This user may not make a pid namespace here."""


# What a program exits with then.
NO_NAMESPACE = 3


def end_with_parent(number):
    """This process gets a signal when the one that started it is gone."""
    libc.prctl(PR_SET_PDEATHSIG, number)


def checked(what, answer):
    if answer != 0:
        raise NoNamespace("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount(source, target, kind, flags):
    checked("mount %s" % target, libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None))


def unshare():
    """From now on our children are in a namespace; we ourselves stay where we are. Without root by a user namespace."""
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        checked("a user namespace", libc.unshare(NEWUSER))
        for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)), ("gid_map", "%d %d 1" % (gid, gid))):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    checked("a pid namespace", libc.unshare(NEWPID | NEWNS))


def enter(inside, name):
    """Runs `inside(requests)` in a namespace of its own; its answer is the exit code. `requests` is a file that a line
    can be written to: {"args": [...], "env": {...}, "cwd": ...} has outside start that in the namespace, holding the other end of its stdin. `name` is what
    the namespace's first process is called: who takes in orphans is also told by that."""
    sys.stdout.flush()
    unshare()
    read_end, write_end = os.pipe()
    init = os.fork()
    if init == 0:
        code = 2
        try:
            os.close(read_end)
            end_with_parent(signal.SIGKILL)
            if os.getpid() != 1:
                raise NoNamespace("the namespace's first process has pid %d" % os.getpid())
            mount("none", "/", None, MS_REC | MS_PRIVATE)
            mount("proc", "/proc", "proc", 0)
            libc.prctl(PR_SET_NAME, name.encode())
            code = be_init(inside, write_end)
        except NoNamespace as problem:
            print("corpus: a pid namespace is needed and cannot be made here: %s" % problem, file=sys.stderr)
            code = NO_NAMESPACE
        finally:
            os._exit(code)
    os.close(write_end)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(init, signal.SIGKILL))
    started = []
    with open(read_end) as requests:
        for line in requests:  # until init, inside and all that was staged are gone: they hold the other end or never had it
            started.append(subprocess.Popen(**json.loads(line),
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                            start_new_session=True))  # fmt: skip
    # The namespace's end waits for these, and it is us who has to take them in.
    for process in started:
        process.wait()
    status = os.waitpid(init, 0)[1]
    return os.waitstatus_to_exitcode(status)


def be_init(inside, write_end):
    """Pid 1: one child that does the work, and everybody's orphans. Its end is the end of all."""
    worker = os.fork()
    if worker == 0:
        code = 2
        libc.prctl(PR_SET_NAME, b"corpus")
        try:
            with open(write_end, "w", buffering=1) as requests:
                code = inside(requests)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write_end)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(130))
    while True:
        pid, status = os.wait()
        if pid == worker:
            return abs(os.waitstatus_to_exitcode(status))
