//! R119: nothing is left behind, however it ends. Rows: normal exit, failure, a crash and kill -9 of the child; TERM,
//! INT and HUP to scupper; kill -9 of the guardian, of the engine, of whoever started scupper. Columns, all in each
//! test: children in the same group, in their own session, double-forked, double-forked with a cleared environment,
//! and deaf to TERM.

use std::process::Command;
use std::time::{Duration, Instant};

use super::scene::{PATIENCE, SCUPPER, Scene, alive, kill, wait_for};

fn nobody_left(scene: &Scene) {
    scene.expect_nothing_left();
    let kids = scene.wait_for_kids();
    wait_for("no child is left", PATIENCE, || {
        let left: Vec<_> = kids.iter().filter(|(_, pid)| alive(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}\n{}", scene.text("stderr"))) }
    });
    // Neither a record nor a socket nor a cgroup is left.
    wait_for("the records are gone", PATIENCE, || {
        let left: Vec<_> = std::fs::read_dir(scene.path("run/scupper"))
            .map(|dir| dir.flatten().map(|e| e.file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        let left: Vec<String> = left.into_iter().filter(|name: &String| !name.ends_with(".lock")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    wait_for("the cgroups are gone", PATIENCE, || {
        let cgroups = std::fs::read_dir("/sys/fs/cgroup/unified").into_iter().flatten().flatten();
        let left: Vec<_> =
            cgroups.map(|e| e.file_name()).filter(|n| n.to_string_lossy().contains(&scene.unit)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

const FLAGS: [&str; 2] = ["--grace", "300ms"];

#[test]
fn r119_after_a_normal_exit() {
    let scene = Scene::new();
    assert_eq!(scene.run_tree(&FLAGS, "exit 0").wait().code(), Some(0));
    nobody_left(&scene);
}

#[test]
fn r119_after_a_failure() {
    let scene = Scene::new();
    assert_eq!(scene.run_tree(&FLAGS, "exit 3").wait().code(), Some(3));
    nobody_left(&scene);
}

#[test]
fn r119_after_a_crash_of_the_child() {
    let scene = Scene::new();
    assert_eq!(scene.run_tree(&FLAGS, "kill 11").wait().code(), Some(139));
    nobody_left(&scene);
}

#[test]
fn r119_after_kill_9_of_the_child() {
    let scene = Scene::new();
    assert_eq!(scene.run_tree(&FLAGS, "kill 9").wait().code(), Some(137));
    nobody_left(&scene);
}

#[test]
fn r119_after_term_int_and_hup() {
    for (signal, code) in [(15, 143), (2, 130), (1, 129)] {
        let scene = Scene::new();
        let running = scene.run_tree(&FLAGS, "wait");
        running.signal(signal);
        let got = running.wait().code();
        // Python turns INT into an exception: it exits with 130 by the signal itself, or 1.
        assert!(got == Some(code) || (signal == 2 && got == Some(1)), "signal {signal} gave {got:?}");
        nobody_left(&scene);
    }
}

#[test]
fn r119_a_deaf_command_is_killed_after_the_grace() {
    let scene = Scene::new();
    let running = scene.run_tree(&FLAGS, "deaf");
    let start = Instant::now();
    running.signal(15);
    assert_eq!(running.wait().code(), Some(137));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300), "killed before the grace was over: {took:?}");
    assert_eq!(scene.certificate()["reason"], "grace_expired");
    nobody_left(&scene);
}

#[test]
fn r119_after_kill_9_of_the_guardian() {
    for then in ["wait", "deaf"] {
        let scene = Scene::new();
        let running = scene.run_tree(&FLAGS, then);
        running.signal(9);
        running.wait();
        nobody_left(&scene);
    }
}

#[test]
fn r119_after_kill_9_of_the_engine() {
    for then in ["wait", "deaf"] {
        let scene = Scene::new();
        let running = scene.run_tree(&FLAGS, then);
        kill(running.engine(), 9);
        assert_eq!(running.wait().code(), Some(137));
        nobody_left(&scene);
        let text = scene.text("stderr");
        assert!(text.contains("supervisor_lost"), "{text}");
    }
}

/// The same without a cgroup: ancestry alone has to find the double-forked child without a mark.
#[test]
fn r119_without_a_cgroup() {
    for victim in ["guardian", "engine", "nobody"] {
        let scene = Scene::new();
        let running = scene.run_tree(&["--grace", "300ms", "--cgroup", "off"], "wait");
        match victim {
            "guardian" => running.signal(9),
            "engine" => kill(running.engine(), 9),
            _ => running.signal(15),
        }
        running.wait();
        nobody_left(&scene);
    }
}

/// A parent of `sh` that starts scupper as its child, and is killed with -9.
#[test]
fn r119_after_the_end_of_whoever_started_scupper() {
    let scene = Scene::new();
    let workload = scene.tree("wait");
    let line: Vec<String> = workload.iter().map(|word| format!("'{word}'")).collect();
    let script = format!("'{SCUPPER}' run --name {} --grace 300ms -- {} & wait", scene.unit, line.join(" "));
    let mut parent = Command::new("sh");
    parent.args(["-c", &script]);
    scene.dress(&mut parent);
    let mut parent = parent.spawn().unwrap();
    scene.wait_for_kids();
    parent.kill().unwrap();
    parent.wait().unwrap();
    nobody_left(&scene);
}

/// Detached on purpose, it stays.
#[test]
fn a_parent_may_leave_scupper_behind_on_purpose() {
    let scene = Scene::new();
    let script = format!(
        "nohup '{SCUPPER}' run --name {} --grace 300ms -- sleep 1000 >/dev/null 2>&1 & wait",
        scene.unit
    );
    let mut parent = Command::new("sh");
    parent.args(["-c", &script]);
    scene.dress(&mut parent);
    let mut parent = parent.spawn().unwrap();
    wait_for("the command runs", PATIENCE, || {
        scene
            .marked()
            .values()
            .any(|name| name == "sleep")
            .then_some(())
            .ok_or_else(|| format!("{:?}", scene.marked()))
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Long enough for an end that would come: the engine sees its parent's end at once.
    std::thread::sleep(Duration::from_millis(700));
    assert!(scene.marked().values().any(|name| name == "sleep"));
    assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
    scene.expect_nothing_left();
}

/// Killed both at once, the command gets TERM from the kernel; the rest is found by the next start of the unit, or by a
/// person: `scupper ps` shows the unit, `scupper stop` ends what is left of it.
#[test]
fn killed_both_at_once_the_rest_is_found() {
    for by_a_person in [false, true] {
        let scene = Scene::new();
        let running = scene.run_tree(&FLAGS, "wait");
        let engine = running.engine();
        running.signal(19);
        kill(engine, 9);
        running.signal(9);
        running.wait();
        if by_a_person {
            let shown = scene.scupper(&["ps"]).output().unwrap();
            assert_eq!(shown.status.code(), Some(1), "{}", String::from_utf8_lossy(&shown.stdout));
            assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
        } else {
            assert_eq!(scene.code(&["--grace", "300ms"], &["true"]), 0);
            assert!(!scene.events_of("earlier_run_found").is_empty(), "{}", scene.text("stderr"));
        }
        // The one thing that cannot be covered: a daemon with a cleared environment, where there is no cgroup.
        if !std::path::Path::new("/sys/fs/cgroup/unified").exists() {
            scene.wait_for_kids().get("unmarked").into_iter().for_each(|pid| kill(*pid, 9));
        }
        nobody_left(&scene);
    }
}

/// `helper & exec scupper run ...`: what the shell had started before it became scupper is a stranger to it.
#[test]
fn safety_3_what_was_there_before_scupper_is_left_alone() {
    let scene = Scene::new();
    let workload = scene.tree("wait");
    let line: Vec<String> = workload.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "sleep 1000 & echo $! > '{}'; exec '{SCUPPER}' run --name {} --grace 300ms -- {}",
        scene.path("stranger").display(),
        scene.unit,
        line.join(" ")
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    scene.dress(&mut shell);
    let running = super::scene::Running { child: shell.spawn().unwrap() };
    scene.wait_for_kids();
    let stranger: i32 = scene.text("stranger").trim().parse().unwrap();
    let engine = super::scene::children(running.pid()).into_iter().find(|pid| *pid != stranger).unwrap();
    kill(engine, 9);
    running.wait();
    nobody_left(&scene);
    assert!(alive(stranger), "a process that scupper never started was ended");
    kill(stranger, 9);
}

/// A chain of processes that fork faster than they are looked at, each deaf and in a session of its own.
#[test]
fn r119_a_chain_that_forks_faster_than_it_is_looked_at() {
    let chain = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/chain.py");
    for cgroup in ["off", "auto"] {
        let scene = Scene::new();
        let beats = scene.path("beats");
        let line = format!(
            "python3 -S '{}' '{1}' & while [ ! -s '{1}' ]; do sleep 0.05; done; exit 6",
            chain.display(),
            beats.display()
        );
        assert_eq!(scene.code(&["--grace", "300ms", "--cgroup", cgroup], &["sh", "-c", &line]), 6);
        let size = || std::fs::metadata(&beats).map_or(0, |m| m.len());
        let before = size();
        assert!(before > 0, "the chain never ran");
        scene.expect_nothing_left();
        assert_eq!(size(), before, "the chain lives on (cgroup {cgroup})");
    }
}

/// A log that is a FIFO nobody writes to must not hold the engine.
#[test]
fn safety_12_a_log_that_is_a_fifo_holds_nobody() {
    let scene = Scene::new();
    let fifo = scene.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_eq!(scene.code(&["--log", &fifo.to_string_lossy()], &["sh", "-c", "exit 3"]), 3);
}

/// A name so long that the kernel takes no socket of that path still gives a unit that can be talked to.
#[test]
fn a_long_name_can_be_talked_to() {
    let mut scene = Scene::new();
    scene.unit = format!("{}-{}", scene.unit, "n".repeat(100));
    let running = scene.run(&[], &["sleep", "1000"]);
    wait_for("the unit answers", PATIENCE, || {
        let status = scene.status();
        if status["units"][0]["supervisor"] == "answers" { Ok(()) } else { Err(status.to_string()) }
    });
    assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
    running.wait();
    scene.expect_nothing_left();
}
