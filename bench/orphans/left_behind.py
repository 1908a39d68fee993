"""What was left behind, and of which nobody wrote down whose it is: it has to be found by the signs that it shows."""

import os
import shutil
import signal

from stage import LEFT_BEHIND, parent, put_into, situation, start_time, state, wait_for


def quoted(argv):
    return " ".join("'%s'" % word for word in argv)


def beside(first, second):
    """For `sh -c`: starts the first in the background with the shell's own stdin, and becomes the second."""
    return "exec 3<&0; %s <&3 3<&- & exec %s 3<&-" % (quoted(first), quoted(second))


def crashed_client(stage, kind, server, client="client"):
    """A client that has talked to the server that it started, and was then killed."""
    process = stage.act("client", client, kind, *server)
    stage.pid(client)
    stage.kill(process)


def lose_the_wrapper(stage, client):
    """What stands between a client that lives and its server is killed."""
    stage.pid("client")
    server = stage.pid("server")
    wrapper = parent(server)
    os.kill(client.pid, signal.SIGSTOP)  # or it would see its child's end
    os.kill(wrapper, signal.SIGKILL)
    stage.reparented(server)
    stage.live("client and server", client.pid, server)


def dead_agent(stage, *commands, **more):
    """A coding agent whose tool shells have run these, and that was then killed."""
    process = stage.act("agent", "agent", *commands, **more)
    stage.pid("agent")
    return process


@situation(LEFT_BEHIND, fast=True)
def server_of_a_killed_client(stage):
    """stdio server whose client was killed with -9, over pipes as Python makes them."""
    crashed_client(stage, "pipe", stage.acting("server", "server"))
    stage.reparented(stage.pid("server"))
    stage.left("the server", stage.pid("server"))


@situation(LEFT_BEHIND, needs=["node"], fast=True)
def server_of_a_killed_node_client(stage):
    """stdio server in Node whose Node client was killed with -9, over socket pairs as libuv makes them."""
    client = stage.start(["node", stage.program("client.js"), "client", "node", stage.program("server.js"), "server"])
    stage.pid("client")
    stage.kill(client)
    stage.reparented(stage.pid("server"))
    stage.left("the server", stage.pid("server"))


@situation(LEFT_BEHIND, fast=True)
def server_over_one_socket_pair(stage):
    """stdio server with one socket pair for stdin and stdout, whose client was killed."""
    crashed_client(stage, "socketpair", stage.acting("server", "server"))
    stage.left("the server", stage.pid("server"))


@situation(LEFT_BEHIND, fast=True)
def server_below_sh_c(stage):
    """`sh -c 'server; ...'` whose client was killed: the shell waits for the server."""
    crashed_client(stage, "pipe", ["sh", "-c", quoted(stage.acting("server", "server")) + "; true"])
    server = stage.pid("server")
    stage.left("the server", server)
    stage.left("its shell", parent(server))


@situation(LEFT_BEHIND, needs=["npx", "node"])
def server_below_npx(stage):
    """`npx staged-server` (the real npx) whose client was killed: npx, its shell and the server live on."""
    package = stage.path("node_modules/staged-server")
    os.makedirs(package)
    os.makedirs(stage.path("node_modules/.bin"))
    shutil.copy(stage.program("server.js"), package)
    with open(os.path.join(package, "package.json"), "w") as file:
        file.write('{"name":"staged-server","version":"1.0.0","bin":{"staged-server":"server.js"}}')
    with open(stage.path("package.json"), "w") as file:
        file.write('{"name":"home","version":"1.0.0","dependencies":{"staged-server":"1.0.0"}}')
    link = stage.path("node_modules/.bin/staged-server")
    with open(link, "w") as file:
        file.write("#!/bin/sh\nexec node '%s/server.js' \"$@\"\n" % package)
    os.chmod(link, 0o755)
    client = stage.start(["node", stage.program("client.js"), "client", "npx", "--offline", "--yes", "staged-server", "server"])
    stage.pid("client")
    server = stage.pid("server")
    chain = [server]
    while parent(chain[-1]) != client.pid:
        chain.append(parent(chain[-1]))
    stage.kill(client)
    stage.left("the server and what is above it", *chain)


@situation(LEFT_BEHIND, fast=True)
def server_below_uv_run(stage):
    """A wrapper that waits for the server, as `uv run` does, whose client was killed."""
    crashed_client(stage, "pipe", stage.acting("wrapper", "uv", "uv run server.py", *stage.acting("server", "server")))
    stage.left("the server", stage.pid("server"))
    stage.left("the wrapper", stage.pid("uv"))


@situation(LEFT_BEHIND, fast=True)
def server_that_ignores_the_end_and_TERM(stage):
    """stdio server that ignores the end of its stdin and TERM."""
    crashed_client(stage, "pipe", stage.acting("server", "server", "ignore-term"))
    stage.left("the server", stage.pid("server"))


