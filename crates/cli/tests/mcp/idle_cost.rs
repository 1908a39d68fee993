//! What an idle wrapper holds: no database, no stdout, no thread beside its own.

use std::fs;
use std::process::Stdio;

use super::scene::{PATIENCE, Running, Scene, wait_for};

/// People have thirty of them at once. R119: nothing of ours holds the server's stdout, and of its stdin one descriptor.
#[test]
fn an_idle_wrapper_holds_no_database() {
    let scene = Scene::new();
    let mut scupper = scene.scupper(&["mcp", "--name", &scene.unit, "--", "sleep", "1000"]);
    let mut running =
        Running { child: scupper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap() };
    wait_for("the unit can be talked to", PATIENCE, || {
        let status = scene.status();
        if status["units"][0]["supervisor"] == "answers" { Ok(()) } else { Err(status.to_string()) }
    });
    let evidence = scene.path("state/scupper/evidence.sqlite");
    assert!(!evidence.exists(), "a healthy start is kept in memory until something happens");
    let stdin = fs::read_link(format!("/proc/{}/fd/0", scene.marked().keys().next().unwrap())).unwrap();
    let engine = running.engine();
    for (pid, most) in [(running.pid(), 0), (engine, 1)] {
        let targets: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .collect();
        assert_eq!(targets.iter().filter(|target| **target == stdin).count(), most, "{pid}: {targets:?}");
        let stdout = fs::read_link(format!("/proc/{}/fd/1", scene.marked().keys().next().unwrap())).unwrap();
        assert!(!targets.contains(&stdout), "{pid} holds stdout: {targets:?}");
        assert_eq!(fs::read_dir(format!("/proc/{pid}/task")).unwrap().count(), 1);
    }
    drop(running.child.stdin.take());
    running.wait();
    // What happened is kept once there is something to keep.
    assert!(evidence.exists());
    scene.expect_nothing_left();
}
