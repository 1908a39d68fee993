"""Runs a command on a real terminal and answers it, as a person in front of it does.

terminal.py TRANSCRIPT [PATTERN ANSWER]... -- COMMAND...
    When the terminal shows PATTERN, types ANSWER (^C: interrupt; !WORDS: runs that command first, and types nothing; CLOSE: closes the terminal). Exits with the command's own code; what was shown is in TRANSCRIPT.
"""
import os, pty, re, select, subprocess, sys, time

split = sys.argv.index("--")
transcript, answers = sys.argv[1], sys.argv[2:split]
answers = list(zip(answers[::2], answers[1::2]))

pid, master = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp(sys.argv[split + 1], sys.argv[split + 1 :])

seen, since, deadline = "", 0, time.monotonic() + 60
while True:
    ended = False
    if select.select([master], [], [], 0.05)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b""
        ended = not data
        seen += data.decode(errors="replace")
    if answers and (found := re.search(answers[0][0], seen[since:])):
        since += found.end()
        text = answers.pop(0)[1]
        if text == "CLOSE":
            os.close(master)
            break
        elif text.startswith("!"):
            subprocess.run(text[1:], shell=True, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        else:
            os.write(master, b"\x03" if text == "^C" else text.encode() + b"\n")
    if ended:
        break
    if time.monotonic() > deadline:
        os.kill(pid, 9)
        print(f"waited too long; still to come: {answers}\n{seen}", file=sys.stderr)
        sys.exit(99)
open(transcript, "w").write(seen)
_, status = os.waitpid(pid, 0)
if answers:
    print(f"never shown: {answers}\n{seen}", file=sys.stderr)
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
