//! R015, R021, R048, R088, R105: leaks of real processes: found, told, recycled, and the end of a test run. The rule
//! `--grow` holds or does not, whatever else is thought of a series; where the detector itself has to judge, the test
//! waits for its word.

use std::time::Duration;

use serde_json::Value;

use super::limits_tree::{assert_one_at_a_time, workers};
use super::scene::{PATIENCE, Scene, children, wait_for};
use super::workload::{Load, number, request, script};

/// A verdict may take a minute.
const JUDGED: Duration = Duration::from_mins(1);

fn tags(event: &Value) -> Vec<&str> {
    event["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason["tag"].as_str()).collect()
}

/// R105: growth by more than so much within so long, told as one event, in `ps` and on the metrics page.
#[test]
fn r105_growth_beyond_the_rule_is_a_leak() {
    let scene = Scene::new();
    let arguments = ["--rate", "8", "--cap", "300"];
    let running = scene.run_script(&["--grow", "20M/10s", "--horizon", "short"], "leak.py", &arguments);
    let told = wait_for("it is told", JUDGED, || {
        let events = scene.events_of("verdict_changed");
        let found = events.into_iter().find(|event| event["verdict"] == "leaking");
        found.ok_or_else(|| scene.text("stderr"))
    });
    assert_eq!((&told["series"], &told["urgent"]), (&Value::from("memory"), &true.into()), "{told}");
    assert_eq!(tags(&told)[0], "grew_faster_than_allowed", "{told}");
    assert!(told["slope_per_hour"].as_f64().unwrap() > 0.0 && told["target"]["pid"].is_number(), "{told}");
    let status = scene.wait_until("ps says so", |status| status["verdict"] == "leaking");
    assert!(!status["reasons"].as_array().unwrap().is_empty(), "{status}");
    let main = &status["processes"][0];
    assert_eq!((&main["role"], &main["verdict"]), (&Value::from("main"), &Value::from("leaking")), "{main}");
    assert!(main["slope_bytes_per_hour"].as_f64().unwrap() > 0.0, "{main}");
    assert_eq!(main["slope_interval"].as_array().unwrap().len(), 2, "{main}");
    let (_, table) = scene.ask(&["ps", "--processes"]);
    assert!(
        table.contains("VERDICT") && table.contains("leaking!") && table.contains("MiB is allowed"),
        "{table}"
    );
    // Nobody asked for more than the word.
    assert_eq!(scene.events_of("recycle_started"), Vec::<Value>::new());
    scene.stop(running);
}

/// Growth within the rule is none.
#[test]
fn growth_within_the_rule_is_told_by_nobody() {
    let scene = Scene::new();
    let flags = ["--grow", "200M/10s", "--fail-on-leak"];
    let path = script("leak.py");
    let command = ["python3", "-S", &path, "--rate", "20", "--cap", "60", "--exit"];
    assert_eq!(scene.code(&flags, &command), 0, "{}", scene.text("stderr"));
    assert_eq!(scene.text("stderr"), "");
}

/// R021: what leaks is replaced in a quiet moment; a policy that only tells replaces nothing.
#[test]
fn waits_r021_what_leaks_is_recycled_where_that_is_asked_for() {
    for policy in ["alert", "recycle"] {
        let scene = Scene::new();
        let once = scene.at("once");
        let flags = ["--grow", "20M/10s", "--recycle", "on-leak", "--policy", policy];
        let arguments = ["--rate", "8", "--cap", "100", "--once", &once];
        let running = scene.run_script(&flags, "leak.py", &arguments);
        if policy == "alert" {
            let leaks = |event: &Value| event["verdict"] == "leaking";
            wait_for("it is told", JUDGED, || {
                scene.events_of("verdict_changed").into_iter().find(leaks).ok_or_else(|| scene.text("stderr"))
            });
            // It has stopped to grow, and idles: nothing holds a recycle back but the policy.
            let looks = number(&scene.live()["counts"], "looks");
            scene.wait_until("it was looked at again", |s| number(&s["counts"], "looks") > looks + 8);
            assert_eq!(scene.events_of("recycle_started"), Vec::<Value>::new());
        } else {
            let started = wait_for("it is recycled", JUDGED, || {
                scene.events_of("recycle_started").pop().ok_or_else(|| scene.text("stderr"))
            });
            assert_eq!((&started["reason"], &started["role"]), (&Value::from("leak"), &Value::from("main")));
            let again = scene.wait_for_event("unit_restarting", |_| true);
            assert_eq!(again["cause"], "recycle");
            let status = scene.wait_until("it runs again, and is another process", |status| {
                status["counts"]["starts"] == 2
                    && status["phase"] == "running"
                    && status["verdict"] != "leaking"
            });
            assert_eq!(status["counts"]["recycle_restarts"], 1, "{status}");
        }
        scene.stop(running);
    }
}

/// R021, R088: of a prefork master, the workers that leak are replaced one at a time, and the master stays.
#[test]
fn heavy_r021_workers_that_leak_are_recycled_one_at_a_time() {
    let scene = Scene::new();
    let flags = ["--grow", "30M/10s", "--recycle", "on-leak", "--horizon", "short", "--mem-hard", "600M"];
    let running = scene.run_gunicorn(&flags, "1");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    let before = scene.wait_until("both workers are recognised", |status| workers(status).len() == 2);
    let load = Load::start(&socket, 3, 40);
    wait_for("a worker leaks", JUDGED, || {
        let told = scene.events_of("verdict_changed").into_iter().find(|event| event["verdict"] == "leaking");
        told.ok_or_else(|| scene.text("stderr"))
    });
    // A quiet moment comes.
    let (served, failed) = load.end();
    assert!(served > 0 && failed.is_empty(), "{failed:?}");
    wait_for("it is replaced", JUDGED, || {
        scene.events_of("recycle_completed").pop().ok_or_else(|| scene.text("stderr"))
    });
    let after = scene.wait_until("there are two workers again", |status| workers(status).len() == 2);
    assert_eq!(after["record"]["main"], before["record"]["main"], "the master stays");
    let started = scene.events_of("recycle_started");
    assert!(
        started.iter().all(|event| event["reason"] == "leak" && event["role"] == "worker"),
        "{started:?}"
    );
    assert_one_at_a_time(&scene.events());
    let threads = |series: &Value| series["series"] == "threads" && series["target"].is_object();
    assert!(
        after["series"].as_array().unwrap().iter().any(threads),
        "threads of workers are watched: {after}"
    );
    scene.stop(running);
}

/// A test whose command leaks fails, and says what leaked.
#[test]
fn a_leak_fails_a_test_that_succeeds() {
    let scene = Scene::new();
    let path = script("leak.py");
    let command = ["python3", "-S", &path, "--rate", "8", "--cap", "70", "--exit"];
    assert_eq!(scene.code(&["--fail-on-leak", "--grow", "20M/10s"], &command), 1, "{}", scene.text("stderr"));
    let found = scene.only("leak_found");
    assert_eq!(
        (&found["series"], &found["name"]),
        (&Value::from("memory"), &Value::from("python3")),
        "{found}"
    );
    assert_eq!(tags(&found)[0], "grew_faster_than_allowed", "{found}");
    scene.expect_nothing_left();
}

/// A command that fails by itself keeps its code; the finding is told all the same. A leak in a worker that it forked is
/// one of the command, also where a launcher takes its time before it becomes that worker: it is judged from then on,
/// by its own name.
#[test]
fn the_commands_own_failure_stays() {
    let scene = Scene::new();
    let path = script("leak.py");
    let leak = format!("python3 -S {path} --rate 20 --cap 120 --exit");
    let line = format!("(sleep 1.5; exec {leak}) & wait; exit 3");
    assert_eq!(scene.code(&["--fail-on-leak", "--grow", "10M/10s"], &["sh", "-c", &line]), 3);
    let found = scene.only("leak_found");
    assert_eq!(found["name"], "python3", "{found}");
    scene.expect_nothing_left();
}

/// What is left behind fails a test: a process with what it holds, and a child that nobody waited for.
#[test]
fn what_is_left_fails_a_test_that_succeeds() {
    let scene = Scene::new();
    let hold = script("hold.py");
    // It holds them when as many are open, and half a second later the looks know of it.
    let holds = "until [ $(ls -l /proc/$!/fd 2>/dev/null | grep -c socket) = 5 ]; do sleep 0.1; done";
    let line = format!("python3 -S {hold} sockets 5 & {holds}; sleep 1; exit 0");
    assert_eq!(scene.code(&["--fail-on-leak"], &["sh", "-c", &line]), 1, "{}", scene.text("stderr"));
    let found = scene.only("leak_found");
    assert_eq!((&found["series"], tags(&found)[0]), (&Value::from("children"), "left_behind"), "{found}");
    let text = found["reasons"][0]["text"].as_str().unwrap();
    assert!(text.contains("descriptors") && text.contains("5 of them sockets"), "{text}");
    scene.expect_nothing_left();

    let scene = Scene::new();
    let zombie = "import os, sys, time\n\
        if os.fork() == 0: os._exit(0)\n\
        while not os.path.exists(sys.argv[1]): time.sleep(0.1)\n\
        time.sleep(2)";
    let seen = scene.path("seen");
    let command = ["python3", "-S", "-c", zombie, &seen.to_string_lossy()];
    let running = scene.run(&["--fail-on-leak"], &command);
    scene.wait_until("the zombie is seen", |status| status["tree"]["zombies"] == 1);
    std::fs::write(seen, "").unwrap();
    assert_eq!(running.wait().code(), Some(1), "{}", scene.text("stderr"));
    let found = scene.only("leak_found");
    assert_eq!((&found["series"], tags(&found)[0]), (&Value::from("zombies"), "not_waited_for"), "{found}");
}

/// What ends just after its command was not left, and a clean run is silent.
#[test]
fn a_clean_test_succeeds_in_silence() {
    let scene = Scene::new();
    for command in ["true", "sleep 0.4 & exit 0", "(sleep 0.2; sleep 0.2) & sleep 0.1"] {
        let code = scene.code(&["--fail-on-leak"], &["sh", "-c", command]);
        assert_eq!((code, scene.text("stderr").as_str()), (0, ""), "{command}");
    }
    // Without the flag nobody fails for it.
    assert_eq!(scene.code(&[], &["sh", "-c", "setsid sleep 1000 & exit 0"]), 0);
}

/// R048: a service under steady load that leaks a little is judged within a short run without any rule, and the run
/// fails although the service ended well when it was asked to.
#[test]
fn waits_r048_a_short_run_of_a_service_ends_with_a_verdict() {
    let scene = Scene::new();
    let running = scene.run_gunicorn(&["--fail-on-leak"], "0.2");
    let socket = scene.path("socket");
    wait_for("gunicorn serves", PATIENCE, || request(&socket));
    let load = Load::start(&socket, 2, 40);
    wait_for("the growth is told", JUDGED, || {
        let told = scene.events_of("verdict_changed");
        let grows = |event: &Value| event["verdict"] == "growing" || event["verdict"] == "leaking";
        told.into_iter().find(grows).ok_or_else(|| scene.text("stderr"))
    });
    let master = children(running.engine());
    assert_eq!(master.len(), 1);
    scene.wait_until("it has run for some time", |status| {
        status["uptime_seconds"].as_f64().is_some_and(|uptime| uptime > 60.0)
    });
    load.end();
    running.signal(15);
    assert_eq!(running.wait().code(), Some(1), "{}", scene.text("stderr"));
    let found = scene.events_of("leak_found");
    assert!(found.iter().any(|event| event["series"] == "memory"), "{found:?}");
    scene.expect_nothing_left();
}

/// R015: descriptors are watched like memory.
#[test]
fn waits_r015_descriptors_that_pile_up_are_found() {
    let scene = Scene::new();
    let code = "import time\nkept = []\n\
                for _ in range(520):\n    kept.append(open('/dev/null'))\n    time.sleep(0.1)";
    assert_eq!(
        scene.code(&["--fail-on-leak"], &["python3", "-S", "-c", code]),
        1,
        "{}",
        scene.text("stderr")
    );
    let found = scene.events_of("leak_found");
    assert!(found.iter().any(|event| event["series"] == "descriptors"), "{found:?}");
    assert!(found.iter().all(|event| event["series"] != "threads"), "{found:?}");
}
