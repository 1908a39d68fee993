"""Steady load: `for number in requests(20)` runs its body twenty times a second and tells the recorder the count."""
import os
import time

_started = time.monotonic()


def setting(name, default):
    return type(default)(os.environ.get(name, default))


def uptime():
    return time.monotonic() - _started


def teller():
    """Returns a function that publishes a count. The count never gets shorter, so the file need not be truncated."""
    path = os.environ.get("PROGRESS")
    if not path:
        return lambda number: None
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    return lambda number: os.pwrite(file, b"%d" % number, 0)


def requests(per_second):
    tell = teller()
    number = 0
    due = time.monotonic()
    while True:
        number += 1
        yield number
        tell(number)
        due += 1 / per_second
        time.sleep(max(0, due - time.monotonic()))
