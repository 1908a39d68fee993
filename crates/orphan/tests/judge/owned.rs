//! What is recorded of a process: ties to a run, and whether that run is over.

use scupper_model::{Identity, ProcessState, StartTime, cgroup_name};
use scupper_orphan::Certainty::{Certain, Likely};
use scupper_orphan::EvidenceKind;
use scupper_probe::snapshot::{End, Marks};

use crate::machine::*;

/// The scupper that watched over run 1 is gone.
const GONE: i32 = 250;

fn unit_cgroup(number: u32) -> String {
    let name = cgroup_name(&"web".parse().unwrap(), &run(number));
    format!("/user.slice/user-1000.slice/session-9.scope/{name}")
}

#[test]
fn r118_recorded_spawn_cgroup_and_mark_make_it_certain() {
    for (tie, kind) in [
        ("recorded", EvidenceKind::RecordedSpawn),
        ("cgroup", EvidenceKind::Cgroup),
        ("mark", EvidenceKind::Mark),
    ] {
        let mut machine = Machine::new();
        machine.recorded(1, &[GONE], if tie == "recorded" { &[300] } else { &[] });
        let process = machine.orphan(300, "server", &["server"]);
        match tie {
            "cgroup" => process.cgroup(&unit_cgroup(1)),
            "mark" => process.mark(1, "web"),
            _ => process,
        };
        let found = machine.left_behind(300);
        assert_eq!((found.certainty, found.evidence[0].kind), (Certain, kind), "{tie}");
        assert_eq!(found.unit.as_deref(), Some("web"));
    }
}

#[test]
fn r118_a_run_that_is_alive_keeps_all_it_owns_wherever_it_is() {
    for watchers in [&[250][..], &[GONE + 1, 250]] {
        let mut machine = Machine::new();
        machine.add(250, SHELL, "engine", &["renamed"]);
        machine.recorded(1, watchers, &[300]);
        machine.server(300);
        machine.server(301).mark(1, "web");
        machine.server(302).cgroup(&unit_cgroup(1));
        // Below one of them, with a cleared environment, and abandoned by all signs.
        machine.add(303, 302, "x", &["x"]).pipes(3030, 3031);
        assert_eq!(machine.left(), []);
        for number in [300, 301, 302] {
            assert_eq!(machine.not_touched(number).because, "of the running unit web");
        }
    }
}

#[test]
fn r118_a_tie_to_a_living_run_outweighs_one_to_a_run_that_is_over() {
    let mut machine = Machine::new();
    machine.add(250, SHELL, "scupper", &["scupper"]);
    machine.recorded(1, &[GONE + 1], &[300]);
    machine.recorded(2, &[250], &[]);
    machine.server(300).mark(2, "web");
    assert_eq!(machine.left(), []);
}

#[test]
fn a_watcher_that_is_a_zombie_watches_no_more() {
    let mut machine = Machine::new();
    machine.add(250, SHELL, "scupper", &[]).with(|p| p.state = ProcessState::Zombie);
    machine.recorded(1, &[250], &[300]);
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), [(300, Certain)]);
}

#[test]
fn r118_a_watcher_that_cannot_be_read_may_live() {
    let mut machine = Machine::new();
    machine.unreadable(GONE, "stat");
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_a_pid_that_somebody_else_has_by_now_is_no_recorded_process() {
    let mut machine = Machine::new();
    let other_boot = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let run = machine.recorded(1, &[GONE], &[]);
    run.mains = vec![
        Identity { start_time: StartTime(7), ..identity(300) },
        Identity { boot_id: other_boot, ..identity(300) },
    ];
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), []);
    assert!(machine.findings().not_touched.is_empty());
}

#[test]
fn a_watchers_number_that_somebody_else_has_by_now_is_no_watcher() {
    let mut machine = Machine::new();
    machine.add(250, SHELL, "vim", &["vim"]);
    machine.recorded(1, &[], &[300]).watchers = vec![Identity { start_time: StartTime(7), ..identity(250) }];
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), [(300, Certain)]);
}

