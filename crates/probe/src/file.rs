//! Bounded reads below a directory descriptor. Every read of this crate goes through here, so every one has a limit.

use std::ffi::CStr;
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

/// A buffer for one file after the other. It grows to the largest that was read, and keeps that.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; 16 << 10] }
    }

    /// Reads at most `limit` bytes of a file that the kernel writes in one piece: a read that leaves some of the
    /// buffer free has reached its end. Also says whether there was more.
    pub(crate) fn read(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        limit: usize,
    ) -> Result<(&[u8], bool), Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = retry(|| rustix::fs::openat(dir, name, flags, Mode::empty()))?;
        let mut filled = 0;
        loop {
            // One byte more than the limit, to see whether there is one.
            let end = self.buffer.len().min(limit + 1);
            let free = self.buffer.get_mut(filled..end).unwrap_or_default();
            let room = free.len();
            let length = retry(|| rustix::io::read(&file, &mut *free))?;
            filled += length;
            if length < room || filled > limit {
                let whole = self.buffer.get(..filled.min(limit)).unwrap_or_default();
                return Ok((whole, filled > limit));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// What a symbolic link says, as far as a path can be long.
    pub(crate) fn link(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Result<&[u8], Errno> {
        let length = rustix::fs::readlinkat_raw(dir, name, self.buffer.as_mut_slice())?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }
}

/// Calls `each` with every line of a file, however long the file is, until it answers `false`. A line of more than
/// 16 KiB, which the kernel writes nowhere, comes in pieces.
pub(crate) fn each_line(
    dir: BorrowedFd<'_>,
    path: &Path,
    mut each: impl FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    let file = open_at(dir, path)?;
    let mut buffer = vec![0; 16 << 10];
    let mut filled = 0;
    loop {
        let free = buffer.get_mut(filled..).unwrap_or_default();
        let length = retry(|| rustix::io::read(&file, &mut *free))?;
        filled += length;
        let text = buffer.get(..filled).unwrap_or_default();
        let whole = match text.iter().rposition(|&b| b == b'\n') {
            Some(last) => last + 1,
            // The end of the file, or a line that fills the buffer.
            None if length == 0 || filled == buffer.len() => filled,
            None => continue,
        };
        let lines = text.get(..whole).unwrap_or_default();
        if !crate::parse::lines(lines).all(&mut each) || length == 0 {
            return Ok(());
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
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

pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// A directory with one file of so many bytes.
    fn with_file(text: &[u8]) -> (tempfile::TempDir, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), text).unwrap();
        let opened = open_directory(rustix::fs::CWD, directory.path()).unwrap();
        (directory, opened)
    }

    #[test]
    fn a_file_is_read_to_its_end_or_to_the_limit() {
        let mut reader = Reader::new();
        let first = reader.buffer.len();
        for length in [0, 1, first - 1, first, first + 1, 2 * first, 5 * first] {
            let text: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
            let (_directory, opened) = with_file(&text);
            for limit in [1, 100, first - 1, first, first + 1, 3 * first, 5 * first, 6 * first] {
                let (read, cut) = reader.read(opened.as_fd(), c"file", limit).unwrap();
                assert_eq!((read, cut), (&text[..length.min(limit)], length > limit), "{length} of {limit}");
            }
        }
        assert!(reader.buffer.len() <= 8 * first, "it grows with what is read and not with the limit");
    }

    #[test]
    fn lines_are_handed_on_whole() {
        for text in ["", "a", "a\n", "a\nb", "\n\na\n\n", &"line\n".repeat(20_000)] {
            let (_directory, opened) = with_file(text.as_bytes());
            let mut lines = Vec::new();
            each_line(opened.as_fd(), Path::new("file"), |line| {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
                true
            })
            .unwrap();
            assert_eq!(lines, text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>());
        }
        let (_directory, opened) = with_file(&vec![b'x'; 100_000]);
        let mut total = 0;
        each_line(opened.as_fd(), Path::new("file"), |line| {
            total += line.len();
            true
        })
        .unwrap();
        assert_eq!(total, 100_000, "a line too long comes in pieces, and ends");
        let (_directory, opened) = with_file(b"a\nb\nc\n");
        let mut seen = 0;
        each_line(opened.as_fd(), Path::new("file"), |_| {
            seen += 1;
            seen < 2
        })
        .unwrap();
        assert_eq!(seen, 2);
    }
}
