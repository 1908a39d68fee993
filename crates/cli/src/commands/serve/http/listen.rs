//! Where the API listens: a Unix socket that is its owner's alone, and TCP on this host, or elsewhere where that is asked
//! for in so many words.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// A socket that listens. A Unix one goes when this is dropped.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A Unix socket and its file.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode: a file that somebody else has put there meanwhile is left alone.
    file: (u64, u64),
    /// Held as long as it listens. The file stays: who removed one that others have open would let two hold it.
    _lock: File,
}

/// Which addresses may be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This host's own alone.
    Loopback,
    /// Any: `--listen-anywhere`.
    Anywhere,
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "{0} can be reached from other hosts, where everybody on the way reads the tokens: listen on 127.0.0.1 and put \
         TLS in front of it, or say --listen-anywhere"
    )]
    Elsewhere(SocketAddr),
    #[error("cannot listen on {0}")]
    Tcp(SocketAddr, #[source] io::Error),
    #[error("cannot listen on the Unix socket {}", .0.display())]
    Unix(PathBuf, #[source] io::Error),
    #[error("another program answers on {}: end it, or give another path", .0.display())]
    Answered(PathBuf),
    #[error("{} is there and is no socket: it is left alone; give another path", .0.display())]
    NoSocket(PathBuf),
    #[error(
        "others can write to {}, and could put a socket of their own there: chmod go-w it, or give another path",
        .0.display()
    )]
    OpenDirectory(PathBuf),
}

impl Listener {
    pub(crate) fn tcp(address: SocketAddr, reach: Reach) -> Result<Self, ListenError> {
        if reach == Reach::Loopback && !is_loopback(address) {
            return Err(ListenError::Elsewhere(address));
        }
        let failed = |error| ListenError::Tcp(address, error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self::Tcp(listener))
    }

    /// Listens on this path. A socket whose program is gone is replaced; its directory is made, for its owner alone.
    pub(crate) fn unix(path: &Path) -> Result<Self, ListenError> {
        let failed = |error: io::Error| ListenError::Unix(path.to_path_buf(), error);
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let about = fs::metadata(directory).map_err(failed)?;
        let mine = [rustix::process::geteuid().as_raw(), 0].contains(&about.uid());
        if !mine || about.mode() & 0o022 != 0 {
            return Err(ListenError::OpenDirectory(directory.to_path_buf()));
        }
        let lock = lock(path).map_err(failed)?.ok_or_else(|| ListenError::Answered(path.to_path_buf()))?;
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(ListenError::NoSocket(path.to_path_buf()));
            }
            Ok(_) if answers(path).map_err(failed)? => {
                return Err(ListenError::Answered(path.to_path_buf()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Whatever the umask: until its mode is right it stands where nobody else gets at it.
        let private =
            tempfile::Builder::new().prefix(".s").rand_bytes(4).tempdir_in(directory).map_err(failed)?;
        let made = private.path().join("s");
        let listener = UnixListener::bind(&made).map_err(failed)?;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let about = fs::symlink_metadata(&made).map_err(failed)?;
        fs::rename(&made, path).map_err(failed)?;
        let file = (about.dev(), about.ino());
        Ok(Self::Unix(UnixSocket { listener, path: path.to_path_buf(), file, _lock: lock }))
    }

    /// As it is written in `--registry`: port 0 has become one.
    pub(crate) fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(format!("http://{}", listener.local_addr()?)),
            Self::Unix(socket) => Ok(format!("unix:{}", socket.path.display())),
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|about| (about.dev(), about.ino()));
        if there.is_ok_and(|there| there == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Also where it is written as an IPv4 address in an IPv6 one.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// `None` where somebody holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut name = path.as_os_str().to_os_string();
    name.push(".lock");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(PathBuf::from(name), flags, Mode::RUSR | Mode::WUSR)?);
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a program has this socket. One that is too busy to take the connection is there as well.
fn answers(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_unix_socket_is_its_owners_alone_in_a_directory_that_is_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/scupper/serve.sock");
        let listener = Listener::unix(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(listener.address().unwrap(), format!("unix:{}", path.display()));
        assert!(UnixStream::connect(&path).is_ok());
        // Nothing is left of the place where it was made.
        let left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_is_replaced_only_where_nobody_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let held = Listener::unix(&path).unwrap();
        assert!(matches!(Listener::unix(&path), Err(ListenError::Answered(_))));
        assert!(path.exists());
        drop(held);
        // One of another program, without our lock.
        let other = UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::unix(&path), Err(ListenError::Answered(_))));
        drop(other);
        assert!(path.exists(), "it died without cleaning up");
        let ours = Listener::unix(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        // What somebody else puts there is not removed with ours.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(ours);
        assert!(matches!(Listener::unix(&path), Err(ListenError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Listener::unix(&dir.path().join("s")).unwrap_err();
        assert!(matches!(error, ListenError::OpenDirectory(_)), "{error}");
        let long = dir.path().join("x".repeat(120)).join("s");
        assert!(matches!(Listener::unix(&long), Err(ListenError::Unix(..))));
    }

    #[test]
    fn tcp_beyond_this_host_is_refused_unless_it_is_asked_for() {
        for elsewhere in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let address = elsewhere.parse().unwrap();
            let error = Listener::tcp(address, Reach::Loopback).unwrap_err();
            assert!(error.to_string().contains("--listen-anywhere"), "{error}");
        }
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
        assert!(!listener.address().unwrap().ends_with(":0"));
        assert!(Listener::tcp("0.0.0.0:0".parse().unwrap(), Reach::Anywhere).is_ok());
        assert!(
            is_loopback("[::ffff:127.0.0.1]:1".parse().unwrap()) && is_loopback("[::1]:1".parse().unwrap())
        );
    }
}
