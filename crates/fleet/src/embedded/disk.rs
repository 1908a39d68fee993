//! The directory and the files in it as the file system sees them: private, made by one process at a time, told apart
//! from others that took their names.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often, and how long each time, a process waits for another one that makes or replaces a file.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Device and inode.
pub(super) type FileId = (u64, u64);

/// Makes the directory (0700) and what is missing above it.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Makes an empty file that only its owner can read. `SQLite` gives its side files the same mode.
///
/// Only under a [`DirectoryLock`], and where there is none yet: closing any descriptor of a file drops all POSIX locks
/// that this process has on it.
pub(super) fn make_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether there is no file yet, or one without content. What is there and no regular file (a pipe, a device) is an
/// error: nobody can tell what it would say.
pub(super) fn is_missing_or_empty(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Which file it is, whatever its name. `None` where there is none.
pub(super) fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// `x.sqlite` and `-wal` make `x.sqlite-wal`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts a database out of the way, as `NAME.old`; an older one of that name goes. Its side files go first, since a new
/// file beside an old WAL would be read as one with it.
pub(super) fn put_aside(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    for suffix in ["-wal", "-shm", "-journal"] {
        gone(fs::remove_file(with_suffix(path, suffix)))?;
    }
    gone(fs::rename(path, with_suffix(path, ".old")))
}

/// While it lives, no other process makes or replaces a file in this directory. A lock on the directory itself, so that
/// no lock file is left behind; a file system without such locks goes without.
pub(super) struct DirectoryLock {
    _directory: Option<File>,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> io::Result<Self> {
        let file = File::open(directory)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _directory: Some(file) }),
                Err(TryLockError::WouldBlock) => thread::park_timeout(LOCK_PAUSE),
                Err(TryLockError::Error(_)) => return Ok(Self { _directory: None }),
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another process has locked the directory for seconds"))
    }
}
