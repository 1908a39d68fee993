"""A small parent of helpers, which waits.

parent.py PIDS_FILE HELPER...    each HELPER a command for sh
Its own pid is the first line of PIDS_FILE, then those of its helpers. A helper that ends is waited for, and not replaced.
"""
import os, subprocess, sys, time

helpers = [subprocess.Popen(["sh", "-c", "exec " + line], stdin=subprocess.DEVNULL) for line in sys.argv[2:]]
with open(sys.argv[1] + ".new", "w") as file:
    file.write("".join("%d\n" % pid for pid in [os.getpid()] + [helper.pid for helper in helpers]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(0.1)
    for helper in helpers:
        helper.poll()
