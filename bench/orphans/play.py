"""One batch of situations: who asks, how they are staged, and how scupper is asked."""

import concurrent.futures
import itertools
import json
import os
import pwd
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass

from stage import NotStaged, Skip, Stage, command, pids, read, start_time
from trial import Trial

STAGED_AT_ONCE = 4


@dataclass
class Looker:
    """Who asks scupper: a user with directories of his own, so that nothing of anybody's state is read or written."""

    name: str
    uid: int
    gid: int
    environment: dict


def user(directory, name, uid, gid, modules):
    home = os.path.join(directory, name)
    for below_home, mode in (("", 0o755), ("run", 0o700), ("state", 0o700), ("config", 0o700), ("tmp", 0o700)):
        path = os.path.join(home, below_home)
        os.mkdir(path)
        os.chmod(path, mode)
        if uid != os.getuid():
            os.chown(path, uid, gid)
    return Looker(name, uid, gid, {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": home, "USER": name,
        "XDG_RUNTIME_DIR": home + "/run", "XDG_STATE_HOME": home + "/state", "XDG_CONFIG_HOME": home + "/config",
        "SHELL": "/bin/bash", "NO_COLOR": "1", "TERM": "xterm", "npm_config_cache": home + "/npm", "npm_config_update_notifier": "false",
        "CORPUS_CGROUPS": os.path.join(directory, "cgroups"), "CORPUS_PROGRAMS": os.path.join(directory, "programs"),
        "CORPUS_MODULES": modules, "CORPUS_SUFFIX": suffix(directory),
    })  # fmt: skip


def lookers(directory, modules):
    """Whoever runs the corpus, and an ordinary user, where it is run by root."""
    found = [user(directory, "own", os.getuid(), os.getgid(), modules)]
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        found.append(user(directory, "ordinary", nobody.pw_uid, nobody.pw_gid, modules))
    return found


def skipped(situation, why):
    return {"name": situation.name, "kind": situation.kind, "description": situation.description,
            "certain": situation.certain, "skipped": why}  # fmt: skip


class Batch:
    """What is staged, what scupper said of it and what became of it."""

    def __init__(self, directory, requests, modules):
        self.directory, self.requests = directory, requests
        self.scupper = os.path.join(directory, "scupper")
        self.lookers = lookers(directory, modules)
        self.staged, self.outcomes = [], []
        self.answers = itertools.count(1)

    # Staging

    def stage_all(self, situations):
        with concurrent.futures.ThreadPoolExecutor(STAGED_AT_ONCE) as pool:
            self.outcomes = list(pool.map(self.stage_one, situations))

    def stage_one(self, situation):
        outcome = dict(skipped(situation, None), problem=None, seconds=None)
        began = time.monotonic()
        made = Stage(situation.name, os.path.join(self.directory, "s%d" % id(situation)), self.lookers[0].environment,
                     self.lookers[-1], self.scupper, self.requests)  # fmt: skip
        try:
            situation.stage(made)
            if not made.left_behind and not made.living:
                raise NotStaged("it says nothing of anybody")
            self.staged.append((situation, made, outcome))
        except Skip as why:
            outcome["skipped"] = str(why)
        except NotStaged as why:
            outcome["problem"] = str(why)
        except Exception:
            outcome["problem"] = traceback.format_exc().strip()
        outcome["seconds"] = round(time.monotonic() - began, 2)
        return outcome

    def members(self, made):
        """Who carries a situation's mark and lives."""
        mark = "STAGE=%s\0" % made.directory
        return [pid for pid in pids() if mark in read("/proc/%d/environ" % pid) and start_time(pid)]

    # Asking

    def ask(self, looker, *words):
        """One command of scupper without a terminal; its exit code and what it printed. All of it is kept for --keep."""
        arguments = [self.scupper, *map(str, words)]
        identity = {} if looker.uid == os.getuid() else {"user": looker.uid, "group": looker.gid, "extra_groups": []}
        answer = subprocess.run(arguments, env=looker.environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=300, check=False, start_new_session=True, **identity)  # fmt: skip
        with open(os.path.join(self.directory, "answer-%03d" % next(self.answers)), "w") as file:
            file.write("%s as %s: exit %d\n%s\n--- stderr\n%s" % (
                " ".join(map(str, words)), looker.name, answer.returncode, answer.stdout, answer.stderr))  # fmt: skip
        return answer

    def scan(self, looker):
        """Who is listed as left behind, by pid, and the pids of zombies."""
        answer = self.ask(looker, "scan", "--json")
        try:
            found = json.loads(answer.stdout)
        except ValueError:
            sys.exit("corpus: scan did not answer: exit %d: %s" % (answer.returncode, answer.stderr.strip()[-500:]))
        return {each["pid"]: each for each in found["left_behind"]}, {each["pid"] for each in found["zombies"]}

    def signalled(self, looker):
        """Who was sent a signal, by the events: pid and start time."""
        lines = self.ask(looker, "events", "reap", "--json").stdout.splitlines()
        targets = [each["target"] for each in map(json.loads, lines) if each["event"] == "signal_sent"]
        return [(target["pid"], target["start_time"]) for target in targets]


def suffix(directory):
    """What the names of units and cgroups end with, so that two corpora do not meet."""
    return directory.rpartition("-")[2].replace("_", "x")


def play(situations, directory, requests, until, modules):
    """`until`: how far to go: stage, scan or reap. Answers with an outcome for each situation, and one without a name for all."""
    batch = Batch(directory, requests, modules)
    batch.stage_all(situations)
    if until == "stage":
        for _, made, outcome in batch.staged:
            outcome["standing"] = [{"pid": pid, "what": what, "command": command(pid)[:100], "left_behind": (pid, start) in made.left_behind}
                                   for (pid, start), what in (*made.left_behind.items(), *made.living.items())]  # fmt: skip
        return batch.outcomes
    trial = Trial(batch)
    trial.look()
    if until == "reap":
        trial.reap()
    return batch.outcomes + [dict(trial.report, name=None)]
