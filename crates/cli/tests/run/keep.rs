//! R118, R119, Safety 5: what is left alone at the end of a unit, by profile and by mark, and that it is told.

use std::process::{Command, Stdio};

use super::scene::{PATIENCE, Scene, alive, kill, wait_for};

fn there(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

/// Runs `script`, which writes a pid to the file `pid`, and gives that pid and the exit code.
fn leaves(scene: &Scene, flags: &[&str], script: &str) -> (i32, i32) {
    let script = format!("cd {} || exit 99; {script}", scene.dir.path().display());
    let code = scene.code(&[&["--grace", "1s"], flags].concat(), &["sh", "-c", &script]);
    let pid = scene.text("pid").trim().parse();
    (pid.unwrap_or_else(|_| panic!("no pid: {}", scene.text("stderr"))), code)
}

fn expect_kept(scene: &Scene, pid: i32, because: &str) {
    assert!(alive(pid), "{}", scene.text("stderr"));
    let kept = scene.events_of("kept");
    let told = kept.iter().find(|event| event["target"]["pid"] == pid);
    assert!(told.is_some_and(|event| event["because"].as_str().unwrap().contains(because)), "{kept:?}");
    assert_eq!(scene.events_of("unit_stopped").pop().unwrap()["kept"], kept.len());
    let signalled = scene.events_of("signal_sent");
    assert!(signalled.iter().all(|event| event["target"]["pid"] != pid), "{signalled:?}");
}

fn end(scene: &Scene, pid: i32) {
    for event in scene.events_of("kept") {
        kill(event["target"]["pid"].as_i64().unwrap().try_into().unwrap(), 9);
    }
    kill(pid, 9);
    wait_for("it is gone", PATIENCE, || if alive(pid) { Err(String::new()) } else { Ok(()) });
}

const TMUX: &str = "TMUX_TMPDIR=. tmux -L t new-session -d 'sleep 1000' && \
                    TMUX_TMPDIR=. tmux -L t display-message -p '#{pid}' >pid; exit 4";

const REDIS: &str = "redis-server --daemonize yes --port 0 --unixsocket r.sock --pidfile \"$PWD/pid.new\" --save '' \
                     --dir . >/dev/null; while ! [ -s pid.new ]; do sleep 0.01; done; cp pid.new pid; exit 4";

#[test]
fn r119_agent_keeps_a_multiplexer_and_lists_it() {
    if there("tmux") {
        let scene = Scene::new();
        let (pid, code) = leaves(&scene, &["--profile", "agent"], TMUX);
        assert_eq!(code, 4);
        expect_kept(&scene, pid, "multiplexer");
        end(&scene, pid);
        scene.expect_nothing_left();
    }
}

#[test]
fn r119_agent_keeps_a_daemon_by_choice_and_lists_it() {
    if there("redis-server") {
        let scene = Scene::new();
        let (pid, code) = leaves(&scene, &["--profile", "agent"], REDIS);
        assert_eq!(code, 4);
        expect_kept(&scene, pid, "daemon by choice");
        end(&scene, pid);
    }
}

#[test]
fn r119_agent_ends_what_is_no_choice() {
    let scene = Scene::new();
    let running = scene.run_tree(&["--profile", "agent", "--grace", "300ms"], "exit 3");
    assert_eq!(running.wait().code(), Some(3));
    scene.expect_nothing_left();
    assert!(scene.events_of("kept").is_empty());
    for (kind, pid) in scene.kids() {
        assert!(!alive(pid), "{kind}");
    }
}

#[test]
fn r119_other_profiles_end_multiplexers_and_daemons() {
    for (program, script) in [("tmux", TMUX), ("redis-server", REDIS)] {
        for profile in ["web", "worker", "job", "mcp"] {
            if there(program) {
                let scene = Scene::new();
                let (pid, code) = leaves(&scene, &["--profile", profile], script);
                assert_eq!(code, 4);
                assert!(!alive(pid), "{program} under {profile}: {}", scene.text("stderr"));
                assert!(scene.events_of("kept").is_empty());
                scene.expect_nothing_left();
            }
        }
    }
}

#[test]
fn safety_5_a_keep_mark_set_inside_keeps_in_every_profile() {
    for profile in ["web", "worker", "job", "mcp", "agent"] {
        let scene = Scene::new();
        let script = "SCUPPER_KEEP=1 setsid sleep 1000 & echo $! >pid; while ! grep -q sleep /proc/$!/comm; do :; done; \
                      sleep 1000 & exit 4";
        let (pid, code) = leaves(&scene, &["--profile", profile], script);
        assert_eq!(code, 4);
        expect_kept(&scene, pid, "SCUPPER_KEEP=1");
        end(&scene, pid);
        scene.expect_nothing_left();
    }
}

#[test]
fn safety_5_what_keep_names_is_kept() {
    let scene = Scene::new();
    let script = "setsid tail -f /dev/null & echo $! >pid; while ! grep -q tail /proc/$!/comm; do :; done; \
                  sleep 1000 & exit 4";
    let (pid, code) = leaves(&scene, &["--keep", "ta?l"], script);
    assert_eq!(code, 4);
    expect_kept(&scene, pid, "ta?l");
    end(&scene, pid);
    scene.expect_nothing_left();
}

/// Kept also where the engine is lost and its guardian ends the tree.
#[test]
fn safety_5_a_lost_engine_changes_nothing_about_what_is_kept() {
    let scene = Scene::new();
    let script = "SCUPPER_KEEP=1 setsid sleep 1000 & kept=$!; while ! grep -q sleep /proc/$kept/comm; do :; done; \
                  sleep 1000 & echo $kept >pid; wait";
    let script = format!("cd {} || exit 99; {script}", scene.dir.path().display());
    let running = scene.run(&["--grace", "300ms"], &["sh", "-c", &script]);
    let pid: i32 = wait_for("the workload is ready", PATIENCE, || {
        scene.text("pid").trim().parse().map_err(|_| scene.text("stderr"))
    });
    kill(running.engine(), 9);
    assert_eq!(running.wait().code(), Some(137));
    assert!(alive(pid));
    assert_eq!(scene.events_of("kept").len(), 1, "{}", scene.text("stderr"));
    end(&scene, pid);
    scene.expect_nothing_left();
}
