//! The control socket of one unit: accepts, reads one request a connection, writes one answer. Never blocks the loop.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::control::{MAX_LINE, Reply, Request};

/// Connections served at a time; one more ends the oldest.
const MOST_CONNECTIONS: usize = 16;
/// A request is small.
const MOST_REQUEST: usize = 64 << 10;
/// A connection that says nothing for this long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listening control socket and its open connections.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    since: Duration,
    done: bool,
}

impl Server {
    /// Listens at `path`, readable and writable for its owner alone.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: Vec::new() })
    }

    /// The listening descriptor.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Whether a connection is open, so that it should be served again soon.
    pub fn busy(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Moves every connection on as far as it goes without waiting.
    pub fn serve(&mut self, now: Duration, mut answer: impl FnMut(Request) -> Reply) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() >= MOST_CONNECTIONS {
                // Whoever came first and is still here says nothing: it makes room.
                self.connections.remove(0);
            }
            if stream.set_nonblocking(true).is_ok() {
                let (request, reply) = (Vec::new(), Vec::new());
                self.connections.push(Connection { stream, request, answer: reply, since: now, done: false });
            }
        }
        for connection in &mut self.connections {
            connection.advance(now, &mut answer);
        }
        self.connections.retain(|c| !c.done);
        if self.connections.is_empty() {
            self.connections = Vec::new();
        }
    }
}

impl Connection {
    fn advance(&mut self, now: Duration, answer: &mut impl FnMut(Request) -> Reply) {
        if self.answer.is_empty() {
            self.read();
            if let Some(end) = self.request.iter().position(|b| *b == b'\n') {
                let reply = match serde_json::from_slice(self.request.get(..end).unwrap_or_default()) {
                    Ok(request) => answer(request),
                    Err(error) => Reply::Refused { message: format!("this is no request: {error}") },
                };
                self.answer = serde_json::to_vec(&reply).unwrap_or_default();
                self.answer.push(b'\n');
            }
        }
        if !self.answer.is_empty() {
            self.write();
        }
        self.done |= now.saturating_sub(self.since) > PATIENCE;
    }

    fn read(&mut self) {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.done = true,
                Ok(n) => self.request.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => self.done = true,
            }
            // One chunk after another until a whole line is there; a line that never ends is refused.
            self.done |= self.request.len() > MOST_REQUEST;
            break;
        }
    }

    fn write(&mut self) {
        debug_assert!(self.answer.len() as u64 <= MAX_LINE);
        match self.stream.write(&self.answer) {
            Ok(n) => {
                self.answer.drain(..n);
                self.done |= self.answer.is_empty();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.done = true,
        }
    }
}
