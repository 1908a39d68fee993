"""Asks a helper over pipes every EVERY seconds. CLOSE=0 forgets to close its own ends."""
import os

from pace import requests, setting, uptime

every, close = setting("EVERY", 4.0), setting("CLOSE", 0)
asked = 0

for number in requests(setting("RATE", 20)):
    if asked < uptime() / every:
        asked += 1
        question, answer = os.pipe(), os.pipe()
        pid = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, question[0], 0), (os.POSIX_SPAWN_DUP2, answer[1], 1),
            (os.POSIX_SPAWN_CLOSE, question[1])])
        os.close(question[0])
        os.close(answer[1])
        os.write(question[1], b"question")
        os.read(answer[0], 100)
        os.kill(pid, 15)
        os.waitpid(pid, 0)
        if close:
            os.close(question[1])
            os.close(answer[0])
