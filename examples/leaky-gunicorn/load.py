#!/usr/bin/env python3
"""Load for the leaky app: so many users for so long, on this machine only. Python's standard library is enough.

    python3 load.py http://127.0.0.1:8000 --users 8 --seconds 30

It ends by itself (by time and by number of requests), reports what happened, and exits 1 if any request failed.
A request fails when it is refused, cut off, late, or answered with another status than its page promises: /error
promises 500. One user of all makes slow requests, so that there is always one in flight.
"""

import argparse
import http.client
import ipaddress
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit


class Load:
    """A bounded load. Counters may be read while it runs."""

    def __init__(self, url, users=8, seconds=30.0, rate=40.0, max_requests=5000, error_every=40,
                 slow_seconds=4.0, slow_mb=0.0, timeout=30.0):
        self.host, self.port = loopback(url)
        self.users, self.seconds, self.rate, self.max_requests = users, seconds, rate, max_requests
        self.error_every, self.slow_seconds, self.slow_mb, self.timeout = error_every, slow_seconds, slow_mb, timeout
        self.sent = self.answered = self.slow_answered = 0
        self.failures, self.latencies, self.slow = [], [], []
        self._lock, self._stop, self._threads = threading.Lock(), threading.Event(), []
        self._ends_at = self._next_at = None

    def start(self):
        self._next_at = time.monotonic()
        self._ends_at = self._next_at + self.seconds
        for number in range(self.users):
            # The last user is the slow one, unless slow requests are switched off.
            target = self._slow_user if number == self.users - 1 and self.slow_seconds > 0 else self._user
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self):
        """No new requests from now on."""
        self._stop.set()

    def stop(self):
        """No new requests; those in flight are waited for."""
        self.end()
        self.join()

    def join(self):
        for thread in self._threads:
            thread.join(self.seconds + self.timeout + self.slow_seconds + 5)

    def running(self):
        return any(thread.is_alive() for thread in self._threads)

    def _turn(self):
        """The number of the next request, or None when there is to be none. All users share one pace."""
        with self._lock:
            now = time.monotonic()
            if self._stop.is_set() or now >= self._ends_at or self.sent >= self.max_requests:
                return None
            at = max(self._next_at, now)
            # Users come when they come: gaps vary around the pace.
            self._next_at = at + random.uniform(0.2, 1.8) / self.rate
            self.sent += 1
            number = self.sent
        self._stop.wait(max(at - now, 0))
        return number

    def _user(self):
        while (number := self._turn()) is not None:
            if self.error_every and number % self.error_every == 0:
                self.request("/error", 500)
            else:
                self.request("/", 200)

    def _slow_user(self):
        path = "/slow?seconds=%g&mb=%g" % (self.slow_seconds, self.slow_mb)
        while not self._stop.is_set() and time.monotonic() + self.slow_seconds < self._ends_at:
            with self._lock:
                if self.sent >= self.max_requests:
                    return
                self.sent += 1
            self.request(path, 200, slow=True)
            self._stop.wait(0.5)

    def request(self, path, expected, slow=False):
        """One request, counted: answered with the expected status, or a failure."""
        began_at, worker, problem = time.time(), None, None
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout + (self.slow_seconds if slow else 0))
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            worker = response.getheader("X-Worker")
            if response.status != expected:
                problem = "%s answered %d, expected %d" % (path, response.status, expected)
        except (OSError, http.client.HTTPException) as trouble:
            problem = "%s: %s: %s" % (path, type(trouble).__name__, trouble)
        finally:
            connection.close()
        took = time.monotonic() - began
        with self._lock:
            if problem:
                self.failures.append("%s after %.1f s" % (problem, took))
                return
            self.answered += 1
            if slow:
                self.slow_answered += 1
                self.slow.append({"began_at": began_at, "ended_at": time.time(), "worker": int(worker or 0)})
            else:
                self.latencies.append(took)

    def report(self):
        with self._lock:
            ordered = sorted(self.latencies)
            return {
                "requests": self.sent,
                "answered": self.answered,
                "failures": len(self.failures),
                "slow_answered": self.slow_answered,
                "latency_ms": {
                    name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 1) if ordered else None
                    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
                },
                "first_failures": self.failures[:5],
            }


def loopback(url):
    """Host and port of a URL on this machine; any other is refused."""
    parts = urlsplit(url if "//" in url else "//" + url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    try:
        local = ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError("%s is not on this machine: give an address such as http://127.0.0.1:8000" % url)
    return host, parts.port or 80


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30, help="at most 3600")
    parser.add_argument("--rate", type=float, default=40, help="requests a second, all users together")
    parser.add_argument("--max-requests", type=int, default=5000)
    parser.add_argument("--error-every", type=int, default=40, help="each n-th request is /error; 0: none")
    parser.add_argument("--slow-seconds", type=float, default=4, help="length of the slow requests; 0: none")
    parser.add_argument("--slow-mb", type=float, default=0, help="what a slow request leaks")
    parser.add_argument("--timeout", type=float, default=30)
    arguments = vars(parser.parse_args())
    arguments["seconds"] = min(arguments["seconds"], 3600)
    arguments["users"] = min(max(arguments["users"], 1), 64)
    arguments["rate"] = min(max(arguments["rate"], 0.1), 1000)
    try:
        load = Load(**arguments)
    except ValueError as problem:
        print("load: %s" % problem, file=sys.stderr)
        return 2
    load.start()
    try:
        load.join()
    except KeyboardInterrupt:
        load.stop()
    report = load.report()
    print(json.dumps(report, indent=2))
    return 1 if report["failures"] or not report["answered"] else 0


if __name__ == "__main__":
    sys.exit(main())
