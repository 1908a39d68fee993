"""Processes are born and end without end: every second one leaves an orphan that somebody has to adopt. Each has a name
of its own, and some live long enough to be seen.

births.py COUNT_FILE    it holds how many there were so far
"""
import os, sys, time

births = 0
with open(sys.argv[1], "wb", buffering=0) as count:
    while True:
        for n in range(50):
            births += 1
            child = os.fork()
            if child == 0:
                with open("/proc/self/comm", "w") as name:
                    name.write("b%d" % births)
                if n % 2 == 0 and os.fork() == 0 and n % 10 == 0:
                    time.sleep(0.03)
                os._exit(0)
            os.waitpid(child, 0)
            births += n % 2 == 0
        count.seek(0)
        count.write(b"%d" % births)
