//! Processes of orphans on this host (R115): ended where something here confirms whose they are, and only then.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use scupper_fleet::Happened;
use scupper_model::{Identity, Pid, StartTime};
use scupper_probe::Proc;

use super::{Fleet, LONG, SHORT};
use crate::scene::{PATIENCE, alive, kill, wait_for};

const HOST: &str = "here";
const FLAGS: [&str; 6] = ["--ttl", "2s", "--tick", "50ms", "--grace", "300ms"];

/// Ignores TERM, so that it outlives its supervisor and its guardian; says its pid when it does.
const STUBBORN: &str = "
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], 'w').write(str(os.getpid()))
time.sleep(300)
";

fn identity(pid: i32) -> Identity {
    let proc_ = Proc::open(Path::new("/proc")).unwrap();
    proc_.identify(Pid::new(pid).unwrap()).unwrap().unwrap()
}

/// The same as an agent of the fleet; gives where it says that it runs.
fn agent(fleet: &Fleet, id: &str) -> (crate::scene::Running, Identity, String) {
    let (running, main) = unit(fleet, &["--agent", id, "--registry", &fleet.url, "--ttl", "2s"]);
    let host = wait_for("it has said which process it is", PATIENCE, || {
        let process = fleet.store.agent(&id.parse().unwrap()).unwrap().and_then(|agent| agent.process);
        let said = process.filter(|process| process.identity == Some(main));
        said.map(|process| process.host.to_string()).ok_or_else(|| fleet.scene.text("stderr"))
    });
    (running, main, host)
}

/// A unit whose command outlives its scupper where that is killed.
fn unit(fleet: &Fleet, flags: &[&str]) -> (crate::scene::Running, Identity) {
    let file = fleet.scene.path("main");
    let file = file.to_str().unwrap();
    let running = fleet.scene.run(flags, &["python3", "-S", "-c", STUBBORN, file]);
    let pid = wait_for("the command runs", PATIENCE, || {
        fleet.scene.text("main").parse::<i32>().map_err(|_| fleet.scene.text("stderr"))
    });
    (running, identity(pid))
}

/// Guardian and engine at once, with KILL: nobody is left who could end the tree.
fn orphan(running: crate::scene::Running) {
    let (guardian, engine) = (running.pid(), running.engine());
    kill(guardian, 19);
    kill(engine, 9);
    kill(guardian, 9);
    assert!(!running.wait().success());
}

