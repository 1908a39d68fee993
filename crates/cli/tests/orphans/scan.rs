//! R118: `scan` finds what was left behind, names the evidence, leaves alone what lives, and changes nothing.

mod users;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use super::scene::{PATIENCE, SCUPPER, Scene, alive, children, wait_for};
use super::support::{
    Answer, SLEEPER, Script, Strays, abandoned_unit, answer, entry, found, kinds, left_behind,
    left_behind_by, listed, pids_in, quiet, scan, scupper, settled, start_time, until,
};

const NOBODYS_PYTHON: [&str; 5] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"];

#[test]
fn r118_a_process_whose_parent_died_and_whose_stdin_nobody_holds_is_found() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    // In a session of its own, as whatever is started from a terminal: where the tests run in a container whose first
    // process shares their session, that one may as well have started it, and nobody can say that its parent is gone.
    let starter = ["setsid", "python3"];
    let pid = left_behind_by(&scene, &mut strays, &starter, &SLEEPER, |_| ());
    let (answer, found) = found(&scene, pid, &["stdin_gone", "reparented"]);
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert_eq!(found["certainty"], "likely", "nothing was recorded of it: {found}");
    assert_eq!((&found["root"], &found["unit"]), (&pid.into(), &serde_json::Value::Null));
    assert_eq!(found["start_time"].to_string(), start_time(pid));
    assert!(alive(pid), "a scan signals nobody");
    until(&scene, &["scan"], |text| {
        text.code == 1 && text.out.contains("Left behind: ") && text.out.contains("scupper reap")
    });
    assert!(alive(pid), "a scan signals nobody");
}

#[test]
fn r118_the_json_has_its_keys_and_every_process_its_pid() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = left_behind(&scene, &mut strays, &SLEEPER);
    let scan = found(&scene, pid, &[]).0.json();
    assert_eq!(scan["schema"], "scupper.scan/1");
    let lists =
        ["left_behind", "held_idle", "growing", "zombies", "descriptors", "not_touched", "unreadable"];
    for list in lists {
        for entry in scan[list].as_array().unwrap_or_else(|| panic!("{list} is no list")) {
            assert!(entry["pid"].as_i64().is_some_and(|pid| pid > 0), "{list}: {entry}");
        }
    }
    let keys: BTreeSet<String> =
        entry(&scan, "left_behind", pid).as_object().unwrap().keys().cloned().collect();
    for key in [
        "pid",
        "start_time",
        "boot_id",
        "name",
        "command",
        "uid",
        "rss_bytes",
        "cpu_seconds",
        "age_seconds",
        "parent",
        "class",
        "root",
        "group",
        "certainty",
        "evidence",
        "unit",
    ] {
        assert!(keys.contains(key), "{key} in {keys:?}");
    }
    let summary = &scan["summary"];
    assert!(summary["processes"].as_u64().unwrap() > 1 && summary["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(summary["left_behind"], scan["left_behind"].as_array().unwrap().len());
    assert_eq!(summary["clean"], false);
}

#[test]
fn r118_a_pipeline_that_lives_is_not_found() {
    let scene = Scene::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 1000 | sleep 1000 | sleep 1000"]).stdin(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    let pid = i32::try_from(shell.id()).unwrap();
    let all = wait_for("the pipeline runs", PATIENCE, || {
        let found = children(pid);
        if found.len() == 3 { Ok(found) } else { Err(format!("{found:?}")) }
    });
    for pid in &all {
        settled(*pid, "sleep");
    }
    let found = pids_in(&scan(&scene), "left_behind");
    let wrong: Vec<_> = all.iter().filter(|pid| found.contains(pid)).collect();
    for pid in &all {
        super::scene::kill(*pid, 9);
    }
    shell.wait().unwrap();
    assert_eq!(wrong, Vec::<&i32>::new());
}

#[test]
fn r118_what_a_unit_left_whose_guardian_and_engine_were_killed_is_certain() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = abandoned_unit(&scene, &mut strays, &[]);
    let (_, found) = found(&scene, pid, &["recorded_spawn", "mark"]);
    assert_eq!(found["certainty"], "certain", "{found}");
    assert_eq!(found["unit"], scene.unit.as_str());
    assert!(alive(pid));
}

#[test]
fn r118_records_that_cannot_be_read_are_said_and_make_nothing_certain() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = abandoned_unit(&scene, &mut strays, &[]);
    fs::write(scene.path("run/scupper/broken.json"), "{").unwrap();
    let answer = scupper(&scene, &["scan", "--json"]);
    let scan = answer.json();
    assert!(scan["trouble"].to_string().contains("broken.json"), "{}", scan["trouble"]);
    assert!(answer.err.contains("broken.json"), "{}", answer.err);
    assert_ne!(entry(&scan, "left_behind", pid)["certainty"], "certain");
    fs::remove_file(scene.path("run/scupper/broken.json")).unwrap();
    fs::create_dir_all(scene.path("state/scupper")).unwrap();
    fs::write(scene.path("state/scupper/keeps.json"), "{").unwrap();
    let answer = scupper(&scene, &["scan", "--json"]);
    assert!(answer.err.contains("keeps.json is damaged"), "{}", answer.err);
    assert_ne!(entry(&answer.json(), "left_behind", pid)["certainty"], "certain");
}

