//! R042, R045, R046: how far scupper may go, and what it is asked to do while the unit runs.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::limits_tree::{SPACING, assert_one_at_a_time, workers};
use super::scene::{PATIENCE, Scene, alive, wait_for};
use super::workload::{Load, moment, request, script};

/// R045: `alert` tells and does nothing else; the hook gets the event as JSON on its stdin.
#[test]
fn r045_alert_only_tells() {
    let scene = Scene::new();
    let hook = format!("cat >> {}", scene.at("told"));
    let flags = ["--policy", "alert", "--mem-soft", "40M", "--mem-hard", "60M", "--on-event", &hook];
    let running = scene.run_script(&flags, "leak.py", &["--rate", "60", "--cap", "80", "--exit"]);
    assert_eq!(running.wait().code(), Some(0));
    let told: Vec<Value> =
        scene.text("told").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<&Value> =
        told.iter().filter(|event| event["event"] == "limit_crossed").map(|event| &event["level"]).collect();
    assert_eq!(levels, ["soft", "hard"], "{told:?}");
    assert!(
        told.iter().all(|event| event["schema"] == "scupper.event/1" && event["unit"] == scene.unit.as_str())
    );
    assert!(scene.events_of("limit_crossed").iter().all(|event| event["action"] == "none: alert"));
    assert!(scene.events_of("signal_sent").is_empty() && scene.events_of("cgroup_kill").is_empty());
}

/// R046: `observe` records, and changes nothing: the command is the same as without scupper in all that it can see of
/// itself, ends by itself, and nobody is told.
#[test]
fn r046_observe_touches_nothing() {
    let scene = Scene::new();
    let hook = format!("cat >> {}", scene.at("told"));
    let flags = [
        "--policy",
        "observe",
        "--mem-soft",
        "40M",
        "--mem-hard",
        "60M",
        "--max-fds",
        "2",
        "--on-event",
        &hook,
    ];
    let running = scene.run_script(&flags, "leak.py", &["--rate", "60", "--cap", "80", "--exit"]);
    assert_eq!(running.wait().code(), Some(0));
    let crossed = scene.events_of("limit_crossed");
    assert!(
        !crossed.is_empty() && crossed.iter().all(|event| event["action"] == "none: observe"),
        "{crossed:?}"
    );
    assert!(scene.events_of("signal_sent").is_empty() && scene.events_of("cgroup_kill").is_empty());
    assert_eq!(scene.text("told"), "", "observe records only");

    let seen = |mut command: Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<BTreeMap<String, Value>>(&text).unwrap()
    };
    let path = script("itself.py");
    let mut bare = Command::new("python3");
    bare.args(["-S", &path]);
    scene.dress(&mut bare);
    let owned = scene.scupper(&["run", "--policy", "observe", "--", "python3", "-S", &path]);
    let (bare, owned) = (seen(bare), seen(owned));
    for (key, value) in &bare {
        assert_eq!(owned.get(key), Some(value), "{key}");
    }
}

/// `recycle` past the hard limit drains: nothing may be killed.
#[test]
fn r045_recycle_drains_even_past_the_hard_limit() {
    let scene = Scene::new();
    let (once, answer) = (scene.at("once"), scene.at("answer"));
    let flags = ["--policy", "recycle", "--mem-hard", "50M"];
    let leak = ["--rate", "40", "--once", &once, "--request", "0.3", &answer];
    let running = scene.run_script(&flags, "leak.py", &leak);
    let died = scene.wait_for_certificate();
    assert_eq!(died["how"], "exited", "{died}");
    assert_eq!(scene.text("answer"), "answered");
    assert_eq!(scene.only("limit_crossed")["action"], "drain: policy");
    scene.wait_until("it runs again", |status| status["counts"]["starts"] == 2);
    scene.stop(running);
}

