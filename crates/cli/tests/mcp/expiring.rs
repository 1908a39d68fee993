//! Servers that nobody uses, and servers that are old: ended while their client is there.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::play::{filesystem, filesystem_program};
use super::scene::{Running, Scene, wait_for};

const HANDSHAKE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

/// A real server is idle when nobody asks it anything, over a pipe and over a socket; while somebody does, it is not.
#[test]
fn heavy_a_server_is_idle_when_nobody_asks_it() {
    std::thread::scope(|scope| {
        for sockets in [false, true] {
            scope.spawn(move || is_idle_when_nobody_asks_it(sockets));
        }
    });
}

/// Over a pair of sockets or over pipes, as clients start their servers.
fn is_idle_when_nobody_asks_it(sockets: bool) {
    let scene = Scene::new();
    let server = filesystem(&scene, &["node", &filesystem_program()]);
    let mut scupper =
        scene.scupper(&["mcp", "--name", &scene.unit, "--log-format", "json", "-v", "--idle", "4s", "--"]);
    scupper.args(&server.command).stderr(File::create(scene.path("stderr")).unwrap());
    let (child, mut stdin, mut answers): (_, Box<dyn Write>, Box<dyn BufRead>) = if sockets {
        let (stdin, its_stdin) = UnixStream::pair().unwrap();
        let (stdout, its_stdout) = UnixStream::pair().unwrap();
        scupper.stdin(OwnedFd::from(its_stdin)).stdout(OwnedFd::from(its_stdout));
        (scupper.spawn().unwrap(), Box::new(stdin), Box::new(BufReader::new(stdout)))
    } else {
        let mut child = scupper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (child, Box::new(stdin), Box::new(BufReader::new(stdout)))
    };
    drop(scupper);
    let mut running = Running { child };
    let mut ask = |request: &str| {
        writeln!(stdin, "{request}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert!(line.contains("\"result\""), "{line}{}", scene.text("stderr"));
    };
    ask(HANDSHAKE);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        ask(PING);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(running.child.try_wait().unwrap(), None, "{}", scene.text("stderr"));
    // The session stays open: its stdin is held here until the server is gone.
    let code = wait_for("it is ended", Duration::from_mins(1), || {
        running.child.try_wait().unwrap().ok_or_else(|| scene.text("stderr"))
    });
    assert!(code.code().is_some());
    let expired = scene.events_of("unit_expired");
    assert_eq!((expired.len(), &expired[0]["reason"]), (1, &"idle".into()), "{}", scene.text("stderr"));
    assert!(expired[0]["after_ms"].as_u64().unwrap() >= 4000);
    scene.expect_nothing_left();
    drop((stdin, answers));
}

#[test]
fn a_server_that_is_old_is_ended_whatever_it_does() {
    let scene = Scene::new();
    let busy = "while :; do :; done";
    let mut scupper =
        scene.scupper(&["mcp", "--name", &scene.unit, "--log-format", "json", "--lifetime", "700ms"]);
    scupper.args(["--idle", "1h", "--", "sh", "-c", busy]).stdin(Stdio::piped());
    let start = Instant::now();
    let mut running =
        Running { child: scupper.stderr(File::create(scene.path("stderr")).unwrap()).spawn().unwrap() };
    let held = running.child.stdin.take();
    assert_eq!(running.wait().code(), Some(143));
    assert!(start.elapsed() >= Duration::from_millis(700));
    drop(held);
    let expired = scene.events_of("unit_expired");
    assert_eq!(expired[0]["reason"], "lifetime_exceeded", "{}", scene.text("stderr"));
    scene.expect_nothing_left();
}

#[test]
fn a_time_of_nothing_is_refused() {
    let scene = Scene::new();
    for flag in ["--idle", "--lifetime"] {
        let out = scene.scupper(&["mcp", flag, "0s", "--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains("would end at once"), "{said}");
    }
    let out = scene.scupper(&["mcp", "--profile", "web", "--", "true"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
}
