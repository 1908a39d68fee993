//! The file and its directory as the file system sees them: made private, locked for the moment in which a file is
//! made or replaced, and told apart from another file that took its place.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::EvidenceError;

/// How often, and how long each time, a process waits for another one that makes or replaces the file.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The directory of a file; `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the directory (0700) and what is missing above it.
pub(crate) fn make_directory(path: &Path) -> Result<(), EvidenceError> {
    let directory = directory_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| EvidenceError::Directory { path: directory.to_owned(), source })
}

/// Makes an empty file that only its owner can read. `SQLite` gives its side files the same mode.
///
/// Only under a [`DirectoryLock`]: closing any descriptor of a file drops all POSIX locks that this process has on
/// it, so no connection may exist yet.
pub(crate) fn make_file(path: &Path) -> Result<(), EvidenceError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|_| File::open(directory_of(path))?.sync_all())
        .map_err(|source| EvidenceError::File { path: path.to_owned(), doing: "make", source })
}

/// Whether there is no file yet, or one without content. What is there and no regular file (a pipe, a device) is an
/// error: nobody can tell what it would say.
pub(crate) fn is_missing_or_empty(path: &Path) -> Result<bool, EvidenceError> {
    let fail = |source| EvidenceError::File { path: path.to_owned(), doing: "look at", source };
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(fail(io::Error::other("it is no regular file"))),
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(fail(source)),
    }
}

/// Whether there is anything of that name.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Which file it is, whatever its name: device and inode. `None` where there is none.
pub(crate) fn file_id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// `evidence.sqlite` and `-wal` make `evidence.sqlite-wal`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// While it lives, no other scupper makes or replaces a file in this directory. A lock on the directory itself, so
/// that no lock file is left behind; a file system without such locks goes without.
pub(crate) struct DirectoryLock {
    _directory: Option<File>,
}

impl DirectoryLock {
    pub(crate) fn take(path: &Path) -> Result<Self, EvidenceError> {
        let directory = directory_of(path);
        let fail = |source| EvidenceError::Directory { path: directory.to_owned(), source };
        let file = File::open(directory).map_err(fail)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _directory: Some(file) }),
                Err(TryLockError::WouldBlock) => thread::park_timeout(LOCK_PAUSE),
                Err(TryLockError::Error(_)) => return Ok(Self { _directory: None }),
            }
        }
        Err(fail(io::Error::new(io::ErrorKind::TimedOut, "another process has locked it for seconds")))
    }
}