/// An innocent process.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("300").stdin(Stdio::null()).spawn().unwrap())
    }

    fn identity(&self) -> Identity {
        identity(self.0.id().try_into().unwrap())
    }

    fn lives(&self) -> bool {
        alive(self.0.id().try_into().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn r115_the_process_of_an_orphan_is_ended_by_the_coordinator_of_its_host() {
    let fleet = Fleet::new();
    let (running, main, host) = agent(&fleet, "coder");
    orphan(running);
    assert!(alive(main.pid.get()), "it outlives its scupper");
    // Another host's coordinator finds it first: what it cannot end it leaves to the one there.
    let other = fleet.serve("other", &FLAGS);
    fleet.wait_for_completed(1);
    other.wait_for("process_delegated");
    assert!(alive(main.pid.get()) && other.told("signal_sent").is_empty());

    let serve = fleet.serve(&host, &FLAGS);
    let ended = serve.wait_for("process_ended");
    assert!(!alive(main.pid.get()));
    assert_eq!(ended["agent"], "coder");
    assert_eq!(ended["unit"], fleet.scene.unit.as_str());
    assert_eq!((&ended["processes"], &ended["forced"]), (&1.into(), &1.into()), "TERM, then KILL");
    let confirmed = serve.wait_for("reap_confirmed");
    assert!(confirmed["after_ms"].as_u64().unwrap() >= 2000, "two looks: {confirmed}");
    let signals: Vec<_> = serve.told("signal_sent").iter().map(|sent| sent["signal"].clone()).collect();
    assert_eq!(signals, [15, 9]);
    wait_for("the registry knows", PATIENCE, || {
        let left = fleet.store.delegated(&host.parse().unwrap()).unwrap();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    let said = || {
        let events = fleet.events().into_iter();
        events.filter(|event| matches!(event.what, Happened::ProcessEnded { .. })).count()
    };
    wait_for("the registry has told", PATIENCE, || if said() > 0 { Ok(()) } else { Err(serve.log()) });
    assert_eq!(said(), 1);
    fleet.scene.expect_nothing_left();
}

/// Whoever can write to the registry can name any process.
#[test]
fn r115_safety_3_a_forged_or_reused_process_of_the_registry_is_spared() {
    let fleet = Fleet::new();
    for n in 0..20 {
        fleet.register(&format!("living-{n}"), LONG);
    }
    let (innocent, reused) = (Sleeper::start(), Sleeper::start());
    // Of a unit that is well, and looked after.
    let (running, main) = unit(&fleet, &[]);
    fleet.register_process("forged", SHORT, HOST, Some(innocent.identity()));
    let earlier = Identity { start_time: StartTime(1), ..reused.identity() };
    fleet.register_process("reused", SHORT, HOST, Some(earlier));
    fleet.register_process("well", SHORT, HOST, Some(main));
    fleet.register_process("supervisor", SHORT, HOST, Some(identity(running.engine())));
    let init = identity(1);
    fleet.register_process("init", SHORT, HOST, Some(init));

    let serve = fleet.serve(HOST, &FLAGS);
    fleet.wait_for_completed(5);
    wait_for("all of them were looked at", PATIENCE, || {
        let left = fleet.store.delegated(&HOST.parse().unwrap()).unwrap();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} {}", serve.log())) }
    });
    let left = wait_for("it is told", PATIENCE, || {
        let left = serve.told("process_left");
        if left.len() >= 4 { Ok(left) } else { Err(serve.log()) }
    });
    let because = |agent: &str| {
        let one =
            left.iter().find(|event| event["agent"] == agent).unwrap_or_else(|| panic!("{agent}: {left:?}"));
        one["because"].as_str().unwrap().to_owned()
    };
    assert!(because("forged").contains("confirms"), "{}", because("forged"));
    because("well");
    because("supervisor");
    because("init");
    assert_eq!(left.len(), 4, "the process of `reused` is gone: there is nothing to tell");
    assert!(innocent.lives() && reused.lives() && alive(main.pid.get()));
    assert!(serve.told("signal_sent").is_empty() && serve.told("process_ended").is_empty());
    assert!(serve.end().success());
    kill(main.pid.get(), 9);
    running.wait();
}

#[test]
fn r115_safety_5_what_is_kept_is_left_and_said() {
    let fleet = Fleet::new();
    let (running, main, host) = agent(&fleet, "coder");
    orphan(running);
    let pid = main.pid.to_string();
    assert!(fleet.scene.scupper(&["keep", &pid]).stdout(Stdio::null()).status().unwrap().success());
    let serve = fleet.serve(&host, &FLAGS);
    let left = serve.wait_for("process_left");
    assert!(left["because"].as_str().unwrap().contains("kept"), "{left}");
    assert!(alive(main.pid.get()) && serve.told("signal_sent").is_empty());
    let said = || {
        let events = fleet.events().into_iter();
        events.filter(|event| matches!(event.what, Happened::ProcessLeft { .. })).count()
    };
    wait_for("the registry knows", PATIENCE, || if said() > 0 { Ok(()) } else { Err(serve.log()) });
    assert_eq!(said(), 1);
    drop(serve);
    kill(main.pid.get(), 9);
    fleet.scene.expect_nothing_left();
}

/// What was left behind of one unit is named as the process of an agent that it never was.
#[test]
fn r115_safety_3_what_was_left_of_a_unit_that_was_no_such_agent_is_spared() {
    let fleet = Fleet::new();
    let (running, main) = unit(&fleet, &[]);
    orphan(running);
    fleet.register_process("forged", SHORT, HOST, Some(main));
    let serve = fleet.serve(HOST, &FLAGS);
    let left = serve.wait_for("process_left");
    assert!(left["because"].as_str().unwrap().contains("not recorded as that agent"), "{left}");
    assert!(alive(main.pid.get()) && serve.told("signal_sent").is_empty());
    drop(serve);
    kill(main.pid.get(), 9);
    fleet.scene.expect_nothing_left();
}

/// Its scupper is stopped and not dead: it cannot beat, and it holds its tree.
#[test]
fn r115_safety_1_what_a_living_scupper_looks_after_is_left_to_it() {
    let fleet = Fleet::new();
    let (running, main, host) = agent(&fleet, "coder");
    let engine = running.engine();
    kill(running.pid(), 19);
    kill(engine, 19);
    let serve = fleet.serve(&host, &FLAGS);
    fleet.wait_for_completed(1);
    let left = serve.wait_for("process_left");
    assert_eq!(left["agent"], "coder");
    assert!(alive(main.pid.get()) && serve.told("signal_sent").is_empty(), "{left}");
    drop(serve);
    for pid in [main.pid.get(), engine, running.pid()] {
        kill(pid, 9);
    }
    running.wait();
    fleet.scene.expect_nothing_left();
}
