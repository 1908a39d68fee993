//! A server, its sockets, and whoever asks them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use scupper_fleet::coordinator::Batch;
use scupper_fleet::memory::MemoryStore;
use scupper_fleet::testing::Manual;
use scupper_fleet::{Clock, Store, Timing};
use serde_json::Value;

use super::super::{Api, HostToken, Listener, Rates, Reach, Serving, serve};

/// The host's token.
pub(super) const HOST: &str = "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh";
/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct World {
    pub(super) clock: Arc<Manual>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) socket: PathBuf,
    pub(super) port: u16,
    serving: Option<Serving>,
    batch: Arc<Batch>,
    batch_thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// A way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'p> {
    Tcp(u16),
    Unix(&'p Path),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Rates::DEFAULT)
    }

    pub(super) fn with(rates: Rates) -> Self {
        let clock = Arc::new(Manual::new());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(rates, clock, store)
    }

    /// A server that starts over what another one has left.
    pub(super) fn after(self) -> Self {
        self.after_with(Rates::DEFAULT)
    }

    pub(super) fn after_with(self, rates: Rates) -> Self {
        let (clock, store) = (self.clock.clone(), self.store.clone());
        drop(self);
        Self::over(rates, clock, store)
    }

    fn over(rates: Rates, clock: Arc<Manual>, store: Arc<MemoryStore>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("run/s");
        let listeners = vec![
            Listener::tcp("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap(),
            Listener::unix(&socket).unwrap(),
        ];
        let (token, _) = HostToken::find(Some(HOST), None, dir.path()).unwrap();
        let coordinator: scupper_fleet::CoordinatorId = "c1".parse().unwrap();
        let registry: Arc<dyn Store> = store.clone();
        let clock_of_all: Arc<dyn Clock> = clock.clone();
        let members = Arc::new(Batch::new(
            registry.clone(),
            clock_of_all.clone(),
            coordinator.clone(),
            Timing::DEFAULT,
        ));
        let api = Api {
            store: registry,
            registry: "memory".to_owned(),
            members: members.clone(),
            coordinator,
            host: "here".parse().unwrap(),
            timing: Timing::DEFAULT,
            token,
            names: vec!["scupper.example".to_owned()],
            metrics: Arc::new(|accept: &str| ("text/plain", format!("up 1 # {accept}\n"))),
            clock: clock_of_all,
            rates,
        };
        let serving = serve(listeners, api).unwrap();
        let port = serving.addresses()[0].rsplit(':').next().unwrap().parse().unwrap();
        let batch = members.clone();
        let batch_thread = Some(std::thread::spawn(move || batch.run()));
        Self { clock, store, socket, port, serving: Some(serving), batch: members, batch_thread, _dir: dir }
    }

    pub(super) fn tcp(&self) -> To<'static> {
        To::Tcp(self.port)
    }

    pub(super) fn unix(&self) -> To<'_> {
        To::Unix(&self.socket)
    }

    /// Registers over TCP with the host's token; gives epoch and token.
    pub(super) fn join(&self, id: &str) -> (u64, String) {
        let got = self.tcp().ask("POST", &format!("/v1/agents/{id}"), Some(HOST), b"");
        assert_eq!(got.status, 201, "{got:?}");
        let said = got.json();
        (said["epoch"].as_u64().unwrap(), said["token"].as_str().unwrap().to_owned())
    }

    pub(super) fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
        self.batch.close();
        if let Some(thread) = self.batch_thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(super) trait Stream: Read + Write {
    /// Nothing more is sent. One that the other side has closed already is as good.
    fn hang_up(&self);
}

impl Stream for TcpStream {
    fn hang_up(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn hang_up(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl To<'_> {
    pub(super) fn connect(self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    pub(super) fn ask(self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Got {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        self.ask_with(method, path, &format!("Host: localhost\r\n{bearer}"), body)
    }

    pub(super) fn ask_with(self, method: &str, path: &str, headers: &str, body: &[u8]) -> Got {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(&request).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// Whatever these bytes are; `None` where there is no answer to them.
    pub(super) fn send(self, bytes: &[u8]) -> Option<Got> {
        let mut stream = self.connect();
        // A server that has heard enough may close before everything is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Got::parse(&answer)
    }
}

impl Got {
    pub(super) fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Self { status, head: head.to_ascii_lowercase(), body: answer[end + 4..].to_vec() })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn code(&self) -> String {
        let said = self.json();
        for word in ["error", "advice"] {
            assert!(said[word].as_str().is_some_and(|text| !text.is_empty()), "{said}");
        }
        said["code"].as_str().unwrap().to_owned()
    }
}
