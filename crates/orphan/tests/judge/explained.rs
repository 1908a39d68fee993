//! What is said of one process, live or not.

use scupper_model::ProcessState;
use scupper_orphan::{Certainty, CheckState, EvidenceKind, Explanation, Judged, explain};
use scupper_probe::snapshot::{End, Marks};

use crate::machine::*;

fn explained(machine: &Machine, number: i32) -> Explanation {
    explain(&machine.snapshot(), &machine.known, machine.observer, &machine.settings, pid(number)).unwrap()
}

fn state(explanation: &Explanation, kind: EvidenceKind) -> CheckState {
    explanation.checks.iter().find(|check| check.kind == kind).unwrap().state
}

#[test]
fn every_sign_is_shown_for_one_that_was_left_behind() {
    let mut machine = Machine::new();
    machine.server(300);
    let found = explained(&machine, 300);
    assert_eq!(found.verdict, Judged::LeftBehind(Certainty::Likely));
    assert!(
        found.sentence.starts_with("likely left behind: nobody holds the other end"),
        "{}",
        found.sentence
    );
    for (kind, expected) in [
        (EvidenceKind::RecordedSpawn, CheckState::DoesNotHold),
        (EvidenceKind::Cgroup, CheckState::DoesNotHold),
        (EvidenceKind::Mark, CheckState::DoesNotHold),
        (EvidenceKind::Ancestry, CheckState::DoesNotHold),
        (EvidenceKind::StdinGone, CheckState::Holds),
        (EvidenceKind::OutputGone, CheckState::Holds),
        (EvidenceKind::DirectoryDeleted, CheckState::DoesNotHold),
        (EvidenceKind::TerminalGone, CheckState::DoesNotHold),
        (EvidenceKind::SessionLeaderGone, CheckState::Holds),
        (EvidenceKind::Reparented, CheckState::Holds),
    ] {
        assert_eq!(state(&found, kind), expected, "{kind:?}");
    }
    assert_eq!(found.stdio[0], "pipe 3000, nobody at its other end");
    assert_eq!(found.stdio[2], "file /home/me/log");
    assert_eq!(found.above, [(pid(MANAGER), "systemd".to_owned()), (pid(1), "systemd".to_owned())]);
}

#[test]
fn a_live_one_is_explained_by_who_holds_it() {
    let mut machine = Machine::new();
    machine.add(310, SHELL, "client", &["client"]);
    machine.add(300, 310, "node", &["node", "server.js"]).pipes(3000, 3001);
    machine.holds(310, 3000, true);
    let found = explained(&machine, 300);
    assert_eq!(found.verdict, Judged::Live);
    assert_eq!(found.stdio[0], "pipe 3000, client (pid 310) at its other end");
    assert!(found.sentence.contains("client (pid 310) is at the other end"), "{}", found.sentence);
}

#[test]
fn r118_what_cannot_be_told_is_said_to_be_unknown() {
    let mut machine = Machine::new();
    machine.orphan(300, "x", &["x"]).with(|p| {
        p.marks = Marks::Unreadable;
        p.cgroups = None;
        p.descriptors = None;
        p.working_directory = None;
    });
    machine.known.trouble.push("no".into());
    let found = explained(&machine, 300);
    for kind in [
        EvidenceKind::RecordedSpawn,
        EvidenceKind::Cgroup,
        EvidenceKind::Mark,
        EvidenceKind::StdinGone,
        EvidenceKind::OutputGone,
        EvidenceKind::DirectoryDeleted,
    ] {
        assert_eq!(state(&found, kind), CheckState::Unknown, "{kind:?}");
    }
    assert_eq!(found.stdio[0], "cannot be read");
}

#[test]
fn every_verdict_has_a_sentence() {
    let mut machine = Machine::new();
    machine.recorded(1, &[250], &[300, 304]);
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    machine.orphan(301, "job", &["job"]);
    machine.add(302, SHELL, "x", &[]).with(|p| p.state = ProcessState::Zombie);
    machine.server(303).with(|p| p.age = std::time::Duration::from_secs(1));
    machine.orphan(304, "tmux: server", &["tmux"]).own_session();
    machine.add(305, 304, "bash", &["bash"]);
    machine.orphan(306, "job", &["job"]).stdio(
        End::Pipe(1),
        End::Terminal { path: "/dev/pts/0".into(), gone: false },
        End::Null,
    );
    for (number, verdict, words) in [
        (300, Judged::LeftBehind(Certainty::Certain), "left behind, for certain: it was recorded"),
        (301, Judged::Live, "alone says nothing"),
        (302, Judged::Zombie, "bash (pid 100) has not waited for it"),
        (303, Judged::Live, "too young"),
        (304, Judged::NotTouched, "left alone: terminal multiplexer"),
        (305, Judged::NotTouched, "left alone with tmux: server (pid 304)"),
        (306, Judged::Live, "its terminal is open"),
        (SHELL, Judged::Live, "nothing says"),
    ] {
        let found = explained(&machine, number);
        assert_eq!(found.verdict, verdict, "{number}");
        assert!(found.sentence.contains(words), "{number}: {}", found.sentence);
    }
}

#[test]
fn nobody_is_explained_who_is_not_there() {
    let machine = Machine::new();
    let found = explain(&machine.snapshot(), &machine.known, machine.observer, &machine.settings, pid(999));
    assert!(found.is_none());
}
