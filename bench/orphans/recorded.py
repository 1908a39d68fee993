"""Units of `scupper run`: those whose two supervisors were killed at one moment, and those that live."""

import json
import os
import shlex
import shutil

from left_alone import terminal
from left_behind import quoted
from stage import (LEFT_ALONE, LEFT_BEHIND, NotStaged, below, command, parent, read, situation, start_time,
                   stop_and_kill, wait_for)  # fmt: skip


def running(stage, *options):
    return [stage.scupper, "run", "--name", stage.unit, *options, "--", "sh", "-c"]


def unit(stage, script, *options):
    """`scupper run` around `sh -c SCRIPT`; answers with the process that was started, its guardian."""
    guardian = stage.start([*running(stage, *options), script])
    wait_for("the unit is recorded", lambda: record(stage).get("main"))
    return guardian


def record_path(stage):
    return os.path.join(stage.user["XDG_RUNTIME_DIR"], "scupper", stage.unit + ".json")


def record(stage):
    return json.loads(read(record_path(stage)) or "{}")


def rewrite(stage, changed):
    """Puts a changed record in place of a unit's."""
    with open(record_path(stage) + ".edit", "w") as file:
        json.dump(changed, file)
    os.rename(record_path(stage) + ".edit", record_path(stage))


def watchers(stage):
    found = record(stage)
    return [found[who]["pid"] for who in ("supervisor", "guardian") if found.get(who)]


def kill_watchers(stage, guardian):
    """Both at once with -9, which nothing in user space can answer."""
    both = watchers(stage)
    if guardian.pid not in both or len(both) != 2:
        raise NotStaged("the record names %s, and %d was started" % (both, guardian.pid))
    engine = next(pid for pid in both if pid != guardian.pid)
    stop_and_kill(engine, guardian.pid)
    guardian.wait()


@situation(LEFT_BEHIND, certain=True, fast=True)
def unit_whose_supervisors_were_killed(stage):
    """`scupper run` whose guardian and engine were killed with -9; its command ignores TERM."""
    guardian = unit(stage, "exec " + quoted(stage.acting("leaf", "main", "ignore-term")))
    main = stage.pid("main")
    kill_watchers(stage, guardian)
    stage.left("the command", main)


@situation(LEFT_BEHIND, certain=True, fast=True)
def escaped_children_of_a_killed_unit(stage):
    """The same with children in sessions of their own, forked twice, without a pipe to anybody."""
    escaped = "setsid -f %s </dev/null >/dev/null 2>&1; %s </dev/null >/dev/null 2>&1" % (
        quoted(stage.acting("leaf", "escaped")), quoted(stage.acting("daemonise", "daemonised", "keep-stdio")))  # fmt: skip
    guardian = unit(stage, "%s; exec %s" % (escaped, quoted(stage.acting("leaf", "main"))))
    stage.pid("main")
    members = [stage.pid("escaped"), stage.pid("daemonised")]
    kill_watchers(stage, guardian)
    stage.left("the escaped ones", *members)


@situation(LEFT_BEHIND, certain=True, fast=True)
def escaped_children_without_a_cgroup(stage):
    """The same in a unit that made no cgroup: only the mark is left."""
    escaped = "setsid -f %s </dev/null >/dev/null 2>&1" % quoted(stage.acting("leaf", "escaped", "ignore-term"))
    guardian = unit(stage, "%s; exec %s" % (escaped, quoted(stage.acting("leaf", "main"))), "--cgroup", "off")
    stage.pid("main")
    escaped = stage.pid("escaped")
    kill_watchers(stage, guardian)
    stage.left("the escaped one", escaped)


@situation(LEFT_BEHIND, certain=True, root=True)
def retitled_child_in_the_cgroup_of_a_killed_unit(stage):
    """A child that wrote a title over its environment, in a session of its own: it only sits in the unit's cgroup."""
    escaped = "setsid -f %s </dev/null >/dev/null 2>&1" % quoted(stage.acting("retitle", "retitled", "worker: idle"))
    guardian = unit(stage, "%s; exec %s" % (escaped, quoted(stage.acting("leaf", "main"))))
    stage.pid("main")
    retitled = stage.pid("retitled")
    if not record(stage).get("cgroup") or read("/proc/%d/environ" % retitled).strip("\0 ") not in ("",):
        raise NotStaged("no cgroup, or its environment is still there")
    kill_watchers(stage, guardian)
    stage.left("the retitled one", retitled)


@situation(LEFT_BEHIND, certain=True)
def mcp_server_of_a_killed_unit(stage):
    """An agent's server below `scupper run --profile agent`, all of whose supervisors were killed; it ignores TERM."""
    guardian = unit(stage, "exec " + quoted(stage.acting("client", "client", "pipe", *stage.acting("server", "server", "ignore-term"))),
                    "--profile", "agent")  # fmt: skip
    client, server = stage.pid("client"), stage.pid("server")
    kill_watchers(stage, guardian)
    wait_for("the client obeyed TERM", lambda: start_time(client) is None)
    stage.left("the server", server)


