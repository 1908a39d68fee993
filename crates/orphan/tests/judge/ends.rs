//! Nobody holds the other end: what counts, and who counts as somebody.

use scupper_model::{Bytes, ProcessState};
use scupper_orphan::Certainty::Likely;
use scupper_orphan::{Class, EvidenceKind, PipeAnswer, questions};
use scupper_probe::snapshot::End;

use crate::machine::*;

#[test]
fn a_server_whose_client_is_gone_is_left_behind() {
    let mut machine = Machine::new();
    machine.server(300);
    assert_eq!(machine.left(), [(300, Likely)]);
    let found = machine.left_behind(300);
    let kinds: Vec<EvidenceKind> = found.evidence.iter().map(|piece| piece.kind).collect();
    assert_eq!(
        kinds,
        [
            EvidenceKind::StdinGone,
            EvidenceKind::OutputGone,
            EvidenceKind::SessionLeaderGone,
            EvidenceKind::Reparented,
            EvidenceKind::Name
        ]
    );
    assert_eq!((found.group.as_str(), found.process.class), ("mcp-server-files", Class::McpServer));
    assert_eq!((found.root, found.unit), (pid(300), None));
}

#[test]
fn what_descends_from_it_is_left_behind_with_it() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "chrome", &["/opt/chrome/chrome", "--headless"]);
    machine.add(302, 301, "chrome", &["/opt/chrome/chrome", "--type=renderer"]);
    assert_eq!(machine.left(), [(300, Likely), (301, Likely), (302, Likely)]);
    let renderer = machine.left_behind(302);
    assert_eq!((renderer.root, renderer.group.as_str()), (pid(300), "chrome"));
    assert_eq!(renderer.evidence[0].kind, EvidenceKind::Ancestry);
}

