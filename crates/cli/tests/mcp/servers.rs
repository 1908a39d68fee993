//! R118, R119: servers that do not want to end, clients that are hard to see, and clients that are not gone.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::scene::{PATIENCE, Running, SCUPPER, Scene, alive, kill, wait_for};

/// `scupper mcp --name UNIT FLAGS -- COMMAND`, its stderr in the scene's file.
fn mcp(scene: &Scene, flags: &[&str], command: &[&str]) -> Command {
    let mut scupper = scene.scupper(&["mcp", "--name", &scene.unit, "--log-format", "json", "-v"]);
    scupper.args(flags).arg("--").args(command);
    scupper.stderr(File::options().create(true).append(true).open(scene.path("stderr")).unwrap());
    scupper
}

/// Long enough for an end that would come: each of these ends is seen at once.
fn lives_on(scene: &Scene, name: &str) {
    std::thread::sleep(Duration::from_millis(700));
    assert!(scene.marked().values().any(|found| found == name), "{}", scene.text("stderr"));
}

fn runs(scene: &Scene, name: &str) {
    wait_for("the server runs", PATIENCE, || {
        let marked = scene.marked();
        if marked.values().any(|found| found == name) { Ok(()) } else { Err(format!("{marked:?}")) }
    });
}

/// A server deaf to TERM and to the end of its stdin, with children in its group, in sessions of their own, forked
/// twice, without environment, deaf.
#[test]
fn r119_a_deaf_server_with_children_of_every_kind() {
    for cgroup in ["auto", "off"] {
        let scene = Scene::new();
        let tree = scene.tree("deaf");
        let command: Vec<&str> = tree.iter().map(String::as_str).collect();
        let mut scupper = mcp(&scene, &["--grace", "400ms", "--cgroup", cgroup], &command);
        let mut running = Running { child: scupper.stdin(Stdio::piped()).spawn().unwrap() };
        let kids = scene.wait_for_kids();
        let start = Instant::now();
        drop(running.child.stdin.take());
        assert_eq!(running.wait().code(), Some(137), "its own exit code: killed");
        assert!(start.elapsed() >= Duration::from_millis(400), "killed before its grace was over");
        scene.expect_nothing_left();
        for (kind, pid) in kids {
            assert!(!alive(pid), "{kind} is left");
        }
        // First the end of stdin alone, then TERM, then KILL.
        let sent = scene.events_of("signal_sent");
        assert_eq!((&sent[0]["signal"], &sent[0]["reason"]), (&15.into(), &"client_gone".into()));
    }
}

#[test]
fn a_server_that_ends_by_itself_is_never_signalled() {
    let scene = Scene::new();
    let mut scupper = mcp(&scene, &[], &["sh", "-c", "cat >/dev/null; sleep 0.3; exit 9"]);
    let mut running = Running { child: scupper.stdin(Stdio::piped()).spawn().unwrap() };
    runs(&scene, "cat");
    drop(running.child.stdin.take());
    assert_eq!(running.wait().code(), Some(9));
    assert_eq!(scene.events_of("signal_sent").len(), 0, "{}", scene.text("stderr"));
    let stopped = scene.events_of("unit_stopped");
    assert_eq!(stopped[0]["reason"], "client gone");
}

/// Nothing to hang up: `</dev/null`, a file, a FIFO to which nobody has written yet.
#[test]
fn a_stdin_without_an_other_end_ends_nothing() {
    let scene = Scene::new();
    let fifo = scene.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = File::options().read(true).write(true).open(&fifo).unwrap();
    let cases: [Stdio; 3] =
        [Stdio::null(), File::open("/etc/passwd").unwrap().into(), OwnedFd::from(fifo).into()];
    for stdin in cases {
        let running = Running { child: mcp(&scene, &[], &["sleep", "1000"]).stdin(stdin).spawn().unwrap() };
        runs(&scene, "sleep");
        lives_on(&scene, "sleep");
        running.signal(15);
        running.wait();
    }
    assert_eq!(scene.events_of("client_gone").len(), 0);
    scene.expect_nothing_left();
}

