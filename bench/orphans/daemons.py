"""Programs that detached themselves because somebody wanted them to stay: the real ones, and the shape of unknown ones."""

import glob
import os
import shutil

from left_behind import quoted
from stage import LEFT_ALONE, below, command, parent, pids, read, situation, wait_for


@situation(LEFT_ALONE, fast=True)
def unknown_daemon(stage):
    """A program that nobody knows, forked twice as daemon(3) does: own session, `/`, /dev/null."""
    stage.act("daemonise", "daemon").wait()
    daemon = stage.pid("daemon")
    stage.reparented(daemon)
    stage.live("the daemon", daemon)


@situation(LEFT_ALONE)
def workers_of_an_unknown_daemon(stage):
    """Servers that a daemonised supervisor (as pm2, supervisord) holds by pipes."""
    stage.start(["setsid", "-f", *stage.acting("client", "supervisor", "pipe", *stage.acting("server", "worker"))], cwd="/").wait()
    stage.pid("supervisor")
    stage.reparented(stage.pid("supervisor"))
    stage.live("supervisor and worker", stage.pid("supervisor"), stage.pid("worker"))


@situation(LEFT_ALONE, needs=["redis-server", "redis-cli"])
def redis(stage):
    """`redis-server --daemonize yes`, the real one."""
    port = stage.free_port()
    stage.run(["redis-server", "--daemonize", "yes", "--port", str(port), "--pidfile", stage.path("redis.pid"),
               "--dir", stage.directory, "--save", ""])  # fmt: skip
    server = stage.pid("redis")
    wait_for("it answers", lambda: "PONG" in stage.run(["redis-cli", "-p", str(port), "ping"]))
    stage.reparented(server)
    stage.live("redis", server)


@situation(LEFT_ALONE, needs=["postgres"], root=True)
def postgresql(stage):
    """PostgreSQL, started by pg_ctl as its own user: the real one."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    data = stage.path("data")
    os.mkdir(data)
    shutil.chown(data, "postgres")
    as_postgres = {"user": "postgres", "group": "postgres", "extra_groups": []}
    stage.run([programs + "/initdb", "--no-sync", "-A", "trust", "-D", data], **as_postgres)
    options = "-c listen_addresses='' -k %s" % data
    stage.run([programs + "/pg_ctl", "-w", "-D", data, "-l", data + "/log", "-o", options, "start"], **as_postgres)
    main = int(read(data + "/postmaster.pid").splitlines()[0])
    stage.reparented(main)
    stage.live("PostgreSQL", main, *below(main))


@situation(LEFT_ALONE, needs=["ssh-agent"])
def ssh_agent(stage):
    """ssh-agent, as a login starts it."""
    text = stage.run(["ssh-agent", "-s", "-a", stage.path("agent.sock")])
    agent = int(text.split("SSH_AGENT_PID=")[1].split(";")[0])
    stage.reparented(agent)
    stage.live("ssh-agent", agent)


@situation(LEFT_ALONE, needs=["gpg-agent"])
def gpg_agent(stage):
    """gpg-agent --daemon."""
    home = stage.path("gnupg")
    os.mkdir(home, 0o700)
    stage.run(["gpg-agent", "--homedir", home, "--daemon"])
    agent = wait_for("it runs", lambda: [pid for pid in pids() if home in command(pid) and command(pid).startswith("gpg-agent")])
    stage.live("gpg-agent", *agent)


@situation(LEFT_ALONE, needs=["dbus-daemon"])
def dbus_daemon(stage):
    """dbus-daemon --fork --session, as a desktop session starts it."""
    text = stage.run(["dbus-daemon", "--session", "--fork", "--print-pid=1", "--address=unix:path=" + stage.path("bus")])
    daemon = int(text.split()[-1])
    stage.reparented(daemon)
    stage.live("dbus-daemon", daemon)


@situation(LEFT_ALONE, needs=["tmux"], fast=True)
def tmux(stage):
    """tmux server with a shell and a job in a pane, nobody attached."""
    stage.run(["tmux", "-S", stage.path("s"), "-f", "/dev/null", "new-session", "-d", "bash --norc --noprofile"])
    stage.run(["tmux", "-S", stage.path("s"), "send-keys", quoted(stage.acting("leaf", "job")), "Enter"])
    job = stage.pid("job")
    stage.live("server, shell, job", parent(parent(job)), parent(job), job)


@situation(LEFT_ALONE, needs=["tmux"])
def job_in_the_background_of_a_pane(stage):
    """A pipeline `echo x | job &` in a shell in a tmux pane, nobody attached."""
    stage.run(["tmux", "-S", stage.path("s"), "-f", "/dev/null", "new-session", "-d", "bash --norc --noprofile"])
    stage.run(["tmux", "-S", stage.path("s"), "send-keys", "echo x | %s &" % quoted(stage.acting("leaf", "job")), "Enter"])
    job = stage.pid("job")
    stage.live("server, shell, job", parent(parent(job)), parent(job), job)


@situation(LEFT_ALONE, needs=["screen"])
def screen(stage):
    """screen with a job in a window, nobody attached."""
    os.mkdir(stage.path("screens"), 0o700)
    stage.environment["SCREENDIR"] = stage.path("screens")
    stage.run(["screen", "-dmS", "corpus", *stage.acting("leaf", "job")])
    job = stage.pid("job")
    stage.reparented(parent(job))
    stage.live("screen and its job", parent(job), job)


@situation(LEFT_ALONE, needs=["dtach"])
def dtach(stage):
    """dtach with a job, nobody attached."""
    stage.run(["dtach", "-n", stage.path("dtach.sock"), *stage.acting("leaf", "job")])
    job = stage.pid("job")
    stage.reparented(parent(job))
    stage.live("dtach and its job", parent(job), job)
