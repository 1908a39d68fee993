"""Plays a person at a real terminal: a pty with a shell in it, or with scupper alone. One scenario a run.

terminal.py SCENARIO SCUPPER UNIT DIRECTORY    exits with 0 if all of it was as it should be
"""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

scenario, SCUPPER, UNIT, DIR = sys.argv[1:5]
HERE = os.path.dirname(os.path.abspath(__file__))
LOG = DIR + "/signals"
RUN = f"'{SCUPPER}' run --name {UNIT} --grace 5s --log-format json --verbose"
WATCH = f"python3 -S {HERE}/signals.py {LOG}"


class Terminal:
    def __init__(self, argv):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PS1="ready> ", HISTFILE="/dev/null", INPUTRC="/dev/null")
            os.execvp(argv[0], argv)
        self.seen = ""

    def read(self):
        if select.select([self.master], [], [], 0.02)[0]:
            try:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                pass

    def type(self, text):
        self.seen = ""
        os.write(self.master, text.encode())

    def expect(self, pattern):
        return until(f"the terminal shows {pattern!r}", lambda: re.search(pattern, self.seen), self)

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def end(self):
        """Waits until whoever leads the session has ended."""
        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None
        return until("the session ends", ended, self if self.master else None)[0]


def until(what, holds, terminal=None):
    deadline = time.monotonic() + 30
    while True:
        if terminal:
            terminal.read()
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"waited until {what}\nterminal: {terminal and terminal.seen!r}\nsignals: {logged()}\n"
                             f"scupper: {text(DIR + '/stderr')}")
        if not terminal:
            time.sleep(0.01)


def text(path):
    try:
        return open(path, errors="replace").read()
    except OSError:
        return ""


def logged():
    return text(LOG).split()


def marked():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"SCUPPER_UNIT={UNIT}".encode() in open(f"/proc/{pid}/environ", "rb").read().split(b"\0"):
                found[int(pid)] = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        except OSError:
            pass
    return {pid: state for pid, state in found.items() if state != "Z"}


