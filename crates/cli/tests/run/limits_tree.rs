//! R025, R042, R067, R068: limits on trees. Workers of a real prefork master, helpers with a lifetime, what is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::scene::{PATIENCE, Scene, alive, children, kill, wait_for};
use super::workload::{Load, MIB, mib, moment, number, request, script};

/// The workers in a status: pid to generation.
pub fn workers(status: &Value) -> BTreeMap<i64, u64> {
    let processes = status["processes"].as_array().cloned().unwrap_or_default();
    let worker = |process: &Value| Some((process["pid"].as_i64()?, process["generation"].as_u64()?));
    processes.iter().filter(|process| process["role"] == "worker").filter_map(worker).collect()
}

/// What happened to workers: each drain ended before the next began.
#[track_caller]
pub fn assert_one_at_a_time(events: &[Value]) {
    let mut leaving: Option<Value> = None;
    for event in events.iter().filter(|event| event["role"] == "worker") {
        if event["event"] == "recycle_started" {
            assert_eq!(leaving, None, "a second worker was drained: {event}");
            leaving = Some(event["target"]["pid"].clone());
        } else if event["event"] == "recycle_completed" {
            assert_eq!(leaving.take(), Some(event["target"]["pid"].clone()), "{event}");
        }
    }
}

/// R025, R042: real gunicorn, two sync workers whose requests leak. TERM to one worker at a time, the master replaces
/// it, no request fails, and nobody sends HUP.
#[test]
fn heavy_r042_gunicorn_workers_are_replaced_one_at_a_time() {
    let scene = Scene::new();
    let running = scene.run_gunicorn(&["--mem-soft", "140M", "--mem-hard", "400M"], "1");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    let status = scene.wait_until("both workers are recognised", |status| workers(status).len() == 2);
    let master = status["record"]["main"].clone();
    let load = Load::start(&socket, 3, 40);
    let mut generations = BTreeMap::new();
    let mut most = 0;
    wait_for("three workers were replaced", PATIENCE, || {
        let status = scene.live();
        most = most.max(number(&status, "size_bytes"));
        for (pid, generation) in workers(&status) {
            let before = *generations.entry(pid).or_insert(generation);
            assert_eq!(before, generation, "pid {pid} changed its generation");
        }
        let done = scene.events_of("recycle_completed").len();
        if done >= 3 {
            Ok(())
        } else {
            Err(format!("{done} done, {:.0} MiB", mib(number(&status, "size_bytes"))))
        }
    });
    let status = scene.wait_until("there are two workers again", |status| workers(status).len() == 2);
    let (served, failed) = load.end();
    eprintln!("gunicorn: {served} served, {} failed, at most {:.1} MiB of 140", failed.len(), mib(most));
    assert!(failed.is_empty() && served > 50, "{served} served, failed: {failed:?}");
    // Each has a generation of its own, also those that came later.
    generations.extend(workers(&status));
    let numbers: BTreeSet<u64> = generations.values().copied().collect();
    assert_eq!(numbers.len(), generations.len(), "{generations:?}");
    assert!(numbers.len() >= 4 && numbers.last().unwrap() >= &4, "{generations:?}");
    // The master is the same; it was sent nothing, and the workers nothing but TERM.
    assert_eq!(status["record"]["main"], master);
    assert_eq!(
        (&status["counts"]["starts"], &status["counts"]["hard_limits_crossed"]),
        (&1.into(), &0.into())
    );
    for sent in scene.events_of("signal_sent") {
        assert_eq!((&sent["signal"], &sent["reason"]), (&15.into(), &Value::from("soft_limit")), "{sent}");
        assert_ne!(sent["target"]["pid"], master["pid"]);
        assert!(generations.contains_key(&sent["target"]["pid"].as_i64().unwrap()), "{sent}");
    }
    assert_one_at_a_time(&scene.events());
    assert!(scene.events_of("recycle_completed").iter().all(|event| event["forced"] == false));
    let reason = scene.events_of("limit_crossed");
    assert!(reason.iter().all(|event| event["action"] == "drain worker"), "{reason:?}");
    scene.stop(running);
}

