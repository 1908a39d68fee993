//! How the guardian passes a signal on to the engine: a datagram that also says who sent it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::signals::Arrived;

/// The engine's end.
#[derive(Debug)]
pub struct Relay {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Relay {
    /// Listens in `directory` for the guardian with this pid.
    pub fn listen(directory: &Path, guardian: i32) -> io::Result<Self> {
        remove_stale(directory);
        let path = address(directory, guardian);
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path })
    }

    /// The next signal that the guardian passed on.
    pub fn next(&self) -> Option<Arrived> {
        let mut buffer = [0; 64];
        let length = self.socket.recv(&mut buffer).ok()?;
        let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
        let (signal, sender) = text.split_once(' ')?;
        Some(Arrived { signal: signal.parse().ok()?, sender: sender.parse().ok() })
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the sockets of guardians that are gone: they were killed, together with their engines.
pub fn remove_stale(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let owner = name
            .strip_prefix(".engine-")
            .and_then(|rest| rest.strip_suffix(".sock"))
            .or_else(|| name.strip_prefix(".guardian-").and_then(|rest| rest.strip_suffix(".notify")));
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The guardian removes what a dead engine left.
pub fn forget(directory: &Path, guardian: i32) {
    let _ = fs::remove_file(address(directory, guardian));
}

/// The guardian's end: whether the engine will read it.
pub fn pass_on(directory: &Path, guardian: i32, arrived: Arrived) -> bool {
    let sender = arrived.sender.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let message = format!("{} {sender}", arrived.signal);
    UnixDatagram::unbound()
        .and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(message.as_bytes(), address(directory, guardian))
        })
        .is_ok()
}

fn address(directory: &Path, guardian: i32) -> PathBuf {
    directory.join(format!(".engine-{guardian}.sock"))
}
