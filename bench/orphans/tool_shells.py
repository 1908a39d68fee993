"""What tool shells, terminals and test runners left behind: background jobs and workers."""

import os
import shutil
import signal

from left_behind import dead_agent, quoted
from stage import LEFT_BEHIND, parent, read, situation, start_time, wait_for


@situation(LEFT_BEHIND)
def its_only_writer_is_its_own_child(stage):
    """Process whose stdin is a pipe that only its own child can write to, and whose agent is dead."""
    agent = dead_agent(stage, quoted(stage.acting("child-writes", "job")) + " & true")
    job, child = stage.pid("job"), stage.pid("job-child")
    stage.reparented(job)
    stage.kill(agent)
    stage.left("the job", job)
    stage.left("its child", child)


@situation(LEFT_BEHIND, needs=["node"], fast=True)
def dev_server_of_a_dead_agent(stage):
    """`node dev-server.js &` in a tool shell of an agent that is dead: nobody reads its output."""
    agent = dead_agent(stage, "node '%s' dev & true" % stage.program("dev-server.js"))
    server = stage.pid("dev")
    stage.reparented(server)
    stage.kill(agent)
    stage.left("the server", server)


@situation(LEFT_BEHIND, needs=["npm", "node"])
def npm_run_dev_of_a_dead_agent(stage):
    """`npm run dev &` (the real npm) in a tool shell of an agent that is dead."""
    with open(stage.path("package.json"), "w") as file:
        file.write('{"name":"app","version":"1.0.0","scripts":{"dev":"node %s dev"}}' % stage.program("dev-server.js"))
    agent = dead_agent(stage, "npm run dev & true")
    server = stage.pid("dev")
    chain = [server]
    while parent(chain[-1]) != 1:
        chain.append(parent(chain[-1]))
    stage.kill(agent)
    stage.left("the server and what is above it", *chain)


@situation(LEFT_BEHIND)
def python_http_server_of_a_dead_agent(stage):
    """`python3 -m http.server &` in a tool shell of an agent that is dead."""
    agent = dead_agent(stage, "%s -m http.server 0 & echo $! > server.pid" % stage.acting("x")[0])
    server = stage.pid("server")
    stage.reparented(server)
    stage.kill(agent)
    stage.left("the server", server)


@situation(LEFT_BEHIND)
def endless_loop_of_a_dead_tool_shell(stage):
    """`while true; do ...; sleep 1; done &` in a tool shell of an agent that is dead."""
    agent = dead_agent(stage, "(echo $BASHPID > loop.pid; while true; do sleep 0.5; done) & true")
    loop = stage.pid("loop")
    stage.reparented(loop)
    stage.kill(agent)
    stage.left("the loop", loop)


@situation(LEFT_BEHIND, fast=True)
def loop_that_starts_its_server_again(stage):
    """`while true; do server; done &` in a tool shell of an agent that is dead: whoever ends the server gets a new one."""
    agent = dead_agent(stage, "(echo $BASHPID > loop.pid; while true; do %s; done) & true" % quoted(stage.acting("leaf", "server")))
    loop, server = stage.pid("loop"), stage.pid("server")
    stage.reparented(loop)
    stage.kill(agent)
    stage.left("loop and server", loop, server)
    stage.respawns = True


@situation(LEFT_BEHIND)
def workers_of_a_pool_killed_in_a_living_terminal(stage):
    """Workers of a Python pool that was killed in a terminal whose shell lives: nothing tells them from `(job &)`."""
    stage.act("on-pty", "terminal", "bash", "--norc", "--noprofile", "-i")
    stage.pid("terminal")
    with open(stage.path("terminal.type"), "w") as typed:
        typed.write(quoted(stage.acting("pool", "pool", 2)) + "\n")
    pool = stage.pid("pool")
    workers = [int(word) for word in read(stage.path("pool.workers")).split()]
    os.kill(pool, signal.SIGKILL)
    stage.reparented(*workers)
    stage.left("the workers", *workers)
    stage.live("terminal and shell", stage.pid("terminal"), stage.pid("terminal-shell"))


@situation(LEFT_BEHIND)
def job_below_timeout_of_a_dead_agent(stage):
    """`timeout 1h job &` in a tool shell of an agent that is dead: timeout and job."""
    agent = dead_agent(stage, "timeout 1h %s & true" % quoted(stage.acting("leaf", "job")))
    job = stage.pid("job")
    stage.reparented(parent(job))
    stage.kill(agent)
    stage.left("the job", job)
    stage.left("timeout", parent(job))


@situation(LEFT_BEHIND, needs=["node"], fast=True)
def workers_of_a_killed_test_runner(stage):
    """Two workers of a test runner in Node that was killed, as jest forks them."""
    runner = stage.start(["node", stage.program("test-runner.js"), "runner"])
    stage.pid("runner")
    workers = [stage.pid("runner-worker-1"), stage.pid("runner-worker-2")]
    stage.kill(runner)
    stage.reparented(*workers)
    stage.left("the workers", *workers)


@situation(LEFT_BEHIND, fast=True)
def workers_of_a_killed_process_pool(stage):
    """Workers of a Python ProcessPoolExecutor that was killed, in a tool shell of an agent that is dead too."""
    agent = dead_agent(stage, quoted(stage.acting("pool", "pool", 3)) + " & true")
    pool = stage.pid("pool")
    workers = [int(word) for word in read(stage.path("pool.workers")).split()]
    os.kill(pool, signal.SIGKILL)
    stage.kill(agent)
    stage.reparented(*workers)
    stage.left("the workers", *workers)


@situation(LEFT_BEHIND, fast=True)
def job_in_a_removed_worktree(stage):
    """Job with a log whose working directory was deleted (git worktree removed) and whose agent is dead."""
    os.mkdir(stage.path("worktree"))
    job_words = quoted(stage.acting("leaf", "job"))
    agent = dead_agent(stage, "cd worktree; %s > job.log 2>&1 & true" % job_words)
    job = stage.pid("job")
    stage.reparented(job)
    stage.kill(agent)
    shutil.rmtree(stage.path("worktree"))
    stage.left("the job", job)


@situation(LEFT_BEHIND)
def job_whose_program_was_deleted(stage):
    """Job whose program file was deleted with its virtual environment, and whose agent is dead."""
    os.mkdir(stage.path("venv"))
    shutil.copy("/bin/sleep", stage.path("venv/job"))
    agent = dead_agent(stage, "venv/job 100000 & echo $! > job.pid")
    job = stage.pid("job")
    stage.reparented(job)
    wait_for("it is executed", lambda: "venv/job" in os.readlink("/proc/%d/exe" % job))
    stage.kill(agent)
    shutil.rmtree(stage.path("venv"))
    stage.left("the job", job)


@situation(LEFT_BEHIND, fast=True)
def job_on_a_closed_terminal(stage):
    """Background job of a shell that was killed with its terminal: not under nohup, it only handles HUP."""
    terminal = stage.act("on-pty", "terminal", "bash", "--norc", "--noprofile", "-i")
    stage.pid("terminal")
    shell = stage.pid("terminal-shell")
    with open(stage.path("terminal.type"), "w") as typed:
        typed.write(quoted(stage.acting("leaf", "job", "handle-hup")) + " &\n")
    job = stage.pid("job")
    os.kill(shell, signal.SIGKILL)
    wait_for("the shell is gone", lambda: start_time(shell) is None)
    stage.kill(terminal)
    stage.reparented(job)
    stage.left("the job", job)
