"""What is run by somebody who is not seen: service managers, containers, other users, other namespaces."""

import hashlib
import os
import shlex

from left_behind import dead_agent, lose_the_wrapper, quoted, server_in_cgroup
from stage import LEFT_ALONE, Skip, parent, put_into, situation, state


def in_cgroup(stage, name):
    """A server of a killed client that sits in a cgroup of this name."""
    stage.live("the server", server_in_cgroup(stage, name))


@situation(LEFT_ALONE, root=True, fast=True)
def run_by_a_service_manager(stage):
    """In the cgroup of a service manager's unit, `corpus.service` or the like."""
    in_cgroup(stage, "corpus-%s.service" % stage.suffix)


@situation(LEFT_ALONE, root=True)
def run_by_systemd_run(stage):
    """In the cgroup of `systemd-run --scope`, `run-r….scope`."""
    in_cgroup(stage, "run-r%s.scope" % stage.suffix)


@situation(LEFT_ALONE, root=True, fast=True)
def run_in_a_container(stage):
    """In the cgroup of a container: 64 hexadecimal digits."""
    in_cgroup(stage, hashlib.sha256(stage.suffix.encode()).hexdigest())


@situation(LEFT_ALONE, root=True)
def run_by_other_managers(stage):
    """In the cgroups of LXC, Docker, Podman, Kubernetes, and of a service of a user's manager."""
    number = hashlib.sha256(stage.suffix.encode()).hexdigest()
    groups = [
        "lxc.payload.c1-" + stage.suffix, "corpus-%s.slice/docker-%s.scope" % (stage.suffix, number),
        "corpus-%s.slice/libpod-%s.scope" % (stage.suffix, number), "user-%s.slice/user@54321.service/app.slice/foo.service" % stage.suffix,
        "kubepods-%s/burstable/pod2d1f/%s" % (stage.suffix, number),
    ]  # fmt: skip
    for number, group in enumerate(groups):
        path = stage.cgroup(group)
        client = stage.act("client", "client-%d" % number, "pipe", *stage.acting("server", "server-%d" % number))
        stage.pid("client-%d" % number)
        server = stage.pid("server-%d" % number)
        put_into(path, server)
        stage.kill(client)
        stage.reparented(server)
        stage.live(group.rpartition("/")[2], server)


def elsewhere(stage, *argv):
    """A command in a network namespace of its own, whose sockets no table of ours shows."""
    return ["unshare", "--net", "sh", "-c", "ip link set lo up; exec %s" % quoted(argv)]


@situation(LEFT_ALONE, root=True)
def socket_pair_of_another_network_namespace(stage):
    """Server without a parent over a socket pair that was made in another network namespace; its client lives."""
    client = stage.start(elsewhere(stage, *stage.acting("client", "client", "socketpair", "sh", "-c",
                                   "exec 3<&0; %s <&3 3<&- & wait" % quoted(stage.acting("server", "server")))))  # fmt: skip
    lose_the_wrapper(stage, client)


@situation(LEFT_ALONE, root=True, needs=["node"])
def dev_server_of_another_network_namespace(stage):
    """Dev server without a parent and with dead pipes in another network namespace, where somebody is connected to it."""
    dev = ["node", stage.program("dev-server.js"), "dev"]
    script = "ip link set lo up; %s & while ! [ -s dev.port ]; do sleep 0.05; done; setsid -f %s $(cat dev.port) </dev/null >/dev/null 2>&1" % (
        quoted(dev), quoted(stage.acting("connect", "browser")))  # fmt: skip
    agent = dead_agent(stage, "unshare --net sh -c %s & true" % shlex.quote(script))
    server, browser = stage.pid("dev"), stage.pid("browser")
    stage.reparented(server)
    stage.kill(agent)
    stage.live("client and server", server, browser)


@situation(LEFT_ALONE)
def started_by_docker_exec(stage):
    """Parent 0, and the other ends of its pipes outside of the pid namespace, as `docker exec -i` makes it."""
    stage.from_outside(stage.acting("server", "outsider"))
    outsider = stage.pid("outsider")
    if parent(outsider) != 0:
        raise Skip("its parent is in the namespace")
    stage.live("the server", outsider)


@situation(LEFT_ALONE, root=True)
def server_of_another_users_living_client(stage):
    """Client and server of another user, both alive."""
    client = stage.act("client", "client", "pipe", *stage.acting("server", "server"), **stage.as_other_user())
    stage.pid("client")
    stage.live("client and server", client.pid, stage.pid("server"))


@situation(LEFT_ALONE, root=True, fast=True)
def server_of_a_client_that_cannot_be_looked_into(stage):
    """An ordinary user's server, without a parent, whose client is root's: its user cannot see who holds the pipe."""
    client = stage.act("client", "client", "pipe", "sh", "-c", "exec 3<&0; setpriv --reuid %d --regid %d --clear-groups %s <&3 3<&- & wait" % (
        stage.observer.uid, stage.observer.gid, quoted(stage.acting("server", "server"))))  # fmt: skip
    lose_the_wrapper(stage, client)


@situation(LEFT_ALONE, root=True, fast=True)
def server_of_a_client_that_hides(stage):
    """An ordinary user's server whose client hides from ptrace (PR_SET_DUMPABLE 0), as password managers do."""
    inner = stage.acting("hiding-client", "client", *stage.acting("server", "server"))
    stage.start(inner, **stage.as_observer())
    stage.pid("client")
    server = stage.pid("server")
    stage.reparented(server)
    stage.live("client and server", stage.pid("client"), server)


@situation(LEFT_ALONE)
def windows_on_a_display_of_root(stage):
    """An ordinary user's program with dead pipes, whose starter was killed, with windows on a display server that root runs"""
    names = stage.path(".X11-unix")
    os.mkdir(names)
    display = stage.act("accept", "display", os.path.join(names, "X7"))
    stage.pid("display-listens")
    os.chmod(names, 0o755)
    os.chmod(os.path.join(names, "X7"), 0o777)
    editor = stage.acting("connect", "editor", os.path.join(names, "X7"), "answers")
    client = stage.act("client", "client", "pipe", *editor, **stage.as_observer())
    stage.pid("client")
    editor = stage.pid("editor")
    stage.kill(client)
    stage.reparented(editor)
    stage.live("program and display", editor, display.pid)


@situation(LEFT_ALONE)
def server_of_a_client_without_its_first_thread(stage):
    """Server without a parent whose client's first thread has ended: it has the state of a zombie, and lives."""
    stage.act("client-without-first-thread", "client", *stage.acting("server", "server"))
    client, server = stage.pid("client"), stage.pid("server")
    stage.reparented(server)
    if state(client) != "Z" or not os.path.isdir("/proc/%d/task" % client):
        raise Skip("its first thread is still there")
    stage.live("the server", server)
    stage.no_zombies.add(client)


@situation(LEFT_ALONE, root=True)
def hides_from_ptrace(stage):
    """A process of another user and one of the observer that hide from ptrace."""
    for name, how in (("other", stage.as_other_user()), ("own", stage.as_observer())):
        process = stage.act("leaf", name, "undumpable", **how)
        stage.pid(name)
        stage.live("the hiding one", process.pid)
