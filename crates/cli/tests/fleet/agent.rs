//! `run --agent`: real commands, and a registry on a real Redis or in files. Leases are seconds long; what is asserted is
//! what happened and in which order, never how long it took.

mod holding;
mod told;

use std::fs;
use std::path::Path;
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_fleet::{AgentId, AgentView, Directive, Item, ItemKind, Reason};
use serde_json::Value;

use crate::registry::Registry;
use crate::scene::{PATIENCE, Running, Scene, alive, children, kill, stat, wait_for};

const STOP: i32 = 19;
const CONT: i32 = 18;
const TERM: i32 = 15;
const INT: i32 = 2;
const HUP: i32 = 1;
const LEASE_LOST: i32 = 75;

/// A lease that no test on a loaded machine outlives, though it beats often.
const SAFE: [&str; 4] = ["--ttl", "5m", "--beat", "200ms"];

/// One that is over soon.
const SOON: [&str; 4] = ["--ttl", "2s", "--beat", "200ms"];

fn id(name: &str) -> AgentId {
    name.parse().unwrap()
}

/// Runs a command as the agent `a-1` of this registry.
fn run(registry: &Registry, flags: &[&str], command: &[&str]) -> Running {
    let mut all = vec!["-v", "--agent", "a-1", "--registry", &registry.url];
    all.extend(flags);
    registry.scene.run(&all, command)
}

/// A command that works until it is stopped: it writes a line every 20 ms, and says where it got TERM.
fn worker(registry: &Registry) -> [String; 3] {
    let work = registry.scene.path("work").display().to_string();
    let script =
        format!("trap 'echo term >> {work}; exit 7' TERM; while :; do echo step >> {work}; sleep 0.02; done");
    ["sh".into(), "-c".into(), script]
}

fn run_worker(registry: &Registry, flags: &[&str]) -> Running {
    let worker = worker(registry);
    let running = run(registry, flags, &[&worker[0], &worker[1], &worker[2]]);
    wait_for("it works", PATIENCE, || works(registry, 0));
    running
}

/// A command that ignores TERM, once it does.
fn run_stubborn(registry: &Registry) -> Running {
    let work = registry.scene.path("work").display().to_string();
    let script = format!("trap '' TERM; echo step > {work}; while :; do sleep 0.05; done");
    let running = run(registry, &SAFE, &["sh", "-c", &script]);
    wait_for("it ignores TERM", PATIENCE, || works(registry, 0));
    running
}

fn steps(registry: &Registry) -> usize {
    registry.scene.text("work").lines().filter(|line| *line == "step").count()
}

/// More than so many steps were made.
fn works(registry: &Registry, than: usize) -> Result<(), String> {
    if steps(registry) > than { Ok(()) } else { Err(registry.scene.text("stderr")) }
}

fn member(registry: &Registry) -> Option<AgentView> {
    registry.store.agent(&id("a-1")).unwrap()
}

fn wait_for_member(registry: &Registry, what: &str, holds: impl Fn(&AgentView) -> bool) -> AgentView {
    wait_for(what, PATIENCE, || match member(registry) {
        Some(view) if holds(&view) => Ok(view),
        other => Err(format!("{other:?}\n{}", registry.scene.text("stderr"))),
    })
}

fn wait_for_event(registry: &Registry, kind: &str) -> Value {
    wait_for(kind, PATIENCE, || {
        registry.scene.events_of(kind).into_iter().next_back().ok_or_else(|| registry.scene.text("stderr"))
    })
}

fn code(running: Running) -> i32 {
    running.wait().code().unwrap()
}

/// Nothing of the agent is left in the registry, and its events say how it went.
fn expect_left(registry: &Registry, reason: &str) {
    assert_eq!(member(registry), None);
    assert_eq!(registry.scene.events_of("agent_left")[0]["reason"], reason);
    let (_, why) = registry.store.epitaph(&id("a-1")).unwrap().unwrap();
    assert_eq!(why, Reason::Shutdown);
}

#[test]
fn r115_it_registers_the_commands_own_identity_and_says_what_it_takes() {
    for registry in [Registry::redis(), Registry::embedded()] {
        let running = run_worker(&registry, &SAFE);
        let seen = wait_for_member(&registry, "it says who it is and what it takes", |view| {
            let said = view.report.as_ref();
            view.process.as_ref().is_some_and(|process| process.identity.is_some())
                && said.is_some_and(|report| report.memory.rss.is_some() && report.state == "running")
        });
        let main = wait_for_event(&registry, "unit_started")["main"].clone();
        assert_eq!(serde_json::to_value(seen.process.unwrap().identity.unwrap()).unwrap(), main);
        let report = seen.report.unwrap();
        assert!(report.verdict.is_none_or(|verdict| verdict <= Verdict::Unknown), "{report:?}");
        running.signal(TERM);
        assert_eq!(code(running), 7);
        expect_left(&registry, "SIGTERM");
    }
}

