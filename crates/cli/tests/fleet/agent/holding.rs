//! R116: what becomes of the command while its lease is lost, and after.

use super::*;

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
    // What was done is told after it was done.
    wait_for("each signal is told", PATIENCE, || {
        let sent = registry.scene.events_of("signal_sent");
        let of =
            |signal: i32, reason: &str| sent.iter().any(|e| e["signal"] == signal && e["reason"] == reason);
        if of(STOP, "lease_lost") && of(CONT, "lease_regained") { Ok(()) } else { Err(format!("{sent:?}")) }
    });
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
