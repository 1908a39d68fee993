//! Signs that are no dead end: what each of them needs to count.

use std::time::Duration;

use scupper_orphan::Certainty::Likely;
use scupper_orphan::EvidenceKind;
use scupper_probe::snapshot::{End, Process};

use crate::machine::*;

#[test]
fn a_deleted_directory_and_a_lost_parent_are_enough() {
    let mut machine = Machine::new();
    machine.orphan(300, "node", &["node", "server.js"]).directory("/tmp/test-1 (deleted)");
    let found = machine.left_behind(300);
    assert_eq!(found.certainty, Likely);
    assert_eq!(found.evidence[0].text, "its working directory /tmp/test-1 was deleted");
}

#[test]
fn a_lost_parent_alone_says_nothing() {
    let mut machine = Machine::new();
    machine.orphan(300, "node", &["node", "server.js"]).own_session();
    assert_eq!(machine.left(), []);
    assert!(machine.findings().not_touched.is_empty());
}

#[test]
fn a_deleted_program_only_supports() {
    // What every upgrade leaves.
    let mut machine = Machine::new();
    let upgraded = |p: &mut Process| p.executable = Some("/usr/bin/node (deleted)".into());
    machine.orphan(300, "node", &["node", "server.js"]).own_session().with(upgraded);
    assert_eq!(machine.left(), []);
    machine.server(301).with(upgraded);
    assert!(machine.left_behind(301).evidence.iter().any(|e| e.kind == EvidenceKind::ProgramDeleted));
}

#[test]
fn a_closed_terminal_that_it_still_writes_to_is_enough() {
    let mut machine = Machine::new();
    machine.orphan(300, "npm", &["npm", "run", "dev"]).terminal(true);
    let found = machine.left_behind(300);
    assert_eq!(found.evidence[0].kind, EvidenceKind::TerminalGone);
}

#[test]
fn output_to_a_file_is_work_that_somebody_will_read() {
    // `make > log 2>&1 &`, and the terminal is closed.
    let mut machine = Machine::new();
    let terminal = End::Terminal { path: "/dev/pts/3".into(), gone: true };
    let log = || End::File("/home/me/log".into());
    machine.orphan(300, "make", &["make"]).stdio(terminal, log(), log());
    machine.orphan(301, "make", &["make"]).stdio(End::Other("anon_inode:x".into()), log(), log());
    assert_eq!(machine.left(), []);
}

#[test]
fn a_session_leader_that_is_gone_counts_where_it_was_not_sent_away() {
    let mut machine = Machine::new();
    let odd = || End::Other("anon_inode:[eventfd]".into());
    machine.orphan(300, "node", &["node", "server.js"]).stdio(End::Null, odd(), End::Null);
    // `ssh host 'job < /dev/null > /dev/null 2>&1 &'`.
    machine.orphan(301, "job", &["job"]);
    assert_eq!(machine.left(), [(300, Likely)]);
    assert_eq!(machine.left_behind(300).evidence[0].kind, EvidenceKind::SessionLeaderGone);
}

#[test]
fn a_session_leader_that_lives_or_cannot_be_read_says_nothing() {
    for (session, unreadable) in [(SHELL, None), (90, Some(90)), (0, None)] {
        let mut machine = Machine::new();
        if let Some(number) = unreadable {
            machine.unreadable(number, "environment");
        }
        let odd = End::Other("anon_inode:[eventfd]".into());
        machine.orphan(300, "node", &["node"]).session(session).stdio(End::Null, odd, End::Null);
        assert_eq!(machine.left(), [], "{session}");
    }
}

#[test]
fn r118_whether_it_ignores_sighup_has_to_be_known() {
    let mut machine = Machine::new();
    machine.orphan(300, "npm", &["npm", "run", "dev"]).terminal(true).with(|p| p.ignores_hangup = None);
    assert_eq!(machine.left(), []);
}

#[test]
fn an_end_of_which_nothing_is_known_keeps_what_only_weak_signs_speak_against() {
    let mut machine = Machine::new();
    let ends = |machine: &mut Machine, number, stderr| {
        machine.orphan(number, "node", &["node"]).directory("/tmp/x (deleted)").stdio(
            End::Null,
            End::Null,
            stderr,
        );
    };
    ends(&mut machine, 300, End::Socket(99));
    ends(&mut machine, 301, End::Null);
    assert_eq!(machine.left(), [(301, Likely)]);
}

