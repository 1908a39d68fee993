//! Safety 9: a secret that a command is given, or says, stands nowhere that scupper writes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use super::scene::{PATIENCE, Scene, wait_for};

const SECRET: &str = "Xq7canary4ZsT9vLm2";

/// Every file below a directory.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// An address of this machine that nobody listens at.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The metrics page in the format that promtool reads, once it is served.
pub fn scrape(address: SocketAddr) -> String {
    let mut stream =
        wait_for("metrics are served", PATIENCE, || TcpStream::connect(address).map_err(|e| e.to_string()));
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn safety_9_a_secret_is_written_nowhere() {
    let scene = Scene::new();
    let log = scene.path("service.log");
    let script = format!(
        "python3 -S -c 'import time; time.sleep(1000)' --token {SECRET} https://u:{SECRET}@host/x &\n\
         python3 -S -c 'import os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.connect(os.environ[\"NOTIFY_SOCKET\"]); s.send(b\"STATUS=password={SECRET} up\")'\n\
         echo 'db: password={SECRET} Authorization: Bearer {SECRET}' >>{log}\n\
         touch {ready}; while ! [ -e {go} ]; do sleep 0.02; done\n\
         echo '<--- Last few GCs --->' >>{log}; echo 'API_KEY={SECRET}' >>{log}\n\
         echo 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory' >>{log}\n\
         echo 'token: {SECRET}' >>{log}\nexit 134",
        log = log.display(),
        ready = scene.path("ready").display(),
        go = scene.path("go").display()
    );
    let address = free_address();
    let upward = std::os::unix::net::UnixDatagram::bind(scene.path("upward")).unwrap();
    let mut scupper = scene.scupper(&["run", "--name", &scene.unit, "--log-format", "json", "--verbose"]);
    scupper
        .args(["--metrics", &address.to_string(), "--env", &format!("DB_PASSWORD={SECRET}"), "--log"])
        .arg(&log);
    scupper.args(["--on-event", &format!("cat >>{}", scene.path("hook").display())]);
    scupper.args([
        "--",
        "sh",
        "-c",
        &script,
        "sh",
        "--api-key",
        SECRET,
        &format!("postgres://app:{SECRET}@db/x"),
    ]);
    scupper
        .arg(format!("PASSWORD={SECRET}"))
        .env("API_TOKEN", SECRET)
        .env("NOTIFY_SOCKET", scene.path("upward"));
    scupper.stdout(fs::File::create(scene.path("stdout")).unwrap());
    scupper.stderr(fs::File::create(scene.path("stderr")).unwrap());
    let running = super::scene::Running { child: scupper.spawn().unwrap() };
    wait_for("the workload is ready", PATIENCE, || {
        let told = !scene.events_of("notified").is_empty();
        if scene.path("ready").exists() && told { Ok(()) } else { Err(scene.text("stderr")) }
    });

    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    for arguments in
        [&["ps"][..], &["ps", "--json"], &["ps", "--processes"], &["ps", "--processes", "--json"]]
    {
        shown.push((arguments.join(" "), scene.scupper(arguments).output().unwrap().stdout));
    }
    shown.push(("metrics".into(), scrape(address).into_bytes()));
    shown.extend(files(&scene.path("run")));
    fs::write(scene.path("go"), "").unwrap();
    assert_eq!(running.wait().code(), Some(134));
    for arguments in [&["events"][..], &["events", "--json"]] {
        shown.push((arguments.join(" "), scene.scupper(arguments).output().unwrap().stdout));
    }
    shown.extend(files(&scene.path("state")));
    shown.push(("stderr".into(), fs::read(scene.path("stderr")).unwrap()));
    shown.push(("hook".into(), fs::read(scene.path("hook")).unwrap()));
    for (place, bytes) in &shown {
        let may_be_empty = place.ends_with(".lock") || place.ends_with("-wal");
        assert!(!bytes.is_empty() || may_be_empty, "{place} is empty");
        let at = bytes.windows(SECRET.len()).position(|found| found == SECRET.as_bytes());
        let near = at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned());
        assert_eq!(near, None, "the secret stands in {place}");
    }
    // It was there to be found.
    let text = |name: &str| {
        String::from_utf8_lossy(&shown.iter().find(|(place, _)| place == name).unwrap().1).into_owned()
    };
    assert!(text("ps --json").contains("[redacted]"));
    assert!(text("stderr").contains("fatal_message") && text("stderr").contains("[redacted]"));
    assert!(shown.iter().any(|(place, _)| place.contains("evidence.sqlite")));
    // What the command itself says upward is its own.
    let mut datagram = [0; 200];
    let length = upward.recv(&mut datagram).unwrap();
    assert_eq!(String::from_utf8_lossy(&datagram[..length]), format!("STATUS=password={SECRET} up"));
    scene.expect_nothing_left();
}

/// The name of an MCP server is made from its command, and is in names of files, in events, and in every list.
#[test]
fn safety_9_a_server_is_not_called_by_a_secret() {
    use std::os::unix::fs::PermissionsExt;
    let code = format!("api_key=\"{SECRET}\"");
    let (with_password, alone) =
        (format!("https://bob:{SECRET}@npm.example"), format!("https://{SECRET}@pypi.example/simple"));
    for command in [
        &["npx", "--api-key", SECRET, "srv"][..],
        &["npx", "--registry", &with_password, "srv"],
        &["uvx", "--index", &alone, "srv"],
        &["python3", "-c", &code],
    ] {
        let scene = Scene::new();
        fs::create_dir(scene.path("bin")).unwrap();
        let launcher = scene.path("bin").join(command[0]);
        fs::write(&launcher, format!("#!/bin/sh\ntouch '{}'\nexec cat\n", scene.path("ready").display()))
            .unwrap();
        fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755)).unwrap();
        let mut scupper = scene.scupper(&["mcp", "--log-format", "json", "--verbose", "--"]);
        let path = format!("{}:{}", scene.path("bin").display(), std::env::var("PATH").unwrap());
        scupper.args(command).env("PATH", path).stdin(std::process::Stdio::piped());
        scupper.stdout(fs::File::create(scene.path("stdout")).unwrap());
        scupper.stderr(fs::File::create(scene.path("stderr")).unwrap());
        let mut running = super::scene::Running { child: scupper.spawn().unwrap() };
        wait_for("the server runs", PATIENCE, || {
            if scene.path("ready").exists() { Ok(()) } else { Err(scene.text("stderr")) }
        });
        let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
        let list = scene.scupper(&["ps", "--processes", "--json"]).output().unwrap().stdout;
        assert!(String::from_utf8_lossy(&list).contains("\"mcp\""), "{}", String::from_utf8_lossy(&list));
        shown.push(("ps".into(), list));
        shown.extend(files(&scene.path("run")));
        drop(running.child.stdin.take());
        assert_eq!(running.wait().code(), Some(0));
        shown.push(("events".into(), scene.scupper(&["events", "--json"]).output().unwrap().stdout));
        shown.extend(files(&scene.path("state")));
        shown.push(("stderr".into(), fs::read(scene.path("stderr")).unwrap()));
        assert!(shown.iter().any(|(place, _)| place.contains("evidence.sqlite")), "{command:?}");
        for (place, bytes) in &shown {
            assert!(!place.contains(SECRET), "{place}");
            let at = bytes.windows(SECRET.len()).position(|found| found == SECRET.as_bytes());
            let near = at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned());
            assert_eq!(near, None, "the secret stands in {place}");
        }
    }
}
