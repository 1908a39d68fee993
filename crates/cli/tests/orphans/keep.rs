//! R118, Safety 5: what is kept is touched by nothing, however it was kept.

use std::fs;
use std::process::Command;

use super::scene::{PATIENCE, Scene, alive, kill, wait_for};
use super::support::{
    SLEEPER, Strays, abandoned_unit, found, left_behind, left_behind_by, listed, pids_in, scupper,
};

/// It is not left behind, and why it is left alone is said.
fn expect_spared(scene: &Scene, pid: i32, because: &str) {
    let (scan, spared) = listed(scene, "not_touched", pid);
    assert!(!pids_in(&scan, "left_behind").contains(&pid), "{spared}");
    assert!(spared["because"].as_str().unwrap_or_default().contains(because), "{spared}");
}

fn expect_found(scene: &Scene, pid: i32) {
    found(scene, pid, &[]);
}

#[test]
fn r118_a_process_is_kept_by_its_pid_until_it_is_not() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = left_behind(&scene, &mut strays, &SLEEPER);
    let number = pid.to_string();
    let kept = scupper(&scene, &["keep", &number, "--json"]);
    assert_eq!(kept.code, 0, "{}", kept.err);
    let json = kept.json();
    assert_eq!((&json["schema"], &json["keeps"][0]["pid"]), (&"scupper.keep/1".into(), &pid.into()));
    expect_spared(&scene, pid, "kept");
    let removed = scupper(&scene, &["keep", "--remove", &number]);
    assert_eq!(removed.code, 0, "{}", removed.err);
    expect_found(&scene, pid);
    assert_eq!(scupper(&scene, &["keep", "--remove", &number]).code, 2, "it is not kept any more");
}

#[test]
fn r118_processes_are_kept_by_a_pattern_and_for_a_time() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    // A name of its own: what else runs here is not kept by it.
    let pattern = format!("mcp-{}-*", scene.unit);
    let program = scene.path(&format!("mcp-{}-server", scene.unit));
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let program = program.to_string_lossy().into_owned();
    let pid = left_behind(&scene, &mut strays, &[&program, "1000"]);
    expect_found(&scene, pid);
    let kept = scupper(&scene, &["keep", "--match", &pattern, "--for", "7d"]);
    assert_eq!(kept.code, 0);
    assert!(kept.err.contains("1 process matches"), "{}", kept.err);
    expect_spared(&scene, pid, &pattern);
    let list = scupper(&scene, &["keep", "--list"]).out;
    assert!(list.contains(&pattern) && (list.contains("7 d") || list.contains("6 d")), "{list}");
    // Kept again for a moment: that is over by the next look.
    assert_eq!(scupper(&scene, &["keep", "--match", &pattern, "--for", "1ms"]).code, 0);
    expect_found(&scene, pid);
    assert_eq!(scupper(&scene, &["keep", "--list"]).out, "");
}

#[test]
fn safety_5_a_script_that_a_scan_shows_as_kept_is_kept_by_its_unit_too() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let name = format!("canary-{}.py", std::process::id());
    let none = scupper(&scene, &["keep", "--match", &name]);
    assert_eq!(none.code, 0, "{}", none.err);
    assert!(none.err.contains("warning: no process matches"), "{}", none.err);
    fs::write(scene.path(&name), "import os, time\nopen('up', 'w').close()\ntime.sleep(1000)\n").unwrap();
    let script = format!(
        "cd {} && (setsid python3 -u {name} & echo $! >pid); while ! [ -e up ]; do sleep 0.02; done",
        scene.dir.path().display()
    );
    assert_eq!(scene.code(&["--grace", "300ms"], &["sh", "-c", &script]), 0, "{}", scene.text("stderr"));
    let pid = strays.add(scene.text("pid").trim().parse().unwrap());
    assert!(alive(pid), "{}", scene.text("stderr"));
    expect_spared(&scene, pid, &name);
    assert!(scupper(&scene, &["keep", "--match", &name]).err.contains("1 process matches"));
}

#[test]
fn root_makes_nothing_in_a_home_of_a_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let scene = Scene::new();
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
    let run = ["run", "--name", &scene.unit, "--verbose", "--", "true"];
    for (arguments, code) in [(&["keep", "--match", "x"][..], 2), (&run[..], 0)] {
        let mut command = scene.scupper(arguments);
        command.env("HOME", &home).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
        let answer = super::support::answer(&mut command);
        assert_eq!(answer.code, code, "{arguments:?}: {}", answer.err);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn r118_a_process_is_kept_by_its_environment_and_by_the_configuration() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let marked = left_behind_by(&scene, &mut strays, &["python3"], &SLEEPER, |command| {
        command.env("SCUPPER_KEEP", "1");
    });
    expect_spared(&scene, marked, "SCUPPER_KEEP=1");
    let program = scene.path("configured-canary");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let program = program.to_string_lossy().into_owned();
    let configured = left_behind(&scene, &mut strays, &[&program, "1000"]);
    expect_found(&scene, configured);
    fs::create_dir_all(scene.path("config/scupper")).unwrap();
    fs::write(scene.path("config/scupper/config.toml"), "keep = [\"configured-*\"]\n").unwrap();
    expect_spared(&scene, configured, "configured-*");
}

