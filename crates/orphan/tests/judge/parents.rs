//! Whose parent is gone: what tells it, and what only looks like it.

use scupper_model::StartTime;
use scupper_orphan::Certainty::Likely;
use scupper_orphan::{EvidenceKind, PipeAnswer};
use scupper_probe::snapshot::End;

use crate::machine::*;

/// A machine whose first process is an application, as in many containers.
fn application_first(name: &str, command: &[&str]) -> Machine {
    let mut machine = Machine::new();
    let first = machine.process(1);
    first.name = name.as_bytes().to_vec();
    first.command = Some(command.iter().map(|word| word.as_bytes().to_vec()).collect());
    machine
}

#[test]
fn parent_is_pid_1_proves_nothing_where_pid_1_starts_processes_itself() {
    let mut machine = application_first("node", &["node", "app.js"]);
    // Its own child in its own session: whose stdin it has closed, as `communicate()` does, and whose output it reads.
    machine.add(300, 1, "worker", &["worker"]).own_session().pipes(3000, 3001);
    machine.holds(1, 3001, false);
    assert_eq!(machine.left(), []);
    machine.add(301, 1, "worker", &["worker"]).own_session().stdio(End::Pipe(3010), End::Null, End::Null);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_third_ones_session_tells_that_pid_1_took_it_over() {
    let mut machine = application_first("node", &["node", "app.js"]);
    machine.add(300, 1, "worker", &["worker"]).session(90).stdio(End::Pipe(3010), End::Null, End::Null);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn pid_1_that_neither_reads_nor_writes_to_it_has_nothing_of_it() {
    let mut machine = application_first("node", &["node", "app.js"]);
    machine.add(300, 1, "worker", &["worker"]).own_session().pipes(3000, 3001);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_pid_1_may_have_closed_the_output_of_its_own_child() {
    // `child.stdout.destroy()` once it has said that it is ready, or a `Popen` that was let go of.
    let mut machine = application_first("node", &["node", "app.js"]);
    let pipe = || End::Pipe(3001);
    machine.add(300, 1, "server", &["server"]).stdio(End::Null, pipe(), pipe());
    machine.add(301, 1, "server", &["server"]).own_session().stdio(End::Closed, End::Pipe(3011), End::Null);
    assert_eq!(machine.left(), []);
    let of_300 = machine.not_touched(300);
    assert_eq!(of_300.because, "its parent is node (pid 1), which may have started it or taken it over");
    assert_eq!(machine.not_touched(301).because, of_300.because);
}

#[test]
fn a_first_process_that_calls_itself_an_init_is_one() {
    for (name, command) in [
        ("init", &["/sbin/init"][..]),
        ("agent", &["/agent", "--vm-init"]),
        ("s6-svscan", &["/bin/s6-svscan", "/run/s6"]),
        ("runit", &["runit"]),
    ] {
        let mut machine = application_first(name, command);
        machine.add(300, 1, "worker", &["worker"]).own_session().stdio(End::Pipe(3000), End::Null, End::Null);
        assert_eq!(machine.left(), [(300, Likely)], "{name}");
    }
}

#[test]
fn what_shares_an_inits_own_session_it_may_have_started() {
    // The first process of a small virtual machine starts what it was told to over its network.
    let mut machine = application_first("agent", &["/agent", "--vm-init"]);
    machine.add(300, 1, "backend", &["backend"]).stdio(End::Pipe(3000), End::Null, End::Null);
    machine.add(301, 1, "backend", &["backend"]).directory("/tmp/x (deleted)");
    assert_eq!(machine.left(), []);
}

#[test]
fn the_one_child_of_a_containers_init_is_its_main_process() {
    for init in ["tini", "dumb-init", "docker-init", "catatonit"] {
        let mut machine = application_first(init, &["/sbin/init", "--", "app"]);
        machine.snapshot.processes.retain(|p| p.identity.pid.get() == 1);
        machine.add(OBSERVER, 1, "scupper", &["scupper", "scan"]);
        machine.add(7, 1, "app", &["app"]).stdio(End::Pipe(70), End::Pipe(71), End::Pipe(71));
        machine.add(300, 7, "worker", &["worker"]).pipes(3000, 3001);
        machine.add(301, 1, "worker", &["worker"]).pipes(3010, 3011);
        assert_eq!(machine.left(), [(301, Likely)], "{init}");
    }
}

#[test]
fn r118_a_subreaper_that_is_no_init_takes_over_what_is_of_another_session() {
    let mut machine = Machine::new();
    machine.add(150, SHELL, "harness", &["python3", "harness.py"]).own_session();
    machine.add(300, 150, "worker", &["worker"]).session(90).pipes(3000, 3001);
    assert_eq!(machine.left(), [(300, Likely)]);
    // Its own children, in its session or in one of their own, are not taken over: a dead stdin alone is live work.
    machine.add(301, 150, "worker", &["worker"]).pipes(3010, 3011);
    machine.add(302, 150, "worker", &["worker"]).own_session().pipes(3020, 3021);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn weak_signs_are_not_enough_below_a_subreaper_that_is_no_init() {
    let mut machine = Machine::new();
    machine.add(150, SHELL, "harness", &["python3", "harness.py"]).own_session();
    machine.add(300, 150, "worker", &["worker"]).session(90).directory("/tmp/gone (deleted)");
    assert_eq!(machine.left(), []);
}

#[test]
fn one_that_sits_in_a_third_ones_session_never_made_one() {
    let mut machine = Machine::new();
    machine.add(150, SHELL, "harness", &["python3", "harness.py"]);
    machine.add(300, 150, "worker", &["worker"]).session(90).directory("/tmp/gone (deleted)");
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn one_that_made_its_session_later_may_have_started_what_is_of_its_earlier_one() {
    // The parent came from the shell's session and has called setsid(2) after it had started the worker.
    let mut machine = Machine::new();
    machine.add(150, SHELL, "harness", &["python3", "harness.py"]).own_session();
    machine.add(300, 150, "worker", &["worker"]).session(SHELL).pipes(3000, 3001);
    assert_eq!(machine.left(), []);
    // The leader of that session may be gone: somebody above the parent is still in it.
    machine.add(151, SHELL, "sh", &["sh"]).session(91);
    machine.add(152, 151, "harness", &["python3", "harness.py"]).own_session();
    machine.add(301, 152, "worker", &["worker"]).session(91).pipes(3010, 3011);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_child_that_is_older_than_its_parent_was_taken_over() {
    let mut machine = Machine::new();
    machine.add(310, SHELL, "reaper", &["reaper"]);
    machine.add(300, 310, "worker", &["worker"]).pipes(3000, 3001);
    assert_eq!(machine.left(), [(300, Likely)]);
    // As old as its parent: started in the same tick.
    machine.process(300).identity.start_time = StartTime(310_000);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_a_parent_that_cannot_be_seen_is_not_gone() {
    let mut machine = Machine::new();
    machine.add(300, 299, "worker", &["worker"]).session(90).pipes(3000, 3001);
    assert_eq!(machine.left(), [], "not in the snapshot");
    machine.add(301, 0, "worker", &["worker"]).session(90).pipes(3010, 3011);
    assert_eq!(machine.left(), [], "started from outside of the pid namespace");
}

#[test]
fn a_services_child_is_not_what_its_manager_took_over() {
    let mut machine = Machine::new();
    machine
        .add(300, 1, "sshd", &["sshd"])
        .own_session()
        .uid(0)
        .cgroup("/system.slice/ssh.service")
        .pipes(3000, 3001);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_a_parent_in_the_state_of_a_zombie_may_have_living_threads() {
    let mut machine = Machine::new();
    let parent = machine.add(310, SHELL, "client", &[]);
    parent.own_session().with(|p| p.state = scupper_model::ProcessState::Zombie);
    machine.add(320, 310, "worker", &["worker"]).session(90).pipes(3000, 3001);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_session_that_began_outside_of_what_can_be_seen_tells_nothing() {
    let mut machine = Machine::new();
    machine.add(150, SHELL, "harness", &["python3", "harness.py"]);
    machine.add(300, 150, "worker", &["worker"]).session(0).pipes(3000, 3001);
    assert_eq!(machine.left(), []);
}

/// The same machine as a user sees it from whom `/proc` hides all processes of others (hidepid).
fn without_others(machine: &mut Machine) {
    machine.snapshot.processes.retain(|process| process.uid == Some(ME));
}

#[test]
fn r118_a_third_ones_session_tells_it_also_where_pid_1_is_hidden() {
    let mut machine = Machine::new();
    machine.add(300, 1, "worker", &["worker"]).session(90).pipes(3000, 3001);
    without_others(&mut machine);
    assert_eq!(machine.left(), [], "nobody was seen at its ends, and not everybody can be");
    for pipe in [3000, 3001] {
        let nobody = PipeAnswer { has_writer: Some(false), has_reader: Some(false) };
        machine.known.pipes.insert(pipe, nobody);
    }
    assert_eq!(machine.left(), [(300, Likely)]);
    // In the first process' own session, or in none that can be seen, it may be its own child.
    for session in [0, 1] {
        machine.process(300).session = session;
        machine.process(300).descriptors.as_mut().unwrap().stdio[1] = End::Null;
        assert_eq!(machine.left(), [], "session {session}");
    }
}

#[test]
fn r118_safety_1_of_an_end_that_is_held_somebody_hidden_may_hold_it_too() {
    let mut machine = Machine::new();
    machine.add(300, 1, "worker", &["worker"]).session(90).pipes(3000, 3001);
    machine.holds(300, 3000, true);
    machine.known.pipes.insert(3000, PipeAnswer { has_writer: Some(true), has_reader: Some(true) });
    machine.known.pipes.insert(3001, PipeAnswer { has_writer: Some(true), has_reader: Some(true) });
    without_others(&mut machine);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_who_may_be_pid_1s_own_child_is_told_as_one_of_whom_it_is_not_known() {
    let mut machine = application_first("bash", &["bash", "entrypoint.sh"]);
    machine.add(300, 1, "worker", &["worker"]).stdio(End::Pipe(3010), End::Null, End::Null);
    machine.add(301, 300, "helper", &["helper"]);
    machine.add(302, 1, "worker", &["worker"]).directory("/tmp/gone (deleted)");
    // What would be left alone in any case, and what nothing is wrong with, is not told.
    machine.add(303, 1, "worker", &["worker"]).stdio(
        End::Pipe(3020),
        End::File("/home/me/log".into()),
        End::Null,
    );
    machine.add(304, 1, "worker", &["worker"]);
    let findings = machine.findings();
    assert!(findings.left_behind.is_empty());
    let told: Vec<_> = findings.not_touched.iter().map(|n| n.process.identity.pid.get()).collect();
    assert_eq!(told, [300, 302]);
    let of_300 = machine.not_touched(300);
    assert_eq!(of_300.because, "its parent is bash (pid 1), which may have started it or taken it over");
    assert!(of_300.evidence.iter().any(|piece| piece.kind == EvidenceKind::StdinGone));
}
