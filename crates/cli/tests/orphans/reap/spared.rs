//! Safety 1 and 5: whom `scupper reap` leaves alone, whoever asks.

use super::*;

/// Safety 5: a process that is not judged left behind is refused, whoever names it.
#[test]
fn r118_safety_5_a_live_process_is_refused_and_so_are_self_and_ancestors() {
    let Some(machine) = Machine::start() else { return };
    let live = machine.start_command(&[
        "python3",
        "-S",
        "-c",
        "import subprocess; subprocess.run(['sleep', '1000'])",
    ]);
    let child = wait_for("it has a child", PATIENCE, || {
        let below = machine
            .living()
            .into_iter()
            .find(|pid| machine.stat(*pid).is_some_and(|stat| stat[1] == live.to_string()));
        below.ok_or_else(String::new)
    });
    for pid in [child, 1] {
        let said = machine.scupper(&["reap", &pid.to_string(), "--yes"]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(&pid.to_string()), "{said:?}");
    }
    // The shell that runs it is an ancestor of it.
    let shell = "scupper() { \"$SCUPPER\" \"$@\"; }; scupper reap $$ --yes; echo code=$?";
    let answer = machine.run(&["env", &format!("SCUPPER={SCUPPER}"), "sh", "-c", shell]);
    assert!(answer.out.contains("code=2"), "{answer:?}");
    let said = machine.scupper(&["reap", "999999", "--yes"]);
    assert_eq!(said.code, 2, "{said:?}");
    let said = machine.scupper(&["reap", "no-such-group", "--yes"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(machine.alive(live) && machine.alive(child));
}

/// Safety 1: where what is kept cannot be read, nothing is certain and nobody is ended.
#[test]
fn r118_safety_1_an_unreadable_answer_means_keep() {
    let Some(machine) = Machine::start() else { return };
    let kids = abandoned(&machine, "web");
    fs::create_dir_all(machine.scene.path("state/scupper")).unwrap();
    fs::write(machine.scene.path("state/scupper/keeps.json"), "{ damaged").unwrap();
    let living = sorted(kids.values().copied().filter(|pid| machine.alive(*pid)));
    // Nor does the dry run say that it would be.
    let planned = machine.scupper(&["reap"]);
    assert!(planned.out.contains("--yes would end nobody: what is kept cannot be read"), "{planned:?}");
    assert!(
        !planned.out.contains("would end:") && planned.err.contains("keeps.json is damaged"),
        "{planned:?}"
    );
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms"]);
    assert!(said.out.contains("left: ") && said.out.contains("keeps.json is damaged"), "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(sorted(kids.values().copied().filter(|pid| machine.alive(*pid))), living, "{said:?}");
    assert!(machine.events("reap").iter().all(|event| event["event"] != "signal_sent"));
}

/// Safety 6: who is ended is listed first. Where nobody reads the list nobody is ended, and that is no success.
#[test]
fn r118_safety_6_nobody_is_ended_who_could_not_be_listed() {
    const UNREAD: &str = "
import os, subprocess, sys
reading, writing = os.pipe()
os.close(reading)
sys.exit(subprocess.run(sys.argv[1:], stdout=writing).returncode)
";
    let Some(machine) = Machine::start() else { return };
    let likely = orphan(&machine);
    let pid = likely.to_string();
    let said = machine.run(&["python3", "-S", "-c", UNREAD, SCUPPER, "reap", "--yes", &pid]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("nothing was ended") && machine.alive(likely), "{said:?}");
    let said = machine.run(&["python3", "-S", "-c", UNREAD, SCUPPER, "reap", &pid]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "a dry run has done its work: {said:?}");
}

/// Policy, and no orphan: what a living parent holds and does not use is ended by its pid alone.
#[test]
fn what_is_held_idle_is_ended_only_by_its_pid() {
    const HOLDS: &str = "
import subprocess, sys, time
child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
open(sys.argv[1], 'w').write(str(child.pid))
time.sleep(1000)
";
    let Some(machine) = Machine::start() else { return };
    let file = machine.scene.path("held").to_string_lossy().into_owned();
    let holder = machine.start_command(&["python3", "-S", "-c", HOLDS, &file]);
    let held: i32 = wait_for("it holds a server", PATIENCE, || {
        machine.scene.text("held").parse().map_err(|_| machine.scene.text("others"))
    });
    wait_for("it counts as idle", PATIENCE, || {
        let scan = machine.scupper(&["scan", "--idle", "1s", "--json"]).json();
        if pids(&scan["held_idle"]) == [held] { Ok(()) } else { Err(scan["held_idle"].to_string()) }
    });
    let said = machine.scupper(&["reap", "--idle", "1s", "--yes"]);
    assert_eq!((said.code, machine.alive(held)), (0, true), "{said:?}");
    let said = machine.scupper(&["reap", &held.to_string(), "--idle", "1s", "--yes"]);
    assert_eq!((said.code, machine.alive(held), machine.alive(holder)), (0, false, true), "{said:?}");
    let events = machine.events("reap");
    let sent: Vec<&Value> = events.iter().filter(|event| event["event"] == "signal_sent").collect();
    assert_eq!((sent.len(), &sent[0]["reason"]), (1, &"held_idle".into()), "{events:?}");
}

/// Safety 5: whoever may not judge a process may not end it, and is told so.
#[test]
fn r118_safety_5_another_users_process_is_refused() {
    let Some(machine) = Machine::start() else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root, who alone can become another user");
        return;
    }
    let likely = orphan(&machine);
    std::os::unix::fs::chown(machine.scene.dir.path(), Some(65534), Some(65534)).unwrap();
    let scupper = machine.scene.path("scupper").to_string_lossy().into_owned();
    fs::copy(SCUPPER, &scupper).unwrap();
    let home = machine.scene.dir.path().to_string_lossy().into_owned();
    let mut argv = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"];
    let (runtime, state) =
        (format!("XDG_RUNTIME_DIR={home}/theirs"), format!("XDG_STATE_HOME={home}/theirs"));
    fs::create_dir(machine.scene.path("theirs")).unwrap();
    std::os::unix::fs::chown(machine.scene.path("theirs"), Some(65534), Some(65534)).unwrap();
    let pid = likely.to_string();
    argv.extend([runtime.as_str(), state.as_str(), scupper.as_str(), "reap", &pid, "--yes"]);
    let said = machine.run(&argv);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("only that user or root can judge and end it"), "{said:?}");
    assert!(machine.alive(likely));
}

/// Safety 5: a terminal multiplexer's server is a daemon by choice, and what runs in it is somebody's session.
#[test]
fn r118_safety_5_a_tmux_server_and_what_runs_in_it_are_left_alone() {
    let Some(machine) = Machine::start() else { return };
    let socket = machine.scene.path("tmux").to_string_lossy().into_owned();
    let script = format!("tmux -S {socket} -f /dev/null new-session -d 'sleep 1234'; exec sleep 1000");
    machine.start_command(&[
        SCUPPER,
        "run",
        "--name",
        "agent",
        "--profile",
        "agent",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    record(&machine, "agent");
    let inside = wait_for("its session is there", PATIENCE, || {
        let is_it = |pid: &i32| machine.read(*pid, "cmdline").is_some_and(|line| line == b"sleep\x001234\0");
        machine.living().into_iter().find(is_it).ok_or_else(|| machine.scene.text("others"))
    });
    // tmux starts it through a shell, which becomes it.
    let server: i32 = machine.stat(inside).unwrap()[1].parse().unwrap();
    kill_scupper(&machine, "agent");
    let said = machine.scupper(&["reap", "--yes", "--grace", "500ms"]);
    assert!(machine.alive(server) && machine.alive(inside), "{said:?}");
    for pid in [server, inside] {
        let named = machine.scupper(&["reap", &pid.to_string(), "--yes"]);
        assert_eq!((named.code, machine.alive(pid)), (2, true), "{named:?}");
    }
}