/// `scupper set` changes limits of a running unit, which goes on; contradictory ones are refused and change nothing.
#[test]
fn r043_set_changes_limits_without_a_restart() {
    let scene = Scene::new();
    let go = scene.at("go");
    let leak = ["--rate", "60", "--cap", "100", "--after", &go];
    let running = scene.run_script(&["--mem-hard", "40M"], "leak.py", &leak);
    let main = scene.live()["record"]["main"].clone();
    let (code, said) = scene.ask(&["set", &scene.unit, "--mem-soft", "300M", "--mem-hard", "400M"]);
    assert_eq!(code, 0, "{said}");
    std::fs::write(&go, "").unwrap();
    let status = scene.wait_until("it grew past its old limit", |status| {
        status["size_bytes"].as_u64().is_some_and(|size| size > 100 << 20)
    });
    assert_eq!((&status["record"]["main"], &status["counts"]["starts"]), (&main, &1.into()));
    let limits = status["limits"].clone();

    for (flags, why) in [
        (["--mem-soft", "500M"], "above"),
        (["--mem-hard", "200M"], "above"),
        (["--max-fds", "20:10"], "above"),
    ] {
        let (code, said) = scene.ask(&["set", &scene.unit, flags[0], flags[1]]);
        assert!(code == 2 && said.contains(why), "{flags:?}: {code} {said}");
    }
    assert_eq!(scene.live()["limits"], limits);
    assert!(scene.events_of("limit_crossed").is_empty());
    let (code, said) = scene.ask(&["set", &scene.unit, "--policy", "kill"]);
    assert!(
        code == 0 && said.contains("policy is now kill, limits are now mem_soft=300MiB"),
        "{code} {said}"
    );

    // Below what it has now: it is acted on at once.
    let (code, said) = scene.ask(&["set", &scene.unit, "--mem-soft", "off", "--mem-hard", "80M"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(running.wait().code(), Some(137));
    assert_eq!(scene.events_of("limits_changed").len(), 3);
    scene.expect_nothing_left();
}

/// `scupper recycle` replaces all workers of a real gunicorn, one at a time, and no request fails.
#[test]
fn heavy_r042_recycle_replaces_every_worker() {
    let scene = Scene::new();
    let running = scene.run_gunicorn(&[], "0.01");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    let before = scene.wait_until("both workers are recognised", |status| workers(status).len() == 2);
    let load = Load::start(&socket, 2, 40);
    let (code, said) = scene.ask(&["recycle", &scene.unit, "--timeout", "25s"]);
    assert_eq!(code, 0, "{said}\n{}", scene.text("stderr"));
    let (served, failed) = load.end();
    eprintln!("recycle: {served} served, {} failed", failed.len());
    assert!(failed.is_empty() && served > 5, "{served} served, failed: {failed:?}");
    let after = scene.wait_until("two others serve", |status| {
        let now = workers(status);
        now.len() == 2 && workers(&before).keys().all(|old| !now.contains_key(old))
    });
    assert_eq!(after["record"]["main"], before["record"]["main"]);
    assert_eq!(workers(&after).values().collect::<Vec<_>>().iter().filter(|g| ***g > 2).count(), 2);
    assert_one_at_a_time(&scene.events());
    let ended = moment(&scene.events_of("recycle_completed")[0]);
    let next = moment(&scene.events_of("recycle_started")[1]);
    // The clock of an event is read when it is recorded, on a loaded machine some time after it was decided.
    assert!(next - ended >= SPACING.as_secs_f64() / 2.0, "{next} - {ended}");
    scene.stop(running);
}

/// `scupper recycle` and `scupper restart` of a unit without workers: drained, and started again, whatever --restart says.
#[test]
fn r042_restart_and_recycle_of_a_plain_unit() {
    let scene = Scene::new();
    let running = scene.run(&["--restart", "never"], &["sleep", "1000"]);
    for (verb, starts) in [("restart", 2), ("recycle", 3)] {
        let main = scene.live()["record"]["main"]["pid"].as_i64().unwrap();
        let (code, said) = scene.ask(&[verb, &scene.unit]);
        assert_eq!(code, 0, "{said}");
        assert!(!alive(i32::try_from(main).unwrap()));
        let status = scene.wait_until("it was started again", |status| status["counts"]["starts"] == starts);
        assert_ne!(status["record"]["main"]["pid"], main);
    }
    let reasons: Vec<Value> =
        scene.events_of("signal_sent").iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["restart", "recycle"]);
    // Asked for, so neither counts against a budget, and neither is told as a trouble.
    assert!(scene.events_of("unit_restarting").is_empty() && scene.events_of("unit_gave_up").is_empty());
    scene.stop(running);
}