#[test]
fn a_shell_with_an_open_terminal_is_live() {
    let mut machine = Machine::new();
    machine.orphan(300, "bash", &["-bash"]).own_session().terminal(false).directory("/tmp/x (deleted)");
    assert_eq!(machine.left(), []);
}

#[test]
fn a_job_that_writes_to_an_open_terminal_is_live() {
    // `(cat x | job &)` in a terminal.
    let mut machine = Machine::new();
    let terminal = || End::Terminal { path: "/dev/pts/0".into(), gone: false };
    machine.orphan(300, "job", &["job"]).session(SHELL).stdio(End::Pipe(1), terminal(), terminal());
    assert_eq!(machine.left(), []);
}

#[test]
fn a_stopped_job_of_a_living_shell_is_live() {
    let mut machine = Machine::new();
    let stopped = |p: &mut Process| p.state = scupper_model::ProcessState::Stopped;
    machine.add(300, SHELL, "vim", &["vim"]).terminal(false).with(stopped);
    machine.add(301, SHELL, "less", &["less"]).pipes(1, 2).with(stopped);
    assert_eq!(machine.left(), []);
}

#[test]
fn what_shows_windows_on_a_display_is_live() {
    let mut machine = Machine::new();
    machine.connected(1, 2);
    machine.add(60, MANAGER, "Xwayland", &["Xwayland", ":0"]).sockets(&[2]);
    machine.orphan(300, "firefox", &["firefox"]).terminal(true).sockets(&[1]);
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "Xwayland (pid 60) shows its windows");
}

/// Root's display server holds the other end, which nobody else can see; the socket's name tells. Also where its pipes are
/// dead: whoever started it is gone, and somebody looks at it.
#[test]
fn r118_windows_on_a_display_of_another_user_are_live() {
    let mut machine = Machine::new();
    machine.orphan(300, "editor", &["editor"]).pipes(3000, 3001).sockets(&[7]);
    machine.connected(7, 8);
    assert_eq!(machine.left(), [(300, Likely)]);
    machine.shows_windows(8);
    assert_eq!(machine.left(), []);
    assert_eq!(
        machine.not_touched(300).because,
        "a display server that cannot be looked into shows its windows"
    );
    // One that nobody has heard of, and one that shows them to nobody.
    machine.add(60, 1, "niri", &["niri"]).own_session().sockets(&[8]);
    assert_eq!(machine.left(), []);
    machine.process(60).name = b"Xvfb".to_vec();
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_a_connection_to_somebody_who_cannot_be_seen_may_be_its_display() {
    let mut machine = Machine::new();
    machine.connected(1, 2);
    machine.add(60, 1, "Xorg", &["Xorg"]).uid(0).with(|p| p.descriptors = None);
    machine.orphan(300, "xterm", &["xterm"]).terminal(true).sockets(&[1]);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("cannot be seen"));
}

#[test]
fn a_terminal_emulator_whose_own_terminal_is_closed_is_live_while_a_shell_sits_in_it() {
    let mut machine = Machine::new();
    machine.orphan(300, "xterm", &["xterm"]).terminal(true);
    machine.add(301, 300, "bash", &["bash"]).own_session().terminal(false);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("bash (pid 301)"));
}

#[test]
fn the_young_and_those_of_other_users_are_not_looked_at() {
    let mut machine = Machine::new();
    machine.observer.uid = 0;
    machine.server(300).with(|p| p.age = Duration::from_secs(59));
    machine.server(301).uid(1001);
    machine.server(302);
    assert_eq!(machine.left(), [(301, Likely), (302, Likely)]);
    machine.settings.user = Some(ME);
    assert_eq!(machine.left(), [(302, Likely)]);
    machine.settings.min_age = Duration::ZERO;
    assert_eq!(machine.left(), [(300, Likely), (302, Likely)]);
}

#[test]
fn a_young_child_of_an_old_root_belongs_to_it() {
    let mut machine = Machine::new();
    machine.server(300);
    machine.add(301, 300, "chrome", &["chrome"]).with(|p| p.age = Duration::from_secs(1));
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn a_connection_to_somebody_outside_of_a_container_may_be_its_display() {
    // Everybody who is in it can be seen, and nobody of them has the peer.
    let mut machine = Machine::new();
    machine.connected(1, 2);
    machine.orphan(300, "xterm", &["xterm"]).terminal(true).sockets(&[1]);
    assert_eq!(machine.left(), []);
}