#[test]
fn a_living_parent_that_started_it_speaks_for_it() {
    // `echo x | job` in a terminal: a dead stdin and a living shell.
    let mut machine = Machine::new();
    machine.add(300, SHELL, "job", &["./job"]).pipes(3000, 3001);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_held_stdin_speaks_for_it() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(310, SHELL, "client", &["client"]);
    machine.holds(310, 3000, true);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_pipeline_that_lost_its_shell_is_live_while_somebody_reads_it() {
    // `(producer | job | tee log) &`: the producer has finished.
    let mut machine = Machine::new();
    machine.orphan(300, "job", &["./job"]).pipes(3000, 3001);
    machine.orphan(301, "tee", &["tee", "log"]).stdio(
        End::Pipe(3001),
        End::File("/home/me/log".into()),
        End::Null,
    );
    assert_eq!(machine.left(), []);
}

#[test]
fn stderr_that_an_editor_still_reads_says_little_where_stdout_is_dead() {
    let mut machine = Machine::new();
    machine.server(300).stdio(End::Pipe(3000), End::Pipe(3001), End::Pipe(3002));
    machine.add(310, SHELL, "code", &["code"]);
    machine.holds(310, 3002, false);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn holding_ones_own_other_end_counts_for_nothing() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "sh", &["sh"]);
    machine.holds(300, 3000, true);
    machine.holds(301, 3001, false);
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn of_two_that_a_dead_client_left_one_may_hold_the_others_pipe() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.server(301);
    machine.holds(301, 3000, true);
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn two_that_hold_each_other_may_be_one_program() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.server(301);
    machine.holds(301, 3000, true);
    machine.holds(300, 3010, true);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_unix_socket_whose_peer_is_gone_is_a_dead_stdin() {
    // Node gives its children socket pairs.
    let mut machine = Machine::new();
    machine.unix(50, true, false);
    machine.unix(51, true, false);
    machine.server(300).stdio(End::Socket(50), End::Socket(51), End::Null);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn a_unix_socket_whose_peer_somebody_has_is_a_held_stdin() {
    let mut machine = Machine::new();
    machine.connected(50, 60);
    machine.server(300).stdio(End::Socket(50), End::Socket(50), End::Null);
    machine.add(310, SHELL, "node", &["node", "client.js"]).sockets(&[60]);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_unix_socket_whose_peer_only_it_has_is_dead() {
    let mut machine = Machine::new();
    machine.connected(50, 60);
    machine.server(300).stdio(End::Socket(50), End::Socket(50), End::Null).sockets(&[60]);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_who_holds_a_socket_is_unknown_where_the_kernel_does_not_say() {
    let mut machine = Machine::new();
    machine.server(300).stdio(End::Socket(50), End::Socket(50), End::Null);
    assert_eq!(machine.left(), [], "not in the table");
    machine.snapshot.unix_sockets = None;
    assert_eq!(machine.left(), [], "no table");
    // The peer is there, and nobody who can be seen has it.
    machine.snapshot.unix_sockets = Some(std::collections::HashMap::new());
    machine.connected(50, 60);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_nobody_was_seen_is_not_nobody_where_somebody_could_not_be_looked_at() {
    for blind in ["stat", "descriptors", "a process"] {
        let mut machine = Machine::new();
        machine.server(300);
        if blind == "a process" {
            machine.add(400, 1, "postgres", &["postgres"]).uid(70).with(|p| p.descriptors = None);
        } else {
            machine.unreadable(400, blind);
        }
        assert_eq!(machine.left(), [], "{blind}");
        // The kernel's own answer decides.
        machine.known.pipes.insert(3000, PipeAnswer { has_writer: Some(false), has_reader: None });
        machine.known.pipes.insert(3001, PipeAnswer { has_writer: None, has_reader: Some(false) });
        assert_eq!(machine.left(), [(300, Likely)], "{blind}");
        machine.known.pipes.insert(3000, PipeAnswer { has_writer: Some(true), has_reader: None });
        machine.known.pipes.insert(3001, PipeAnswer { has_writer: None, has_reader: Some(true) });
        assert_eq!(machine.left(), [], "{blind}");
    }
}

#[test]
fn an_environment_that_cannot_be_read_does_not_hide_who_holds_a_pipe() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.unreadable(400, "environment");
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_what_cannot_be_read_of_a_process_is_no_sign() {
    let mut machine = Machine::new();
    machine.server(300).with(|p| p.descriptors = None);
    assert_eq!(machine.left(), []);
    machine.process(300).working_directory = None;
    machine.process(300).executable = None;
    machine.process(300).ignores_hangup = None;
    assert_eq!(machine.left(), []);
}

#[test]
fn the_kernel_is_asked_about_pipes_at_whose_other_end_nobody_was_seen() {
    let mut machine = Machine::new();
    machine.server(300);
    // Held by a living client, by a shell's pipeline, and too young.
    machine.server(301);
    machine.add(310, SHELL, "client", &["client"]);
    machine.holds(310, 3010, true);
    machine.holds(310, 3011, false);
    machine.add(311, SHELL, "job", &["job"]).pipes(1, 2).with(|p| p.age = std::time::Duration::from_secs(90));
    machine.server(302).with(|p| p.age = std::time::Duration::from_secs(5));
    let asked = questions(&machine.snapshot(), &machine.settings);
    let asked: Vec<(i32, u8, u64)> =
        asked.iter().map(|q| (q.identity.pid.get(), q.descriptor, q.pipe)).collect();
    assert_eq!(asked, [(300, 0, 3000), (300, 1, 3001)]);
}

#[test]
fn an_answer_is_kept_beside_the_other_one() {
    let mut machine = Machine::new();
    machine.server(300);
    let asked = questions(&machine.snapshot(), &machine.settings);
    let answer = asked[0].answered(Some(false), PipeAnswer::default());
    let answer = asked[1].answered(Some(true), answer);
    assert_eq!(answer, PipeAnswer { has_writer: Some(false), has_reader: Some(true) });
}

#[test]
fn the_output_of_a_containers_first_process_is_read_outside() {
    let mut machine = Machine::new();
    machine.orphan(300, "worker", &["worker"]).stdio(End::Null, End::Pipe(7), End::Pipe(7)).directory("/");
    machine.holds(1, 7, true);
    assert_eq!(machine.left(), []);
    machine.process(300).working_directory = Some("/app".into());
    assert_eq!(machine.left(), []);
    machine.known.pipes.insert(7, PipeAnswer { has_writer: None, has_reader: Some(false) });
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn the_dead_are_neither_left_behind_nor_holders() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.server(301).with(|p| p.state = ProcessState::Zombie);
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn the_largest_comes_first() {
    let mut machine = Machine::new();
    for (number, rss) in [(300, Some(5)), (301, Some(7)), (302, None), (303, Some(7))] {
        machine.server(number).with(|p| p.rss = rss.map(Bytes));
    }
    let order: Vec<i32> =
        machine.findings().left_behind.iter().map(|l| l.process.identity.pid.get()).collect();
    assert_eq!(order, [301, 303, 300, 302]);
}

#[test]
fn r118_a_dead_stdin_is_not_enough_where_nobody_knows_who_reads_its_answers() {
    let mut machine = Machine::new();
    machine.orphan(300, "job", &["job"]).stdio(End::Pipe(1), End::Socket(99), End::Null);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_that_it_holds_its_own_other_end_does_not_say_that_nobody_else_does() {
    // The kernel says that the pipe has a writer: itself, or somebody who cannot be seen as well.
    let mut machine = Machine::new();
    machine.unreadable(400, "descriptors");
    machine.orphan(300, "job", &["job"]).stdio(End::Pipe(1), End::Null, End::Null);
    machine.holds(300, 1, true);
    machine.known.pipes.insert(1, PipeAnswer { has_writer: Some(true), has_reader: None });
    assert_eq!(machine.left(), []);
    // The same of a socket.
    machine.connected(50, 60);
    machine.server(301).stdio(End::Socket(50), End::Socket(50), End::Null).sockets(&[60]);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_a_list_of_holders_that_was_cut_does_not_say_that_nobody_else_holds_it() {
    // Itself and many of its own hold it; the client is behind the end of the list.
    let mut machine = Machine::new();
    machine.server(300);
    machine.holds(300, 3000, true);
    machine.holds(300, 3001, false);
    let mut snapshot = machine.snapshot();
    let left = |snapshot: &_, machine: &Machine| {
        scupper_orphan::judge(snapshot, &machine.known, machine.observer, &machine.settings).left_behind.len()
    };
    assert_eq!(left(&snapshot, &machine), 1);
    snapshot.pipes.get_mut(&3000).unwrap().more_writers = true;
    snapshot.pipes.get_mut(&3001).unwrap().more_readers = true;
    assert_eq!(left(&snapshot, &machine), 0);
    // The kernel's own answer decides.
    machine.known.pipes.insert(3001, PipeAnswer { has_writer: None, has_reader: Some(false) });
    assert_eq!(left(&snapshot, &machine), 1);
}

#[test]
fn the_kernel_is_asked_about_a_pipe_that_another_orphan_holds() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.orphan(301, "x", &["x"]);
    machine.holds(301, 3000, true);
    let asked = questions(&machine.snapshot(), &machine.settings);
    assert_eq!(asked.iter().map(|q| (q.descriptor, q.pipe)).collect::<Vec<_>>(), [(0, 3000), (1, 3001)]);
}
