"""Makes orphans that tell who adopted them and end, and finds out whether somebody waits for them.

orphans.py FILE COUNT [stay]    FILE gets the pids of the adopters, and for how many orphans nobody waited
"""
import json, os, signal, sys, time

file, count = sys.argv[1], int(sys.argv[2])
read, write = os.pipe()
for _ in range(count):
    middle = os.fork()
    if middle == 0:
        own = os.getpid()
        if os.fork() == 0:
            while os.getppid() == own:
                time.sleep(0.001)
            os.write(write, b"%d %d\n" % (os.getpid(), os.getppid()))
        os._exit(0)
    os.waitpid(middle, 0)
os.close(write)
lines = b""
while chunk := os.read(read, 4096):
    lines += chunk
orphans = [[int(word) for word in line.split()] for line in lines.split(b"\n") if line]

deadline = time.monotonic() + 20
left = [pid for pid, _ in orphans]
while left and time.monotonic() < deadline:
    left = [pid for pid in left if os.path.exists(f"/proc/{pid}")]
    time.sleep(0.005)
with open(file + ".new", "w") as out:
    json.dump({"orphans": len(orphans), "adopters": sorted({parent for _, parent in orphans}), "zombies": len(left)}, out)
os.rename(file + ".new", file)
if sys.argv[3:] == ["stay"]:
    signal.pause()
