//! Issue 2, 9: evidence is kept by many scuppers at once; and where it cannot be kept the service runs on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::scene::{PATIENCE, Running, SCUPPER, Scene, wait_for};

/// The events that `scupper events` tells of a unit.
fn events(scene: &Scene, unit: &str) -> Vec<Value> {
    let out = scene.scupper(&["events", unit, "--json", "-n", "10000"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn many_scuppers_keep_evidence_in_one_file() {
    let scene = Scene::new();
    let name = |n: usize| format!("{}-{n}", scene.unit);
    let (units, rounds) = (8, 5);
    for _ in 0..rounds {
        let all: Vec<Running> = (0..units)
            .map(|n| {
                let mut scupper =
                    scene.scupper(&["run", "--name", &name(n), "--", "sh", "-c", "sleep 1000 & exit 3"]);
                Running { child: scupper.stderr(Stdio::null()).spawn().unwrap() }
            })
            .collect();
        for scupper in all {
            assert_eq!(scupper.wait().code(), Some(3));
        }
    }
    for n in 0..units {
        let found = events(&scene, &name(n));
        for kind in ["unit_started", "unit_exited", "signal_sent", "unit_stopped"] {
            assert_eq!(
                found.iter().filter(|e| e["event"] == kind).count(),
                rounds,
                "{kind} of {n}: {found:?}"
            );
        }
    }
}

/// Runs a unit that has something to tell, checks that it does not suffer, and gives what was said on stderr.
fn runs_on(scene: &Scene, scupper: &mut Command) -> String {
    scupper.args(["run", "--name", &scene.unit, "--", "sh", "-c", "sleep 1000 & echo served; exit 3"]);
    scene.dress(scupper);
    let out = scupper.output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(3), &b"served\n"[..]), "{said}");
    assert!(said.contains("event=unit_exited"), "the log is kept all the same: {said}");
    scene.expect_nothing_left();
    said
}

fn trouble(said: &str) -> usize {
    said.matches("evidence_trouble").count()
}

#[test]
fn a_state_directory_that_cannot_be_used_stops_nobody() {
    for wrong in ["file", "link", "none", "relative"] {
        let scene = Scene::new();
        let mut scupper = Command::new(SCUPPER);
        let state = scene.path("state/scupper");
        match wrong {
            "file" => fs::write(&state, "in the way").unwrap(),
            "link" => std::os::unix::fs::symlink("/no/such/place", &state).unwrap(),
            _ => {}
        }
        // `env` in between, because what is set here is set again by the scene.
        if wrong == "none" || wrong == "relative" {
            let set: &[&str] = if wrong == "none" {
                &["-u", "XDG_STATE_HOME", "-u", "HOME"]
            } else {
                &["-u", "HOME", "XDG_STATE_HOME=here"]
            };
            scupper = Command::new("env");
            scupper.args(set).arg(SCUPPER);
        }
        let said = runs_on(&scene, &mut scupper);
        assert!((1..=2).contains(&trouble(&said)), "{wrong}: {said}");
    }
}

#[test]
fn evidence_that_is_no_database_stops_nobody() {
    for text in ["a diary\n".repeat(500), "SQLite format 3\0 and then nonsense".repeat(50), String::new()] {
        let scene = Scene::new();
        fs::create_dir(scene.path("state/scupper")).unwrap();
        fs::set_permissions(scene.path("state/scupper"), fs::Permissions::from_mode(0o700)).unwrap();
        let file = scene.path("state/scupper/evidence.sqlite");
        fs::write(&file, &text).unwrap();
        let said = runs_on(&scene, &mut Command::new(SCUPPER));
        // An empty file is an empty database. Of a damaged one either it is said that nothing is kept, or it was put
        // aside and a new one begun.
        let kept = scene.scupper(&["events", &scene.unit]).output().unwrap();
        let told = String::from_utf8_lossy(&kept.stdout).contains("event=unit_exited");
        assert!(told || trouble(&said) > 0, "{said}");
        assert!(!text.is_empty() || told, "{said}");
    }
}

/// Locked by somebody else for the whole of a run, and for a part of it.
#[test]
fn locked_evidence_stops_nobody_and_the_gap_is_told() {
    let scene = Scene::new();
    assert_eq!(scene.code(&[], &["sh", "-c", "exit 1"]), 1);
    let file = scene.path("state/scupper/evidence.sqlite");
    assert!(file.exists());
    let hold = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN EXCLUSIVE')\n\
                print('held', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3");
    holder.args(["-c", hold]).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = Running { child: holder.spawn().unwrap() };
    let mut line = [0; 5];
    std::io::Read::read_exact(holder.child.stdout.as_mut().unwrap(), &mut line).unwrap();
    let said = runs_on(&scene, &mut Command::new(SCUPPER));
    assert!(trouble(&said) > 0 && said.contains("were not kept"), "{said}");
    drop(holder.child.stdin.take());
    assert!(holder.wait().success());
    // Free again, what comes next is kept.
    assert_eq!(scene.code(&[], &["sh", "-c", "exit 7"]), 7);
    let last = events(&scene, &scene.unit).into_iter().rfind(|e| e["event"] == "unit_exited").unwrap();
    assert_eq!(last["certificate"]["code"], 7);
}

#[test]
fn a_full_disk_stops_nobody() {
    let scene = Scene::new();
    let state = scene.path("state");
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {0} || exit 77; dd if=/dev/zero of={0}/fill bs=4k 2>/dev/null; exec '{SCUPPER}' \"$@\"",
        state.display()
    );
    let probe = Command::new("unshare").args(["--mount", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: nothing can be mounted");
    }
    let mut scupper = Command::new("unshare");
    scupper.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    let said = runs_on(&scene, &mut scupper);
    assert!(trouble(&said) > 0, "{said}");
}

/// `events -f` follows a unit of another scupper.
#[test]
fn events_can_be_followed_while_a_unit_runs() {
    let scene = Scene::new();
    let mut follower = scene.scupper(&["events", &scene.unit, "-f", "--json"]);
    let out = fs::File::create(scene.path("followed")).unwrap();
    let follower = Running { child: follower.stdout(out).stderr(Stdio::null()).spawn().unwrap() };
    let code = scene.code(&["--grace", "1s"], &["sh", "-c", "sleep 1000 & exit 3"]);
    assert_eq!(code, 3);
    wait_for("the follower has seen the end", PATIENCE, || {
        let seen = scene.text("followed");
        if seen.contains("\"unit_stopped\"") && seen.contains("\"unit_started\"") {
            Ok(())
        } else {
            Err(seen)
        }
    });
    drop(follower);
}