#[test]
fn r118_a_unit_that_runs_is_not_touched() {
    let scene = Scene::new();
    let running = scene.run_tree(&["--grace", "300ms"], "wait");
    let kids: BTreeSet<i32> = scene.wait_for_kids().into_values().chain(scene.marked().into_keys()).collect();
    let scan = scan(&scene);
    let left = pids_in(&scan, "left_behind");
    assert!(left.is_disjoint(&kids), "{left:?} and {kids:?}");
    assert!(!left.contains(&running.pid()) && !left.contains(&running.engine()));
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
}

#[test]
fn r118_every_piece_of_evidence_is_explained() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = left_behind(&scene, &mut strays, &SLEEPER);
    let number = pid.to_string();
    let answer = until(&scene, &["scan", "--explain", &number], |answer| answer.code == 1);
    assert!(answer.out.contains(&number) && answer.out.contains("stdin"), "{}", answer.out);
    let json = until(&scene, &["scan", "--json", "--explain", &number], |answer| {
        kinds(&answer.json()).contains("stdin_gone")
    });
    let json = json.json();
    assert_eq!((&json["schema"], &json["process"]["pid"]), (&"scupper.explain/1".into(), &pid.into()));
    let own = scupper(&scene, &["scan", "--explain", &std::process::id().to_string()]);
    assert_eq!(own.code, 0, "{}{}", own.out, own.err);
    let nobody = scupper(&scene, &["scan", "--explain", "2147483647"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (2, ""));
    assert_eq!(nobody.err.lines().count(), 1, "{}", nobody.err);
}

#[test]
fn a_zombie_is_found_with_the_parent_that_does_not_wait() {
    let scene = Scene::new();
    let script = Script::start(
        &scene,
        "import os, sys\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\nsys.stdin.read()",
    );
    let zombie: i32 = script.said.parse().unwrap();
    wait_for("it has ended", PATIENCE, || if alive(zombie) { Err(String::new()) } else { Ok(()) });
    let (_, found) = listed(&scene, "zombies", zombie);
    assert_eq!(found["waits_for"]["pid"], script.pid(), "{found}");
    until(&scene, &["scan"], |text| text.out.contains("does not wait for"));
}

#[test]
fn descriptors_near_their_limit_are_found_by_kind() {
    let scene = Scene::new();
    let script = Script::start(
        &scene,
        "import resource, socket, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n\
         held = [socket.socket() for _ in range(190)]\nprint('ready', flush=True)\nsys.stdin.read()",
    );
    let (_, found) = listed(&scene, "descriptors", script.pid());
    assert_eq!((&found["kind"], &found["limit"]), (&"near_limit".into(), &200.into()), "{found}");
    assert!(found["count"].as_u64().unwrap() >= 190 && found["kinds"]["sockets"] == 190, "{found}");
}

#[test]
fn deleted_files_that_are_still_open_are_found() {
    let scene = Scene::new();
    // On the disk of the sources: the temporary directory may be in memory.
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-deleted", scene.unit));
    let program = format!(
        "import os, sys\nheld = open({file:?}, 'wb')\n\
         for _ in range(300): held.write(b'x' * (1 << 20))\n\
         held.flush()\nos.remove({file:?})\nprint('ready', flush=True)\nsys.stdin.read()"
    );
    let script = Script::start(&scene, &program);
    let (_, found) = listed(&scene, "descriptors", script.pid());
    assert_eq!((&found["kind"], &found["count"]), (&"deleted_open".into(), &1.into()), "{found}");
    assert!(found["deleted_bytes"].as_u64().unwrap() >= 300 << 20, "{found}");
    assert_eq!(found["largest_deleted"], file.to_string_lossy().as_ref());
}

#[test]
fn connections_that_nobody_closes_are_found() {
    let scene = Scene::new();
    let script = Script::start(
        &scene,
        "import socket, sys\nlistener = socket.create_server(('127.0.0.1', 0), backlog=200)\n\
         held = []\n\
         for _ in range(150):\n    client = socket.create_connection(listener.getsockname())\n    \
         held.append(listener.accept()[0])\n    client.close()\n\
         print('ready', flush=True)\nsys.stdin.read()",
    );
    let found = wait_for("all of them wait to be closed", PATIENCE, || {
        let found = entry(&scan(&scene), "descriptors", script.pid());
        if found["count"] == 150 { Ok(found) } else { Err(found.to_string()) }
    });
    assert_eq!(found["kind"], "close_wait");
}

