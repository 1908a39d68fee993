"""A process that leaks, in the ways that limits have to stand.

leak.py [--rate MB/S] [--cap MB] [--after FILE] [--trace FILE] [--once FILE] [--deaf] [--request SECONDS FILE]
        [--drain-rate MB/S] [--exit] [--error] [--headless]

--cap: stop to grow there. --after: begin once FILE exists. --trace: one line "unix_seconds rss_bytes" every 20 ms.
--once: leak only where FILE does not exist yet, and make it. --deaf: ignore TERM. --request: a request is in flight
that takes so long after TERM; FILE says when it was answered, and with --drain-rate it leaks on meanwhile. --exit:
end with 0 at the cap. --error: raise MemoryError at the cap. --headless: the main thread ends, another one leaks on.
"""
import argparse, os, signal, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=20)
parser.add_argument("--cap", type=float, default=600)
parser.add_argument("--after")
parser.add_argument("--trace")
parser.add_argument("--once")
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--request", nargs=2)
parser.add_argument("--drain-rate", type=float, default=0)
parser.add_argument("--exit", action="store_true")
parser.add_argument("--error", action="store_true")
parser.add_argument("--headless", action="store_true")
args = parser.parse_args()

MB = 1 << 20
kept = []
trace = open(args.trace, "a", buffering=1) if args.trace else None
answer_at = None


def asked_to_end(number, frame):
    global answer_at
    if args.request and answer_at is None:
        answer_at = time.monotonic() + float(args.request[0])


if args.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif args.request:
    signal.signal(signal.SIGTERM, asked_to_end)


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


rate = args.rate
if args.once:
    try:
        os.close(os.open(args.once, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        rate = 0
while args.after and not os.path.exists(args.after):
    time.sleep(0.02)


def leak():
    rate = start_rate
    last = time.monotonic()
    owed = total = 0.0
    while True:
        time.sleep(0.01)
        now = time.monotonic()
        if answer_at is not None:
            rate = args.drain_rate
            if now >= answer_at:
                with open(args.request[1], "w") as file:
                    file.write("answered")
                sys.exit(0)
        # A stall of the machine is not made up for: the rate is the most there is in any tenth of a second.
        owed += min(now - last, 0.1) * rate
        last = now
        while owed >= 0.25 and total < args.cap:
            kept.append(bytearray(b"x") * (MB // 4))
            owed -= 0.25
            total += 0.25
        if trace:
            trace.write("%.3f %d\n" % (time.time(), rss()))
        if total >= args.cap:
            if args.error:
                raise MemoryError("no more")
            if args.exit:
                sys.exit(0)


start_rate = rate
if args.headless:
    import ctypes

    threading.Thread(target=leak).start()
    # The kernel's exit of this thread alone: the interpreter must not wait for the other one.
    os.close(0)
    ctypes.CDLL(None).syscall(60, 0)
leak()
