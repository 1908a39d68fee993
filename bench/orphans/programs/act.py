"""The small parts that a situation is played with: act.py ROLE ARGUMENT...

Each writes its pid to $STAGE/NAME.pid as soon as it is where it wants to be, and then waits for ever. Run with -S -E, it
starts in 15 ms and has no thread.
"""

import ctypes
import os
import select
import signal
import socket
import sys
import time

PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_MM, PR_SET_CHILD_SUBREAPER = 4, 15, 35, 36
STAGE = os.environ.get("STAGE", "/")


def here(name):
    path = os.path.join(STAGE, name + ".pid")
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)


def for_ever():
    while True:
        signal.pause()


def prctl(option, value):
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0) != 0:
        sys.exit("prctl %d failed" % option)


def spawn(argv, **descriptors):
    """Starts a program with these descriptors (stdin=, stdout=, stderr=); what is not named is inherited."""
    pid = os.fork()
    if pid == 0:
        for name, number in descriptors.items():
            os.dup2(number, ["stdin", "stdout", "stderr"].index(name))
        os.execvp(argv[0], argv)
    return pid


def take_in():
    """Waits for whoever ends, for ever: no zombie is left."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()
        except InterruptedError:
            pass


def leaf(name, *how):
    """Just there. how: ignore-term, ignore-hup, handle-hup, undumpable, closed (closes 0, 1, 2)"""
    if "ignore-term" in how:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "ignore-hup" in how:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "handle-hup" in how:
        signal.signal(signal.SIGHUP, lambda *_: None)
    if "undumpable" in how:
        prctl(PR_SET_DUMPABLE, 0)
    here(name)
    for_ever()


def server(name, *how):
    """A stdio server: answers each line, and does not notice that its stdin has ended. how: ignore-term"""
    if "ignore-term" in how:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    here(name)
    while True:
        select.select([0], [], [])
        try:
            data = os.read(0, 65536)
        except BlockingIOError:  # somebody who has the same pipe made it so, and read first
            continue
        if not data:
            break
        for _ in data.splitlines():
            os.write(1, b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
    here(name + "-saw-the-end")
    for_ever()


def client(name, kind, *argv):
    """Starts a server over stdio, asks it one thing, and keeps it. kind: pipe, socketpair"""
    if kind == "pipe":
        (server_in, to), (back, server_out) = os.pipe(), os.pipe()
    else:
        ours, theirs = socket.socketpair()
        server_in = server_out = theirs.fileno()
        to = back = ours.fileno()
    for number in (server_in, server_out):
        os.set_inheritable(number, True)
    pid = spawn(argv, stdin=server_in, stdout=server_out)
    for number in {server_in, server_out}:
        os.close(number)
    os.write(to, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    if not os.read(back, 65536):
        sys.exit("the server did not answer")
    here(name)
    os.waitpid(pid, 0)


def wrapper(name, shown, *argv):
    """Runs a command with what it has itself and waits for it, as `uv run` does."""
    pid = spawn(argv)
    title(shown)
    here(name)
    os.waitpid(pid, 0)


def subreaper(name, shown, *argv):
    """Takes in orphans, as a supervisor or `systemd --user` does, and starts one command. It does not end with it."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    spawn(argv)
    title(shown)
    here(name)
    take_in()


def daemonise(name, *how):
    """daemon(3): forks, begins a session, forks again, `/` and /dev/null; how: keep-stdio keeps descriptors and directory"""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    if "keep-stdio" not in how:
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
    here(name)
    for_ever()


def orphaner(name, *argv):
    """Starts a command and ends at once: its child has lost its parent."""
    pid = spawn(argv)
    with open(os.path.join(STAGE, name + ".pid"), "w") as file:
        file.write(str(pid))


def tree(name, depth, width):
    """A tree of processes: `width` children each, `depth` levels below this one. Each says who it is."""
    levels = int(depth)
    while levels:
        levels -= 1
        if not any(os.fork() == 0 for _ in range(int(width))):
            break  # it has all its children; a child goes on one level below
    here("%s-%d" % (name, os.getpid()))
    for_ever()


def child_writes(name):
    """Its stdin is a pipe whose only writer is its own child."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        here(name + "-child")
        for_ever()
    os.dup2(read_end, 0)
    os.close(read_end)
    os.close(write_end)
    here(name)
    for_ever()


def zombie(name):
    """A parent that never waits for its child."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with open(os.path.join(STAGE, name + "-child.pid"), "w") as file:
        file.write(str(pid))
    here(name)
    for_ever()


def connect(name, path, *how):
    """Holds a connection to a Unix socket or to a TCP port of this machine. how: as-stdin, handle-hup, titled, answers"""
    where = socket.socket(socket.AF_INET if path.isdigit() else socket.AF_UNIX)
    if "handle-hup" in how:
        signal.signal(signal.SIGHUP, lambda *_: None)
    where.connect(("127.0.0.1", int(path)) if path.isdigit() else path)
    if "answers" in how:
        os.write(1, b"ready\n")
    if "titled" in how:
        title("ssh: /tmp/master.sock [mux]")
    if "as-stdin" in how:
        os.dup2(where.fileno(), 0)
        where.close()
    here(name)
    for_ever()