#[test]
fn the_end_of_a_run_may_be_recorded_instead_of_its_watchers() {
    let mut machine = Machine::new();
    machine.recorded(1, &[], &[300]).ended = true;
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), [(300, Certain)]);
}

#[test]
fn a_run_of_whose_end_nothing_is_recorded_makes_nothing_certain() {
    let mut machine = Machine::new();
    machine.recorded(1, &[], &[]);
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    machine.add(301, SHELL, "server", &["server"]).mark(1, "web");
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn r118_with_records_that_cannot_be_read_nothing_is_certain() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "server", &["server"]);
    machine.add(301, 300, "server", &["server"]).mark(1, "web");
    machine.known.trouble.push("cannot read keeps.json".into());
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn a_mark_that_nobody_knows_takes_an_orphan_to_be_likely() {
    let mut machine = Machine::new();
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    let found = machine.left_behind(300);
    assert_eq!((found.certainty, found.evidence[0].kind), (Likely, EvidenceKind::Mark));
    assert_eq!(found.unit.as_deref(), Some("web"));
    // So does a cgroup with a name of ours.
    let mut machine = Machine::new();
    machine.orphan(300, "server", &["server"]).cgroup(&unit_cgroup(1));
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn a_mark_that_nobody_knows_below_a_living_parent_says_nothing() {
    let mut machine = Machine::new();
    machine.add(300, SHELL, "server", &["server"]).mark(1, "web");
    machine.add(301, 300, "worker", &["worker"]).mark(1, "web");
    assert_eq!(machine.left(), []);
}

#[test]
fn a_mark_that_nobody_knows_below_a_living_scupper_is_of_a_living_unit() {
    let mut machine = Machine::new();
    machine.orphan(250, "scupper", &["scupper", "run", "--", "x"]);
    machine.add(300, 250, "server", &["server"]).session(90).mark(1, "web").pipes(3000, 3001);
    machine.add(301, 300, "worker", &["worker"]).session(91).mark(1, "web");
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_what_a_living_scupper_took_over_is_its_to_end() {
    // Of a run that is over, and handed to the scupper around it.
    let mut machine = Machine::new();
    machine.add(250, SHELL, "scupper", &["scupper", "run", "--", "agent"]);
    machine.recorded(1, &[GONE + 1], &[300]);
    machine.add(300, 250, "server", &["server"]).mark(1, "web");
    assert_eq!(machine.left(), []);
    assert_eq!(machine.not_touched(300).because, "scupper (pid 250) runs and looks after it");
}

#[test]
fn a_mark_whose_unit_is_another_ones_ties_to_nothing() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[]);
    machine.orphan(300, "server", &["server"]).mark(1, "db");
    for (number, run, unit) in
        [(301, &b"not-a-run"[..], &b"web"[..]), (302, b"\xff", b"web"), (303, b"", b"")]
    {
        let marks = Marks::Read { run: Some(run.to_vec()), unit: Some(unit.to_vec()), keep: None };
        machine.orphan(number, "server", &["server"]).with(|p| p.marks = marks);
    }
    assert_eq!(machine.left(), []);
}