def scuppers():
    """Guardian and engine, in this order: pid and state."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            if words[:1] == [SCUPPER.encode()] and UNIT.encode() in words:
                found[int(pid)] = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        except OSError:
            pass
    return dict(sorted(found.items()))


def shell():
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"])
    terminal.expect("ready> ")
    return terminal


def is_ready():
    return "ready" in logged()


def guardian():
    return next(iter(scuppers()))


def wait_for_usr1():
    """What was logged after `ready` and before the USR1 that is sent now: nothing that comes before it is missed."""
    os.kill(guardian(), signal.SIGUSR1)
    until("USR1 is logged", lambda: "SIGUSR1" in logged())
    return logged()[1:-1]


def interrupt_once():
    terminal = shell()
    terminal.type(f"{RUN} -- {WATCH} 2>{DIR}/stderr; echo code=$?\n")
    until("the command is ready", is_ready, terminal)
    terminal.type("\x03")
    until("INT is logged", lambda: "SIGINT" in logged(), terminal)
    assert wait_for_usr1() == ["SIGINT"], logged()
    terminal.expect("code=42")


def interrupt_ends():
    terminal = shell()
    terminal.type(f"{RUN} -- sleep 1000 2>{DIR}/stderr\n")
    until("the command runs", lambda: len(marked()) == 1, terminal)
    until("it became sleep", lambda: "sleep" in text(f"/proc/{next(iter(marked()))}/comm"), terminal)
    terminal.type("\x03")
    terminal.expect("ready> ")
    terminal.type("echo code=$?\n")
    terminal.expect("code=130")


def interrupt_is_survived():
    terminal = shell()
    for command, prompt, say in [("python3 -i -q", ">>> ", "print(6*7)"), ("bash --norc --noprofile -i", "ready> ", "echo $((6*7))")]:
        terminal.type(f"{RUN} -- {command} 2>&1\n")
        until("the command runs", marked, terminal)
        terminal.expect("unit_started")
        terminal.expect(prompt)
        for _ in range(2):
            # A signal between the prompt and the wait for input is noticed at the next key: so it waits.
            until("it waits for input", lambda: set(marked().values()) == {"S"}, terminal)
            terminal.type("\x03")
            terminal.expect("KeyboardInterrupt" if "python" in command else "\\^C")
            terminal.type(say + "\n")
            terminal.expect("\r\n42\r\n")
        terminal.type("exit()\n" if "python" in command else "exit 0\n")
        terminal.expect("unit_stopped")
        until("it is over", lambda: not scuppers(), terminal)
        terminal.type("echo code=$?\n")
        terminal.expect("code=0")


def stop_and_go_on():
    terminal = shell()
    terminal.type(f"{RUN} -- {WATCH} 2>{DIR}/stderr\n")
    until("the command is ready", is_ready, terminal)
    for _ in range(3):
        terminal.type("\x1a")
        terminal.expect("Stopped")
        everybody = {**scuppers(), **marked()}
        assert len(everybody) == 3, everybody
        until("all of it is stopped", lambda: set({**scuppers(), **marked()}.values()) == {"T"}, terminal)
        before = logged().count("SIGCONT")
        terminal.type("fg\n")
        until("all of it goes on", lambda: "T" not in {**scuppers(), **marked()}.values(), terminal)
        until("the command is told", lambda: logged().count("SIGCONT") > before, terminal)
    assert set(wait_for_usr1()) == {"SIGCONT"}, logged()
    terminal.expect("ready> ")


def kill_from_the_shell():
    terminal = shell()
    for round in range(8):
        try:
            os.unlink(LOG)
        except FileNotFoundError:
            pass
        terminal.type(f"{RUN} -- {WATCH} 2>{DIR}/stderr &\n")
        until("the command is ready", is_ready, terminal)
        terminal.type("kill %1\n")
        until("TERM is logged", lambda: "SIGTERM" in logged(), terminal)
        assert wait_for_usr1() == ["SIGTERM"], (round, logged(), text(DIR + "/stderr"))
        until("it is over", lambda: not scuppers(), terminal)
        terminal.type("wait; echo waited\n")
        terminal.expect("waited\r\n")


def timeout_is_one_term():
    """timeout(1) signals scupper and then the whole group, itself included."""
    terminal = shell()
    terminal.type(f"timeout 1000 {RUN} -- {WATCH} 2>{DIR}/stderr\n")
    until("the command is ready", is_ready, terminal)
    os.kill(int(text(f"/proc/{guardian()}/stat").rsplit(")", 1)[1].split()[1]), signal.SIGTERM)
    until("TERM is logged", lambda: "SIGTERM" in logged(), terminal)
    got = [name for name in wait_for_usr1() if name != "SIGCONT"]
    assert got == ["SIGTERM"], (logged(), text(DIR + "/stderr"))
    terminal.expect("ready> ")


def window_size():
    terminal = shell()
    terminal.type(f"{RUN} -- {WATCH} 2>{DIR}/stderr; echo code=$?\n")
    until("the command is ready", is_ready, terminal)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 99, 0, 0))
    until("WINCH is logged", lambda: "SIGWINCH" in logged(), terminal)
    assert wait_for_usr1() == ["SIGWINCH"], logged()
    terminal.expect("code=42")


def hang_up(terminal):
    until("the command runs", lambda: len(marked()) == 3, terminal)
    assert len(scuppers()) == 2
    terminal.hang_up()
    until("nothing is left", lambda: not marked() and not scuppers())
    terminal.end()


CHILDREN = "sleep 1000 & setsid sleep 1000 & wait"


def hang_up_of_a_shell():
    terminal = shell()
    terminal.type(f"{RUN} -- bash -c '{CHILDREN}' 2>{DIR}/stderr\n")
    hang_up(terminal)


def hang_up_of_scupper_alone():
    hang_up(Terminal(["sh", "-c", f"exec {RUN} -- bash -c '{CHILDREN}' 2>{DIR}/stderr"]))


def hang_up_that_the_command_ignores():
    """It is told once; deaf to it, it is killed after the grace."""
    deaf = f"trap '' HUP TERM; {CHILDREN}"
    run = RUN.replace("--grace 5s", "--grace 300ms")
    hang_up(Terminal(["sh", "-c", f"exec {run} -- bash -c \"{deaf}\" 2>{DIR}/stderr"]))


def input_is_the_commands():
    terminal = shell()
    terminal.type(f"{RUN} -- bash -c 'read -r line; echo \"<$line>\"; exit 6' 2>{DIR}/stderr; echo code=$?\n")
    until("the command runs", marked, terminal)
    terminal.type("typed\n")
    terminal.expect("<typed>\r\n")
    terminal.expect("code=6")


def background():
    terminal = shell()
    terminal.type(f"{RUN} -- bash -c 'echo out; echo err >&2; {WATCH}' &\n")
    until("the command is ready", is_ready, terminal)
    terminal.expect("out\r\n")
    terminal.expect("err\r\n")
    everybody = {**scuppers(), **marked()}
    assert len(everybody) == 3 and "T" not in everybody.values(), everybody
    # The shell is free meanwhile.
    terminal.type("echo $((6*7))\n")
    terminal.expect("42\r\n")
    assert wait_for_usr1() == [], logged()
    terminal.type("wait; echo waited\n")
    terminal.expect("waited\r\n")


try:
    {name: found for name, found in globals().items() if callable(found)}[scenario]()
    until("scupper is over", lambda: not scuppers())
finally:
    for pid in [*marked(), *scuppers()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
