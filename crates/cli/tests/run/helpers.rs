//! R029, R030, R071, R120: what the requests of a service leave behind, on real processes: helpers of real gunicorn workers,
//! a real chromium, real connections.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::scene::{PATIENCE, Running, Scene, alive, wait_for};
use super::workload::{Load, get, gunicorn, script};

/// A verdict takes half a minute at least.
const JUDGED: Duration = Duration::from_secs(100);

/// The real gunicorn with `helpers.py`: two workers, an access log that is followed.
fn serve(scene: &Scene, helper: &str) -> Running {
    let program = gunicorn().to_string_lossy().into_owned();
    let bind = format!("unix:{}", scene.at("socket"));
    let app = script("helpers.py");
    let folder = app.trim_end_matches("/helpers.py");
    let (access, helper) = (scene.at("access.log"), format!("HELPER={helper}"));
    std::fs::create_dir(scene.path("profiles")).unwrap();
    let profiles = format!("PROFILES={}", scene.at("profiles"));
    let flags = ["--horizon", "short", "--log", &access, "--env", &helper, "--env", &profiles];
    let flags = [&["--verbose", "--env", "PYTHONDONTWRITEBYTECODE=1"], &flags[..]].concat();
    let command = [&program, "helpers:app", "-w", "2", "--bind", &bind, "--chdir", folder, "--timeout", "60"];
    let running =
        scene.run(&flags, &[&command[..], &["--no-control-socket", "--access-logfile", &access]].concat());
    wait_for("gunicorn serves", PATIENCE, || get(&scene.path("socket"), "/"));
    running
}

fn series<'v>(status: &'v Value, of: &str) -> Vec<&'v Value> {
    status["series"].as_array().into_iter().flatten().filter(|series| series["series"] == of).collect()
}

fn grows(series: &Value) -> bool {
    series["verdict"] == "growing" || series["verdict"] == "leaking"
}

fn wait_for_status(scene: &Scene, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, JUDGED, || {
        let status = scene.status()["units"][0]["status"].clone();
        if fits(&status) { Ok(status) } else { Err(format!("{status}\n{}", scene.text("stderr"))) }
    })
}

/// R029: the same service, once with an MCP server a request and once with one that is used again.
#[test]
fn waits_r029_a_helper_a_request_is_told_from_one_that_is_used_again() {
    let (each, once) = (Scene::new(), Scene::new());
    let (leaking, healthy) = (serve(&each, "each"), serve(&once, "once"));
    let loads = [&each, &once].map(|scene| Load::start(&scene.path("socket"), 2, 6));
    let status = wait_for_status(&each, "both workers leak children", |status| {
        let of = series(status, "stdio_children");
        of.len() == 2 && of.iter().all(|one| grows(one) && one["per_operation"].is_object())
    });
    for worker in series(&status, "stdio_children") {
        assert_eq!(worker["class"], "child_tree", "{worker}");
        assert!(worker["target"]["pid"].is_number() && worker["name"].is_string(), "{worker}");
        // Of two workers each serves about half of the requests.
        let rate = &worker["per_operation"];
        let [slope, low, high] = ["slope", "low", "high"].map(|key| rate[key].as_f64().unwrap());
        assert!((0.2..0.8).contains(&slope) && low <= slope && slope <= high, "{rate}");
    }
    assert_eq!(status["class"], "child_tree", "{status}");
    let told = each.events_of("verdict_changed");
    let of_worker = |event: &&Value| event["series"] == "stdio_children" && event["class"] == "child_tree";
    assert!(told.iter().any(|event| of_worker(&event)), "{told:?}");
    let outlives = each.wait_for_event("helper_outlives", |_| true);
    assert!(
        outlives["kind"] == "stdio" && outlives["lines"][0].as_str().unwrap().contains("GET /"),
        "{outlives}"
    );
    let helpers = status["helpers"].as_array().unwrap();
    let tied = |helper: &Value| {
        let request = ["operations_before", "operations_seen"].map(|key| helper[key].as_u64());
        helper["started_by"]["pid"].is_number() && request[0] <= request[1] && request[1].is_some()
    };
    assert!(helpers.len() > 20 && helpers.iter().all(tied), "{helpers:?}");
    let (_, table) = each.ask(&["ps", "--processes"]);
    assert!(table.contains("OUTLIVES") && table.contains("outlive what they were started for"), "{table}");

    let status = wait_for_status(&once, "the helper that is used again is known as such", |status| {
        let helpers = status["helpers"].as_array();
        status["uptime_seconds"].as_f64() > Some(45.0)
            && helpers
                .is_some_and(|helpers| helpers.len() == 2 && helpers.iter().all(|h| h["outlives"] == false))
    });
    assert!(series(&status, "stdio_children").iter().all(|one| !grows(one) && one["value"] == 1), "{status}");
    assert!(!grows(&status), "{status}");
    assert_eq!(once.events_of("helper_outlives"), Vec::<Value>::new());
    for (load, scene, running) in loads
        .into_iter()
        .zip([(&each, leaking), (&once, healthy)])
        .map(|(load, (scene, running))| (load, scene, running))
    {
        let (served, failed) = load.end();
        assert!(served > 0 && failed.is_empty(), "{failed:?}");
        scene.stop(running);
    }
}