/// Past a hard limit the worker that grew is killed alone; its master replaces it.
#[test]
fn heavy_r043_a_hard_limit_kills_the_worker_alone() {
    let scene = Scene::new();
    let running = scene.run_gunicorn(&["--mem-hard", "140M"], "1");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    // Who has not settled yet has grown by nothing: then another one would be blamed.
    let settled = |process: &Value| process["role"] == "worker" && process["growth_bytes"].is_i64();
    let before = scene.wait_until("both workers are recognised, and have settled", |status| {
        let processes = status["processes"].as_array().into_iter().flatten();
        workers(status).len() == 2 && processes.filter(|process| settled(process)).count() == 2
    });
    let done = wait_for("a worker was killed", PATIENCE, || {
        // The last one is what the killed worker was answering.
        let _ = request(&socket);
        let done = scene.events_of("recycle_completed").into_iter().next();
        done.ok_or_else(|| scene.text("stderr"))
    });
    assert_eq!((&done["role"], &done["forced"]), (&Value::from("worker"), &true.into()), "{done}");
    let killed = done["target"]["pid"].as_i64().unwrap();
    assert!(workers(&before).contains_key(&killed), "{done}");
    let after = scene.wait_until("it was replaced", |status| {
        workers(status).len() == 2 && !workers(status).contains_key(&killed)
    });
    assert_eq!(
        (&after["record"]["main"], &after["counts"]["starts"]),
        (&before["record"]["main"], &1.into())
    );
    assert_eq!(scene.only("limit_crossed")["action"], "kill");
    for sent in scene.events_of("signal_sent") {
        assert_eq!((&sent["signal"], &sent["target"]["pid"]), (&9.into(), &killed.into()), "{sent}");
    }
    scene.stop(running);
}