/// R108: it works until it is told to end, finishes, and only then leaves; its exit code stays the command's.
#[test]
fn r108_it_leaves_when_it_is_told_to_end() {
    for (signal, name, exit) in [(TERM, "SIGTERM", 7), (INT, "SIGINT", 130)] {
        let registry = Registry::redis();
        let running = run_worker(&registry, &SAFE);
        registry.store.put(&member_incarnation(&registry), &state(b"mine")).unwrap();
        running.signal(signal);
        assert_eq!(code(running), exit, "{}", registry.scene.text("stderr"));
        expect_left(&registry, name);
        assert_eq!(registry.store.get(&id("a-1"), ItemKind::State, "").unwrap(), None);
        let order = order(&registry, &["agent_registered", "signal_received", "unit_stopped", "agent_left"]);
        assert_eq!(order, ["agent_registered", "signal_received", "unit_stopped", "agent_left"]);
        registry.scene.expect_nothing_left();
    }
}

#[test]
fn r108_it_leaves_when_its_command_ends_or_crashes() {
    for (script, exit, reason) in [
        ("exit 0", 0, "the command ended"),
        ("exit 3", 3, "crashed: exit code 3"),
        ("kill -SEGV $$", 139, "crashed: exit code 139"),
        ("kill -HUP $$", 129, "crashed: exit code 129"),
    ] {
        let registry = Registry::embedded();
        let running = run(&registry, &SAFE, &["sh", "-c", script]);
        assert_eq!(code(running), exit, "{}", registry.scene.text("stderr"));
        expect_left(&registry, reason);
    }
    let registry = Registry::redis();
    let running = run_worker(&registry, &SAFE);
    running.signal(HUP);
    assert_eq!(code(running), 128 + HUP);
    expect_left(&registry, "crashed: exit code 129");
}

#[test]
fn r108_a_second_signal_forces() {
    let registry = Registry::redis();
    let running = run_stubborn(&registry);
    running.signal(TERM);
    wait_for_event(&registry, "signal_received");
    // It ignores TERM, and its grace is 30 s.
    running.signal(TERM);
    assert_eq!(code(running), 137);
    expect_left(&registry, "SIGTERM");
    registry.scene.expect_nothing_left();
}

/// The registry is restarted and has lost everything: nobody was replaced, and it goes on as the incarnation it was.
#[test]
fn a_registry_that_forgot_everything_takes_it_back() {
    let mut registry = Registry::redis();
    let running = run_worker(&registry, &SAFE);
    let was = member_incarnation(&registry);
    let server = registry.server.as_mut().unwrap();
    server.kill();
    server.restart();
    let back = wait_for_member(&registry, "it is a member again", |view| view.process.is_some());
    assert_eq!(back.epoch, Some(was.epoch), "{}", registry.scene.text("stderr"));
    let stood = steps(&registry);
    wait_for("it works", PATIENCE, || works(&registry, stood));
    running.signal(TERM);
    assert_eq!(code(running), 7);
    expect_left(&registry, "SIGTERM");
}

#[test]
fn what_the_registry_asks_is_done() {
    let registry = Registry::redis();
    let running = run_worker(&registry, &SAFE);
    wait_for_member(&registry, "it is a member", |_| true);
    registry.store.direct(&id("a-1"), Some(Directive::Drain)).unwrap();
    assert_eq!(code(running), 7, "{}", registry.scene.text("stderr"));
    assert_eq!(registry.scene.events_of("directive_received")[0]["directive"], "drain");
    expect_left(&registry, "asked to leave by the registry");

    // Stop does not wait for the whole grace.
    let registry = Registry::redis();
    let running = run_stubborn(&registry);
    wait_for_member(&registry, "it is a member", |_| true);
    registry.store.direct(&id("a-1"), Some(Directive::Stop)).unwrap();
    let status = running.wait_at_most(Duration::from_secs(25));
    assert_eq!(status.code(), Some(137), "{}", registry.scene.text("stderr"));
}