/// A chromium that nobody of the unit started.
struct Foreign(Child);

impl Foreign {
    fn start(scene: &Scene) -> Self {
        let profile = format!("--user-data-dir={}", scene.at("foreign"));
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", &profile]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// R030: requests that render a page start a chromium and end it; one fails and leaves it behind. Another session's
/// chromium is not counted.
#[test]
fn heavy_r030_a_failing_request_leaves_chromium_behind_and_it_is_found() {
    let scene = Scene::new();
    let foreign = Foreign::start(&scene);
    let running = serve(&scene, "browser");
    let socket = scene.path("socket");
    let mut served = Vec::new();
    let failed = loop {
        // By chance of two workers: the one that fails has to have rendered well before.
        for _ in 0..3 {
            served.push(get(&socket, "/render").unwrap());
        }
        let answer = get(&socket, "/fail?token=hunter2hunter2hunter2").unwrap_err();
        assert!(answer.contains(" 500 "), "{answer}");
        let status = scene.live();
        let browsers: Vec<Value> = of_kind(&status, "browser");
        let worker = browsers
            .iter()
            .filter_map(|browser| browser["started_by"]["pid"].as_u64())
            .find(|pid| served.iter().filter(|body| **body == pid.to_string()).count() >= 4);
        if let Some(pid) = worker {
            break pid;
        }
        assert!(served.len() < 40, "{served:?} {status}");
    };
    let told = wait_for("it is told", JUDGED, || {
        // Some that come and go are too short to be seen between two looks, so there are more of them.
        get(&socket, "/render").unwrap();
        let told = scene.events_of("helper_outlives");
        told.into_iter()
            .find(|event| event["started_by"]["pid"] == failed)
            .ok_or_else(|| scene.text("stderr"))
    });
    assert_eq!((&told["kind"], &told["name"]), (&"browser".into(), &"chromium".into()), "{told}");
    assert!(told["because"].as_str().unwrap().contains("others like it lived"), "{told}");
    // It is some processes large, and tied to the request.
    assert!(told["processes"].as_u64().unwrap() >= 4, "{told}");
    assert!(told["rss_bytes"].as_u64().unwrap() >= 50 << 20, "{told}");
    let lines = told["lines"].to_string();
    assert!(lines.contains("GET /fail") && !lines.contains("hunter2"), "{lines}");
    let status = scene.live();
    let browsers = of_kind(&status, "browser");
    let here: Vec<u64> = browsers.iter().map(|browser| browser["target"]["pid"].as_u64().unwrap()).collect();
    assert!(!here.contains(&foreign.0.id().into()), "{browsers:?}");
    assert!(here.contains(&told["target"]["pid"].as_u64().unwrap()), "{browsers:?}");
    assert!(browsers.iter().all(|browser| browser["browser"] == "chromium"), "{browsers:?}");
    let counts = status["helper_counts"].as_array().unwrap();
    let of_worker = counts.iter().find(|count| count["started_by"]["pid"] == failed).unwrap();
    assert!(of_worker["outliving"].as_u64() >= Some(1) && of_worker["kind"] == "browser", "{counts:?}");
    scene.stop(running);
    assert!(alive(foreign.0.id().try_into().unwrap()), "another session's browser was ended");
}

fn of_kind(status: &Value, kind: &str) -> Vec<Value> {
    let all = status["helpers"].as_array().into_iter().flatten();
    all.filter(|helper| helper["kind"] == kind).cloned().collect()
}

/// A server that closes every connection as soon as it is made.
struct Closing {
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Closing {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The test itself says with a byte that it is over.
                stream.set_nonblocking(true).unwrap();
                let mut byte = [0; 1];
                if std::io::Read::read(&mut &stream, &mut byte).is_ok_and(|read| read == 1) {
                    return;
                }
            }
        });
        Self { port, thread: Some(thread) }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let thread = self.thread.take().unwrap();
        while !thread.is_finished() {
            if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) {
                let _ = std::io::Write::write_all(&mut stream, b"x");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        thread.join().unwrap();
    }
}

