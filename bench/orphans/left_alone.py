"""What looks left behind to somebody, and lives: jobs of shells, servers in use, whatever is held by somebody who is not seen."""

import os
import shutil
import signal

from left_behind import beside, crashed_client, dead_agent, lose_the_wrapper, quoted
from stage import LEFT_ALONE, Skip, below, command, parent, read, situation, start_time, state, wait_for


def terminal(stage, *words):
    """A living interactive shell on a terminal; answers with its pid and a function that types a line."""
    stage.act("on-pty", "terminal", *(words or ("bash", "--norc", "--noprofile", "-i")))
    stage.pid("terminal")

    def type_line(text, end="\n"):
        with open(stage.path("terminal.type"), "w") as fifo:
            fifo.write(text + end)

    return stage.pid("terminal-shell"), type_line


# Jobs of shells


@situation(LEFT_ALONE, fast=True)
def pipeline_whose_first_part_is_done(stage):
    """`echo x | job` in a living shell: nobody holds the other end of the job's stdin, and nobody has to."""
    shell = stage.start(["bash", "-c", "echo x | %s; true" % quoted(stage.acting("leaf", "job"))])
    job = stage.pid("job")
    wait_for("echo is done", lambda: below(shell.pid) == [job])
    stage.live("shell and job", shell.pid, job)


@situation(LEFT_ALONE, fast=True)
def pipeline_in_a_script_without_a_terminal(stage):
    """`echo x | job` in a script that cron started: no terminal, the session's leader is the script."""
    script = stage.path("backup.sh")
    with open(script, "w") as file:
        file.write("#!/bin/sh\necho x | %s\necho done\n" % quoted(stage.acting("leaf", "job")))
    cron = stage.act("wrapper", "cron", "/usr/sbin/cron -f", "setsid", "-w", "sh", script)
    job = stage.pid("job")
    stage.live("cron and its job", cron.pid, parent(job), job)


@situation(LEFT_ALONE, fast=True)
def pipeline_that_is_fed(stage):
    """`yes | job` in a living shell."""
    shell = stage.start(["bash", "-c", "yes | %s; true" % quoted(stage.acting("leaf", "job"))])
    job = stage.pid("job")
    stage.live("shell, job, yes", shell.pid, *wait_for("both run", lambda: len(below(shell.pid)) == 2 and below(shell.pid)))
    stage.live("job", job)


@situation(LEFT_ALONE)
def pipeline_whose_reader_is_done(stage):
    """`job | head -1` in a living shell: nobody reads any more, and the job has nothing to say for now."""
    shell = stage.start(["bash", "-c", "(echo line; exec %s) | head -n 1; true" % quoted(stage.acting("leaf", "job"))])
    job = stage.pid("job")
    wait_for("head is done", lambda: below(shell.pid) == [job])
    stage.live("shell and job", shell.pid, job)


@situation(LEFT_ALONE, fast=True)
def job_under_nohup(stage):
    """`nohup job > log &` in a shell that has ended."""
    stage.start(["bash", "-c", "nohup %s </dev/null >log 2>&1 & true" % quoted(stage.acting("leaf", "job"))]).wait()
    stage.reparented(stage.pid("job"))
    stage.live("the job", stage.pid("job"))


