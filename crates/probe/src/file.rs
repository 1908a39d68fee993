//! Bounded reads below a directory descriptor. Every read of this crate goes through here, so every one has a limit.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

/// Content that may have been cut at the limit.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more than the limit allows.
    pub(crate) truncated: bool,
}

/// Opens for reading; never follows a path into a terminal, never leaks into a child.
pub(crate) fn open_at(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    retry(|| rustix::fs::openat(dir, path, flags, Mode::empty()))
}

/// Reads at most `limit` bytes.
pub(crate) fn read_at(dir: BorrowedFd<'_>, path: &Path, limit: usize) -> Result<Content, Errno> {
    let file = open_at(dir, path)?;
    let mut bytes = Vec::new();
    loop {
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Ok(Content { bytes, truncated: true });
        }
        bytes.reserve(bytes.len().clamp(4096, 1 << 20));
        if retry(|| rustix::io::read(&file, spare_capacity(&mut bytes)))? == 0 {
            return Ok(Content { bytes, truncated: false });
        }
    }
}

/// Reads the beginning of a file into a buffer, in one system call: for files that the kernel writes in one piece.
pub(crate) fn read_into<'b>(
    dir: BorrowedFd<'_>,
    path: &Path,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Errno> {
    let file = open_at(dir, path)?;
    let length = retry(|| rustix::io::read(&file, &mut *buffer))?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// What a symbolic link says.
pub(crate) fn link_at(dir: BorrowedFd<'_>, path: &Path) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlinkat(dir, path, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

/// Opens a directory for listing.
pub(crate) fn open_directory(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    retry(|| rustix::fs::openat(dir, path, flags, Mode::empty()))
}

/// Calls `each` with every name of a directory but `.` and `..`, until it answers `false`.
pub(crate) fn each_name(directory: impl AsFd, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !each(name) {
            break;
        }
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}
