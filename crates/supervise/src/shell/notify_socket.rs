//! `NOTIFY_SOCKET` between the command and whoever started scupper: the command talks to ours, we understand it and
//! pass it upward unchanged. systemd listens to its main process only, and that is the guardian: it relays once more.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

/// A datagram socket of ours, and where its datagrams go on to.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
    upward: SocketAddr,
}

/// Datagrams are short; `sd_notify(3)` sends well below this.
const LONGEST: usize = 8192;

impl NotifySocket {
    /// Listens at `path` for what is to go on to `upward`, the value of `NOTIFY_SOCKET` (a path, or `@name`).
    pub fn listen(path: &Path, upward: &OsStr) -> io::Result<Self> {
        let upward = match upward.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            name => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        };
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned(), upward })
    }

    /// What the other side gets as `NOTIFY_SOCKET`.
    pub fn address(&self) -> OsString {
        self.path.clone().into_os_string()
    }

    /// Takes the next datagram, after passing it upward. `None` when there is no more.
    pub fn relay(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; LONGEST];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        let _ = self.socket.send_to_addr(&buffer, &self.upward);
        Some(buffer)
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
