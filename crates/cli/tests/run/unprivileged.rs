//! R119 for a user who may do nothing: no cgroup can be made, no other user's process be looked at.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, kill, wait_for};

const NOBODY: u32 = 65534;

/// A scene that belongs to nobody; `None` where this is not root, who alone can become nobody.
fn scene() -> Option<Scene> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return None;
    }
    let scene = Scene::new();
    for sub in ["", "run", "state"] {
        chown(scene.path(sub), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // The test's own directories may be closed to others: the programs that are run are copied here.
    for (from, to) in
        [(SCUPPER, "scupper"), (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/tree.py"), "tree.py")]
    {
        fs::copy(from, scene.path(to)).unwrap();
    }
    Some(scene)
}

fn as_nobody(scene: &Scene, arguments: &[&str]) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(scene.path("scupper"))
        .args(arguments);
    scene.dress(&mut setpriv);
    setpriv.env("HOME", scene.dir.path()).env("PATH", "/usr/bin:/bin").current_dir(scene.dir.path());
    setpriv.stderr(fs::File::options().create(true).append(true).open(scene.path("stderr")).unwrap());
    setpriv
}

fn run_tree(scene: &Scene, then: &str) -> Running {
    let mut scupper =
        as_nobody(scene, &["run", "--name", &scene.unit, "--log-format", "json", "--grace", "300ms"]);
    scupper.args(["--", "/usr/bin/python3", "tree.py", "kids", then]);
    let running = Running { child: scupper.spawn().unwrap() };
    scene.wait_for_kids();
    running
}

fn nobody_left(scene: &Scene) {
    scene.expect_nothing_left();
    for (kind, pid) in scene.wait_for_kids() {
        wait_for(&format!("{kind} is gone"), PATIENCE, || {
            if alive(pid) { Err(scene.text("stderr")) } else { Ok(()) }
        });
    }
}

#[test]
fn r119_unprivileged_after_every_kind_of_end() {
    for (then, code) in [("exit 0", 0), ("exit 3", 3), ("kill 11", 139), ("kill 9", 137)] {
        let Some(scene) = scene() else { return };
        assert_eq!(run_tree(&scene, then).wait().code(), Some(code), "{}", scene.text("stderr"));
        nobody_left(&scene);
    }
}

#[test]
fn r119_unprivileged_after_a_signal() {
    for (signal, then, code) in [(15, "wait", 143), (1, "wait", 129), (15, "deaf", 137)] {
        let Some(scene) = scene() else { return };
        let running = run_tree(&scene, then);
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(code), "{}", scene.text("stderr"));
        nobody_left(&scene);
    }
}

#[test]
fn r119_unprivileged_after_kill_9_of_scupper() {
    for victim in ["guardian", "engine"] {
        let Some(scene) = scene() else { return };
        let running = run_tree(&scene, "wait");
        kill(if victim == "guardian" { running.pid() } else { running.engine() }, 9);
        running.wait();
        nobody_left(&scene);
    }
}

#[test]
fn r119_unprivileged_commands_work() {
    let Some(scene) = scene() else { return };
    let running = run_tree(&scene, "wait");
    let out = as_nobody(&scene, &["ps", "--json"]).output().unwrap();
    let ps: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(ps["units"][0]["status"]["tree"]["processes"], 6, "{ps}");
    assert_eq!(ps["units"][0]["record"]["cgroup"], serde_json::Value::Null);
    let doctor = as_nobody(&scene, &["doctor", "--json"]).output().unwrap();
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(doctor["ok"], true, "{doctor}");
    // Another user's unit is not to be seen, and not to be stopped.
    let foreign = scene.scupper(&["stop", &scene.unit]).output().unwrap();
    assert_eq!(foreign.status.code(), Some(2), "{foreign:?}");
    assert!(as_nobody(&scene, &["stop", &scene.unit]).status().unwrap().success());
    assert_eq!(running.wait().code(), Some(143));
    nobody_left(&scene);
    let events = as_nobody(&scene, &["events", &scene.unit]).output().unwrap();
    assert!(String::from_utf8_lossy(&events.stdout).contains("event=unit_stopped"), "{events:?}");
}