/// R071, R120: connections that pile up in `CLOSE_WAIT`, files that do, a pool that closes what was closed, and memory: each
/// has its class, and what cannot be told from outside is unknown.
#[test]
fn waits_r071_r120_what_piles_up_is_told_with_its_class_and_the_time_that_is_left() {
    let server = Closing::start();
    let port = server.port.to_string();
    let flags = ["--horizon", "short"];
    let scenes: [Scene; 4] = std::array::from_fn(|_| Scene::new());
    let [sockets, files, pool, memory] = &scenes;
    let client = |scene: &Scene, how: &str| scene.run_script(&flags, "client.py", &[&port, how, "1000"]);
    let running = [
        client(sockets, "leak"),
        client(files, "files"),
        client(pool, "pool"),
        memory.run_script(&flags, "leak.py", &["--rate", "3", "--cap", "600"]),
    ];
    let status = wait_for_status(sockets, "connections are told to pile up", |status| {
        series(status, "close_wait").first().is_some_and(|one| grows(one)) && grows(status)
    });
    let close_wait = series(&status, "close_wait")[0];
    assert_eq!((&close_wait["class"], &status["class"]), (&"sockets".into(), &"sockets".into()), "{status}");
    let (value, per_hour) =
        (close_wait["value"].as_f64().unwrap(), close_wait["slope_per_hour"].as_f64().unwrap());
    let left = close_wait["time_to_limit_seconds"].as_f64().unwrap();
    // Its own limit is 1000 descriptors, of which it uses a few beside.
    let expected = (1000.0 - value - 6.0) / per_hour * 3600.0;
    assert!(left > expected / 2.0 - 5.0 && left < expected * 2.0 + 5.0, "{left} {expected} {close_wait}");
    let (_, table) = sockets.ask(&["ps", "--processes"]);
    assert!(
        table.contains("CLOSE-WAIT") && table.contains("(sockets)") && table.contains("at its limit in"),
        "{table}"
    );
    let main = &status["processes"][0]["connections"];
    assert!(main["close_wait"].as_u64() > Some(20) && main["descriptor_limit"] == 1000, "{main}");
    let event =
        sockets.wait_for_event("verdict_changed", |event| event["series"] == "close_wait" && grows(event));
    assert_eq!(event["class"], "sockets", "{event}");
    for (scene, class) in [(files, "descriptors"), (memory, "unknown")] {
        let status = wait_for_status(scene, class, grows);
        assert_eq!(status["class"], class, "{status}");
    }
    let status = wait_for_status(pool, "the pool was seen for as long", |status| {
        status["uptime_seconds"].as_f64() > Some(45.0) && status["verdict"] != "unknown"
    });
    assert!(!grows(&status) && !series(&status, "close_wait").iter().any(|one| grows(one)), "{status}");
    assert_eq!(status["class"], "not_a_leak", "{status}");
    for (scene, running) in scenes.iter().zip(running) {
        scene.stop(running);
    }
}
