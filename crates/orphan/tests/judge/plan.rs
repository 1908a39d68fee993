//! Who is to be ended, and only after a second look.

use std::time::Duration;

use scupper_model::{Identity, StartTime};
use scupper_orphan::{CONFIRM_AFTER, Certainty, Choice, Class, Plan, Selection, TooSoon, Why};

use crate::machine::*;

/// A certain tree (300 with 301, and 302 below it that cleared its environment) and a likely one (400 with 401).
fn two_trees() -> Machine {
    let mut machine = Machine::new();
    machine.recorded(1, &[250], &[300]);
    machine.orphan(300, "server", &["server"]).mark(1, "web");
    machine.add(301, 300, "worker", &["worker"]).mark(1, "web");
    machine.add(302, 301, "helper", &["helper"]);
    machine.server(400);
    machine.add(401, 400, "chrome", &["/opt/chrome/chrome"]);
    machine
}

fn targets(plan: &Plan) -> Vec<i32> {
    plan.targets.iter().map(|target| target.process.identity.pid.get()).collect()
}

fn to_ask(plan: &Plan) -> Vec<i32> {
    let mut asked: Vec<i32> = plan.to_ask.iter().map(|found| found.process.identity.pid.get()).collect();
    asked.sort_unstable();
    asked
}

fn chosen(machine: &Machine, choices: &[Choice]) -> Plan {
    Plan::new(&machine.findings(), &Selection { choices: choices.to_vec(), ..Selection::default() })
}

#[test]
fn r118_only_what_is_certain_is_ended_without_asking() {
    let plan = chosen(&two_trees(), &[]);
    assert_eq!(targets(&plan), [301, 300]);
    assert_eq!(to_ask(&plan), [302, 400, 401]);
}

#[test]
fn what_a_person_agreed_to_is_ended_children_last_to_first() {
    let machine = two_trees();
    let agreed = [302, 400, 401].map(identity).into();
    let plan = Plan::new(&machine.findings(), &Selection { agreed, ..Selection::default() });
    assert_eq!(targets(&plan), [302, 401, 301, 400, 300]);
    assert_eq!(to_ask(&plan), []);
}

#[test]
fn of_siblings_the_youngest_comes_first() {
    let mut machine = Machine::new();
    machine.server(300);
    for number in [301, 302, 303] {
        machine.add(number, 300, "x", &["x"]);
    }
    assert_eq!(targets(&chosen(&machine, &[Choice::Pid(pid(300))])), [303, 302, 301, 300]);
}

#[test]
fn to_name_a_pid_is_to_agree_to_its_whole_tree_and_to_nothing_else() {
    let plan = chosen(&two_trees(), &[Choice::Pid(pid(400))]);
    assert_eq!(targets(&plan), [401, 400]);
    assert_eq!(to_ask(&plan), []);
    assert_eq!(targets(&chosen(&two_trees(), &[Choice::Pid(pid(301))])), [302, 301]);
}

#[test]
fn a_group_or_a_class_only_narrows() {
    let plan = chosen(&two_trees(), &[Choice::Group("worker".into()), Choice::Class(Class::Browser)]);
    assert_eq!(targets(&plan), [301]);
    assert_eq!(to_ask(&plan), [401]);
}

#[test]
fn what_is_chosen_and_is_nobody_is_refused_with_the_reason() {
    let mut machine = two_trees();
    machine.orphan(500, "tmux: server", &["tmux"]).own_session().directory("/tmp/x (deleted)");
    let choices = [Choice::Pid(pid(500)), Choice::Pid(pid(999)), Choice::Group("nobody".into())];
    let plan = chosen(&machine, &choices);
    assert!(plan.targets.is_empty());
    let refused: Vec<&str> = plan.refused.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(
        refused,
        [
            "it is left alone: terminal multiplexer",
            "nothing like that was left behind",
            "nothing like that was left behind"
        ]
    );
}

/// A server with a helper, held by a client and not used.
fn held() -> Machine {
    let mut machine = Machine::new();
    machine.add(280, SHELL, "client", &["client"]);
    machine.add(300, 280, "node", &["node", "x-mcp.js"]).pipes(1, 2);
    machine.add(301, 300, "node", &["node", "y.js"]);
    machine.holds(280, 1, true);
    machine.holds(280, 2, false);
    machine
}

