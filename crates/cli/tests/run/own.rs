//! Issue 2, 1 and 9: the record of a unit, its name, and what can be asked of it while it runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scupper_supervise::control::{self, Reply, Request};
use serde_json::Value;

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, comm, kill, parent, wait_for};
use super::secrets::{free_address, scrape};

fn status(scene: &Scene, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, PATIENCE, || {
        let status = scene.status().pointer("/units/0/status").cloned().unwrap_or_default();
        if status.is_object() && fits(&status) {
            Ok(status)
        } else {
            Err(format!("{status}\n{}", scene.text("stderr")))
        }
    })
}

fn running(status: &Value) -> bool {
    status["phase"] == "running"
}

#[test]
fn a_record_says_who_is_owned() {
    let scene = Scene::new();
    let flags =
        ["--mem-soft", "300M", "--mem-hard", "50%", "--grace", "7s", "--keep", "tmux", "--profile", "job"];
    let scupper = scene.run(&flags, &["sleep", "1000"]);
    let record = status(&scene, "it runs", running)["record"].clone();
    let path = scene.path(&format!("run/scupper/{}.json", scene.unit));
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(written["run"], record["run"]);
    let pid = |who: &str| -> i32 { written[who]["pid"].as_i64().unwrap().try_into().unwrap() };
    assert_eq!((pid("guardian"), pid("supervisor")), (scupper.pid(), scupper.engine()));
    // "running" is said when the process is there; it becomes the command a moment later.
    wait_for("the command is executed", PATIENCE, || match comm(pid("main")).as_str() {
        "sleep" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(parent(pid("main")), Some(scupper.engine()));
    assert_eq!((&written["unit"], &written["command"]), (&scene.unit.as_str().into(), &"sleep 1000".into()));
    assert_eq!(
        (&written["profile"], &written["grace"], &written["phase"]),
        (&"job".into(), &"7s".into(), &"running".into())
    );
    assert_eq!(written["keep"], serde_json::json!(["tmux"]));
    assert_eq!(
        (&written["limits"]["mem_soft"], &written["limits"]["mem_hard"]),
        (&"300MiB".into(), &"50%".into())
    );
    if let Some(group) = written["cgroup"].as_str() {
        assert_eq!(
            fs::read_to_string(format!("{group}/cgroup.procs")).unwrap().trim(),
            pid("main").to_string()
        );
    }
    for file in fs::read_dir(scene.path("run/scupper")).unwrap().flatten() {
        // A record that is being replaced has a temporary file, which may be gone by now.
        let Ok(found) = file.metadata() else { continue };
        let mode = found.permissions().mode() & 0o777;
        // The engine's datagram socket has no mode of its own: the directory keeps others out.
        let hidden = file.file_name().to_string_lossy().starts_with('.');
        assert!(hidden || mode == 0o600, "{:?} has mode {mode:o}", file.path());
    }
    assert_eq!(fs::metadata(scene.path("run/scupper")).unwrap().permissions().mode() & 0o777, 0o700);
    scupper.signal(15);
    scupper.wait();
    assert!(!path.exists());
}

/// Whoever reads a record while it is replaced gets the old one or the new one, whole.
#[test]
fn a_record_is_replaced_at_once() {
    let scene = Scene::new();
    let scupper = scene.run(&[], &["sleep", "1000"]);
    status(&scene, "it runs", running);
    let path = scene.path(&format!("run/scupper/{}.json", scene.unit));
    let done = AtomicBool::new(false);
    let (mut reads, mut phases) = (0_u32, BTreeMap::<String, u32>::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for starts in 2..30 {
                let socket = path.with_extension("sock");
                let answer = control::ask(&socket, &Request::Restart, Duration::from_secs(10)).unwrap();
                assert!(matches!(answer, Reply::Accepted { .. }), "{answer:?}");
                status(&scene, "it was started again", |s| running(s) && s["counts"]["starts"] == starts);
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let text = fs::read(&path).unwrap();
            let record: Value = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
            reads += 1;
            *phases.entry(record["phase"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    });
    assert!(reads > 100 && phases.len() > 1, "{reads} {phases:?}");
    scupper.signal(15);
    scupper.wait();
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let scene = Scene::new();
    let scupper = scene.run(&[], &["sleep", "1000"]);
    status(&scene, "it runs", running);
    let second = scene
        .scupper(&["run", "--name", &scene.unit, "--", "touch", "ran"])
        .current_dir(scene.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(125), "{said}");
    assert!(
        said.contains(&scene.unit) && said.contains("scupper stop") && said.lines().count() == 1,
        "{said}"
    );
    assert!(!scene.path("ran").exists());
    // The first is none the worse for it, and the name is free when it is over.
    status(&scene, "it still runs", running);
    scupper.signal(15);
    scupper.wait();
    assert_eq!(scene.code(&[], &["true"]), 0);
}

#[test]
fn a_name_from_the_command_gets_a_number() {
    let scene = Scene::new();
    let start = || {
        let scupper = scene.scupper(&["run", "--", "sleep", "1000"]).spawn().unwrap();
        Running { child: scupper }
    };
    let mut all = Vec::new();
    for names in [vec!["sleep"], vec!["sleep", "sleep-2"], vec!["sleep", "sleep-2", "sleep-3"]] {
        all.push(start());
        wait_for("all of them are listed", PATIENCE, || {
            let out = scene.scupper(&["ps", "--json"]).output().unwrap();
            let ps: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
            let found: Vec<String> = ps["units"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|u| u["unit"].as_str().unwrap().to_owned())
                .collect();
            if found == names { Ok(()) } else { Err(ps.to_string()) }
        });
    }
    for scupper in all {
        scupper.signal(15);
        assert_eq!(scupper.wait().code(), Some(143));
    }
}

#[test]
fn a_unit_is_asked_while_it_runs() {
    let scene = Scene::new();
    let scupper = scene.run_tree(&["--grace", "300ms"], "wait");
    let before = status(&scene, "it runs", running);
    assert_eq!(before["tree"]["processes"], 6, "{before}");
    let processes = before["processes"].as_array().unwrap();
    let main = processes.iter().find(|p| p["role"] == "main").unwrap();
    assert!(main["rss_bytes"].as_u64().unwrap() > 1 << 20 && main["fds"].as_u64().unwrap() >= 3, "{main}");
    let kids: Vec<i64> = scene.kids().values().map(|pid| i64::from(*pid)).collect();
    assert!(kids.iter().all(|kid| processes.iter().any(|p| p["pid"] == *kid)), "{before}");
    let table = String::from_utf8(scene.scupper(&["ps", "--processes"]).output().unwrap().stdout).unwrap();
    assert!(table.contains(&scene.unit) && table.contains("sleep 1000"), "{table}");

    let ask = |arguments: &[&str]| {
        let out = scene.scupper(arguments).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap())
    };
    assert_eq!(ask(&["restart", &scene.unit]).0, Some(0));
    let after = status(&scene, "it runs again", |s| running(s) && s["counts"]["starts"] == 2);
    assert_ne!(after["record"]["main"], before["record"]["main"]);
    assert!(kids.iter().all(|kid| !alive((*kid).try_into().unwrap())), "what the first start left is ended");
    assert_eq!(ask(&["recycle", &scene.unit]).0, Some(0));
    status(&scene, "it was recycled", |s| running(s) && s["counts"]["starts"] == 3);
    let (code, said) = ask(&["set", &scene.unit, "--mem-soft", "900M", "--mem-hard", "1G"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = ask(&["set", &scene.unit, "--mem-hard", "800M"]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(status(&scene, "it runs", running)["limits"]["mem_hard"], "1GiB");
    let (code, said) = ask(&["stop", &scene.unit, "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&said).unwrap()["done"].clone()), (Some(0), true.into()));
    assert_eq!(scupper.wait().code(), Some(143));
    scene.expect_nothing_left();
    let (code, said) = ask(&["stop", &scene.unit]);
    assert!(code == Some(2) && said.contains("no unit named"), "{said}");
    let (_, told) = ask(&["events", &scene.unit, "--json"]);
    let kinds: Vec<String> = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()),
        ("unit_started", "unit_stopped")
    );
    assert_eq!(kinds.iter().filter(|kind| *kind == "unit_started").count(), 3);
}

#[test]
fn doctor_says_what_this_user_can_do() {
    let scene = Scene::new();
    let out = scene.scupper(&["doctor", "--json"]).output().unwrap();
    let doctor: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &doctor["ok"]), (Some(0), &true.into()));
    let cgroup = doctor["abilities"]
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["name"].as_str().unwrap().contains("cgroup"));
    assert!(cgroup.is_some(), "{doctor}");
    // What it promises holds: a unit gets a cgroup exactly where it says so.
    let scupper = scene.run(&[], &["sleep", "1000"]);
    let record = status(&scene, "it runs", running)["record"].clone();
    let able = doctor["abilities"].as_array().unwrap().iter().find(|a| a["name"] == "cgroup_create");
    if let Some(able) = able {
        assert_eq!(able["available"], record["cgroup"].is_string(), "{doctor} {record}");
    }
    scupper.signal(15);
    scupper.wait();
}

/// The page is rendered from live state while it is asked for; promtool finds nothing wrong with it.
#[test]
fn metrics_are_live() {
    let scene = Scene::new();
    let address = free_address();
    let scupper = scene.run_tree(&["--metrics", &address.to_string(), "--grace", "300ms"], "wait");
    status(&scene, "it runs", running);
    let page = scrape(address);
    let line = |name: &str, page: &str| {
        page.lines().find(|line| line.starts_with(name) && line.contains(&scene.unit)).map(str::to_owned)
    };
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert_eq!(line("scupper_unit_processes{", &page).unwrap().rsplit(' ').next(), Some("6"), "{page}");
    assert!(scene.scupper(&["restart", &scene.unit]).status().unwrap().success());
    wait_for("the page tells of the restart", PATIENCE, || {
        let page = scrape(address);
        let starts = line("scupper_unit_starts", &page).unwrap_or_default();
        if starts.ends_with(" 2") { Ok(()) } else { Err(page) }
    });
    let body = scrape(address).split_once("\r\n\r\n").unwrap().1.to_owned();
    match Command::new("promtool").arg("--version").output() {
        Ok(_) => {
            fs::write(scene.path("page"), &body).unwrap();
            let mut check = Command::new("promtool");
            check.args(["check", "metrics"]).stdin(fs::File::open(scene.path("page")).unwrap());
            let out = check.output().unwrap();
            let said =
                String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
            assert!(out.status.success(), "{said}\n{body}");
        }
        Err(_) => eprintln!("skipped: there is no promtool"),
    }
    scupper.signal(15);
    scupper.wait();
    scene.expect_nothing_left();
}

/// An address that is in use: scupper fails before anything is started.
#[test]
fn metrics_that_cannot_be_served_start_nothing() {
    let scene = Scene::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut scupper = scene.scupper(&["run", "--metrics", &address, "--", "touch", "ran"]);
    let out = scupper.current_dir(scene.dir.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(125), "{out:?}");
    assert!(String::from_utf8(out.stderr).unwrap().contains(&address) && !scene.path("ran").exists());
}

/// One hook for each event that somebody must see, as JSON on its stdin; one that hangs or fails holds up nobody.
#[test]
fn a_hook_is_told_what_somebody_must_see() {
    let scene = Scene::new();
    let hook = format!("cat >>{0}; echo noise; exit 9", scene.path("hook").display());
    assert_eq!(scene.code(&["--on-event", &hook], &["sh", "-c", "exit 5"]), 5);
    let told: Vec<Value> =
        scene.text("hook").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.iter().map(|e| e["event"].as_str().unwrap()).collect::<Vec<_>>(), ["unit_exited"]);
    assert_eq!(scene.text("stdout"), "");
    let _ = fs::remove_file(scene.path("hook"));
    assert_eq!(scene.code(&["--on-event", &hook], &["true"]), 0);
    assert!(!scene.path("hook").exists(), "nothing to see in a healthy run");
}

/// Names with spaces, parentheses, newlines and bytes that are no text, as kernel names and as command lines.
#[test]
fn odd_names_are_owned_and_told() {
    let scene = Scene::new();
    let script = "import ctypes, os, sys, time\n\
                  libc = ctypes.CDLL(None)\n\
                  for name in (b'a b', b') S 1 (', b'x\\ny', b'\\xff\\xfe', b'\\x1b[31m', b'', b'0123456789abcdef'):\n\
                  \x20   if os.fork() == 0:\n\
                  \x20       libc.prctl(15, ctypes.c_char_p(name), 0, 0, 0)\n\
                  \x20       time.sleep(1000)\n\
                  os.execv('/bin/sleep', [b'od\\nd \\xff) (', b'1000'])";
    let scupper = scene.run(&["--verbose"], &["python3", "-S", "-c", script]);
    let status = status(&scene, "all of them are there", |s| {
        s["tree"]["processes"] == 8
            && s["processes"].as_array().is_some_and(|p| p.iter().any(|p| p["name"] == "sleep"))
    });
    assert_eq!(status["processes"].as_array().unwrap().len(), 8);
    let table = scene.scupper(&["ps", "--processes"]).output().unwrap().stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "{table:?}");
    // A header and a line for the unit; a gap, its name, a header and a line for each process; a gap, a header and a line for
    // each helper.
    assert_eq!(table.lines().count(), 2 + 3 + 8 + 2 + 7, "{table}");
    scupper.signal(15);
    assert_eq!(scupper.wait().code(), Some(143));
    let ended = scene.events_of("signal_sent").iter().filter(|e| e["reason"] == "left_behind").count();
    assert_eq!(ended, 7, "{}", scene.text("stderr"));
    scene.expect_nothing_left();
    assert!(scene.text("stderr").is_ascii());
}

/// Some thousand children: counted, and all ended.
#[test]
fn heavy_thousands_of_children_are_counted_and_ended() {
    let scene = Scene::new();
    let children = 1500;
    // One process image for all: a shell of its own for each would measure the machine.
    let script = format!(
        "import os, signal\nfor n in range({children}):\n    if os.fork() == 0:\n        signal.pause()\nopen('{}', 'w').close()\n\
         signal.pause()",
        scene.path("ready").display()
    );
    let scupper = scene.run(&["--grace", "20s"], &["python3", "-S", "-c", &script]);
    wait_for("they are all there", PATIENCE * 3, || {
        if scene.path("ready").exists() { Ok(()) } else { Err(scene.text("stderr")) }
    });
    let counted = status(&scene, "they are counted", |s| s["tree"]["processes"] == children + 1);
    assert_eq!(counted["processes"].as_array().unwrap().len(), 200, "a status lists a bounded number");
    scupper.signal(15);
    assert_eq!(scupper.wait().code(), Some(143), "{}", scene.text("stderr"));
    scene.expect_nothing_left();
    assert_eq!(scene.events_of("unit_stopped")[0]["ended"], children);
}

/// A unit below a unit: each owns its own, and the end of the outer one is the end of both.
#[test]
fn a_unit_may_run_below_a_unit() {
    let scene = Scene::new();
    let inner = format!("{}-inner", scene.unit);
    let scupper = scene.run(
        &[],
        &[SCUPPER, "run", "--name", &inner, "--", "sh", "-c", "setsid sleep 1000 & exec sleep 1000"],
    );
    let below = wait_for("the inner unit runs", PATIENCE, || {
        let out = scene.scupper(&["ps", &inner, "--json"]).output().unwrap();
        let ps: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let status = ps.pointer("/units/0/status").cloned().unwrap_or_default();
        if status["tree"]["processes"] == 2 { Ok(status) } else { Err(ps.to_string()) }
    });
    let main: i32 = below["record"]["main"]["pid"].as_i64().unwrap().try_into().unwrap();
    scupper.signal(15);
    assert_eq!(scupper.wait().code(), Some(143));
    wait_for("nothing is left", PATIENCE, || if alive(main) { Err(scene.text("stderr")) } else { Ok(()) });
    scene.expect_nothing_left();
    for pid in super::scene::pids() {
        if super::scene::has_environment(pid, &format!("SCUPPER_UNIT={inner}")) && alive(pid) {
            kill(pid, 9);
            panic!("{pid} {} of the inner unit was left", comm(pid));
        }
    }
}