/// Other profiles are told by their parent's end alone, and hold nothing of stdin.
#[test]
fn the_end_of_stdin_means_nothing_to_other_profiles() {
    let scene = Scene::new();
    let mut running = Running {
        child: scene
            .scupper(&["run", "--name", &scene.unit, "--", "sleep", "1000"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap(),
    };
    runs(&scene, "sleep");
    drop(running.child.stdin.take());
    lives_on(&scene, "sleep");
    running.signal(15);
    running.wait();
    scene.expect_nothing_left();
}

/// A client whose end of the pipe somebody else has inherited is gone when it ends, though the pipe stays open.
#[test]
fn r119_a_client_whose_end_of_stdin_was_inherited_by_another() {
    let scene = Scene::new();
    let pids = scene.path("pids");
    // The client makes the pipe, keeps its end, and starts a second program that inherits it.
    let client = format!(
        "import os, subprocess, sys, time\n\
         r, w = os.pipe()\n\
         os.set_inheritable(w, True)\n\
         other = subprocess.Popen(['sleep', '1000'], close_fds=False)\n\
         os.set_inheritable(w, False)\n\
         subprocess.Popen(['sh', '-c', \"'{SCUPPER}' mcp --name {} -v --log-format json -- sleep 1000; exit $?\"], stdin=r)\n\
         os.close(r)\n\
         open('{}', 'w').write(str(other.pid))\n\
         time.sleep(1000)",
        scene.unit,
        pids.display()
    );
    let mut python = Command::new("python3");
    python.args(["-c", &client]).stderr(File::create(scene.path("stderr")).unwrap());
    scene.dress(&mut python);
    let mut client = python.spawn().unwrap();
    runs(&scene, "sleep");
    answers(&scene);
    let other: i32 = scene.text("pids").parse().unwrap();
    lives_on(&scene, "sleep");
    client.kill().unwrap();
    client.wait().unwrap();
    scene.expect_nothing_left();
    assert!(alive(other), "a process that is not ours was ended");
    kill(other, 9);
    assert_eq!(scene.events_of("client_gone")[0]["how"], "exited", "{}", scene.text("stderr"));
}

/// A leader of a session that starts a shell, which runs `line`. The leader is what is returned.
fn in_a_session(scene: &Scene, line: &str) -> Child {
    let mut leader = Command::new("setsid");
    leader.args(["sh", "-c", "sh -c \"$0\" & wait; exit 0", line]);
    leader.stderr(File::options().create(true).append(true).open(scene.path("stderr")).unwrap());
    scene.dress(&mut leader);
    let leader = leader.spawn().unwrap();
    runs(scene, "sleep");
    answers(scene);
    leader
}

/// A shell's line that starts scupper in the background and stays.
fn line(scene: &Scene, before: &str, stdin: &str) -> String {
    let mcp = format!("'{SCUPPER}' mcp --name {} -v --log-format json -- sleep 1000", scene.unit);
    format!("{before} {mcp} {stdin} & exec 8<&-; wait; exit 0")
}

/// Waits until scupper has nothing more to set up.
fn answers(scene: &Scene) {
    wait_for("the unit can be talked to", PATIENCE, || {
        let status = scene.status();
        if status["units"][0]["supervisor"] == "answers" { Ok(()) } else { Err(status.to_string()) }
    });
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn r119_a_session_that_is_over() {
    let scene = Scene::new();
    end(in_a_session(&scene, &line(&scene, "", "</dev/null")));
    scene.expect_nothing_left();
    assert_eq!(scene.events_of("client_gone")[0]["how"], "session_over", "{}", scene.text("stderr"));
}

/// Detached on purpose (`nohup`), it outlives its session.
#[test]
fn safety_1_what_was_detached_outlives_its_session() {
    let scene = Scene::new();
    end(in_a_session(&scene, &line(&scene, "trap '' HUP;", "</dev/null")));
    lives_on(&scene, "sleep");
    assert!(scene.scupper(&["stop", &scene.unit]).status().unwrap().success());
    scene.expect_nothing_left();
}

/// So does a server whose client outlives it (`client & disown; exit`); the end of the client is its own.
#[test]
fn safety_1_a_session_that_is_over_ends_nobody_whose_client_lives() {
    let scene = Scene::new();
    let fifo = scene.path("fifo").display().to_string();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // The shell in between holds the other end: it is the client.
    let before = format!("exec 8<>'{fifo}'; exec 9>'{fifo}';");
    let leader = in_a_session(&scene, &line(&scene, &before, &format!("<'{fifo}' 8<&- 9>&-")));
    let record: serde_json::Value =
        serde_json::from_str(&scene.text(&format!("run/scupper/{}.json", scene.unit))).unwrap();
    let guardian = record["guardian"]["pid"].as_i64().unwrap().try_into().unwrap();
    let client = super::scene::parent(guardian).unwrap();
    end(leader);
    lives_on(&scene, "sleep");
    assert_eq!(scene.events_of("client_gone").len(), 0, "{}", scene.text("stderr"));
    kill(client, 9);
    scene.expect_nothing_left();
}

/// Several clients start the same server: the second of a name gets a number.
#[test]
fn a_name_that_is_taken_is_numbered() {
    let scene = Scene::new();
    let start =
        || Running { child: mcp(&scene, &[], &["sleep", "1000"]).stdin(Stdio::piped()).spawn().unwrap() };
    let (mut first, mut second) = (start(), start());
    let names = wait_for("both run", PATIENCE, || {
        let events = scene.events_of("unit_started");
        let names: Vec<String> = events.iter().map(|e| e["unit"].as_str().unwrap().to_owned()).collect();
        if names.len() == 2 { Ok(names) } else { Err(format!("{names:?}")) }
    });
    assert!(names.contains(&scene.unit) && names.contains(&format!("{}-2", scene.unit)), "{names:?}");
    for running in [&mut first, &mut second] {
        drop(running.child.stdin.take());
    }
    first.wait();
    second.wait();
    scene.expect_nothing_left();
}

/// The limits of `run` hold here too.
#[test]
fn a_server_that_grows_is_ended_by_its_limit() {
    let scene = Scene::new();
    let grow = "import sys, time\nline = sys.stdin.readline()\nx = bytearray(200 << 20)\ntime.sleep(1000)";
    let mut scupper = mcp(&scene, &["--mem-hard", "100M"], &["python3", "-c", grow]);
    let mut running = Running { child: scupper.stdin(Stdio::piped()).spawn().unwrap() };
    running.child.stdin.as_mut().unwrap().write_all(b"grow\n").unwrap();
    assert_eq!(running.wait().code(), Some(137));
    scene.expect_nothing_left();
    assert_eq!(scene.events_of("limit_crossed")[0]["level"], "hard");
}

/// Half a second for each line, and only then its answer: longer altogether than half of the grace.
const SLOW: &str = "while read -r line; do sleep 0.5; echo \"$line!\"; done; exit 4";

/// It writes everything, closes, and reads the answers.
#[test]
fn a_client_that_lives_and_closes_its_end_gets_its_answers() {
    let scene = Scene::new();
    let mut scupper = mcp(&scene, &["--grace", "2s"], &["sh", "-c", SLOW]);
    let mut child = scupper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let running = Running { child };
    stdin.write_all(b"a\nb\nc\nd\ne\nf\n").unwrap();
    answers(&scene);
    drop(stdin);
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "a!\nb!\nc!\nd!\ne!\nf!\n", "{}", scene.text("stderr"));
    assert_eq!(running.wait().code(), Some(4), "its own exit code");
    assert_eq!(scene.events_of("signal_sent").len(), 0, "{}", scene.text("stderr"));
    assert_eq!(scene.events_of("client_gone").len(), 1, "{}", scene.text("stderr"));
    scene.expect_nothing_left();
}

/// A client that died has nobody who reads: however busy the server is, it has the grace and no more.
#[test]
fn r119_a_client_that_is_dead_waits_for_no_answers() {
    let scene = Scene::new();
    // It works for ever, and hears of nothing.
    let busy = "trap '' TERM HUP; while :; do :; done";
    let client = format!(
        "import os, subprocess, time\n\
         server = subprocess.Popen(['{SCUPPER}', 'mcp', '--name', '{}', '--grace', '2s', '-v', '--log-format', 'json', \
         '--', 'sh', '-c', \"{busy}\"], stdin=subprocess.PIPE)\n\
         open('{}', 'w').write('x')\n\
         while not os.path.exists('{}'): time.sleep(0.01)\n\
         server.stdin.close()\n\
         time.sleep(1000)",
        scene.unit,
        scene.path("started").display(),
        scene.path("close").display()
    );
    let mut python = Command::new("python3");
    python.args(["-c", &client]).stderr(File::create(scene.path("stderr")).unwrap());
    scene.dress(&mut python);
    let mut client = python.spawn().unwrap();
    answers(&scene);
    std::fs::write(scene.path("close"), "").unwrap();
    wait_for("the end of stdin is seen", PATIENCE, || {
        if scene.events_of("client_gone").is_empty() { Err(scene.text("stderr")) } else { Ok(()) }
    });
    // Longer than the grace: it works on, and its client lives.
    std::thread::sleep(Duration::from_millis(2500));
    lives_on(&scene, "sh");
    assert_eq!(scene.events_of("signal_sent").len(), 0, "{}", scene.text("stderr"));
    client.kill().unwrap();
    client.wait().unwrap();
    let died = Instant::now();
    scene.expect_nothing_left();
    // Far below the time that a busy server has while its client lives.
    assert!(died.elapsed() < Duration::from_secs(15), "{:?}", died.elapsed());
    assert_eq!(scene.events_of("client_gone")[1]["how"], "exited", "{}", scene.text("stderr"));
}

/// Started by a program that put it into the background and is done: the client lives, and can still talk.
#[test]
fn safety_1_a_parent_that_ends_ends_nobody_whose_client_lives() {
    let scene = Scene::new();
    // What a shell puts into the background has no stdin unless it is given one.
    let line = format!(
        "exec 3<&0; '{SCUPPER}' mcp --name {} -v --log-format json -- cat <&3 3<&- & \
         while ! [ -e '{}' ]; do sleep 0.02; done; exit 0",
        scene.unit,
        scene.path("go").display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).stderr(File::create(scene.path("stderr")).unwrap());
    scene.dress(&mut shell);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, stdout) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    answers(&scene);
    std::fs::write(scene.path("go"), "").unwrap();
    assert!(shell.wait().unwrap().success());
    lives_on(&scene, "cat");
    stdin.write_all(b"still there\n").unwrap();
    let mut said = String::new();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    assert_eq!(said, "still there\n");
    assert_eq!(scene.events_of("parent_exited").len(), 0, "{}", scene.text("stderr"));
    drop(stdin);
    scene.expect_nothing_left();
    // It reads the end by itself, perhaps before scupper sees it.
    wait_for("the unit is over", PATIENCE, || {
        if scene.events_of("unit_stopped").is_empty() { Err(scene.text("stderr")) } else { Ok(()) }
    });
}
