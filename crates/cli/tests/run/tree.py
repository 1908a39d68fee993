"""A process with children of every kind that scupper has to end: in its group, in a session of their own,
double-forked, deaf to TERM, and double-forked with a cleared environment.

tree.py KIDS_FILE THEN    THEN: wait | exit N | kill N (signal itself) | deaf (ignore TERM, INT and HUP, and wait)
"""
import json, os, signal, subprocess, sys, time

kids_file, then = sys.argv[1], sys.argv[2]
kids = {}
if then == "deaf":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

def sleeper(**kw):
    return subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **kw).pid

def double_fork(env=None):
    """A daemon: forked twice, in a session of its own, its parent gone."""
    read, write = os.pipe()
    first = os.fork()
    if first == 0:
        os.setsid()
        os.write(write, b"%d" % sleeper(env=env))
        os._exit(0)
    os.waitpid(first, 0)
    return int(os.read(read, 20))

deaf = ("import signal,time,sys\n"
        "for n in (1,2,15): signal.signal(n, signal.SIG_IGN)\n"
        "sys.stdout.write('x'); sys.stdout.flush()\n"
        "time.sleep(1000)")
kids["group"] = sleeper()
kids["session"] = sleeper(start_new_session=True)
kids["daemon"] = double_fork()
kids["unmarked"] = double_fork(env={"PATH": os.environ["PATH"]})
process = subprocess.Popen([sys.executable, "-S", "-c", deaf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
process.stdout.read(1)
kids["deaf"] = process.pid
with open(kids_file + ".new", "w") as f:
    json.dump(kids, f)
os.rename(kids_file + ".new", kids_file)

if then.startswith("exit"):
    sys.exit(int(then.split()[1]))
if then.startswith("kill"):
    os.kill(os.getpid(), int(then.split()[1]))
while True:
    time.sleep(1)