#[test]
fn r118_what_is_held_idle_is_ended_only_by_its_pid() {
    let machine = held();
    for choices in [&[][..], &[Choice::Class(Class::McpServer)], &[Choice::Group("node x-mcp.js".into())]] {
        let plan = chosen(&machine, choices);
        assert!(plan.targets.is_empty() && plan.to_ask.is_empty());
        assert!(plan.refused.iter().all(|(_, why)| why.contains("only by its pid (300)")));
        assert_eq!(plan.refused.len(), choices.len());
    }
    let plan = chosen(&machine, &[Choice::Pid(pid(300))]);
    assert_eq!(targets(&plan), [301, 300]);
    assert!(matches!(plan.targets[0].why, Why::HeldIdle { .. }));
}

#[test]
fn r118_two_looks_have_to_be_two_seconds_apart() {
    let machine = two_trees();
    let apart = Duration::from_millis(1999);
    let error = chosen(&machine, &[]).confirm(&machine.findings(), apart).unwrap_err();
    assert_eq!(error, TooSoon { apart });
    assert_eq!(
        error.to_string(),
        "two looks only 1999 ms apart confirm nothing: at least 2000 ms are needed"
    );
    let confirmed = chosen(&machine, &[]).confirm(&machine.findings(), CONFIRM_AFTER).unwrap();
    assert_eq!((confirmed.targets().len(), confirmed.dropped().len()), (2, 0));
}

#[test]
fn r118_the_second_look_has_to_say_the_same_of_the_same_process() {
    let confirmed = |change: &dyn Fn(&mut Machine)| -> Vec<i32> {
        let mut machine = two_trees();
        let plan = chosen(&machine, &[]);
        change(&mut machine);
        let confirmed = plan.confirm(&machine.findings(), CONFIRM_AFTER).unwrap();
        assert_eq!(confirmed.targets().len() + confirmed.dropped().len(), 2);
        confirmed.targets().iter().map(|target| target.process.identity.pid.get()).collect()
    };
    assert_eq!(confirmed(&|_| ()), [301, 300]);
    // Gone, and its number somebody else's.
    assert_eq!(confirmed(&|m| m.snapshot.processes.retain(|p| p.identity.pid.get() != 301)), [300]);
    let reused = Identity { start_time: StartTime(301_001), ..identity(301) };
    assert_eq!(confirmed(&|m| m.process(301).identity = reused), [300]);
    // Kept since.
    let kept = |m: &mut Machine| {
        m.keep(scupper_model::Kept::Process { identity: identity(300), name: "x".into() }, None);
    };
    assert_eq!(confirmed(&kept), []);
    // Only likely by now: records cannot be read any more.
    assert_eq!(confirmed(&|m| m.known.trouble.push("x".into())), []);
    // Its scupper lives after all.
    let revived = |m: &mut Machine| {
        m.add(250, SHELL, "scupper", &["scupper"]);
    };
    assert_eq!(confirmed(&revived), []);
}

#[test]
fn r118_what_is_held_idle_has_to_be_held_idle_by_the_same_twice() {
    let mut machine = held();
    let plan = chosen(&machine, &[Choice::Pid(pid(300))]);
    assert_eq!(plan.clone().confirm(&machine.findings(), CONFIRM_AFTER).unwrap().targets().len(), 2);
    machine.process(300).cpu = Duration::from_mins(3);
    assert_eq!(plan.confirm(&machine.findings(), CONFIRM_AFTER).unwrap().targets().len(), 0);
}

#[test]
fn what_became_certain_since_is_confirmed() {
    let mut machine = two_trees();
    machine.known.trouble.push("x".into());
    let plan = chosen(&machine, &[Choice::Pid(pid(300))]);
    assert!(matches!(plan.targets[0].why, Why::LeftBehind { certainty: Certainty::Likely, .. }));
    machine.known.trouble.clear();
    assert_eq!(plan.confirm(&machine.findings(), CONFIRM_AFTER).unwrap().targets().len(), 3);
}