#[test]
fn an_agent_whose_name_is_taken_does_not_start() {
    let registry = Registry::redis();
    let first = run_worker(&registry, &SAFE);
    let second = Scene::new();
    let ran = second.path("ran");
    let touch = format!("touch {}", ran.display());
    let flags = ["--agent", "a-1", "--registry", &registry.url];
    assert_eq!(second.code(&flags, &["sh", "-c", &touch]), 125);
    let said = second.text("stderr");
    assert!(said.contains("a living process is the agent a-1") && said.contains("--takeover"), "{said}");
    assert!(!ran.exists() && alive(first.pid()));
    first.signal(TERM);
    assert_eq!(code(first), 7);
}

#[test]
fn a_registry_that_is_away_at_the_start_holds_nobody_up() {
    let mut registry = Registry::redis();
    registry.server.as_mut().unwrap().kill();
    let running = run_worker(&registry, &SAFE);
    wait_for_event(&registry, "registry_lost");
    assert_eq!(registry.scene.events_of("registry_lost").len(), 1, "{}", registry.scene.text("stderr"));
    registry.server.as_mut().unwrap().restart();
    wait_for_member(&registry, "it is a member after all", |view| {
        view.process.as_ref().is_some_and(|process| process.identity.is_some())
    });
    running.signal(TERM);
    assert_eq!(code(running), 7);
    expect_left(&registry, "SIGTERM");
}

#[test]
fn a_command_that_is_started_again_is_another_process_of_the_same_agent() {
    let registry = Registry::embedded();
    let flags: Vec<&str> = SAFE.into_iter().chain(["--restart", "on-failure"]).collect();
    let running = run_worker(&registry, &flags);
    let identity = |view: &AgentView| view.process.as_ref().and_then(|process| process.identity);
    let first = wait_for_member(&registry, "its process", |view| identity(view).is_some());
    kill(identity(&first).unwrap().pid.get(), 9);
    let second = wait_for_member(&registry, "its other process", |view| {
        identity(view).is_some() && identity(view) != identity(&first)
    });
    assert_eq!(second.epoch, first.epoch);
    let stood = steps(&registry);
    wait_for("it works again", PATIENCE, || works(&registry, stood));
    running.signal(TERM);
    assert_eq!(code(running), 7);
    expect_left(&registry, "SIGTERM");
}

/// The coordinator of its host is a registry as well: it says who the agent is, and lets it go.
#[test]
fn an_agent_may_have_the_coordinator_of_its_host_for_a_registry() {
    let registry = Registry::redis();
    let socket = registry.scene.path("run/scupper/serve.sock");
    let mut serve =
        registry.scene.scupper(&["serve", "--no-listen", "--no-processes", "--registry", &registry.url]);
    serve.stderr(fs::File::create(registry.scene.path("serve")).unwrap());
    let serve = Running { child: serve.spawn().unwrap() };
    wait_for("it listens", PATIENCE, || {
        if socket.exists() { Ok(()) } else { Err(registry.scene.text("serve")) }
    });
    let worker = worker(&registry);
    let url = format!("unix:{}", socket.display());
    let flags: Vec<&str> = ["-v", "--agent", "a-1", "--registry", &url].into_iter().chain(SAFE).collect();
    let running = registry.scene.run(&flags, &[&worker[0], &worker[1], &worker[2]]);
    wait_for("it works", PATIENCE, || works(&registry, 0));
    wait_for_member(&registry, "it says who it is and what it takes", |view| {
        let said = view.report.as_ref().is_some_and(|report| report.memory.rss.is_some());
        said && view.coordinator.is_some() && view.process.as_ref().is_some_and(|p| p.identity.is_some())
    });
    running.signal(TERM);
    assert_eq!(code(running), 7, "{}", registry.scene.text("stderr"));
    expect_left(&registry, "SIGTERM");
    serve.signal(TERM);
    assert_eq!(code(serve), 0, "{}", registry.scene.text("serve"));
}

fn state(value: &[u8]) -> Item {
    Item { kind: ItemKind::State, name: String::new(), value: Some(value.to_vec()) }
}

fn member_incarnation(registry: &Registry) -> scupper_fleet::Incarnation {
    let view = wait_for_member(registry, "it is a member", |view| view.epoch.is_some());
    scupper_fleet::Incarnation { id: id("a-1"), epoch: view.epoch.unwrap() }
}

/// These events, in the order in which they came.
fn order(registry: &Registry, kinds: &[&str]) -> Vec<String> {
    let names =
        registry.scene.events().into_iter().filter_map(|event| event["event"].as_str().map(str::to_owned));
    names.filter(|name| kinds.contains(&name.as_str())).collect()
}
