"""One batch put to the test: look, reap, and after each step write down who is gone."""

import concurrent.futures
import time

from stage import NotStaged, below, command, start_time, wait_for

# What a loop starts while it is ended; of each loop there can be only a few.
MOST_NEWCOMERS = 3
COMMANDS_AT_ONCE = 4


class Trial:
    """What scupper says of a staged batch, and what becomes of it. A process is its pid and its start time."""

    def __init__(self, batch):
        self.batch = batch
        self.own, self.ordinary = batch.lookers[0], batch.lookers[-1]
        # Who is what, in words.
        self.names = {key: (situation.name, what) for situation, made, _ in batch.staged
                      for key, what in (*made.left_behind.items(), *made.living.items())}  # fmt: skip
        self.there = self.still_there()
        self.staged_at = max((start for _, start in self.there), default=0)
        self.commands = {key: command(key[0]) for key in self.there}
        self.left = {key for _, made, _ in batch.staged for key in made.left_behind}
        self.living = self.there - self.left
        # What a process that was left behind starts is left behind with it.
        self.orphaned = {pid for pid, _ in self.left} | set(below(*(pid for pid, _ in self.left)))
        self.looks = {}
        self.report = {"steps": [], "strangers": []}

    def still_there(self):
        return {key for key in self.names if start_time(key[0]) == key[1]}

    # Looking

    def look(self):
        """Everybody looks; nobody ends by that."""
        self.step("scan", lambda: self.looks.update({looker.name: self.batch.scan(looker) for looker in self.batch.lookers}))
        for situation, made, outcome in self.batch.staged:
            self.write_down(made, outcome)
        known = {pid for pid, _ in self.there}
        for looker, (listed, _) in self.looks.items():
            for pid, each in listed.items():
                if pid not in known and pid not in self.orphaned and each["parent"] not in self.orphaned:
                    self.report["strangers"].append(
                        {"looker": looker, "pid": pid, "command": command(pid), "certainty": each["certainty"]})  # fmt: skip

    def write_down(self, made, outcome):
        """What was said of the processes of one situation."""
        listed, zombies = self.looks[made.observed_by]
        mine = sorted(key for key in (*made.left_behind, *made.living) if key in self.there)
        outcome["processes"] = [{
            "pid": key[0], "start_time": key[1], "what": self.names[key][1], "command": self.commands[key][:200],
            "left_behind": key in self.left, "listed": key[0] in listed, "certainty": listed.get(key[0], {}).get("certainty"),
            "falsely": [name for name, look in self.looks.items() if key not in self.left and key[0] in look[0]],
            "evidence": listed.get(key[0], {}).get("evidence"), "ended_by": None,
        } for key in mine]  # fmt: skip
        if not mine or made.left_behind and not any(key in self.left for key in mine):
            outcome["problem"] = "it ended by itself before scupper looked"
        outcome["zombies_wrong"] = sorted(made.zombies - zombies | made.no_zombies & zombies)

    # Reaping

    def reap(self):
        self.ask("reap (dry run)", self.own, ["reap"])
        if self.ordinary is not self.own:
            self.ask("reap --yes as an ordinary user", self.ordinary, ["reap", "--yes"])
        self.ask("reap --auto", self.own, ["reap", "--auto"])
        self.ask("reap --yes", self.own, ["reap", "--yes"])
        # Whoever is named is a person's choice: each of the likely ones, as one would after reading the list.
        for looker in self.everybody():
            listed = sorted(pid for pid, _ in self.still_there() & self.left if pid in self.looks[looker.name][0])
            if listed:
                self.ask("reap --yes PID" + ("" if looker is self.own else " as an ordinary user"), looker, ["reap", "--yes", *listed])
        self.report["came_up"] = self.came_up()
        # And the mistake: naming what lives.
        named = sorted(pid for pid, _ in self.still_there() & self.living)
        self.ask("reap --yes PID of the living", self.own, *(["reap", "--yes", pid] for pid in named))
        self.read_events()

    def came_up(self):
        """Who was started while others were ended, and stays."""

        def new():
            return [
                {"situation": situation.name, "pid": pid, "command": command(pid)[:200]}
                for situation, made, _ in self.batch.staged if made.left_behind
                for pid in self.batch.members(made) if (pid, start_time(pid)) not in self.there
            ]  # fmt: skip

        try:
            wait_for("the last ones end by themselves", lambda: not new(), 3)
        except NotStaged:
            pass  # they stay
        return new()

    def everybody(self):
        return [self.own] if self.ordinary is self.own else [self.ordinary, self.own]

    def ask(self, what, looker, *commands):
        """Gives these commands, a few at a time."""

        def all_of_them():
            with concurrent.futures.ThreadPoolExecutor(COMMANDS_AT_ONCE) as pool:
                return list(pool.map(lambda words: self.batch.ask(looker, *words).returncode, commands))

        self.step(what, all_of_them)

    def step(self, what, do):
        """Does it, and writes down who is gone after it."""
        before, began = self.still_there(), time.monotonic()
        exits = do()
        gone = before - self.still_there()
        self.report["steps"].append({
            "what": what, "seconds": round(time.monotonic() - began, 2), "exits": sorted(set(exits or [])), "ended": len(gone),
            "living_ended": [self.described(key) for key in sorted(gone & self.living)],
        })  # fmt: skip
        for _, _, outcome in self.batch.staged:
            for each in outcome.get("processes", []):
                if (each["pid"], each["start_time"]) in gone:
                    each["ended_by"] = what

    def described(self, key):
        return {"situation": self.names[key][0], "what": self.names[key][1], "pid": key[0]}

    def read_events(self):
        """Who was sent a signal, by scupper's own events: also one that did not end by it."""
        sent = [key for looker in self.everybody() for key in self.batch.signalled(looker)]
        self.report["signalled"] = len(sent)
        self.report["living_signalled"] = [self.described(key) for key in sent if key in self.living]
        strangers = {key for key in sent if key not in self.there and key[0] not in self.orphaned}
        newcomers = {key for key in strangers if key[1] > self.staged_at}
        if len(newcomers) <= MOST_NEWCOMERS * sum(made.respawns for _, made, _ in self.batch.staged):
            strangers -= newcomers
        self.report["strangers_signalled"] = sorted(pid for pid, _ in strangers)
