//! The HTTP API of a real `scupper serve`: its sockets and its token, agents in other languages, a registry that goes away,
//! and what a tool makes of its description.

mod api;
mod programs;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output};

use serde_json::Value;

use crate::scene::{PATIENCE, Scene, kill, wait_for};

/// A `scupper serve` with its API on both sockets.
struct Served {
    child: Child,
    log: PathBuf,
    port: u16,
    socket: PathBuf,
}

/// An answer.
#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Served {
    /// Starts one, and waits until it answers.
    fn start(scene: &Scene, registry: &str, flags: &[&str]) -> Self {
        Self::begin(scene, serve(scene, registry, flags))
    }

    fn begin(scene: &Scene, mut command: Command) -> Self {
        let log = scene.path("serve.log");
        command.stderr(fs::File::options().create(true).append(true).open(&log).unwrap());
        let before = fs::read_to_string(&log).unwrap_or_default().len();
        let mut child = command.spawn().unwrap();
        let socket = scene.path("run/scupper/serve.sock");
        let port = wait_for("it serves", PATIENCE, || {
            let text = fs::read_to_string(&log).unwrap();
            let said = text.get(before..).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "it ended: {said}");
            let port = said.split("http://127.0.0.1:").nth(1).and_then(|rest| {
                rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|port| port.parse().ok())
            });
            port.ok_or_else(|| said.to_owned())
        });
        let served = Self { child, log, port, socket };
        assert_eq!(served.tcp("GET", "/healthz", None, b"").status, 200);
        served
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn tcp(&self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Got {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask(stream, method, path, token, body)
    }

    fn unix(&self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Got {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask(stream, method, path, token, body)
    }

    /// Registers over the socket; its epoch and its token.
    fn join(&self, id: &str) -> (u64, String) {
        let got = self.unix("POST", &format!("/v1/agents/{id}"), None, b"");
        assert_eq!(got.status, 201, "{got:?}");
        let said = got.json();
        (said["epoch"].as_u64().unwrap(), said["token"].as_str().unwrap().to_owned())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// TERM, and a clean end.
    fn end(mut self) {
        kill(self.child.id().try_into().unwrap(), 15);
        let status =
            wait_for("it ends", PATIENCE, || self.child.try_wait().unwrap().ok_or_else(|| self.log()));
        assert_eq!(status.code(), Some(0), "{}", self.log());
        assert!(!self.socket.exists(), "its socket goes with it");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(scene: &Scene, registry: &str, flags: &[&str]) -> Command {
    let args = ["serve", "--registry", registry, "--host", "h1", "--no-processes", "--verbose"];
    let listen: &[&str] = if flags.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let mut command = scene.scupper(&[&args[..], listen, flags].concat());
    command.env_remove("SCUPPER_TOKEN");
    command
}

fn ask(mut stream: impl Read + Write, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Got {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Got { status, head: head.to_ascii_lowercase(), body: answer[end + 4..].to_vec() }
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}