#[test]
fn a_cgroup_that_only_resembles_ours_ties_to_nothing() {
    for path in
        ["/scupper.web", "/scupper.web.0123456789ag", "/xscupper.web.0123456789ab", "/scupper..0123456789ab"]
    {
        let mut machine = Machine::new();
        machine.orphan(300, "server", &["server"]).cgroup(path);
        assert_eq!(machine.left(), [], "{path}");
    }
    // Version 1's hierarchies can be entered without a unit's doing.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[]);
    let path = unit_cgroup(1);
    machine.orphan(300, "server", &["server"]).with(|process| {
        let v1 =
            scupper_probe::CgroupPath { hierarchy: 4, controllers: vec!["memory".into()], path: path.into() };
        process.cgroups = Some(vec![v1].into());
    });
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_ancestry_alone_is_never_certain() {
    // It has cleared its environment.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    machine.add(301, 300, "worker", &["worker"]).mark(1, "web");
    machine.add(302, 301, "helper", &["helper"]);
    assert_eq!(machine.left(), [(300, Certain), (301, Certain), (302, Likely)]);
    let helper = machine.left_behind(302);
    assert_eq!((helper.evidence[0].kind, helper.root), (EvidenceKind::Ancestry, pid(300)));
}

#[test]
fn r118_an_environment_that_was_handed_on_is_no_descent() {
    // An editor that lives copied the environment of a terminal into one of its own shells.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[]);
    machine.add(300, SHELL, "code", &["code"]);
    machine.add(301, 300, "zsh", &["zsh", "-i"]).own_session().mark(1, "web").terminal(false);
    machine.add(302, 300, "node", &["node", "lsp.js"]).mark(1, "web").pipes(3020, 3021);
    machine.holds(300, 3020, true);
    machine.holds(300, 3021, false);
    assert_eq!(machine.left(), []);
    // A terminal emulator that carries it itself, and the shell in it.
    machine.add(303, SHELL, "xterm", &["xterm"]).mark(1, "web");
    machine.add(304, 303, "bash", &["bash"]).own_session().mark(1, "web").terminal(false);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(303).because.contains("bash (pid 100)"));
}

#[test]
fn r118_a_server_whose_client_still_speaks_to_it_is_left_alone_though_its_scupper_is_gone() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.server(300).mark(1, "web");
    machine.add(310, SHELL, "client", &["client"]);
    machine.holds(310, 3000, true);
    machine.holds(310, 3001, false);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("client (pid 310) still speaks to it"));
}

#[test]
fn r118_what_reads_from_an_open_terminal_is_left_alone_though_its_scupper_is_gone() {
    // An interactive program, what it started, and a helper of it that is nobody's child any more.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "claude", &["claude"]).mark(1, "web").terminal(false);
    machine.add(301, 300, "bash", &["bash"]).mark(1, "web");
    machine.server(302).mark(1, "web");
    machine.holds(301, 3020, true);
    machine.holds(301, 3021, false);
    assert_eq!(machine.left(), []);
    assert!(machine.not_touched(300).because.contains("an open terminal is its stdin"));
    assert!(machine.not_touched(302).because.contains("bash (pid 301) still speaks to it"));
    // Nobody uses the helper any more: it is not what somebody sits before.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "claude", &["claude"]).mark(1, "web").terminal(false);
    machine.server(302).mark(1, "web");
    assert_eq!(machine.left(), [(302, Certain)]);
}

#[test]
fn r118_what_shows_something_on_an_open_terminal_is_never_certain() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    let terminal = End::Terminal { path: "/dev/pts/0".into(), gone: false };
    machine.orphan(300, "less", &["less"]).mark(1, "web").stdio(End::Null, terminal.clone(), terminal);
    machine.add(301, 300, "sh", &["sh"]).mark(1, "web");
    assert_eq!(machine.left(), [(300, Likely), (301, Likely)]);
}

#[test]
fn a_terminal_that_was_closed_does_not_save_what_is_recorded() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "claude", &["claude"]).mark(1, "web").terminal(true);
    // A terminal that the agent made for one of its own commands.
    machine.add(301, 300, "bash", &["bash"]).mark(1, "web").own_session().terminal(false);
    assert_eq!(machine.left(), [(300, Certain), (301, Certain)]);
}

