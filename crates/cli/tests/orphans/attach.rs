//! `scupper attach` on real processes: what it sees of a tree that it did not start, and that it never signals.

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, kill, wait_for};

/// Notes every signal that it gets.
const LISTENS: &str = "
import signal, sys, time
log = open(sys.argv[1], 'a', buffering=1)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try: signal.signal(number, lambda number, frame: print(number, file=log))
    except OSError: pass
print('ready', file=log)
while True: time.sleep(0.05)
";

/// Grows by 4 MiB ten times a second, and ends after a minute.
const GROWS: &str = "
import time
held = []
for _ in range(600):
    held.append(b'x' * (4 << 20))
    time.sleep(0.1)
";

/// A process that scupper did not start, ended with the test.
struct Stranger(Child);

impl Stranger {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn python(script: &str, arguments: &[&str]) -> Self {
        Self::start("python3", &[&["-S", "-c", script], arguments].concat())
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attach(scene: &Scene, arguments: &[&str]) -> Running {
    let mut scupper = scene.scupper(&[&["attach", "--name", &scene.unit], arguments].concat());
    scupper.stdout(fs::File::create(scene.path("stdout")).unwrap());
    scupper.stderr(fs::File::create(scene.path("stderr")).unwrap());
    Running { child: scupper.spawn().unwrap() }
}

/// It runs, and `ps` shows it.
fn is_watched(scene: &Scene) -> Value {
    wait_for("it is watched", PATIENCE, || {
        let unit = scene.status()["units"][0].clone();
        if unit["supervisor"] == "answers" { Ok(unit) } else { Err(scene.text("stderr")) }
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it printed, line by line.
fn lines(scene: &Scene) -> Vec<Value> {
    scene.text("stdout").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the evidence has of it.
fn recorded(scene: &Scene, kind: &str) -> Vec<Value> {
    let out = scene.scupper(&["events", &scene.unit, "--kind", kind, "--json"]).output().unwrap();
    text(&out.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn listening(scene: &Scene) -> Stranger {
    let log = scene.path("signals");
    let stranger = Stranger::python(LISTENS, &[&log.to_string_lossy()]);
    wait_for("it listens", PATIENCE, || {
        if scene.text("signals").contains("ready") { Ok(()) } else { Err(String::new()) }
    });
    stranger
}

/// Safety 7: through everything that can happen to a watched tree, nobody in it is signalled.
#[test]
fn r118_safety_7_attach_never_signals() {
    let scene = Scene::new();
    let mut stranger = listening(&scene);
    let pid = stranger.pid().to_string();
    let heard = || scene.text("signals");
    // Above what it is told is the limit, judged by a rule that everything breaks.
    let flags = ["--mem-hard", "1M", "--grow", "1K/1s", "--fail-on-leak", "--every", "50ms"];
    // The time is over, then somebody stops it, then ^C, then TERM, and at last KILL.
    attach(&scene, &[&flags[..], &["--for", "2s", &pid]].concat()).wait();
    assert_eq!(recorded(&scene, "attached").len(), 1, "{}", scene.text("stderr"));
    // That it is above its limit is said once, as of a unit that only observes.
    let crossed = recorded(&scene, "limit_crossed");
    assert_eq!(crossed.len(), 1, "{crossed:?}");
    let told =
        ["resource", "level", "limit", "action"].map(|key| crossed[0][key].to_string().replace('"', ""));
    assert_eq!(told, ["memory", "hard", "1048576", "none: observe"]);
    assert_eq!(crossed[0]["culprit"]["pid"], stranger.pid());
    let running = attach(&scene, &[&flags[..], &[&pid]].concat());
    is_watched(&scene);
    let stop = scene.scupper(&["stop", &scene.unit]).output().unwrap();
    assert_eq!(stop.status.code(), Some(0), "{stop:?}");
    assert_eq!(running.wait().code(), Some(0));
    for signal in [2, 15, 9] {
        let running = attach(&scene, &[&flags[..], &[&pid]].concat());
        is_watched(&scene);
        for request in ["restart", "recycle"] {
            let refused = scene.scupper(&[request, &scene.unit]).output().unwrap();
            assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        }
        running.signal(signal);
        running.wait();
    }
    // Killed, it left its record. Nothing in it says that the tree was ever ours.
    let stop = scene.scupper(&["stop", &scene.unit]).output().unwrap();
    assert_eq!(stop.status.code(), Some(0), "{stop:?}");
    assert!(scene.status()["units"].as_array().is_none_or(Vec::is_empty));
    assert!(stranger.0.try_wait().unwrap().is_none());
    assert_eq!(heard(), "ready\n", "it was signalled");
    assert!(recorded(&scene, "signal_sent").is_empty());
}

#[test]
fn waits_a_leak_is_seen_as_run_sees_it() {
    let scene = Scene::new();
    let stranger = Stranger::python(GROWS, &[]);
    let pid = stranger.pid().to_string();
    let flags = ["--grow", "20M/2s", "--fail-on-leak", "--json", "--mem-hard", "2G"];
    let running = attach(&scene, &[&flags[..], &[&pid]].concat());
    let unit = is_watched(&scene);
    assert_eq!(unit["record"]["policy"], "observe");
    assert_eq!(unit["record"]["main"], Value::Null);
    wait_for("it leaks", PATIENCE, || {
        let status = scene.status();
        let unit = &status["units"][0]["status"];
        let told = (&unit["verdict"], &unit["time_to_limit_seconds"]);
        if told.0 == "leaking" && told.1.is_u64() { Ok(()) } else { Err(unit.to_string()) }
    });
    // Printed whole, however far it has come by now.
    let printed = || {
        let text = scene.text("stdout");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let sizes = whole.lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["schema"] == "scupper.sample/1").then(|| line["size_bytes"].as_u64().unwrap())
        });
        sizes.collect::<Vec<u64>>()
    };
    wait_for("its growth is shown", PATIENCE, || {
        let sizes = printed();
        let enough =
            sizes.len() >= 10 && sizes.last() > sizes.first().map(|first| first + (20 << 20)).as_ref();
        if enough { Ok(()) } else { Err(format!("{sizes:?}")) }
    });
    running.signal(2);
    assert_eq!(running.wait().code(), Some(1), "{}", scene.text("stderr"));
    let lines = lines(&scene);
    let samples: Vec<&Value> = lines.iter().filter(|line| line["schema"] == "scupper.sample/1").collect();
    assert!(samples.iter().any(|sample| sample["whole"] == true && sample["tree"]["fds"]["known"] != 0));
    for kind in ["attached", "verdict_changed", "leak_found", "detached"] {
        assert!(lines.iter().any(|line| line["event"] == kind), "{kind} on stdout");
        assert!(!recorded(&scene, kind).is_empty(), "{kind} in the evidence");
    }
    let leak = &recorded(&scene, "leak_found")[0];
    assert_eq!((&leak["series"], &leak["target"]["pid"]), (&"memory".into(), &stranger.pid().into()));
    assert!(scene.text("stderr").contains("event=verdict_changed"), "{}", scene.text("stderr"));
    assert!(alive(stranger.pid()));
}

#[test]
fn it_ends_with_the_process_and_says_how_that_ended() {
    for (script, how) in [("raise SystemExit(7)", "code=7"), ("os.kill(os.getpid(), 9)", "signal=KILL")] {
        let scene = Scene::new();
        let end = scene.path("end").display().to_string();
        let waits = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\n";
        let mut stranger = Stranger::python(&format!("{waits}{script}"), &[&end]);
        let running = attach(&scene, &[&stranger.pid().to_string()]);
        is_watched(&scene);
        fs::write(&end, "").unwrap();
        stranger.0.wait().unwrap();
        assert_eq!(running.wait().code(), Some(0), "{}", scene.text("stderr"));
        let died = &recorded(&scene, "unit_exited")[0];
        let certificate = &died["certificate"];
        assert_eq!(certificate["role"], "main");
        // Without 6.15's PIDFD_GET_INFO its parent alone is told how.
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut parts = kernel.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let told = (parts.next(), parts.next()) >= (Some(6), Some(15));
        let expected = if told { how } else { "how=unknown" };
        let out = scene.scupper(&["events", &scene.unit, "--kind", "unit_exited"]).output().unwrap();
        assert!(text(&out.stdout).contains(expected), "{}", text(&out.stdout));
        let detached = &recorded(&scene, "detached")[0];
        assert_eq!((&detached["because"], &detached["processes"]), (&"it ended".into(), &0.into()));
    }
}

#[test]
fn the_whole_tree_is_followed_and_found_by_its_topmost_process() {
    let scene = Scene::new();
    // A name that nobody else has: the program is a copy of sh under it.
    let program = scene.path(&format!("{}-server", scene.unit));
    fs::copy("/bin/sh", &program).unwrap();
    let program = program.to_string_lossy().into_owned();
    let pids = scene.path("pids");
    // The one that sleeps beside it keeps the topmost process waiting when the one in between ends.
    let script = format!(
        "sleep 1000 & echo $! >> {0}; {program} -c 'sleep 1000 & echo $! >> {0}; wait' & echo $! >> {0}; wait",
        pids.display()
    );
    let stranger = Stranger::start(&program, &["-c", &script]);
    let below = wait_for("it has children", PATIENCE, || {
        let pids: Vec<i32> = scene.text("pids").lines().filter_map(|pid| pid.parse().ok()).collect();
        if pids.len() == 3 { Ok(pids) } else { Err(scene.text("pids")) }
    });
    let name = format!("{}-server", scene.unit);
    let running = attach(&scene, &["--match", &name, "--every", "100ms"]);
    is_watched(&scene);
    let shown = |scene: &Scene| -> Vec<i64> {
        let status = scene.status();
        let processes = status["units"][0]["status"]["processes"].as_array().cloned().unwrap_or_default();
        processes.iter().filter_map(|process| process["pid"].as_i64()).collect()
    };
    let mut all: Vec<i64> = below.iter().map(|pid| i64::from(*pid)).chain([stranger.pid().into()]).collect();
    all.sort_unstable();
    wait_for("all are shown", PATIENCE, || {
        let mut found = shown(&scene);
        found.sort_unstable();
        if found == all { Ok(()) } else { Err(format!("{found:?}, not {all:?}")) }
    });
    wait_for("both sleep", PATIENCE, || {
        let asleep = below.iter().filter(|pid| super::scene::comm(**pid) == "sleep").count();
        if asleep == 2 { Ok(()) } else { Err(asleep.to_string()) }
    });
    // The one in between ends: who was below it is still of the tree.
    let middle = below.iter().copied().find(|pid| super::scene::comm(*pid) != "sleep").unwrap();
    let leaf = below.iter().copied().find(|pid| super::scene::parent(*pid) == Some(middle)).unwrap();
    kill(middle, 9);
    wait_for("who was re-parented is shown", PATIENCE, || {
        let found = shown(&scene);
        let gone = !found.contains(&middle.into());
        if gone && found.contains(&leaf.into()) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    running.signal(2);
    assert_eq!(running.wait().code(), Some(0));
    assert!(scene.text("stderr").contains("3 processes of it run on"), "{}", scene.text("stderr"));
    for pid in below {
        kill(pid, 9);
    }
}

#[test]
fn whom_it_cannot_watch_it_says_in_one_line() {
    let scene = Scene::new();
    let refused = |arguments: &[&str], why: &str| {
        let Output { status, stdout, stderr } =
            scene.scupper(&[&["attach"], arguments].concat()).output().unwrap();
        let said = text(&stderr);
        assert_eq!((status.code(), stdout.is_empty()), (Some(2), true), "{said}");
        assert!(said.contains(why), "{said}");
        said
    };
    refused(&["2147483647"], "there is no process 2147483647");
    refused(&["0"], "a pid is a whole number");
    refused(&["--match", "no-such-program-anywhere"], "no process matches");
    refused(&[], "PID");
    refused(&["1", "--match", "x"], "cannot be used with");
    super::support::with_a_thread(|thread| {
        let said = refused(&[&thread.to_string()], "is no process but a thread of one");
        assert!(!said.contains("watching"), "{said}");
    });
    // A zombie has ended.
    let mut child = Command::new("true").spawn().unwrap();
    let pid: i32 = child.id().try_into().unwrap();
    wait_for("it has ended", PATIENCE, || if alive(pid) { Err(String::new()) } else { Ok(()) });
    refused(&[&pid.to_string()], "has ended already");
    child.wait().unwrap();
    // Two that are not of one tree are both named.
    let argument = format!("{}{}", 100_000, std::process::id());
    let two = [Stranger::start("sleep", &[&argument]), Stranger::start("sleep", &[&argument])];
    let said = refused(&["--match", &format!("sleep {argument}")], "2 processes match");
    for stranger in &two {
        assert!(said.contains(&stranger.pid().to_string()), "{said}");
    }
}

#[test]
fn on_a_terminal_one_line_says_how_it_is() {
    let scene = Scene::new();
    let stranger = listening(&scene);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/orphans/terminal.py");
    let mut person = Command::new("python3");
    person.arg(script).arg(scene.path("shown"));
    person.args([r"\d+s +\w+ +[\d.]+ MiB in 1 process", "^C", "--", SCUPPER, "attach"]);
    person.arg(stranger.pid().to_string());
    scene.dress(&mut person);
    let out = person.output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(scene.text("shown").contains("nothing of it is signalled"), "{}", scene.text("shown"));
    assert_eq!(scene.text("signals"), "ready\n");
}

#[test]
fn another_users_process_is_watched_as_far_as_it_can_be_read() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let scene = Scene::new();
    for sub in ["", "run", "state"] {
        chown(scene.path(sub), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::copy(SCUPPER, scene.path("scupper")).unwrap();
    let stranger = listening(&scene);
    let mut scupper = Command::new("setpriv");
    scupper.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(scene.path("scupper"));
    scupper.args(["attach", "--json", "--for", "1500ms", "--every", "100ms", &stranger.pid().to_string()]);
    scene.dress(&mut scupper);
    let out = scupper.current_dir(scene.dir.path()).output().unwrap();
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(said.contains("sockets cannot be read: it is a process of user 0"), "{said}");
    let printed = text(&out.stdout);
    let mut sample = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let sample = sample.rfind(|line| line["whole"] == true).unwrap();
    // Unknown, and not 0.
    assert_eq!(sample["tree"]["sockets"], serde_json::json!({ "known": 0, "unreadable": 1 }), "{sample}");
    assert!(sample["size_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn the_metrics_page_shows_what_is_watched() {
    use std::io::{Read, Write};
    let scene = Scene::new();
    let stranger = listening(&scene);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = attach(&scene, &["--metrics", &port.to_string(), &stranger.pid().to_string()]);
    is_watched(&scene);
    let processes = format!("scupper_unit_processes{{unit=\"{}\"}} 1", scene.unit);
    wait_for("the page shows it", PATIENCE, || {
        let mut stream = std::net::TcpStream::connect(port).map_err(|error| error.to_string())?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        if page.contains(&processes) { Ok(()) } else { Err(page) }
    });
    running.signal(15);
    assert_eq!(running.wait().code(), Some(0));
}
