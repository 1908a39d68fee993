"""Prints what a process can see of itself and did not choose: as JSON, to be compared with and without scupper."""
import json, os, resource, signal, sys

status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
kept = ["Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "CapEff", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Umask",
        "THP_enabled", "TracerPid", "Threads"]
seen = {key: status.get(key) for key in kept}
seen.update(
    limits=limits,
    nice=os.nice(0),
    scheduler=os.sched_getscheduler(0),
    oom=open("/proc/self/oom_score_adj").read().strip(),
    fds=sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) < 64 and os.path.exists("/proc/self/fd/" + fd)),
    directory=os.getcwd(),
    environment={key: value for key, value in os.environ.items() if not key.startswith("SCUPPER_")},
    arguments=sys.argv,
)
json.dump(seen, sys.stdout)
