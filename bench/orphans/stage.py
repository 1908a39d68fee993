"""What a situation is staged with: processes that are started, waited for and written down as left behind or living."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time

# Debian's where there is one: a shim in a home directory is nothing that another user may run.
PYTHON = next(path for path in ("/usr/bin/python3", os.path.realpath("/proc/self/exe")) if os.access(path, os.X_OK))
DEADLINE_SECONDS = 30
# Nobody has to have that uid: a process may run as it anyway.
OTHER_UID = 54321
# Where the second hierarchy may be mounted.
CGROUP_ROOTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")


class NotStaged(Exception):
    """The situation did not come about, so that nothing can be said of it."""


class Skip(Exception):
    """This machine or user cannot stage it."""


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid):
    """/proc/PID/stat from its third field on; empty for a process that is gone."""
    text = read("/proc/%d/stat" % pid)
    return text[text.rindex(")") + 2 :].split() if text else []


def start_time(pid):
    """None for a process that is gone. A zombie is gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def state(pid):
    return (stat_fields(pid) or ["gone"])[0]


def parent(pid):
    fields = stat_fields(pid)
    return int(fields[1]) if fields else None


def command(pid):
    return read("/proc/%d/cmdline" % pid).replace("\0", " ").strip()


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def below(*roots):
    """All that descend from these, not themselves."""
    children = {}
    for pid in pids():
        children.setdefault(parent(pid), []).append(pid)
    found, open_ends = [], list(roots)
    while open_ends:
        mine = children.get(open_ends.pop(), [])
        found += mine
        open_ends += mine
    return found


def wait_for(what, condition, seconds=DEADLINE_SECONDS):
    """The first answer that is true."""
    ends_at = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > ends_at:
            raise NotStaged("waited %d s: %s" % (seconds, what))
        time.sleep(0.02)


