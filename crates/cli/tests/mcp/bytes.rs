//! Safety 10, R119: not a byte of a session is touched, and the exit code is the server's.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::play::{filesystem, filesystem_program};
use super::scene::{PATIENCE, Running, SCUPPER, Scene, wait_for};

/// A whole session of a client that writes all it has to say, and closes.
fn requests(directory: &str) -> String {
    let calls = [
        serde_json::json!({ "method": "initialize", "id": 1, "params": {
            "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }),
        serde_json::json!({ "method": "notifications/initialized" }),
        serde_json::json!({ "method": "tools/list", "id": 2, "params": {} }),
        serde_json::json!({ "method": "tools/call", "id": 3, "params": {
            "name": "read_text_file", "arguments": { "path": format!("{directory}/bytes.txt") } } }),
    ];
    let line = |mut call: serde_json::Value| {
        call["jsonrpc"] = "2.0".into();
        format!("{call}\n")
    };
    calls.into_iter().map(line).collect()
}

/// How a client holds the other ends: Python's have pipes, Node's have socket pairs.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Pipes,
    Sockets,
}

fn start(command: &mut Command, ends: Ends) -> (Child, Box<dyn Write + Send>, Box<dyn Read + Send>) {
    match ends {
        Ends::Pipes => {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            (child, Box::new(stdin), Box::new(stdout))
        }
        Ends::Sockets => {
            let (stdin, its_stdin) = UnixStream::pair().unwrap();
            let (stdout, its_stdout) = UnixStream::pair().unwrap();
            command.stdin(OwnedFd::from(its_stdin)).stdout(OwnedFd::from(its_stdout));
            let child = command.spawn().unwrap();
            // The command holds the other ends as well.
            command.stdin(Stdio::null()).stdout(Stdio::null());
            (child, Box::new(stdin), Box::new(stdout))
        }
    }
}

/// The bytes that come out of a session, and the exit code.
fn session(command: &mut Command, ends: Ends, text: &str) -> (Vec<u8>, Option<i32>) {
    let (child, mut stdin, mut stdout) = start(command, ends);
    let running = Running { child };
    stdin.write_all(text.as_bytes()).unwrap();
    let mut out = Vec::new();
    // Every answer is there before the end: Node's server drops what it has not written yet.
    let answers = text.lines().filter(|line| line.contains("\"id\"")).count();
    let (mut buffer, mut lines) = (vec![0; 65_536], 0);
    while lines < answers {
        let count = stdout.read(&mut buffer).unwrap();
        lines += String::from_utf8_lossy(&buffer[..count]).matches('\n').count();
        assert!(count > 0, "the server ended early: {}", String::from_utf8_lossy(&out));
        out.extend(&buffer[..count]);
    }
    drop(stdin);
    stdout.read_to_end(&mut out).unwrap();
    (out, running.wait().code())
}

#[test]
fn safety_10_a_session_is_the_same_to_the_byte() {
    for ends in [Ends::Pipes, Ends::Sockets] {
        let scene = Scene::new();
        let server = filesystem(&scene, &["node", &filesystem_program()]);
        let directory = server.command.last().unwrap().clone();
        // Larger than a pipe, and with everything that a text can hold.
        let text: String = (0_u32..60_000).filter_map(|n| char::from_u32(n % 0xd7ff)).collect();
        fs::write(format!("{directory}/bytes.txt"), &text).unwrap();
        let requests = requests(&directory);
        let mut bare = Command::new("node");
        bare.args(&server.command[1..]).stderr(Stdio::null());
        let mut ours = scene.scupper(&["mcp", "--name", &scene.unit, "-v", "--log-format", "json", "--"]);
        ours.args(&server.command).stderr(fs::File::create(scene.path("stderr")).unwrap());
        let (expected, code) = session(&mut bare, ends, &requests);
        assert!(expected.len() > 65_536, "{}", expected.len());
        let (got, our_code) = session(&mut ours, ends, &requests);
        assert!(got == expected, "{ends:?}: {} bytes, not {}", got.len(), expected.len());
        assert_eq!((our_code, code), (Some(0), Some(0)));
        scene.expect_nothing_left();
    }
}

/// `printf ... | scupper mcp -- server`: who writes and closes gets the answer, and the server's own exit code.
#[test]
fn a_client_that_writes_and_closes_is_answered() {
    let scene = Scene::new();
    let script = "read line; sleep 0.3; echo \"got $line\"; cat >/dev/null; exit 5";
    let line = format!("printf 'hello\\n' | '{SCUPPER}' mcp --name {} -- sh -c '{script}'", scene.unit);
    let mut shell = Command::new("bash");
    shell.args(["-c", &line]);
    scene.dress(&mut shell);
    let out = shell.output().unwrap();
    assert_eq!(
        (String::from_utf8(out.stdout).unwrap().as_str(), out.status.code()),
        ("got hello\n", Some(5))
    );
    scene.expect_nothing_left();
}

/// While what the server left behind is being ended, the client learns already that nobody reads.
#[test]
fn safety_10_a_client_gets_epipe_when_the_server_has_ended() {
    for ends in [Ends::Pipes, Ends::Sockets] {
        let scene = Scene::new();
        let deaf = "trap \"\" TERM; sleep 1000 & while :; do wait; done";
        let script = format!("setsid sh -c '{deaf}' </dev/null >/dev/null 2>&1 & read line; exit 0");
        let mut ours =
            scene.scupper(&["mcp", "--name", &scene.unit, "--grace", "20s", "--", "sh", "-c", &script]);
        let (mut child, mut stdin, _stdout) = start(&mut ours, ends);
        stdin.write_all(b"end\n").unwrap();
        let error = wait_for("a writer is told", PATIENCE, || match stdin.write_all(b"more\n") {
            Ok(()) => Err("it was written".to_owned()),
            Err(error) => Ok(error.kind()),
        });
        assert_eq!(error, std::io::ErrorKind::BrokenPipe, "{ends:?}");
        assert_eq!(child.try_wait().unwrap(), None, "scupper had ended already");
        for pid in scene.marked().keys() {
            super::scene::kill(*pid, 9);
        }
        Running { child }.wait();
        scene.expect_nothing_left();
    }
}