@situation(LEFT_BEHIND, fast=True)
def server_of_a_client_killed_in_a_living_terminal(stage):
    """stdio server whose client was killed in a terminal whose shell lives; its stderr is still on that terminal."""
    stage.act("on-pty", "terminal", "bash", "--norc", "--noprofile", "-i")
    stage.pid("terminal")
    with open(stage.path("terminal.type"), "w") as typed:
        typed.write(quoted(stage.acting("client", "client", "pipe", *stage.acting("server", "server"))) + "\n")
    client, server = stage.pid("client"), stage.pid("server")
    os.kill(client, signal.SIGKILL)
    stage.reparented(server)
    stage.left("the server", server)
    stage.live("terminal and shell", stage.pid("terminal"), stage.pid("terminal-shell"))


@situation(LEFT_BEHIND, needs=["tmux"])
def server_of_a_client_killed_in_tmux(stage):
    """stdio server whose client was killed in a tmux pane that lives on."""
    stage.run(["tmux", "-S", stage.path("s"), "-f", "/dev/null", "new-session", "-d", "bash --norc --noprofile"])
    typed = quoted(stage.acting("client", "client", "pipe", *stage.acting("server", "server")))
    stage.run(["tmux", "-S", stage.path("s"), "send-keys", typed, "Enter"])
    client, server = stage.pid("client"), stage.pid("server")
    pane = parent(client)
    os.kill(client, signal.SIGKILL)
    stage.reparented(server)
    stage.left("the server", server)
    stage.live("tmux and the shell in its pane", parent(pane), pane)


@situation(LEFT_BEHIND)
def server_of_an_agent_under_nohup(stage):
    """stdio server whose client ran under nohup and was killed: it ignores HUP as its client did, its pipes are dead."""
    client = stage.start(["nohup", *stage.acting("client", "client", "pipe", *stage.acting("server", "server"))])
    stage.pid("client")
    server = stage.pid("server")
    stage.kill(client)
    stage.reparented(server)
    stage.left("the server", server)


def server_in_cgroup(stage, name):
    """Server of a killed client that sits in a cgroup of this name."""
    group = stage.cgroup(name)
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"))
    stage.pid("client")
    server = stage.pid("server")
    put_into(group, server)
    stage.kill(client)
    stage.reparented(server)
    return server


@situation(LEFT_BEHIND, root=True)
def server_in_the_scope_of_an_editor(stage):
    """Server of an editor that is dead, in the scope that GNOME made for the editor."""
    group = "user-%s.slice/user@54321.service/app.slice/app-gnome-code-4711.scope" % stage.suffix
    stage.left("the server", server_in_cgroup(stage, group))


@situation(LEFT_BEHIND, root=True)
def server_in_the_scope_of_a_login(stage):
    """Server of a killed client in the scope of a login, `session-3.scope`."""
    stage.left("the server", server_in_cgroup(stage, "user-%s.slice/session-3.scope" % stage.suffix))


@situation(LEFT_BEHIND)
def server_that_is_stopped(stage):
    """stdio server that was stopped (SIGSTOP) and whose client is dead."""
    crashed_client(stage, "pipe", stage.acting("server", "server"))
    server = stage.pid("server")
    stage.reparented(server)
    os.kill(server, signal.SIGSTOP)
    wait_for("it stands still", lambda: state(server) == "T")
    stage.left("the server", server)


@situation(LEFT_BEHIND)
def server_that_changed_its_title(stage):
    """stdio server that wrote a title over its arguments and its environment, and whose client is dead."""
    argv = stage.acting("server", "server")
    retitled = stage.acting("retitle", "retitled", "my-server: idle")
    process = stage.act("client", "client", "pipe", "sh", "-c", beside(retitled, argv))
    stage.pid("client")
    retitled = stage.pid("retitled")
    stage.kill(process)
    stage.left("the server", stage.pid("server"))
    stage.left("the retitled one", retitled)


@situation(LEFT_BEHIND, fast=True)
def grandchild_of_a_dead_client(stage):
    """Client and server are dead; a child of the server lives on with the server's stdin."""
    client = stage.act("client", "client", "pipe", "sh", "-c",
                       beside(stage.acting("leaf", "grandchild"), stage.acting("server", "server")))  # fmt: skip
    stage.pid("client")
    grandchild, server = stage.pid("grandchild"), stage.pid("server")
    stage.kill(client)
    os.kill(server, signal.SIGKILL)
    wait_for("the server is gone", lambda: start_time(server) is None)
    stage.reparented(grandchild)
    stage.left("the grandchild", grandchild)


@situation(LEFT_BEHIND, needs=["node"])
def server_with_a_helper_of_its_own(stage):
    """Server whose client is dead, with a helper that the server itself holds by a living socket pair."""
    client = stage.start(["node", stage.program("client.js"), "client", "node", stage.program("server.js"), "server",
                          *stage.acting("server", "helper")])  # fmt: skip
    stage.pid("client")
    helper = stage.pid("helper")
    stage.kill(client)
    stage.left("the server", stage.pid("server"))
    stage.left("its helper", helper)