#[test]
fn waits_who_grows_is_seen_while_it_is_watched() {
    let scene = Scene::new();
    let script = Script::start(
        &scene,
        "import sys, time\nheld = []\nprint('ready', flush=True)\n\
         while True:\n    held.append(bytearray(1 << 20))\n    time.sleep(0.05)",
    );
    let answer = scupper(&scene, &["scan", "--watch", "31s", "--json"]);
    assert_eq!(answer.code, 1);
    let scan = answer.json();
    let found = entry(&scan, "growing", script.pid());
    assert!(found["verdict"] == "leaking" || found["verdict"] == "growing", "{found}");
    assert_eq!(found["series"], "rss_bytes");
    assert!(found["last"].as_u64().unwrap() > found["first"].as_u64().unwrap() + (20 << 20), "{found}");
    assert!(found["slope_per_hour"].as_f64().unwrap() > 1e9 && found["confidence"].as_f64().is_some());
    assert!(!found["reasons"].as_array().unwrap().is_empty());
    assert!(scan["summary"]["watch"]["seconds"].as_f64().unwrap() >= 31.0);
}

#[test]
fn a_watch_that_is_interrupted_says_what_it_has_seen() {
    let scene = Scene::new();
    let mut watch = quiet(scene.scupper(&["scan", "--watch", "1h", "--json"]), &scene);
    let child = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let caught = 1_u64 << (2 - 1);
    wait_for("it has taken over ^C", PATIENCE, || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        if u64::from_str_radix(mask, 16).unwrap() & caught == 0 { Err(status) } else { Ok(()) }
    });
    super::scene::kill(pid, 2);
    let out = child.wait_with_output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(json["summary"]["watch"]["seconds"].as_f64().unwrap() < 3000.0, "{json}");
    assert!(matches!(out.status.code(), Some(0 | 1)));
}

#[test]
fn exit_codes_and_a_clean_machine_on_one_line() {
    let scene = Scene::new();
    // Nobody has this number.
    let clean = scupper(&scene, &["scan", "--user", "4123456789"]);
    assert_eq!((clean.code, clean.out.lines().count()), (0, 1), "{}", clean.out);
    assert!(clean.out.starts_with("clean: "), "{}", clean.out);
    for arguments in
        [&["scan", "--min-age", "30"][..], &["scan", "--user", "no-such-user"], &["scan", "--watch", "1s"]]
    {
        let answer = scupper(&scene, arguments);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}: {}", answer.err);
    }
    fs::create_dir_all(scene.path("config/scupper")).unwrap();
    fs::write(scene.path("config/scupper/config.toml"), "kep = []\n").unwrap();
    let answer = scupper(&scene, &["scan"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    assert!(
        answer.err.contains("config.toml:1:1") && answer.err.contains("did you mean `keep`?"),
        "{}",
        answer.err
    );
}

#[test]
fn r118_young_processes_can_be_left_out() {
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let pid = left_behind(&scene, &mut strays, &SLEEPER);
    let of = |arguments: &[&str]| pids_in(&scupper(&scene, arguments).json(), "left_behind");
    found(&scene, pid, &[]);
    assert!(!of(&["scan", "--json", "--min-age", "1h"]).contains(&pid));
}

#[test]
fn r118_a_scan_writes_nothing() {
    let scene = Scene::new();
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    for arguments in [&["scan"][..], &["scan", "--json"], &["scan", "--explain", "1"], &["keep", "--list"]] {
        let mut command = scene.scupper(arguments);
        command.env("HOME", &home).env("TMPDIR", &home).env("XDG_RUNTIME_DIR", home.join("run"));
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME").current_dir(&home);
        let answer = answer(&mut command);
        assert!(answer.code < 2, "{arguments:?}: {}", answer.err);
        let made: Vec<_> = fs::read_dir(&home).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(made.is_empty(), "{arguments:?} made {made:?}");
    }
}

#[test]
fn r118_a_scan_leaves_existing_evidence_as_it_is() {
    let scene = Scene::new();
    assert_eq!(scene.code(&["--grace", "300ms"], &["true"]), 0);
    let state = scene.path("state/scupper");
    let listing = || {
        let mut all: Vec<_> = fs::read_dir(&state)
            .unwrap()
            .flatten()
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        all.sort();
        all
    };
    let before = listing();
    assert!(before.iter().any(|(name, _)| name == "evidence.sqlite"), "{before:?}");
    scan(&scene);
    assert_eq!(listing(), before);
}

#[test]
fn r120_secrets_on_a_command_line_are_not_shown() {
    const SECRET: &str = "Kq8canary3RwT6vLm1";
    let (scene, mut strays) = (Scene::new(), Strays::default());
    let mut command = SLEEPER.to_vec();
    let url = format!("postgres://app:{SECRET}@db/x");
    let assigned = format!("PASSWORD={SECRET}");
    command.extend(["--api-key", SECRET, &url, &assigned]);
    let pid = left_behind(&scene, &mut strays, &command);
    let number = pid.to_string();
    let keep = ["keep", &number];
    for arguments in [
        &["scan"][..],
        &["scan", "--json"],
        &["scan", "--explain", &number],
        &["scan", "--json", "--explain", &number],
        &keep,
        &["keep", "--list"],
        &["scan", "--json"],
    ] {
        // Of what is found, that something was left out is shown.
        let is_json = arguments == ["scan", "--json"];
        let answer = until(&scene, arguments, |answer| !is_json || answer.out.contains("[redacted]"));
        assert!(
            !answer.out.contains(SECRET) && !answer.err.contains(SECRET),
            "{arguments:?}: {}",
            answer.out
        );
    }
}