def accept(name, path, shown=None):
    """A server that takes one connection and keeps it. A port of 0 is written to NAME.port."""
    if shown:
        title(shown)
    where = socket.socket(socket.AF_INET if path.isdigit() else socket.AF_UNIX)
    where.bind(("127.0.0.1", int(path)) if path.isdigit() else path)
    where.listen()
    with open(os.path.join(STAGE, name + ".port"), "w") as file:
        file.write(str(where.getsockname()[1]) if path.isdigit() else path)
    here(name + "-listens")
    taken = [where.accept()]
    here(name)
    while taken:
        signal.pause()


def title(text):
    """Writes a title over its arguments and its environment, as setproctitle does, and takes a name to match."""
    with open("/proc/self/stat") as file:
        stat = file.read()
    fields = stat[stat.rindex(")") + 2 :].split()
    start, end = int(fields[45]), int(fields[48])  # arg_start, env_end
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text.encode(), min(len(text), end - start - 1))
    prctl(PR_SET_NAME, ctypes.create_string_buffer(os.path.basename(text.split()[0]).encode()[:15]))


def retitle(name, text):
    """A process that shows a title of its own."""
    title(text)
    here(name)
    for_ever()


def pool(name, workers):
    """A pool of processes that wait for work: each holds the end of the queue that work is put in, so none ever sees it end."""
    import concurrent.futures
    import multiprocessing

    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(int(workers), mp_context=context) as made:
        list(made.map(abs, range(100)))
        with open(os.path.join(STAGE, name + ".workers"), "w") as file:
            file.write(" ".join(str(process.pid) for process in multiprocessing.active_children()))
        here(name)
        for_ever()


def agent(name, command, *more):
    """A coding agent with a tool shell: `bash -c COMMAND` in a session of its own, whose output it reads. It stays."""
    for each in (command, *more):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(write_end, 1)
            os.dup2(write_end, 2)
            os.closerange(3, 64)
            os.execvp("bash", ["bash", "-c", each])
        os.close(write_end)
        os.set_inheritable(read_end, False)
    here(name)
    take_in()


def hiding_client(name, *server_argv):
    """Holds the pipes of a server whose parent is gone, and hides from ptrace: nobody of its user can see what it holds."""
    (server_in, to), (back, server_out) = os.pipe(), os.pipe()
    between = os.fork()
    if between == 0:
        spawn(server_argv, stdin=server_in, stdout=server_out)
        os._exit(0)
    os.waitpid(between, 0)
    os.close(server_in)
    os.close(server_out)
    os.write(to, b"ping\n")
    os.read(back, 100)
    prctl(PR_SET_DUMPABLE, 0)
    here(name)
    for_ever()


def client_without_first_thread(name, *server_argv):
    """Holds the pipes of a server whose parent is gone; its first thread has ended, so that it looks like a zombie."""
    import threading

    (server_in, to), (back, server_out) = os.pipe(), os.pipe()
    between = os.fork()
    if between == 0:
        spawn(server_argv, stdin=server_in, stdout=server_out)
        os._exit(0)
    os.waitpid(between, 0)
    os.close(server_in)
    os.close(server_out)
    os.write(to, b"ping\n")
    os.read(back, 100)

    def rest():
        with open("/proc/self/stat") as file:
            while file.read().rpartition(")")[2].split()[0] != "Z":
                file.seek(0)
                time.sleep(0.01)
        here(name)
        while os.read(back, 100):
            pass

    threading.Thread(target=rest).start()
    ctypes.CDLL(None).syscall(60, 0)  # exit(2) ends one thread


def leaky_client(name, *server_argv):
    """Starts two servers, and the second inherits the writing end of the first one's stdin: each of their pipes lives on."""
    held = []
    for number in ("1", "2"):
        read_end, write_end = os.pipe()
        os.set_inheritable(write_end, True)
        held.append(write_end)
        spawn([*server_argv, name + "-server-" + number], stdin=read_end)
        os.close(read_end)
    here(name)
    take_in()


def on_pty(name, *argv):
    """Starts a command as leader of a session on a terminal of its own, and holds that terminal open. What is written to the
    FIFO NAME.type is typed."""
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        os.execvp(argv[0], argv)
    os.close(slave)
    with open(os.path.join(STAGE, name + "-shell.pid"), "w") as file:
        file.write(str(pid))
    fifo = os.path.join(STAGE, name + ".type")
    os.mkfifo(fifo)
    typing = os.open(fifo, os.O_RDWR)
    here(name)
    while True:
        readable = select.select([master, typing], [], [])[0]
        if typing in readable:
            os.write(master, os.read(typing, 4096))
        if master in readable:
            os.read(master, 65536)


def main():
    role, *arguments = sys.argv[1:]
    roles = {
        function.__name__.replace("_", "-"): function
        for function in (leaf, server, client, wrapper, subreaper, daemonise, orphaner, tree, child_writes, zombie, connect,
                         accept, retitle, pool, agent, hiding_client, client_without_first_thread, leaky_client, on_pty)
    }  # fmt: skip
    roles[role](*arguments)


if __name__ == "__main__":
    main()