class Stage:
    """One situation while it stands. Everything it starts is in a directory and an environment of its own."""

    def __init__(self, name, directory, user, observer, scupper, requests):
        self.name, self.directory, self.user, self.observer = name, directory, user, observer
        self.scupper, self.requests = scupper, requests
        # Of this run of the corpus: names of units and cgroups, which others may have too.
        self.suffix = user["CORPUS_SUFFIX"]
        self.unit = "%s-%s" % (name, self.suffix)
        os.mkdir(directory)
        os.chmod(directory, 0o777)  # other users write their pids there
        self.environment = dict(user, STAGE=directory, PWD=directory)
        # (pid, start time) -> what it is; the first ones have to be found, the second ones have to live.
        self.left_behind, self.living = {}, {}
        # Pids that have to be among the zombies, and some that look like one and are none.
        self.zombies, self.no_zombies = set(), set()
        # Whether what is ended is started again by what is ended with it.
        self.respawns = False
        # Who has to find it: whoever runs the corpus, or an ordinary user.
        self.observed_by = "own"
        self.holding = []

    def start(self, argv, *, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None, env=None, cwd=None, **more):
        """Starts a program in a session of its own, as one does that is started by a service or a terminal."""
        more.setdefault("start_new_session", True)
        process = subprocess.Popen(
            argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL if stderr is None else stderr,
            env=dict(self.environment, **(env or {})), cwd=cwd or self.directory, **more,
        )  # fmt: skip
        self.holding.append(process)
        return process

    def act(self, role, *arguments, **more):
        return self.start(self.acting(role, *arguments), **more)

    def acting(self, role, *arguments):
        """The command line of a role of programs/act.py."""
        return [PYTHON, "-SE", self.program("act.py"), role, *map(str, arguments)]

    def program(self, name):
        """A copy that every user may read."""
        return os.path.join(self.user["CORPUS_PROGRAMS"], name)

    def run(self, argv, **more):
        """A command that ends by itself, in a session of its own. Its output goes to a file: what it leaves in the background
        may hold that for ever."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            answer = subprocess.run(argv, env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=errors, timeout=120, check=False, start_new_session=True, **more)  # fmt: skip
            out.seek(0)
            errors.seek(0)
            if answer.returncode != 0:
                raise NotStaged("%s: exit %d: %s" % (" ".join(argv), answer.returncode, errors.read().strip()[-300:]))
            return out.read()

    def from_outside(self, argv):
        """Has it started by a process that is not in this pid namespace and holds its pipes."""
        self.requests.write(json.dumps({"args": argv, "env": self.environment, "cwd": self.directory}) + "\n")

    def as_other_user(self):
        return {"user": OTHER_UID, "group": OTHER_UID, "extra_groups": []}

    def as_observer(self):
        return {"user": self.observer.uid, "group": self.observer.gid, "extra_groups": []}

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def path(self, name):
        return os.path.join(self.directory, name)

    def pid(self, name):
        """The pid that a program wrote to NAME.pid, when it was where it wanted to be."""
        return int(wait_for("%s says who it is" % name, lambda: read(self.path(name + ".pid")).strip()))

    def left(self, what, *pids):
        self._write_down(self.left_behind, what, pids)

    def live(self, what, *pids):
        self._write_down(self.living, what, pids)

    def _write_down(self, where, what, pids):
        if not pids:
            raise NotStaged("nobody is %s" % what)
        for pid in pids:
            started = start_time(pid)
            if started is None:
                raise NotStaged("%s (pid %d) has ended by itself" % (what, pid))
            where[(pid, started)] = what

    def kill(self, process):
        """Ends a child of ours as a crash does, and waits until it is gone."""
        process.kill()
        process.wait()

    def reparented(self, *pids):
        for pid in pids:
            wait_for("pid %d has lost its parent" % pid, lambda pid=pid: parent(pid) == 1)

    def cgroup(self, name):
        """A cgroup directory of that name, for a process to be put into. The corpus removes it, and those above that it made."""
        for root in CGROUP_ROOTS:
            if not os.path.exists(os.path.join(root, "cgroup.controllers")):
                continue
            path = root
            for part in name.split("/"):
                path = os.path.join(path, part)
                try:
                    os.mkdir(path)
                except FileExistsError:
                    continue
                except OSError as problem:
                    raise Skip("no cgroup can be made: %s" % problem) from problem
                with open(self.user["CORPUS_CGROUPS"], "a") as file:
                    file.write(path + "\n")
            return path
        raise Skip("there is no cgroup v2 hierarchy")


def put_into(cgroup, pid):
    with open(os.path.join(cgroup, "cgroup.procs"), "w") as file:
        file.write(str(pid))


def signal_all(number, *pids):
    for pid in pids:
        os.kill(pid, number)


def stop_and_kill(*pids):
    """Ends several at one moment: none of them sees another one's end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        wait_for("pid %d stands still" % pid, lambda pid=pid: state(pid) in "Tt")
    signal_all(signal.SIGKILL, *pids)
    for pid in pids:
        wait_for("pid %d is gone" % pid, lambda pid=pid: start_time(pid) is None)


class Situation:
    """One function that stages it, and what has to be there for that."""

    def __init__(self, function, certain, needs, fast, root):
        self.name = function.__name__.replace("_", "-")
        self.description = " ".join((function.__doc__ or "").split()).rstrip(".")
        self.stage, self.certain, self.needs, self.fast, self.root = function, certain, needs, fast, root
        self.kind = None


LEFT_BEHIND, LEFT_ALONE = "left behind", "left alone"
situations = {}


def situation(kind, *, certain=False, needs=(), fast=False, root=False):
    """Registers a function as a situation. `certain`: Scupper recorded it, so that it may say so. `needs`: programs.
    `fast`: part of the test suite. `root`: needs to be root."""

    def register(function):
        made = Situation(function, certain, needs, fast, root)
        made.kind = kind
        if made.name in situations:
            raise ValueError("two situations are called " + made.name)
        situations[made.name] = made
        return function

    return register