@situation(LEFT_BEHIND, certain=True)
def helper_that_lost_its_parent_in_a_killed_unit(stage):
    """A helper whose worker had died before, taken in by the engine, which was then killed."""
    orphan = quoted(stage.acting("orphaner", "orphaner", *stage.acting("leaf", "helper")))
    guardian = unit(stage, "%s; exec %s" % (orphan, quoted(stage.acting("leaf", "main"))))
    stage.pid("main")
    helper = stage.pid("helper")
    wait_for("a supervisor took it in", lambda: parent(helper) in watchers(stage))
    kill_watchers(stage, guardian)
    stage.left("the helper", helper)


@situation(LEFT_ALONE, fast=True)
def living_unit(stage):
    """`scupper run` that lives: its supervisors, its command, a helper, one that escaped into a session of its own."""
    script = "setsid -f %s </dev/null >/dev/null 2>&1; %s </dev/null & exec %s" % (
        quoted(stage.acting("leaf", "escaped")), quoted(stage.acting("leaf", "helper")), quoted(stage.acting("leaf", "main")))  # fmt: skip
    guardian = unit(stage, script)
    members = [stage.pid(name) for name in ("escaped", "helper", "main")]
    stage.live("guardian and engine", guardian.pid, *[pid for pid in watchers(stage) if pid != guardian.pid])
    stage.live("the members", *members)


@situation(LEFT_ALONE, fast=True)
def living_unit_that_was_detached(stage):
    """`setsid -f scupper run` whose starter is long gone, and a server in it whose client is dead: the unit's own affair."""
    orphan = quoted(stage.acting("orphaner", "orphaner", *stage.acting("leaf", "helper")))
    script = "%s; exec %s" % (orphan, quoted(stage.acting("leaf", "main")))
    stage.start(["setsid", "-f", *running(stage), script]).wait()
    stage.pid("main")
    both = wait_for("it is recorded", lambda: record(stage).get("main") and watchers(stage))
    stage.live("guardian and engine", *both)
    stage.live("the members", stage.pid("main"), stage.pid("helper"))


@situation(LEFT_ALONE, fast=True)
def killed_unit_in_a_living_terminal(stage):
    """`scupper run` typed in a terminal that is open, all of whose supervisors were killed: somebody sits before its command."""
    shell, type_line = terminal(stage)
    type_line(shlex.join([*running(stage), "exec " + quoted(stage.acting("leaf", "main", "ignore-term"))]))
    main = stage.pid("main")
    both = wait_for("the unit is recorded", lambda: record(stage).get("main") and watchers(stage))
    stop_and_kill(*both)
    wait_for("somebody took it over", lambda: parent(main) not in both)
    stage.live("shell and command", shell, main)


@situation(LEFT_ALONE, fast=True)
def reused_pid(stage):
    """A record of a killed unit names pids that are somebody else's now: supervisors and command, with other start times."""
    innocent = [stage.act("leaf", "innocent-%d" % number) for number in range(3)]
    stage.live("who has the pids now", *[stage.pid("innocent-%d" % number) for number in range(3)])
    guardian = unit(stage, "exec " + quoted(stage.acting("leaf", "main")))
    stage.pid("main")
    text = record(stage)
    kill_watchers(stage, guardian)
    wait_for("its command obeyed TERM", lambda: start_time(text["main"]["pid"]) is None)
    for who, process in zip(("supervisor", "guardian", "main"), innocent):
        text[who]["pid"] = process.pid  # with the start time of the dead one
    rewrite(stage, text)


@situation(LEFT_ALONE, fast=True)
def record_that_names_another_cgroup(stage):
    """A record of a killed unit whose cgroup was rewritten to one that others live in."""
    group = stage.cgroup("corpus-%s-somebody-elses" % stage.suffix)
    innocent = stage.act("leaf", "innocent")
    with open(os.path.join(group, "cgroup.procs"), "w") as file:
        file.write(str(innocent.pid))
    guardian = unit(stage, "exec " + quoted(stage.acting("leaf", "main")))
    stage.pid("main")
    text = record(stage)
    kill_watchers(stage, guardian)
    wait_for("its command obeyed TERM", lambda: start_time(text["main"]["pid"]) is None)
    text["cgroup"] = group
    rewrite(stage, text)
    stage.live("who lives there", innocent.pid)


