"""What a program is started with: told as JSON, or set to something unusual before another program is started.

surroundings.py tell FILE ARGUMENTS...   writes what it was started with to FILE, and exits with 0
surroundings.py set PROGRAM ARGUMENTS... becomes PROGRAM with an unusual umask, priority, descriptor limit, signal mask
                                         and set of ignored signals, and with descriptor 9 open
"""
import json, os, resource, signal, sys

IGNORED = [signal.SIGHUP, signal.SIGUSR2, signal.SIGALRM]
BLOCKED = [signal.SIGURG, signal.SIGIO]


def tell(file, arguments):
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    # Python itself ignores PIPE (bit 12) and XFSZ (bit 24).
    ignored = int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24)
    umask = os.umask(0)
    descriptors = []
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            descriptors.append([name, os.readlink("/proc/self/fd/" + name)])
        except FileNotFoundError:
            pass  # the one that the directory was read through
    found = {
        "arguments": [os.fsencode(argument).hex() for argument in arguments],
        "environment": {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in os.environ.items()},
        "descriptors": descriptors,
        "directory": os.getcwd(),
        "umask": umask,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
        "ignored": ignored,
        "blocked": status["SigBlk"],
        "dumpable": status["NoNewPrivs"],
        "group": os.getpgrp(),
        "session": os.getsid(0),
    }
    with open(file, "w") as out:
        json.dump(found, out)


if sys.argv[1] == "tell":
    tell(sys.argv[2], sys.argv[3:])
else:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Python ignored it for itself: whoever comes next gets what a program usually gets.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    os.umask(0o027)
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (333, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.dup2(os.open("/dev/zero", os.O_RDONLY), 9)
    os.set_inheritable(9, True)
    os.execvp(sys.argv[2], sys.argv[2:])
