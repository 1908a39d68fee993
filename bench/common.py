"""What the measuring scripts share: the binary, a place of its own for each run, and what /proc says of a process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")


def scupper_binary():
    path = os.environ.get("SCUPPER") or os.path.join(TARGET, "release", "scupper")
    if not os.access(path, os.X_OK):
        sys.exit("bench: there is no scupper at %s: cargo build --release, or set SCUPPER" % path)
    return path


def compile_c(name):
    """The program made from NAME.c beside this file, compiled if it is older than its source."""
    source, out = os.path.join(HERE, name + ".c"), os.path.join(TARGET, "bench", name)
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", out, source], check=True)
    return out


class Place:
    """A runtime and a state directory for one measurement, and the environment that points there."""

    def __enter__(self):
        # Short, because a Unix socket's path may have 107 bytes.
        self.directory = tempfile.mkdtemp(prefix="scb-")
        os.mkdir(os.path.join(self.directory, "run"), 0o700)
        self.state = os.path.join(self.directory, "state")
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith("SCUPPER_") and name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")
        }  # fmt: skip
        self.environment["XDG_RUNTIME_DIR"] = os.path.join(self.directory, "run")
        self.processes = []
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def socket(self, unit):
        return os.path.join(self.directory, "run", "scupper", unit + ".sock")

    def start(self, arguments, **keywords):
        """Starts scupper in the background; it is ended with this place."""
        log = open(os.path.join(self.directory, "stderr.log"), "ab")
        process = subprocess.Popen(
            [scupper_binary(), *arguments[:1], "--on-parent-exit", "stop", *arguments[1:]], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True, **keywords,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    def units(self):
        """The units as `scupper ps --json` lists them."""
        answer = subprocess.run(
            [scupper_binary(), "ps", "--json"], env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        try:
            return json.loads(answer.stdout).get("units", [])
        except ValueError:
            return []

    def log(self):
        with open(os.path.join(self.directory, "stderr.log"), errors="replace") as file:
            return file.read()[-2000:]


def wait_for(condition, seconds, step=0.05):
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        answer = condition()
        if answer:
            return answer
        time.sleep(step)
    return None


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def parent_and_name(pid):
    text = read("/proc/%d/stat" % pid)
    if not text:
        return None, ""
    before, _, after = text.rpartition(")")
    return int(after.split()[1]), before.partition("(")[2]


def executable(pid):
    """None for a process that is gone, or somebody else's."""
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None


def own_processes(pid):
    """The process that was started and those below it that are scupper too: not the command it runs."""
    program, found = executable(pid), [pid]
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == pid:
            continue
        child, ancestor = int(entry), int(entry)
        for _ in range(5):
            ancestor = parent_and_name(ancestor)[0]
            if not ancestor or ancestor == pid:
                break
        if ancestor == pid and executable(child) == program:
            found.append(child)
    return found


def memory(pids):
    """RSS, PSS and private memory in KiB, summed. None for a process that cannot be read would be a lie as 0."""
    total = {"Rss": 0, "Pss": 0, "Private": 0}
    for pid in pids:
        text = read("/proc/%d/smaps_rollup" % pid)
        if not text:
            return None
        for line in text.splitlines():
            key, _, rest = line.partition(":")
            if key in ("Rss", "Pss"):
                total[key] += int(rest.split()[0])
            elif key in ("Private_Clean", "Private_Dirty"):
                total["Private"] += int(rest.split()[0])
    return total


def processor_seconds(pids):
    """Time on a processor, to the nanosecond, all threads: schedstat counts what 10 ms ticks would miss."""
    total = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            total += int((read("/proc/%d/task/%s/schedstat" % (pid, task)) or "0").split()[0])
    return total / 1e9