@situation(LEFT_BEHIND, root=True)
def servers_that_hold_each_other(stage):
    """Two servers of a killed client; the second inherited the writing end of the first one's stdin. Root alone can know."""
    client = stage.act("leaky-client", "client", *stage.acting("leaf"))
    servers = [stage.pid("client-server-1"), stage.pid("client-server-2")]
    stage.pid("client")
    stage.kill(client)
    stage.reparented(*servers)
    stage.left("the servers", *servers)


@situation(LEFT_BEHIND)
def double_forked_server_with_dead_pipes(stage):
    """`node server.js` that was forked twice into a session of its own, with the pipes of a client that is dead."""
    client = stage.act("client", "client", "pipe", "sh", "-c",
                       beside(["setsid", "-f", "node", stage.program("server.js"), "double"], stage.acting("server", "server")))  # fmt: skip
    stage.pid("client")
    double, server = stage.pid("double"), stage.pid("server")
    stage.kill(client)
    stage.reparented(double, server)
    stage.left("the double-forked one", double)
    stage.left("the server", server)


@situation(LEFT_BEHIND, needs=["node"])
def language_server_of_a_dead_editor(stage):
    """Language server (Node, --stdio) of an editor that was killed, with a forked server of its own below it."""
    editor = stage.start(["node", stage.program("client.js"), "editor", "node", stage.program("server.js"), "lsp", "node",
                          stage.program("test-runner.js"), "tsserver"])  # fmt: skip
    stage.pid("editor")
    inner = [stage.pid("tsserver"), stage.pid("tsserver-worker-1"), stage.pid("tsserver-worker-2")]
    stage.kill(editor)
    stage.left("the language server", stage.pid("lsp"))
    stage.left("what it started", *inner)


@situation(LEFT_BEHIND, needs=["node"])
def tail_of_a_dead_script(stage):
    """`tail -f` that a Node script started and that outlived it."""
    with open(stage.path("log"), "w") as file:
        file.write("line\n")
    script = stage.start(["node", stage.program("client.js"), "script", "sh", "-c", "echo $$ > tail.pid; exec tail -f log"])
    stage.pid("script")
    tail = stage.pid("tail")
    stage.kill(script)
    stage.reparented(tail)
    stage.left("tail", tail)


def taken_in(stage, shown, *before):
    """A subreaper that shows this title starts a client; the client is killed, its server taken in."""
    client = stage.acting("client", "client", "pipe", *stage.acting("server", "server"))
    reaper = stage.act("subreaper", "reaper", shown, *before, *client)
    stage.pid("reaper")
    client, server = stage.pid("client"), stage.pid("server")
    os.kill(client, signal.SIGKILL)
    wait_for("it was taken in", lambda: parent(server) == reaper.pid)
    stage.left("the server", server)
    stage.live("who took it in", reaper.pid)


@situation(LEFT_BEHIND, fast=True)
def server_under_a_subreaper(stage):
    """Server of a killed client with a session of its own, taken in by a subreaper that is not pid 1 and lives on."""
    taken_in(stage, "my-supervisor", "setsid")


@situation(LEFT_BEHIND)
def server_under_a_subreaper_of_its_session(stage):
    """The same, but client and subreaper were in one session: nothing tells who started the server."""
    taken_in(stage, "my-supervisor")


@situation(LEFT_BEHIND)
def server_under_systemd_user(stage):
    """Server of a killed client, taken in by what looks like `systemd --user`."""
    taken_in(stage, "/lib/systemd/systemd --user")


@situation(LEFT_BEHIND, fast=True)
def tree_of_31_processes(stage):
    """A whole tree of 31 processes below a killed client."""
    client = stage.act("client", "client", "pipe", "sh", "-c",
                       beside(stage.acting("tree", "node", 2, 5), stage.acting("server", "server")))  # fmt: skip
    stage.pid("client")
    server = stage.pid("server")

    def all_there():
        names = [name for name in os.listdir(stage.directory) if name.startswith("node-") and name.endswith(".pid")]
        return len(names) == 31 and [int(name[5:-4]) for name in names]

    members = wait_for("the tree stands", all_there)
    stage.kill(client)
    stage.reparented(server)
    stage.left("the server", server)
    stage.left("the tree", *members)


@situation(LEFT_BEHIND, root=True)
def server_of_another_user(stage):
    """Server and dead client of another user: root finds it, an ordinary user does not."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"), **stage.as_other_user())
    stage.pid("client")
    server = stage.pid("server")
    stage.kill(client)
    stage.reparented(server)
    stage.left("the server", server)


@situation(LEFT_BEHIND, root=True, fast=True)
def server_found_by_its_own_user(stage):
    """Server of a killed client, both of an ordinary user who looks for it without root."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"), **stage.as_observer())
    stage.pid("client")
    server = stage.pid("server")
    stage.kill(client)
    stage.reparented(server)
    stage.left("the server", server)
    stage.observed_by = "ordinary"