#[test]
fn r118_what_somebody_outside_writes_to_or_reads_from_is_never_certain() {
    // `producer | scupper run -- sh -c 'cat; echo done' > log`, and the other way round.
    for (number, writes) in [(3000, true), (3001, false)] {
        let mut machine = Machine::new();
        machine.recorded(1, &[GONE], &[300]);
        machine.server(300).mark(1, "web");
        machine.add(301, 300, "cat", &["cat"]).mark(1, "web").pipes(3000, 3001);
        machine.add(302, 300, "sleep", &["sleep"]).mark(1, "web");
        assert_eq!(machine.left(), [(300, Certain), (301, Certain), (302, Certain)]);
        machine.add(310, SHELL, "bash", &["bash", "prod.sh"]);
        machine.holds(310, number, writes);
        assert_eq!(machine.left(), [(300, Likely), (301, Likely), (302, Likely)], "{writes}");
    }
}

#[test]
fn r118_below_what_is_certain_a_living_partner_makes_likely() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    machine.add(301, 300, "cat", &["cat"]).mark(1, "web").pipes(3000, 3001);
    machine.add(310, SHELL, "tee", &["tee", "log"]);
    machine.holds(310, 3001, false);
    assert_eq!(machine.left(), [(300, Certain), (301, Likely)]);
}

#[test]
fn r118_who_is_at_the_other_end_of_what_is_recorded_cannot_be_told() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine.server(300).mark(1, "web");
    machine.known.pipes.insert(3001, scupper_orphan::PipeAnswer { has_writer: None, has_reader: Some(true) });
    assert_eq!(machine.left(), [(300, Likely)]);
}

#[test]
fn nohup_and_a_daemons_manners_do_not_save_what_is_recorded() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300]);
    machine
        .orphan(300, "server", &["server"])
        .own_session()
        .stdio_null()
        .with(|p| p.ignores_hangup = Some(true));
    assert_eq!(machine.left(), [(300, Certain)]);
}

#[test]
fn a_unit_in_a_service_of_its_own_is_found_in_its_cgroup() {
    // The unit's cgroup is inside of the service that scupper ran in, and scupper looks from elsewhere.
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[]);
    let name = cgroup_name(&"web".parse().unwrap(), &run(1));
    machine.orphan(300, "server", &["server"]).cgroup(&format!("/system.slice/app.service/{name}"));
    assert_eq!(machine.left(), [(300, Certain)]);
}

#[test]
fn what_is_held_on_stdin_by_ones_own_run_is_held_by_nobody() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300, 301]);
    for (number, ends) in [(300, [1, 2]), (301, [2, 1])] {
        let [stdin, stdout] = ends.map(End::Pipe);
        machine.orphan(number, "server", &["server"]).stdio(stdin, stdout, End::Null);
    }
    assert_eq!(machine.left(), [(300, Certain), (301, Certain)]);
}

#[test]
fn two_records_of_one_run_make_it_as_alive_as_either_says() {
    let mut machine = Machine::new();
    machine.add(250, SHELL, "scupper", &["scupper"]);
    machine.recorded(1, &[], &[300]).ended = true;
    machine.recorded(1, &[250], &[]);
    machine.orphan(300, "server", &["server"]);
    assert_eq!(machine.left(), []);
}

#[test]
fn r118_a_kept_one_of_the_run_that_uses_another_keeps_it() {
    let mut machine = Machine::new();
    machine.recorded(1, &[GONE], &[300, 301]);
    machine.server(300);
    machine.orphan(301, "client", &["client"]);
    machine.holds(301, 3000, true);
    machine.holds(301, 3001, false);
    assert_eq!(machine.left(), [(300, Certain), (301, Certain)]);
    machine.keep(scupper_model::Kept::Process { identity: identity(301), name: "client".into() }, None);
    assert_eq!(machine.left(), []);
}

#[test]
fn a_mark_that_nobody_knows_on_an_open_terminal_says_nothing() {
    let mut machine = Machine::new();
    machine.orphan(300, "bash", &["bash"]).mark(1, "web").terminal(false);
    assert_eq!(machine.left(), []);
}
