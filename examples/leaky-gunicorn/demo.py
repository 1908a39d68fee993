#!/usr/bin/env python3
"""Runs the leaky app under `scupper run`, drives load at it, shows what happens, and checks what is left.

Started by demo.sh, which builds and installs what this needs. Exits 0 only if every promise held: no request failed,
the worker was replaced, the tree stayed below its hard limit, and no process is left.
"""

import argparse
import calendar
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from load import Load

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20


def marked(unit):
    """Living processes whose environment carries the unit's mark: found in /proc, without asking Scupper."""
    mark, found = b"SCUPPER_UNIT=%s" % unit.encode(), {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                if mark not in file.read().split(b"\0"):
                    continue
            with open("/proc/%s/stat" % entry, "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                    continue
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                found[int(entry)] = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # It ended while we looked, or is somebody else's.
    return found


class Display:
    """One line that is rewritten on a terminal, plain lines elsewhere; what happened stays above it."""

    def __init__(self, quiet=False):
        self.live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.quiet, self.began, self.next_plain = quiet, time.monotonic(), 0.0
        colour = self.live and not os.environ.get("NO_COLOR")
        self.strong, self.plain = ("\033[1m", "\033[0m") if colour else ("", "")

    def clock(self):
        return "%5.1f s" % (time.monotonic() - self.began)

    def line(self, text, strong=False):
        if self.quiet:
            return
        if self.live:
            sys.stdout.write("\r\033[K")
        print("%s  %s" % (self.clock(), self.strong + text + self.plain if strong else text), flush=True)

    def progress(self, text):
        if self.quiet:
            return
        if self.live:
            width = shutil.get_terminal_size().columns
            sys.stdout.write("\r\033[K" + ("%s  %s" % (self.clock(), text))[: width - 1])
            sys.stdout.flush()
        elif time.monotonic() >= self.next_plain:
            self.next_plain = time.monotonic() + 3
            self.line(text)

    def clear(self):
        if self.live and not self.quiet:
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()


class Unit:
    """The app under Scupper."""

    def __init__(self, options):
        self.name = "leaky-gunicorn-%d" % os.getpid()
        self.scupper = options.scupper
        # Short, because a Unix socket's path may have 107 bytes.
        self.directory = tempfile.mkdtemp(prefix="scupper-demo-")
        self.log_path = os.path.join(self.directory, "stderr.log")
        runtime = os.path.join(self.directory, "run")
        os.mkdir(runtime, 0o700)
        self.state = os.path.join(self.directory, "state")
        self.environment = dict(
            os.environ, XDG_RUNTIME_DIR=runtime, LEAKY_MB_PER_REQUEST=str(options.mb_per_request), PYTHONDONTWRITEBYTECODE="1"
        )
        # Marks and notifications of whatever runs this demo are not for it.
        for name in [n for n in self.environment if n.startswith("SCUPPER_") or n in ("NOTIFY_SOCKET", "WATCHDOG_USEC")]:
            del self.environment[name]
        self.command = [
            options.scupper, "run", "--name", self.name, "--profile", "worker",
            "--mem-soft", options.mem_soft, "--mem-hard", options.mem_hard, "--grace", "30s",
            "--restart", "on-failure", "--child-lifetime", "sleep=10s",
            "--log-format", "json", "--state", self.state, "--on-parent-exit", "stop",
            "--", options.gunicorn, "--chdir", HERE, "--bind", "127.0.0.1:0", "app:app",
        ]  # fmt: skip
        self.process, self.read_up_to, self.rest = None, 0, b""

    def start(self):
        with open(self.log_path, "ab") as log:
            # Its own session: ^C is for this script, which then stops the unit in the ordinary way.
            self.process = subprocess.Popen(
                self.command, cwd=HERE, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def lines(self):
        """What was written to its stderr since the last call: gunicorn's log and Scupper's events."""
        with open(self.log_path, "rb") as log:
            log.seek(self.read_up_to)
            data = log.read()
        self.read_up_to += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def ask(self, *arguments, timeout=20):
        return subprocess.run(
            [self.scupper, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False,
        )  # fmt: skip

    def status(self):
        """The unit as `scupper ps --json` tells it, or None."""
        try:
            answer = json.loads(self.ask("ps", self.name, "--json", timeout=5).stdout or b"null")
        except (ValueError, subprocess.TimeoutExpired):
            return None
        for unit in (answer or {}).get("units", []):
            if unit.get("unit") == self.name:
                return unit.get("status")
        return None

    def events(self):
        """Every event that Scupper recorded of this run."""
        output = self.ask("events", self.name, "--json", "-n", "100000", "--state", self.state).stdout.decode(errors="replace")
        events = []
        for line in output.splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return [event for event in events if isinstance(event, dict) and event.get("unit") == self.name]

    def stop(self, timeout=45):
        """Stops the unit and waits for its supervisor's end. True if that took no force of ours."""
        if self.process is None or self.process.poll() is not None:
            return True
        try:
            self.ask("stop", self.name)
            self.process.wait(timeout)
            return True
        except subprocess.TimeoutExpired:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return False

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def amount(number):
    return "?" if number is None else "%d MiB" % round(number / MIB)


def describe(event):
    """An event in words, or None where it does not belong into the story."""
    kind = event.get("event")
    pid = (event.get("target") or {}).get("pid")
    if kind == "limit_crossed":
        culprit = (event.get("culprit") or {}).get("pid")
        value, limit = event.get("value"), event.get("limit")
        if event.get("resource") == "memory":
            value, limit = amount(value), amount(limit)
        growth = event.get("growth_per_second")
        return "%s limit crossed: tree at %s, limit %s%s; %s%s" % (
            event.get("level"), value, limit, ", growing %.0f MiB/s" % (growth / MIB) if growth else "",
            event.get("action"), ": pid %s (%s)" % (culprit, amount(event.get("culprit_value"))) if culprit else "",
        )  # fmt: skip
    if kind == "recycle_started" and event.get("role") != "helper":
        return "%s %s (%s) gets TERM and may finish its request" % (event.get("role"), pid, amount(event.get("rss_bytes")))
    if kind == "recycle_completed" and event.get("role") != "helper":
        forced = ", by KILL" if event.get("forced") else ""
        return "%s %s is gone after %.1f s%s" % (event.get("role"), pid, event.get("took_ms", 0) / 1000, forced)
    if kind in ("unit_restarting", "unit_gave_up", "start_failed", "limit_unreachable", "trouble", "escapee_found"):
        return "%s: %s" % (kind.replace("_", " "), event.get("message") or event.get("cause") or event.get("evidence") or "")
    return None


class Story:
    """What the run showed, gathered while it runs."""

    def __init__(self, display):
        self.display, self.address, self.peak, self.last = display, None, 0, None
        self.counts, self.helpers, self.helpers_said_at = {}, 0, 0.0

    def read(self, unit):
        for line in unit.lines():
            if line.startswith("{"):
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if event.get("event") == "signal_sent" and event.get("reason") == "lifetime_exceeded":
                    self.helpers += event.get("signal") == signal.SIGTERM
                elif text := describe(event):
                    self.display.line(text, strong=event.get("event") == "limit_crossed")
            elif found := re.search(r"Listening at: http://(127\.0\.0\.1:\d+)", line):
                self.address = found[1]
        # One line for several: each error left one.
        if self.helpers and time.monotonic() > self.helpers_said_at + 4:
            self.display.line("helpers (sleep) ended after their 10 s: %d" % self.helpers)
            self.helpers, self.helpers_said_at = 0, time.monotonic()

    def look(self, unit):
        status = unit.status()
        if status:
            self.last, self.counts = status, status.get("counts") or {}
            self.peak = max(self.peak, status.get("size_bytes") or 0)

    def progress(self, load, options):
        status = self.last or {}
        workers = [p for p in status.get("processes", []) if p.get("role") == "worker"]
        workers = " ".join("%s:%s" % (p.get("pid"), amount(p.get("rss_bytes")).replace(" MiB", "M")) for p in workers)
        size, soft = status.get("size_bytes"), mebibytes(options.mem_soft) * MIB
        filled = min(int((size or 0) / soft * 20), 20)
        self.display.progress(
            "tree %s of %s [%s%s]  workers %s  requests %d  failed %d  replaced %s  helpers ended %s" % (
                amount(size), amount(soft), "#" * filled, "." * (20 - filled), workers or "-", load.sent if load else 0,
                len(load.failures) if load else 0, self.counts.get("workers_recycled", 0), self.counts.get("helpers_ended", 0),
            )
        )  # fmt: skip


def mebibytes(text):
    match = re.fullmatch(r"([\d.]+)\s*([MG])(i?B)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError("%s: write a size such as 220M" % text)
    return float(match[1]) * (1024 if match[2].upper() == "G" else 1)


def wait_until_healthy(unit, story, seconds=30):
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        story.read(unit)
        if unit.process.poll() is not None:
            raise RuntimeError("the app did not start: scupper exited %d" % unit.process.returncode)
        if story.address:
            # Just one request, /healthy: it leaks nothing.
            probe = Load(story.address)
            probe.request("/healthy", 200)
            if probe.answered:
                return
        time.sleep(0.1)
    raise RuntimeError("the app did not answer within %d s" % seconds)


def survived(load, events):
    """How many slow requests were in flight in a worker when it was told to end, and were answered."""
    replaced = [(event["target"]["pid"], stamp(event["at"])) for event in events
                if event.get("event") == "recycle_started" and event.get("target")]  # fmt: skip
    return sum(
        any(pid == request["worker"] and request["began_at"] < at < request["ended_at"] for pid, at in replaced)
        for request in load.slow
    )


def stamp(text):
    """Seconds since 1970 of an RFC 3339 time in UTC."""
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (part or "0"))


def run(options, display):
    unit, story, load, failed = Unit(options), Story(display), None, []
    try:
        display.line("scupper run --profile worker --mem-soft %s --mem-hard %s --child-lifetime 'sleep=10s' -- gunicorn app:app"
                     % (options.mem_soft, options.mem_hard), strong=True)  # fmt: skip
        unit.start()
        wait_until_healthy(unit, story)
        display.line("the app answers on %s; each request leaks %g MiB and a socket, each error a process"
                     % (story.address, options.mb_per_request))  # fmt: skip
        load = Load(story.address, users=options.users, seconds=options.seconds, rate=options.rate,
                    slow_mb=options.slow_mb, timeout=30)  # fmt: skip
        load.start()
        while load.running():
            story.read(unit)
            story.look(unit)
            story.progress(load, options)
            if unit.process.poll() is not None:
                failed.append("scupper ended with %d while there was load" % unit.process.returncode)
                load.stop()
            time.sleep(0.2)
        # The helpers of the last errors have a lifetime to live out.
        display.line("the load is over; waiting for the last helpers to reach their 10 s")
        ends_at = time.monotonic() + 13
        while time.monotonic() < ends_at and unit.process.poll() is None:
            story.read(unit)
            story.look(unit)
            story.progress(load, options)
            if not any(command.startswith("sleep 600") for command in marked(unit.name).values()):
                break
            time.sleep(0.3)
        left_helpers = [c for c in marked(unit.name).values() if c.startswith("sleep 600")]
        if left_helpers:
            failed.append("%d helpers outlived their lifetime" % len(left_helpers))
        before = len(marked(unit.name))
        display.line("scupper stop: %d processes carry the unit's mark" % before)
        if not unit.stop():
            failed.append("`scupper stop` did not end the unit in time")
        story.read(unit)
        display.clear()
        return finish(options, display, unit, story, load, failed)
    finally:
        interrupted = sys.exc_info()[0] is not None
        if load and load.running():
            load.end()
        unit.stop(timeout=15 if interrupted else 45)
        left = marked(unit.name)
        for pid in left:
            # Ours, by a mark made for this run alone. Scupper should not have left any; the demo leaves none.
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if interrupted:
            display.clear()
            display.line("stopped; %d processes left behind%s" % (len(left), ", ended now" if left else ""))
            tail(unit)
        if options.keep:
            print("demo: logs and evidence are in %s" % unit.directory)
        else:
            unit.remove()


def tail(unit):
    """The end of the unit's log, when something went wrong."""
    if isinstance(sys.exc_info()[1], RuntimeError):
        with open(unit.log_path, errors="replace") as log:
            sys.stderr.write("".join(log.readlines()[-15:]))


def finish(options, display, unit, story, load, failed):
    time.sleep(0.2)
    left = marked(unit.name)
    events, report, counts = unit.events(), load.report(), story.counts
    replaced = counts.get("workers_recycled", 0)
    hard = mebibytes(options.mem_hard) * MIB
    grown = sum(1 for event in events if event.get("event") == "limit_crossed" and event.get("level") == "soft")
    in_flight = survived(load, events)
    totals = {
        "schema": "scupper.demo/1",
        "requests": report["requests"],
        "failures": report["failures"],
        "latency_ms": report["latency_ms"],
        "slow_requests_answered": report["slow_answered"],
        "answered_in_a_worker_being_replaced": in_flight,
        "soft_limit_crossed": max(grown, counts.get("soft_limits_crossed", 0)),
        "hard_limit_crossed": counts.get("hard_limits_crossed", 0),
        "workers_replaced": replaced,
        "highest_tree_bytes": story.peak or None,
        "hard_limit_bytes": int(hard),
        "helpers_ended": counts.get("helpers_ended", 0),
        "events_recorded": len(events),
        "left_behind": len(left),
    }
    failed += [text for bad, text in (
        (report["failures"], "%d requests failed: %s" % (report["failures"], "; ".join(report["first_failures"]))),
        (not report["answered"], "no request was answered"),
        (not replaced, "no worker was replaced"),
        (not story.peak, "the size of the tree was never seen"),
        (story.peak >= hard, "the tree reached its hard limit"),
        (not totals["helpers_ended"], "no helper was ended"),
        (left, "left behind: %s" % ", ".join("%d %s" % item for item in left.items())),
    ) if bad]  # fmt: skip
    totals["failed"] = failed
    if options.json:
        print(json.dumps(totals, indent=2))
    else:
        latency = totals["latency_ms"]
        print()
        for name, value in (
            ("requests", "%d (50 %% within %s ms, 99 %% within %s ms)" % (totals["requests"], latency["p50"], latency["p99"])),
            ("failures", totals["failures"]),
            ("soft limit crossed", totals["soft_limit_crossed"]),
            ("workers replaced", replaced),
            ("requests in flight then", "%d of 4 s, all answered" % in_flight if in_flight else "none of the slow ones"),
            ("highest tree size", "%s (soft limit %s, hard limit %s)" % (amount(story.peak), options.mem_soft, options.mem_hard)),
            ("helpers ended", totals["helpers_ended"]),
            ("events recorded", len(events)),
            ("left behind", "%d (looked for in /proc by SCUPPER_UNIT=%s)" % (len(left), unit.name)),
        ):
            print("  %-24s %s" % (name, value))
        print()
        for text in failed:
            print("  FAILED: %s" % text)
        print("  %s" % ("not every promise held" if failed else "every promise held"))
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog="demo.sh", description="a leaking gunicorn service, kept inside its limits")
    parser.add_argument("--scupper", default=os.environ.get("SCUPPER", "scupper"), help="the binary to use")
    parser.add_argument("--gunicorn", default="gunicorn", help="the gunicorn to run")
    parser.add_argument("--seconds", type=float, default=30, help="length of the load (default %(default)s)")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--rate", type=float, default=40, help="requests a second (default %(default)s)")
    parser.add_argument("--mb-per-request", type=float, default=0.5, help="what each request leaks (default %(default)s)")
    parser.add_argument("--slow-mb", type=float, default=60, help="what a slow request leaks (default %(default)s)")
    parser.add_argument("--mem-soft", default="220M")
    parser.add_argument("--mem-hard", default="450M")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON and nothing else")
    parser.add_argument("--keep", action="store_true", help="keep logs and evidence")
    options = parser.parse_args()
    options.seconds = min(max(options.seconds, 5), 600)
    for size in (options.mem_soft, options.mem_hard):
        try:
            mebibytes(size)
        except argparse.ArgumentTypeError as problem:
            parser.error(str(problem))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        return run(options, Display(quiet=options.json))
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, OSError) as problem:
        print("demo: %s" % problem, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
