//! `run --agent`: real commands, and a registry on a real Redis or in files. Leases are seconds long; what is asserted is
//! what happened and in which order, never how long it took.

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

#[test]
fn r116_it_stands_still_while_its_registry_is_away_and_goes_on_when_it_is_back() {
    let registry = Registry::redis();
    let server = registry.server.as_ref().unwrap();
    let running = run_worker(&registry, &SOON);
    server.pause();
    let lost = wait_for("it stands still", PATIENCE, || still(&registry, &running));
    assert_eq!(lost["action"], "pause");
    let (shown, text) = shown(&registry);
    assert_eq!(shown["units"][0]["status"]["held"], "lease_lost", "{shown}");
    assert!(text.contains(" held ") && text.contains("held: lease lost"), "{text}");
    let stood = steps(&registry);
    server.resume();
    wait_for_event(&registry, "lease_regained");
    wait_for("it works again", PATIENCE, || works(&registry, stood));
    let (shown, text) = self::shown(&registry);
    assert_eq!(shown["units"][0]["status"]["held"], Value::Null, "{shown}");
    assert!(text.contains(" running ") && !text.contains("held"), "{text}");
    running.signal(TERM);
    assert_eq!(code(running), 7);
    expect_left(&registry, "SIGTERM");
}

/// What `ps` says of the unit: as JSON, and to a person.
fn shown(registry: &Registry) -> (Value, String) {
    let ps = |args: &[&str]| {
        let out = registry.scene.scupper(args).output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    };
    (serde_json::from_str(&ps(&["ps", "--json"])).unwrap(), ps(&["ps"]))
}

/// Every process of the tree is stopped or frozen, and the last thing that was said of the lease is that it is lost.
fn still(registry: &Registry, running: &Running) -> Result<Value, String> {
    let events = registry.scene.events();
    let of_lease = |event: &&Value| event["event"] == "lease_lost" || event["event"] == "lease_regained";
    let last = events.iter().rfind(of_lease).filter(|event| event["event"] == "lease_lost");
    let before = steps(registry);
    std::thread::sleep(Duration::from_millis(200));
    match last {
        Some(lost) if steps(registry) == before => Ok(lost.clone()),
        _ => Err(format!("{} {}", running.pid(), registry.scene.text("stderr"))),
    }
}

/// What cannot be frozen (no cgroup) is stopped, each signal an event with its reason.
#[test]
fn without_a_cgroup_each_process_is_stopped_and_let_go_on() {
    let registry = Registry::redis();
    let server = registry.server.as_ref().unwrap();
    let flags: Vec<&str> = SOON.into_iter().chain(["--cgroup", "off"]).collect();
    let running = run_worker(&registry, &flags);
    server.pause();
    wait_for("it stands still", PATIENCE, || still(&registry, &running));
    let main = children(running.engine())[0];
    wait_for("it is stopped", PATIENCE, || match stat(main).unwrap()[0].as_str() {
        // Or it waits for a child that was stopped between vfork and exec.
        "T" | "D" => Ok(()),
        other => Err(other.to_owned()),
    });
    let stood = steps(&registry);
    server.resume();
    wait_for("it works again", PATIENCE, || works(&registry, stood));
    let sent = registry.scene.events_of("signal_sent");
    let of = |signal: i32, reason: &str| sent.iter().any(|e| e["signal"] == signal && e["reason"] == reason);
    assert!(of(STOP, "lease_lost") && of(CONT, "lease_regained"), "{sent:?}");
    running.signal(TERM);
    assert_eq!(code(running), 7);
}

/// A unit that stands still because its registry does not answer.
fn held(cgroup: &str) -> (Registry, Running) {
    let registry = Registry::redis();
    let flags: Vec<&str> = SOON.into_iter().chain(["--cgroup", cgroup]).collect();
    let running = run_worker(&registry, &flags);
    registry.server.as_ref().unwrap().pause();
    wait_for("it stands still", PATIENCE, || still(&registry, &running));
    (registry, running)
}