@situation(LEFT_ALONE)
def job_under_nohup_on_a_closed_terminal(stage):
    """`nohup job &` on a terminal that was closed."""
    shell, type_line = terminal(stage)
    type_line("nohup %s &" % quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    holder = stage.pid("terminal")
    os.kill(holder, signal.SIGKILL)
    wait_for("the shell was hung up", lambda: start_time(shell) is None)
    stage.reparented(job)
    stage.live("the job", job)


def under_setsid(stage):
    """A job that `setsid -f` has started from a script that has ended."""
    stage.start(["bash", "-c", "setsid -f %s </dev/null >log 2>&1" % quoted(stage.acting("leaf", "job"))]).wait()
    job = stage.pid("job")
    stage.reparented(job)
    return job


@situation(LEFT_ALONE, fast=True)
def job_under_setsid(stage):
    """`setsid -f job </dev/null >log 2>&1`: detached on purpose."""
    job = under_setsid(stage)
    stage.live("the job", job)


@situation(LEFT_ALONE)
def job_under_setsid_whose_log_was_rotated(stage):
    """The same, its log deleted since."""
    job = under_setsid(stage)
    os.unlink(stage.path("log"))
    stage.live("the job", job)


@situation(LEFT_ALONE)
def job_under_nohup_with_a_dead_stdin(stage):
    """`nohup train > log &` that took over the stdin of somebody who has ended: its log will be read."""
    agent = dead_agent(stage, "echo x | { exec 3<&0; nohup %s <&3 3<&- >log 2>&1 & } ; true" % quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    stage.reparented(job)
    stage.kill(agent)
    stage.live("the job", job)


@situation(LEFT_ALONE, fast=True)
def pipeline_into_a_log_whose_shell_has_ended(stage):
    """`cat data | job > log &` in a script that has ended: the data are read, the result will be."""
    stage.start(["bash", "-c", "echo data | %s >log 2>&1 & true" % quoted(stage.acting("leaf", "job"))]).wait()
    job = stage.pid("job")
    stage.reparented(job)
    stage.live("the job", job)


@situation(LEFT_ALONE)
def pipeline_into_a_log_on_a_closed_terminal(stage):
    """`cat data | job > log &`, then the terminal was closed; the job handles HUP."""
    shell, type_line = terminal(stage)
    type_line("echo data | %s >log 2>&1 &" % quoted(stage.acting("leaf", "job", "handle-hup")))
    job = stage.pid("job")
    os.kill(shell, signal.SIGKILL)
    os.kill(stage.pid("terminal"), signal.SIGKILL)
    stage.reparented(job)
    stage.live("the job", job)


@situation(LEFT_ALONE)
def job_of_a_subshell_on_a_living_terminal(stage):
    """`(job &)` in a living interactive shell: no parent, and somebody sees what it writes."""
    shell, type_line = terminal(stage)
    type_line("(%s &)" % quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    stage.reparented(job)
    stage.live("shell and job", shell, job)


@situation(LEFT_ALONE)
def connection_that_ssh_shares(stage):
    """`ssh -o ControlPersist` that git started: own session, stdin and stdout away, its stderr still the dead pipe of its starter."""
    remote = stage.act("accept", "remote", 0)
    stage.pid("remote-listens")
    words = stage.acting("connect", "ssh", read(stage.path("remote.port")), "titled")
    git = dead_agent(stage, "setsid -f %s </dev/null >/dev/null" % quoted(words))
    ssh = stage.pid("ssh")
    stage.reparented(ssh)
    stage.kill(git)
    stage.live("ssh and its remote side", ssh, remote.pid)


@situation(LEFT_ALONE)
def daemon_whose_directory_was_deleted(stage):
    """`setsid -f server </dev/null >log 2>&1`, started in a directory that was temporary; the log is there."""
    os.mkdir(stage.path("temporary"))
    stage.start(["bash", "-c", "setsid -f %s </dev/null >../log 2>&1" % quoted(stage.acting("leaf", "server"))], cwd=stage.path("temporary")).wait()
    server = stage.pid("server")
    stage.reparented(server)
    shutil.rmtree(stage.path("temporary"))
    stage.live("the server", server)


@situation(LEFT_ALONE)
def job_and_its_logger(stage):
    """`setsid sh -c 'job | logger'`, sh gone: the two hold each other, which is how they are meant."""
    stage.start(["setsid", "-f", "sh", "-c", "%s </dev/null 2>&1 | %s >log 2>&1 & true" % (
        quoted(stage.acting("leaf", "job")), quoted(stage.acting("leaf", "logger")))]).wait()  # fmt: skip
    both = [stage.pid("job"), stage.pid("logger")]
    stage.reparented(*both)
    stage.live("job and logger", *both)


@situation(LEFT_ALONE, fast=True)
def shell_of_an_unknown_multiplexer(stage):
    """A program that nobody knows holds a terminal with a shell and a job, as mosh-server does; nobody is attached."""
    on_pty = stage.acting("on-pty", "mux", "bash", "--norc", "--noprofile", "-i")
    stage.start(["setsid", "-f", *on_pty]).wait()
    mux, shell = stage.pid("mux"), stage.pid("mux-shell")
    stage.reparented(mux)
    with open(stage.path("mux.type"), "w") as fifo:
        fifo.write(quoted(stage.acting("leaf", "job")) + "\n")
    stage.live("the multiplexer, its shell, its job", mux, shell, stage.pid("job"))


@situation(LEFT_ALONE, fast=True)
def stopped_job(stage):
    """A job that was stopped with ^Z in a living shell on a terminal."""
    shell, type_line = terminal(stage)
    type_line(quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    type_line("\x1a", end="")
    wait_for("it stands still", lambda: state(job) == "T")
    stage.live("shell and job", shell, job)


@situation(LEFT_ALONE, fast=True)
def background_job_on_a_terminal(stage):
    """`job &` of a living interactive shell."""
    shell, type_line = terminal(stage)
    type_line(quoted(stage.acting("leaf", "job")) + " &")
    stage.live("shell and job", shell, stage.pid("job"))


@situation(LEFT_ALONE)
def disowned_program_with_a_window(stage):
    """`editor & disown` on a terminal that was closed: a living display server shows its windows."""
    display = stage.act("accept", "display", stage.path("X0"), "/usr/lib/xorg/Xorg :0")
    stage.pid("display-listens")
    shell, type_line = terminal(stage)
    type_line(quoted(stage.acting("connect", "editor", stage.path("X0"), "handle-hup")) + " & disown")
    editor = stage.pid("editor")
    os.kill(shell, signal.SIGKILL)
    os.kill(stage.pid("terminal"), signal.SIGKILL)
    stage.reparented(editor)
    stage.live("editor and display", editor, display.pid)


@situation(LEFT_ALONE)
def pipeline_over_a_killed_middle(stage):
    """`a | b | job` in a living shell after b was killed by the OOM killer: the shell still waits."""
    shell = stage.start(["bash", "-c", "yes | %s | %s; true" % (quoted(stage.acting("leaf", "middle")), quoted(stage.acting("leaf", "job")))])
    os.kill(stage.pid("middle"), signal.SIGKILL)
    job = stage.pid("job")
    wait_for("only the job is left", lambda: [p for p in below(shell.pid) if start_time(p)] == [job])
    stage.live("shell and job", shell.pid, job)
    if "leaf" not in command(job):
        raise Skip("the job became something else")


# Servers that are in use


@situation(LEFT_ALONE, fast=True)
def server_in_use(stage):
    """stdio server with a living client, over pipes; idle for now."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"))
    stage.pid("client")
    stage.live("client and server", client.pid, stage.pid("server"))


@situation(LEFT_ALONE, needs=["node"], fast=True)
def node_server_in_use(stage):
    """stdio server in Node with a living Node client, over socket pairs."""
    client = stage.start(["node", stage.program("client.js"), "client", "node", stage.program("server.js"), "server"])
    stage.pid("client")
    stage.live("client and server", client.pid, stage.pid("server"))


@situation(LEFT_ALONE, fast=True)
def server_whose_wrapper_died(stage):
    """stdio server whose wrapper (npx, sh) is gone, but not its client: it holds the pipes."""
    client = stage.act("client", "client", "pipe", "sh", "-c",
                       "exec 3<&0; %s <&3 3<&- & wait" % quoted(stage.acting("server", "server")))  # fmt: skip
    lose_the_wrapper(stage, client)


@situation(LEFT_ALONE)
def server_of_a_stopped_client(stage):
    """stdio server whose client is stopped in a debugger, not dead."""
    client = stage.act("client", "client", "socketpair", *stage.acting("server", "server"))
    stage.pid("client")
    os.kill(client.pid, signal.SIGSTOP)
    stage.live("client and server", client.pid, stage.pid("server"))


@situation(LEFT_ALONE, fast=True)
def background_of_a_living_agent(stage):
    """`job &` in a tool shell that has ended, of an agent that lives and reads the job's output."""
    agent = dead_agent(stage, quoted(stage.acting("leaf", "job")) + " & true")  # it is not killed
    job = stage.pid("job")
    stage.reparented(job)
    stage.live("agent and job", agent.pid, job)


@situation(LEFT_ALONE, needs=["node"], fast=True)
def dev_server_with_a_living_client(stage):
    """Dev server without a parent and with dead pipes that somebody has a connection to."""
    agent = dead_agent(stage, "node '%s' dev & true" % stage.program("dev-server.js"))
    server = stage.pid("dev")
    stage.reparented(server)
    client = stage.act("connect", "browser", read(stage.path("dev.port")))
    stage.pid("browser")
    stage.kill(agent)
    stage.live("client and server", client.pid, server)


@situation(LEFT_ALONE)
def daemon_over_a_unix_socket(stage):
    """Language server without a parent that a living editor talks to over a named Unix socket."""
    agent = dead_agent(stage, quoted(stage.acting("accept", "server", stage.path("lsp.sock"))) + " & true")
    server = stage.pid("server-listens")
    stage.reparented(server)
    editor = stage.act("connect", "editor", stage.path("lsp.sock"))
    stage.pid("editor")
    stage.pid("server")
    stage.kill(agent)
    stage.live("editor and server", editor.pid, server)


@situation(LEFT_ALONE, needs=["node"])
def workers_of_a_living_test_runner(stage):
    """Workers of a living test runner in Node: an IPC channel, socket pairs."""
    runner = stage.start(["node", stage.program("test-runner.js"), "runner"])
    stage.pid("runner")
    stage.live("runner and workers", runner.pid, stage.pid("runner-worker-1"), stage.pid("runner-worker-2"))


@situation(LEFT_ALONE)
def its_only_writer_is_its_child_but_its_parent_lives(stage):
    """Process whose stdin only its own child can write to, whose parent lives."""
    process = stage.act("child-writes", "job")
    stage.live("both", stage.pid("job"), stage.pid("job-child"))
    stage.live("itself", process.pid)


@situation(LEFT_ALONE)
def stdin_is_a_connection(stage):
    """A program like ssh or what inetd starts: its stdin is a connected TCP socket, the other side lives."""
    remote = stage.act("accept", "remote", 0)
    stage.pid("remote-listens")
    client = stage.act("connect", "ssh", read(stage.path("remote.port")), "as-stdin")
    stage.pid("ssh")
    stage.pid("remote")
    stage.live("both", client.pid, remote.pid)


@situation(LEFT_ALONE, fast=True)
def reader_of_a_named_pipe(stage):
    """A job under setsid that waits for lines from a FIFO: anybody may come and write."""
    os.mkfifo(stage.path("fifo"))
    stage.start(["bash", "-c", "setsid -f %s <>fifo >log 2>&1" % quoted(stage.acting("leaf", "watcher"))]).wait()
    watcher = stage.pid("watcher")
    stage.reparented(watcher)
    stage.live("the watcher", watcher)


@situation(LEFT_ALONE)
def upgraded_while_it_ran(stage):
    """A program whose file was replaced by an upgrade and whose working directory is gone; its parent lives."""
    os.mkdir(stage.path("old"))
    shutil.copy("/bin/sleep", stage.path("old/job"))
    job = stage.start([stage.path("old/job"), "100000"], cwd=stage.path("old"))
    shutil.rmtree(stage.path("old"))
    stage.live("the job", job.pid)


@situation(LEFT_ALONE)
def child_of_a_living_subreaper(stage):
    """A process that a living subreaper started itself, its stdin at an end."""
    reaper = stage.act("subreaper", "reaper", "my-supervisor", "sh", "-c", "echo x | %s; true" % quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    stage.live("subreaper and what it started", reaper.pid, parent(job), job)


@situation(LEFT_ALONE, fast=True)
def zombie_of_a_living_parent(stage):
    """A zombie whose parent never waits: a finding of its own, nothing to end."""
    living = stage.act("zombie", "parent")
    stage.pid("parent")
    child = stage.pid("parent-child")
    wait_for("it is a zombie", lambda: state(child) == "Z")
    stage.live("its parent", living.pid)
    stage.zombies.add(child)


# Kept


@situation(LEFT_ALONE, fast=True)
def kept_by_its_mark(stage):
    """Server of a killed client with SCUPPER_KEEP=1 in its environment."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"), env={"SCUPPER_KEEP": "1"})
    stage.pid("client")
    stage.kill(client)
    stage.reparented(stage.pid("server"))
    stage.live("the server", stage.pid("server"))


@situation(LEFT_ALONE, fast=True)
def kept_by_pid(stage):
    """Server of a killed client that `scupper keep PID` keeps, with a child."""
    crashed_client(stage, "pipe", ["sh", "-c", beside(stage.acting("leaf", "child"), stage.acting("server", "server"))])
    server = stage.pid("server")
    stage.reparented(server)
    stage.run([stage.scupper, "keep", str(server)])
    stage.live("server and child", server, stage.pid("child"))


@situation(LEFT_ALONE, fast=True)
def kept_by_pattern(stage):
    """Server of a killed client that `scupper keep --match` keeps by its name."""
    title = "precious-%d" % os.getpid()
    crashed_client(stage, "pipe", ["sh", "-c", beside(stage.acting("retitle", "precious", title), stage.acting("server", "doomed"))])
    precious, doomed = stage.pid("precious"), stage.pid("doomed")
    os.kill(doomed, signal.SIGKILL)
    stage.reparented(precious)
    stage.run([stage.scupper, "keep", "--match", "precious-*"])
    stage.live("the server", precious)


@situation(LEFT_ALONE)
def server_held_by_a_kept_one(stage):
    """Server whose client looks left behind and is kept by its mark: it is in use."""
    inner = stage.acting("client", "inner", "pipe", *stage.acting("server", "server"))
    agent = dead_agent(stage, "SCUPPER_KEEP=1 %s & true" % quoted(inner))
    stage.pid("inner")
    stage.reparented(stage.pid("inner"))
    stage.kill(agent)
    stage.live("client and server", stage.pid("inner"), stage.pid("server"))