@situation(LEFT_ALONE, fast=True)
def mark_of_an_unknown_run(stage):
    """A process with a living parent whose environment was copied from a unit that no record tells of."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"),
                       env={"SCUPPER_RUN": "01900000-0000-7000-8000-000000000000", "SCUPPER_UNIT": "copied"})  # fmt: skip
    stage.pid("client")
    stage.live("client and server", client.pid, stage.pid("server"))


@situation(LEFT_ALONE, needs=["redis-server"])
def daemon_of_a_killed_agent_unit(stage):
    """`redis-server --daemonize yes` that an agent started for its user, below `scupper run --profile agent` that was killed."""
    port = stage.free_port()
    guardian = unit(stage, "redis-server --daemonize yes --port %d --pidfile %s --dir %s --save '' && exec %s" % (
        port, stage.path("redis.pid"), stage.directory, quoted(stage.acting("leaf", "main"))), "--profile", "agent")  # fmt: skip
    stage.pid("main")
    redis = stage.pid("redis")
    kill_watchers(stage, guardian)
    stage.live("redis", redis)


@situation(LEFT_ALONE, needs=["tmux"], fast=True)
def tmux_that_an_ended_agent_unit_left(stage):
    """tmux that an agent started below `scupper run --profile agent`, which then ended by itself and spared it."""
    script = "tmux -S '%s' -f /dev/null new-session -d %s" % (stage.path("s"), '"%s"' % quoted(stage.acting("leaf", "pane")))
    stage.run([*running(stage, "--profile", "agent"), script])
    pane = stage.pid("pane")
    stage.live("tmux and its pane", parent(pane), pane)


@situation(LEFT_ALONE, needs=["tmux"])
def tmux_of_a_killed_unit(stage):
    """tmux that was started in a unit whose supervisors were killed: its panes carry the unit's mark, whoever opened them."""
    script = "tmux -S '%s' -f /dev/null new-session -d %s; exec %s" % (
        stage.path("s"), '"%s"' % quoted(stage.acting("leaf", "pane")), quoted(stage.acting("leaf", "main")))  # fmt: skip
    guardian = unit(stage, script, "--profile", "agent")
    stage.pid("main")
    pane = stage.pid("pane")
    kill_watchers(stage, guardian)
    stage.run(["tmux", "-S", stage.path("s"), "new-window", "-d", quoted(stage.acting("leaf", "later"))])
    stage.live("tmux and its panes", parent(pane), pane, stage.pid("later"))


@situation(LEFT_ALONE)
def mark_that_was_handed_on_to_a_terminal(stage):
    """A terminal's shell and its job whose environment was copied out of a unit; the unit's supervisors were killed since."""
    guardian = unit(stage, "exec " + quoted(stage.acting("leaf", "main")))
    stage.pid("main")
    run = record(stage)["run"]
    stage.act("on-pty", "terminal", "bash", "--norc", "--noprofile", "-i", env={"SCUPPER_RUN": run, "SCUPPER_UNIT": stage.unit})
    stage.pid("terminal")
    with open(stage.path("terminal.type"), "w") as typed:
        typed.write(quoted(stage.acting("leaf", "job")) + "\n")
    job = stage.pid("job")
    kill_watchers(stage, guardian)
    stage.live("shell and job", stage.pid("terminal-shell"), job)


@situation(LEFT_ALONE)
def living_unit_below_a_killed_one(stage):
    """`setsid -f scupper run` that was started in a unit whose supervisors were killed: its own supervisors live."""
    inner = [stage.scupper, "run", "--name", stage.unit + "-i", "--", *stage.acting("leaf", "inner")]
    script = "setsid -f %s </dev/null >/dev/null 2>&1; exec %s" % (quoted(inner), quoted(stage.acting("leaf", "main")))
    guardian = unit(stage, script)
    stage.pid("main")
    member = stage.pid("inner")
    engine = wait_for("the inner engine is its parent", lambda: "scupper" in command(parent(member)) and parent(member))
    kill_watchers(stage, guardian)
    stage.live("the inner unit", member, engine)


@situation(LEFT_ALONE)
def kept_in_a_killed_unit(stage):
    """A child that was marked with SCUPPER_KEEP=1 inside of a unit whose supervisors were killed."""
    kept = "SCUPPER_KEEP=1 setsid -f %s </dev/null >/dev/null 2>&1" % quoted(stage.acting("leaf", "kept"))
    guardian = unit(stage, "%s; exec %s" % (kept, quoted(stage.acting("leaf", "main"))))
    stage.pid("main")
    kept = stage.pid("kept")
    kill_watchers(stage, guardian)
    stage.live("the kept one", kept)


@situation(LEFT_ALONE)
def kept_by_the_pattern_of_a_killed_unit(stage):
    """A child that `--keep` of a unit names, whose supervisors were killed."""
    shutil.copy("/bin/sleep", stage.path("corpus-keeper"))
    kept = "setsid -f ./corpus-keeper 100000 </dev/null >/dev/null 2>&1"
    guardian = unit(stage, "%s; exec %s" % (kept, quoted(stage.acting("leaf", "main"))), "--keep", "corpus-keeper")
    stage.pid("main")
    pid = wait_for("it runs", lambda: [p for p in below(1) if command(p).startswith("./corpus-keeper")])[0]
    kill_watchers(stage, guardian)
    stage.live("the kept one", pid)