/// R067: a helper that lived too long is ended with all below it, though it ignores TERM.
#[test]
fn timing_r067_an_old_helper_is_ended_with_its_subtree() {
    let scene = Scene::new();
    let pids = scene.at("pids");
    let deaf = "sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000 & wait'";
    let flags = ["--child-lifetime", "sh=1s", "--grace", "500ms"];
    let running = scene.run_script(&flags, "parent.py", &[&pids, deaf, "sleep 1000"]);
    let family = scene.family();
    let subtree = wait_for("the helper has its children", PATIENCE, || {
        let below = children(family[1]);
        if below.len() == 2 { Ok(below) } else { Err(format!("{below:?}")) }
    });
    let done = scene.wait_for_event("recycle_completed", |_| true);
    assert_eq!((&done["target"]["pid"], &done["forced"]), (&family[1].into(), &true.into()), "{done}");
    wait_for("the subtree is gone", PATIENCE, || {
        let left: Vec<_> = subtree.iter().filter(|pid| alive(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert!(alive(family[0]) && alive(family[2]) && !alive(family[1]));
    let started = scene.wait_for_event("recycle_started", |_| true);
    assert_eq!(started["reason"], "lifetime_exceeded");
    let took = moment(&done) - moment(&scene.only("unit_started"));
    eprintln!("lifetime 1 s + grace 0.5 s: gone after {took:.2} s");
    assert!((1.4..5.0).contains(&took), "{took}");
    let terms: BTreeSet<i64> = scene
        .events_of("signal_sent")
        .iter()
        .filter(|event| event["signal"] == 15)
        .filter_map(|event| event["target"]["pid"].as_i64())
        .collect();
    assert_eq!(terms.len(), 3, "the whole subtree got TERM first: {terms:?}");
    scene.stop(running);
}

/// R067: kept by pattern, and by a mark that was set inside the unit. A mark from outside counts for nothing (safety 5).
#[test]
fn r067_kept_helpers_outlive_their_lifetime() {
    let scene = Scene::new();
    let pids = scene.at("pids");
    let helpers = ["sleep 1000", "env SCUPPER_KEEP=1 sleep 1001", "tail -f /dev/null", "sleep 1002"];
    let path = script("parent.py");
    let mut command = vec!["python3", "-S", &path, &pids];
    command.extend(helpers);
    let mut all = vec!["run", "--name", &scene.unit, "--log-format", "json", "--grace", "300ms"];
    all.extend(["--child-lifetime", "*=800ms", "--keep", "tail", "--"]);
    all.extend(command);
    let mut scupper = scene.scupper(&all);
    scupper.env("SCUPPER_KEEP", "1").stderr(std::fs::File::create(scene.path("stderr")).unwrap());
    let running = super::scene::Running { child: scupper.spawn().unwrap() };
    let family = scene.family();
    wait_for("the two that are not kept are gone", PATIENCE, || {
        let there: Vec<bool> = family.iter().map(|pid| alive(*pid)).collect();
        if there == [true, false, true, true, false] { Ok(()) } else { Err(format!("{there:?}")) }
    });
    // Once more as long, and the kept ones are still there.
    let looks = number(&scene.live()["counts"], "looks");
    scene.wait_until("it was looked at some more", |status| number(&status["counts"], "looks") > looks + 5);
    assert!(alive(family[2]) && alive(family[3]));
    running.signal(15);
    running.wait();
    let kept: BTreeSet<i64> =
        scene.events_of("kept").iter().filter_map(|event| event["target"]["pid"].as_i64()).collect();
    assert_eq!(kept, BTreeSet::from([family[2].into(), family[3].into()]));
    for pid in [family[2], family[3]] {
        assert!(alive(pid), "a kept one is left alone at the end too");
        kill(pid, 9);
    }
    scene.expect_nothing_left();
}

/// A kept helper that leaks past the limits: it is told, and neither it nor anybody else is ended for it.
#[test]
fn safety_5_nobody_is_ended_for_what_a_kept_helper_leaks() {
    let scene = Scene::new();
    let pids = scene.at("pids");
    let leak = format!("env SCUPPER_KEEP=1 python3 -S {} --rate 60 --cap 150", script("leak.py"));
    let flags = ["--mem-soft", "70M", "--mem-hard", "100M"];
    let running = scene.run_script(&flags, "parent.py", &[&pids, &leak, "sleep 1000"]);
    let family = scene.family();
    scene.wait_until("it leaked past both limits", |status| {
        status["size_bytes"].as_u64().is_some_and(|size| size > 150 * MIB)
    });
    let said = scene.only("limit_unreachable");
    assert!(said["message"].as_str().unwrap().contains("kept"), "{said}");
    assert!(family.iter().all(|pid| alive(*pid)));
    assert!(scene.events_of("signal_sent").is_empty() && scene.events_of("cgroup_kill").is_empty());
    assert_eq!(scene.live()["counts"]["starts"], 1);
    running.signal(15);
    running.wait();
    assert!(alive(family[1]) && !alive(family[2]));
    kill(family[1], 9);
    scene.expect_nothing_left();
}

/// Descriptors, threads, children, sockets: a soft limit recycles the unit, a hard one ends it.
#[test]
fn r043_limits_by_count() {
    for (kind, resource) in
        [("fds", "descriptors"), ("threads", "threads"), ("children", "children"), ("sockets", "sockets")]
    {
        let flag = format!("--max-{kind}");
        let scene = Scene::new();
        let once = scene.at("once");
        let running = scene.run_script(&[&flag, "50:5000"], "hold.py", &[kind, "80", &once]);
        let crossed = scene.wait_for_event("limit_crossed", |_| true);
        assert_eq!((&crossed["resource"], &crossed["level"]), (&Value::from(resource), &Value::from("soft")));
        assert!(number(&crossed, "value") > 50 && number(&crossed, "limit") == 50, "{crossed}");
        let status = scene.wait_until("it was replaced", |status| status["counts"]["starts"] == 2);
        assert_eq!(status["counts"]["soft_limits_crossed"], 1, "{status}");
        scene.stop(running);

        let scene = Scene::new();
        let running = scene.run_script(&[&flag, ":50"], "hold.py", &[kind, "80"]);
        assert_eq!(running.wait().code(), Some(137), "{}", scene.text("stderr"));
        let died = scene.certificate();
        assert_eq!((&died["by"], &died["reason"]), (&Value::from("scupper"), &Value::from("hard_limit")));
        assert_eq!(scene.only("limit_crossed")["resource"], resource);
        scene.expect_nothing_left();
    }
}

/// R068: a thousand children at once are all counted, and all ended: with a cgroup and without.
#[test]
fn heavy_r068_a_thousand_children_are_counted_and_ended() {
    for cgroup in ["auto", "off"] {
        let scene = Scene::new();
        let running = scene.run_script(&["--cgroup", cgroup], "hold.py", &["children", "1000"]);
        let status = scene.wait_until("all are counted", |status| status["tree"]["processes"] == 1001);
        assert_eq!(status["tree"]["rss_bytes"]["unreadable"], 0);
        let main = i32::try_from(status["record"]["main"]["pid"].as_i64().unwrap()).unwrap();
        let pids = children(main);
        assert_eq!(pids.len(), 1000);
        scene.stop(running);
        assert!(!pids.into_iter().any(alive));
    }
}

/// A shell that starts short-lived processes as fast as it can disturbs nothing: it is answered, and ended.
#[test]
fn r068_many_short_lived_processes_disturb_nothing() {
    let scene = Scene::new();
    let flags = ["--mem-soft", "500M", "--max-children", "200"];
    let running =
        scene.run(&flags, &["bash", "-c", "while :; do for i in 1 2 3 4 5; do /bin/true & done; wait; done"]);
    let status = scene.wait_until("hundreds came and went", |status| {
        let looks = status["counts"]["looks"].as_u64().unwrap_or(0);
        looks > 30 && status["uptime_seconds"].as_f64().is_some_and(|seconds| seconds > 3.0)
    });
    assert!(number(&status["tree"], "processes") < 100, "{status}");
    assert!(scene.events().is_empty(), "quiet: {}", scene.text("stderr"));
    let engine = running.engine();
    let before = super::scene::rss_kib(engine);
    scene.wait_until("two seconds later", |status| {
        status["uptime_seconds"].as_f64().is_some_and(|seconds| seconds > 5.0)
    });
    let grown = super::scene::rss_kib(engine).saturating_sub(before);
    eprintln!("short-lived processes: scupper grew by {grown} KiB in two seconds");
    assert!(grown < 4096, "{grown} KiB");
    scene.stop(running);
}

/// The recycle spacing lets a replacement warm up before the next worker goes.
pub const SPACING: Duration = Duration::from_secs(1);
