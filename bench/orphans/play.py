"""One batch of situations: stage them, look, reap, and after each step say who is still there."""

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

from stage import Stage, NotStaged, Skip, below, command, pids, read, start_time

STAGED_AT_ONCE = 4
MOST_NEWCOMERS = 3


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

    def still_there(self):
        """Those whom a situation speaks of and who live; what ended by itself before the first look is not spoken of."""
        return {key for _, made, _ in self.staged for key in (*made.left_behind, *made.living) if start_time(key[0]) == key[1]}

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
        """pid -> certainty of each that is listed as left behind, the pids of zombies, and the whole answer."""
        answer = self.ask(looker, "scan", "--json")
        try:
            found = json.loads(answer.stdout)
        except ValueError:
            sys.exit("corpus: scan did not answer: exit %d: %s" % (answer.returncode, answer.stderr.strip()[-500:]))
        listed = {each["pid"]: each for each in processes(found["left_behind"])}
        return listed, {each["pid"] for each in processes(found["zombies"])}, found


    def signalled(self, looker):
        """Who was sent a signal, by the events: pid and start time."""
        lines = self.ask(looker, "events", "reap", "--json").stdout.splitlines()
        targets = [each["target"] for each in map(json.loads, lines) if each["event"] == "signal_sent"]
        return [(target["pid"], target["start_time"]) for target in targets]


def processes(value, certainty=None):
    """Every object with a pid in this part of the answer; a group's certainty holds for its members."""
    if isinstance(value, list):
        for each in value:
            yield from processes(each, certainty)
    elif isinstance(value, dict):
        certainty = value.get("certainty", certainty)
        if "pid" in value:
            yield dict(value, certainty=certainty)
        else:
            for each in value.values():
                yield from processes(each, certainty)


def suffix(directory):
    """What the names of units and cgroups end with, so that two corpora do not meet."""
    return directory.rpartition("-")[2].replace("_", "x")


def play(situations, directory, requests, until, modules):
    """`until`: how far to go: stage, scan or reap."""
    batch = Batch(directory, requests, modules)
    batch.stage_all(situations)
    if until == "stage":
        for _, made, outcome in batch.staged:
            outcome["standing"] = [{"pid": pid, "what": what, "command": command(pid)[:100], "left_behind": (pid, start) in made.left_behind}
                                   for (pid, start), what in (*made.left_behind.items(), *made.living.items())]  # fmt: skip
        return batch.outcomes
    names = {}
    for situation, made, outcome in batch.staged:
        for key, what in (*made.left_behind.items(), *made.living.items()):
            names[key] = (situation.name, what)
    first = batch.still_there()
    staged_at = max((key[1] for key in first), default=0)
    before = {key: command(key[0]) for key in first}
    report = {"steps": [], "strangers": []}
    looks = {looker.name: batch.scan(looker) for looker in batch.lookers}
    left = {key for _, made, _ in batch.staged for key in made.left_behind}
    # What a process that was left behind starts is left behind with it.
    orphaned = {key[0] for key in left} | set(below(*(key[0] for key in left)))
    living = first - left
    known = {key[0]: key for key in first}

    for situation, made, outcome in batch.staged:
        mine = sorted(key for key in (*made.left_behind, *made.living) if key in first)
        looked = looks[made.observed_by]
        outcome["processes"] = [{
            "pid": key[0], "what": names[key][1], "command": before[key][:200], "left_behind": key in left,
            "listed": key[0] in looked[0], "certainty": looked[0].get(key[0], {}).get("certainty"),
            "falsely": [name for name, look in looks.items() if key not in left and key[0] in look[0]],
            "evidence": looked[0].get(key[0], {}).get("evidence"), "ended_by": None,
        } for key in mine]  # fmt: skip
        if not mine:
            outcome["problem"] = "everybody ended before scupper looked"
        elif made.left_behind and not any(key in left for key in mine):
            outcome["problem"] = "what was left behind ended before scupper looked"
        wrong = made.zombies - looked[1] | made.no_zombies & looked[1]
        outcome["zombies_wrong"] = sorted(wrong)
    for looker, (listed, _, _) in looks.items():
        for pid, each in listed.items():
            if pid not in known and pid not in orphaned and each.get("parent") not in orphaned:
                report["strangers"].append({"looker": looker, "pid": pid, "command": command(pid), "certainty": each["certainty"]})

    def step(what, looker, *commands):
        """Gives these commands, a few at a time, and writes down who is gone after them."""
        there = batch.still_there()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(STAGED_AT_ONCE) as pool:
            answers = list(pool.map(lambda words: batch.ask(looker, *words), commands))
        gone = there - batch.still_there()
        report["steps"].append({
            "what": what, "seconds": round(time.monotonic() - began, 2), "exits": sorted({answer.returncode for answer in answers}),
            "ended": len(gone), "living_ended": [dict(zip(("situation", "what"), names[key]), pid=key[0]) for key in sorted(gone & living)],
        })  # fmt: skip
        for _, _, outcome in batch.staged:
            for each in outcome.get("processes", []):
                if each["ended_by"] is None and known[each["pid"]] in gone:
                    each["ended_by"] = what

    lost = first - batch.still_there()
    report["steps"].append({"what": "scan", "seconds": None, "exits": [], "ended": len(lost), "living_ended": [
        dict(zip(("situation", "what"), names[key]), pid=key[0]) for key in sorted(lost & living)]})  # fmt: skip
    if until == "reap":
        own, ordinary = batch.lookers[0], batch.lookers[-1]
        step("reap (dry run)", own, ["reap"])
        if ordinary is not own:
            step("reap --yes as an ordinary user", ordinary, ["reap", "--yes"])
        step("reap --auto", own, ["reap", "--auto"])
        step("reap --yes", own, ["reap", "--yes"])
        # Whoever is named is a person's choice: each of the likely ones, as one would after reading the list.
        for looker in {ordinary.name: ordinary, own.name: own}.values():
            roots = sorted(key[0] for key in batch.still_there() & left if key[0] in looks[looker.name][0])
            if roots:
                step("reap --yes PID" + ("" if looker is own else " as an ordinary user"), looker,
                     ["reap", "--yes", *roots])
        report["came_up"] = [{"situation": situation.name, "pid": pid, "command": command(pid)[:200]}
                             for situation, made, _ in batch.staged if made.left_behind for pid in batch.members(made)
                             if (pid, start_time(pid)) not in first]  # fmt: skip
        # And the mistake: naming what lives.
        named = sorted(key[0] for key in batch.still_there() & living)
        step("reap --yes PID of the living", own, *(["reap", "--yes", pid] for pid in named))
        listed, _, _ = batch.scan(own)
        report["listed_after"] = sorted(pid for pid in listed if pid in known)
        sent = [target for looker in {own.name: own, ordinary.name: ordinary}.values() for target in batch.signalled(looker)]
        report["signalled"] = len(sent)
        report["living_signalled"] = [dict(zip(("situation", "what"), names[key]), pid=key[0]) for key in sent if key in living]
        strangers = {key for key in sent if key not in first and key[0] not in orphaned}
        # What a loop starts while it is ended was not there before; of each there can be only a few.
        newcomers = {key for key in strangers if key[1] > staged_at}
        if len(newcomers) <= MOST_NEWCOMERS * sum(made.respawns for _, made, _ in batch.staged):
            strangers -= newcomers
        report["strangers_signalled"] = sorted(key[0] for key in strangers)
    return batch.outcomes + [dict(report, name=None)]