/// Whoever lets a process of it go on (`kill -CONT`, a shell's `fg`) gives it no lease: it is stopped again, told each
/// time, and goes on when it may.
#[test]
fn whom_somebody_else_lets_go_on_is_stopped_again() {
    let (registry, running) = held("off");
    let main = children(running.engine())[0];
    let stops = || {
        let sent = registry.scene.events_of("signal_sent");
        sent.iter().filter(|e| e["signal"] == STOP && e["target"]["pid"] == main).count()
    };
    wait_for("it was stopped", PATIENCE, || {
        if stops() > 0 { Ok(()) } else { Err(registry.scene.text("stderr")) }
    });
    for _ in 0..3 {
        let before = stops();
        // The whole tree: the shell may wait for a child.
        for pid in registry.scene.marked().into_keys() {
            kill(pid, CONT);
        }
        wait_for("it is stopped again", PATIENCE, || {
            if stops() > before { Ok(()) } else { Err(registry.scene.text("stderr")) }
        });
        wait_for("it stands still again", PATIENCE, || still(&registry, &running));
    }
    let stood = steps(&registry);
    registry.server.as_ref().unwrap().resume();
    wait_for("it works again", PATIENCE, || works(&registry, stood));
    // Once for each time that it may, however often it was stopped.
    wait_for("it was let go on once", PATIENCE, || {
        let events = registry.scene.events();
        let regained = events.iter().filter(|e| e["event"] == "lease_regained").count();
        let gone_on = events.iter().filter(|e| e["signal"] == CONT && e["target"]["pid"] == main).count();
        if gone_on == regained && regained > 0 { Ok(()) } else { Err(format!("{events:?}")) }
    });
    running.signal(TERM);
    assert_eq!(code(running), 7);
}

#[test]
fn what_stands_still_is_ended_by_whoever_asks() {
    let (registry, running) = held("auto");
    assert!(registry.scene.scupper(&["stop", &registry.scene.unit]).status().unwrap().success());
    assert_eq!(code(running), 7, "{}", registry.scene.text("stderr"));
    registry.scene.expect_nothing_left();
}

/// The guardian's TERM waits, its KILL after 5 s does not.
#[test]
fn what_is_frozen_is_ended_by_the_guardian_when_the_engine_is_gone() {
    let (registry, running) = held("auto");
    kill(running.engine(), 9);
    assert_eq!(code(running), 137, "{}", registry.scene.text("stderr"));
    registry.scene.expect_nothing_left();
}

#[test]
fn what_is_stopped_is_ended_by_the_guardian_when_the_engine_is_gone() {
    let (registry, running) = held("off");
    kill(running.engine(), 9);
    assert_eq!(code(running), 137, "{}", registry.scene.text("stderr"));
    registry.scene.expect_nothing_left();
}

#[test]
fn whoever_was_told_to_finish_or_to_exit_when_the_lease_is_lost_exits_75() {
    for (policy, told) in [("finish", true), ("exit", false)] {
        let registry = Registry::redis();
        let flags: Vec<&str> = SOON.into_iter().chain(["--on-lease-lost", policy]).collect();
        let running = run_worker(&registry, &flags);
        registry.server.as_ref().unwrap().pause();
        assert_eq!(code(running), LEASE_LOST, "{policy}: {}", registry.scene.text("stderr"));
        let work = registry.scene.text("work");
        assert_eq!(work.lines().last() == Some("term"), told, "{policy}");
        registry.server.as_ref().unwrap().resume();
        registry.scene.expect_nothing_left();
    }
}