#[test]
fn r118_what_a_lost_unit_left_is_kept_too() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = abandoned_unit(&scene, &mut strays, &[]);
    assert_eq!(scupper(&scene, &["keep", &pid.to_string()]).code, 0);
    expect_spared(&scene, pid, "kept");
    // The unit's own clean-up at its next start leaves it alone as well.
    assert_eq!(scene.code(&[], &["true"]), 0, "{}", scene.text("stderr"));
    assert!(alive(pid), "{}", scene.text("stderr"));
}

/// Starts a helper that outlives the command, which ends when the file `go` is there. Gives the helper's pid.
fn unit_with_helper(scene: &Scene) -> (super::scene::Running, i32) {
    let script = format!(
        "cd {} && (setsid sleep 1000 & echo $! >pid.new; mv pid.new pid); while ! [ -e go ]; do sleep 0.02; done",
        scene.dir.path().display()
    );
    let running = scene.run(&["--grace", "300ms"], &["sh", "-c", &script]);
    let pid = wait_for("the helper runs", PATIENCE, || {
        scene.text("pid").trim().parse::<i32>().map_err(|_| scene.text("stderr"))
    });
    super::support::settled(pid, "sleep");
    (running, pid)
}

#[test]
fn safety_5_a_unit_that_ends_leaves_alone_what_was_kept_while_it_ran() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let (running, pid) = unit_with_helper(&scene);
    strays.add(pid);
    assert_eq!(scupper(&scene, &["keep", &pid.to_string()]).code, 0);
    fs::write(scene.path("go"), "").unwrap();
    assert_eq!(running.wait().code(), Some(0));
    assert!(alive(pid), "{}", scene.text("stderr"));
    let kept = scene.events_of("kept");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0]["because"].as_str().unwrap().contains("scupper keep"), "{kept:?}");
    kill(pid, 9);
}

#[test]
fn safety_1_a_unit_that_cannot_tell_what_is_kept_ends_nothing_and_says_so() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let (running, pid) = unit_with_helper(&scene);
    strays.add(pid);
    fs::create_dir_all(scene.path("state/scupper")).unwrap();
    fs::write(scene.path("state/scupper/keeps.json"), "{").unwrap();
    fs::write(scene.path("go"), "").unwrap();
    assert_eq!(running.wait().code(), Some(0));
    assert!(alive(pid), "{}", scene.text("stderr"));
    let kept = scene.events_of("kept");
    assert!(kept.iter().any(|event| event["because"].as_str().unwrap().contains("keeps.json")), "{kept:?}");
    // Once it can be told, and nobody keeps it, it is what the unit left.
    fs::remove_file(scene.path("state/scupper/keeps.json")).unwrap();
    let (_, left) = super::support::found(&scene, pid, &["mark"]);
    assert_eq!(left["certainty"], "certain", "{left}");
    kill(pid, 9);
}

#[test]
fn a_unit_that_may_not_enter_the_state_directory_ends_what_it_owns() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let scene = Scene::new();
    for sub in ["", "run", "state"] {
        std::os::unix::fs::chown(scene.path(sub), Some(65534), Some(65534)).unwrap();
    }
    fs::copy(super::scene::SCUPPER, scene.path("scupper")).unwrap();
    // As in a container whose HOME is that of root.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(scene.path("scupper"));
    command.args(["run", "--name", &scene.unit, "--grace", "300ms", "--"]);
    command.args(["sh", "-c", "setsid sleep 1000 & echo $! >pid; exit 3"]).current_dir(scene.dir.path());
    scene.dress(&mut command);
    command.env("HOME", "/root").env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(3));
    let pid: i32 = scene.text("pid").trim().parse().unwrap();
    assert!(!alive(pid));
}

#[test]
fn what_cannot_be_kept_is_said_on_one_line() {
    let scene = Scene::new();
    for (arguments, said) in [
        (&["keep", "2147483647"][..], "there is no process 2147483647"),
        (&["keep", "--remove", "--match", "x"], "is not kept"),
        (&["keep", "--match", "x", "--for", "0s"], "--for 0s keeps nothing"),
    ] {
        let answer = scupper(&scene, arguments);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}");
        assert!(answer.err.contains(said) && answer.err.lines().count() == 1, "{}", answer.err);
    }
    for arguments in [&["keep"][..], &["keep", "--match", ""], &["keep", "--list", "7"], &["keep", "0"]] {
        assert_eq!(scupper(&scene, arguments).code, 2, "{arguments:?}");
    }
    // To keep a thread would keep nothing.
    super::support::with_a_thread(|thread| {
        let answer = scupper(&scene, &["keep", &thread.to_string()]);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(answer.err.contains("is no process but a thread of one"), "{answer:?}");
    });
    assert!(!scene.path("state/scupper/keeps.json").exists());
}