/// The row of the zombie: guardian, engine and command are stopped past their lease; a successor takes the name and writes.
/// Woken, the zombie is refused, ends with 75, and what the successor wrote is intact.
#[test]
fn a_stopped_agent_that_wakes_after_its_successor_started_exits_75() {
    let registry = Registry::redis();
    let running = run_worker(&registry, &SOON);
    let zombie = member_incarnation(&registry);
    registry.store.put(&zombie, &state(b"old")).unwrap();
    let engine = running.engine();
    let all: Vec<i32> =
        [running.pid(), engine].into_iter().chain(registry.scene.marked().into_keys()).collect();
    for pid in &all {
        kill(*pid, STOP);
    }
    for pid in &all {
        wait_for("it stands still", PATIENCE, || match stat(*pid) {
            Some(fields) if fields[0] == "T" => Ok(()),
            None => Ok(()),
            Some(fields) => Err(fields[0].clone()),
        });
    }
    // Its name is taken over at once: that is what a lease that ended comes to, without the wait for the sweep.
    let successor = Scene::new();
    let flags = ["-v", "--agent", "a-1", "--registry", &registry.url, "--takeover", "--ttl", "5m"];
    let second = successor.run(&flags, &["sleep", "1000"]);
    let lives = wait_for_member(&registry, "its successor", |view| view.epoch > Some(zombie.epoch));
    let lives = scupper_fleet::Incarnation { id: id("a-1"), epoch: lives.epoch.unwrap() };
    registry.store.put(&lives, &state(b"new")).unwrap();
    // It sleeps through its own lease: what it finds then it has to find by itself.
    std::thread::sleep(Duration::from_secs(2));
    for pid in &all {
        kill(*pid, CONT);
    }
    assert_eq!(code(running), LEASE_LOST, "{}", registry.scene.text("stderr"));
    let refused = registry.store.put(&zombie, &state(b"zombie")).unwrap();
    assert!(matches!(refused, scupper_fleet::Written::Fenced { .. }), "{refused:?}");
    assert_eq!(registry.store.get(&id("a-1"), ItemKind::State, "").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(member_incarnation(&registry), lives);
    registry.scene.expect_nothing_left();
    second.signal(TERM);
    assert_eq!(code(second), 143);
    assert_eq!(member(&registry), None);
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

#[test]
fn the_settings_of_a_file_and_the_variable_are_obeyed() {
    let registry = Registry::redis();
    let file = registry.scene.path("scupper.toml");
    let toml = "[[unit]]\nname = \"web\"\ncommand = [\"sh\", \"-c\", \"exit 0\"]\nagent = \"a-1\"\n";
    write(&file, &format!("{toml}ttl = \"1m\"\nbeat = \"1s\"\non_lease_lost = \"finish\"\n"));
    let path = file.display().to_string();
    let out = registry
        .scene
        .scupper(&["run", "--unit", "web", "--config", &path])
        .env("SCUPPER_REGISTRY", &registry.url)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(registry.store.epitaph(&id("a-1")).unwrap().is_some(), "it was a member of that registry");

    let said = |toml: &str, command: &[&str]| {
        write(&file, toml);
        let out = registry.scene.scupper(command).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (exit, text) = said(&format!("{toml}beat = \"90s\"\n"), &["config", "check", &path]);
    assert!(exit == Some(1) && text.contains("cannot keep a lease of 120s"), "{exit:?} {text}");
    let (exit, text) = said(&toml.replace("agent =", "registry ="), &["config", "check", &path]);
    assert!(exit == Some(1) && text.contains("registry is for an agent"), "{exit:?} {text}");
}

/// A file of several units: each agent is a member by its own name, and each leaves when it ends; one that is asked to go
/// leaves the others alone. Where one may not start none does, and nobody is left in the registry.
#[test]
fn the_units_of_a_file_are_agents_each_by_itself() {
    let registry = Registry::redis();
    let file = registry.scene.path("scupper.toml");
    let unit = |name: &str, agent: &str| {
        let agent = if agent.is_empty() {
            String::new()
        } else {
            format!("agent = \"{agent}\"\nregistry = \"{}\"\nttl = \"5m\"\nbeat = \"200ms\"\n", registry.url)
        };
        format!("[[unit]]\nname = \"{name}\"\ncommand = [\"sleep\", \"1000\"]\n{agent}")
    };
    let path = file.display().to_string();
    let up = || {
        let mut scupper = registry.scene.scupper(&["up", "-v", "-f", &path]);
        let stderr = fs::File::options().create(true).append(true).open(registry.scene.path("stderr"));
        scupper.stdout(fs::File::create(registry.scene.path("stdout")).unwrap()).stderr(stderr.unwrap());
        Running { child: scupper.spawn().unwrap() }
    };
    let view = |name: &str| registry.store.agent(&id(name)).unwrap();
    let working = |name: &str| {
        wait_for(&format!("{name} works"), PATIENCE, || match view(name) {
            Some(view) if view.process.as_ref().is_some_and(|process| process.identity.is_some()) => {
                Ok(view.process.unwrap().identity.unwrap().pid)
            }
            other => Err(format!("{other:?} {}", registry.scene.text("stderr"))),
        })
    };
    let gone = |name: &str| {
        wait_for(&format!("{name} has left"), PATIENCE, || match view(name) {
            None => Ok(()),
            other => Err(format!("{other:?} {}", registry.scene.text("stderr"))),
        });
    };

    write(&file, &[unit("one", "u-1"), unit("two", "u-1"), unit("three", "u-3")].concat());
    let refused = up();
    assert_eq!(code(refused), 125);
    assert!(registry.scene.text("stderr").contains("a living process is the agent u-1"));
    assert_eq!((view("u-1"), view("u-3")), (None, None));

    write(&file, &[unit("one", "u-1"), unit("two", "u-2"), unit("three", "")].concat());
    let running = up();
    assert_ne!(working("u-1"), working("u-2"));
    assert!(registry.store.direct(&id("u-1"), Some(Directive::Drain)).unwrap());
    gone("u-1");
    working("u-2");
    // Added and left out while the others run.
    write(&file, &[unit("two", "u-2"), unit("three", ""), unit("four", "u-4")].concat());
    kill(running.engine(), HUP);
    working("u-4");
    write(&file, &[unit("three", ""), unit("four", "u-4")].concat());
    kill(running.engine(), HUP);
    gone("u-2");
    working("u-4");
    running.signal(TERM);
    running.wait();
    gone("u-4");
    registry.scene.expect_nothing_left();
}

/// With a coordinator's token one agent could take the name of another over.
#[test]
fn an_agents_command_is_not_given_the_coordinators_token() {
    for (agent, expected) in [(true, "none"), (false, "secret")] {
        let registry = Registry::embedded();
        let mut args = vec!["run", "--name", &registry.scene.unit];
        if agent {
            args.extend(["--agent", "a-1", "--registry", &registry.url]);
        }
        args.extend(["--", "sh", "-c", "echo ${SCUPPER_TOKEN:-none}"]);
        let out = registry.scene.scupper(&args).env("SCUPPER_TOKEN", "secret").output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), expected);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

/// With the registry's password an agent could do anything to any other.
#[test]
fn an_agents_command_is_not_given_a_registrys_password() {
    for (agent, url, given) in [
        (true, "redis://:s3cret@127.0.0.1:1", false),
        (true, "redis+unix:///run/redis.sock?password=s3cret", false),
        (true, "redis://somebody@127.0.0.1:1", true),
        (false, "redis://:s3cret@127.0.0.1:1", true),
    ] {
        let registry = Registry::embedded();
        let mut args = vec!["run", "--name", &registry.scene.unit];
        if agent {
            args.extend(["--agent", "a-1", "--registry", &registry.url]);
        }
        args.extend(["--", "sh", "-c", "echo ${SCUPPER_REGISTRY:-none}"]);
        let out = registry.scene.scupper(&args).env("SCUPPER_REGISTRY", url).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), if given { url } else { "none" });
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn what_cannot_be_is_said_in_one_line_without_the_password() {
    let scene = Scene::new();
    for (flags, exit, said) in [
        (&["--agent", "a*b"][..], 2, "is no agent id"),
        (&["--registry", "redis://h"], 2, "--registry is for an agent"),
        (&["--agent", "a", "--registry", "redis://:s3cret@h:none"], 2, "is no registry"),
        (&["--agent", "a", "--ttl", "10ms"], 2, "cannot be kept"),
        (&["--agent", "a", "--beat", "2m"], 2, "cannot keep a lease"),
        (&["--agent", "a", "--on-lease-lost", "explode"], 2, "invalid value"),
    ] {
        fs::remove_file(scene.path("stderr")).ok();
        assert_eq!(scene.code(flags, &["true"]), exit, "{flags:?}");
        let text = scene.text("stderr");
        assert!(text.contains(said) && !text.contains("s3cret"), "{flags:?}: {text}");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
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
