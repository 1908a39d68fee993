//! What one process has open: one link for each descriptor, and a closer look only where the link does not say enough.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, MemfdFlags, Mode, OFlags, RawDir, RawMode, Statx, StatxFlags};
use rustix::io::Errno;
use scupper_model::Bytes;

use super::pipes::pipe_inode;
use super::shared::Pool;
use super::{Descriptors, End};
use crate::error::is_gone;
use crate::file::{Reader, retry};
use crate::parse;
use crate::sockets::{DESCRIPTOR_LIMIT, socket_inode};

/// Behind the name of what has no name any more.
const DELETED: &[u8] = b" (deleted)";
/// Numbers that are tried in vain before the descriptors are listed. A try costs a tenth of a listing of eight.
const GAPS: u64 = 3;
/// File systems that are looked up once; more than any machine mounts of those that matter here.
const DEVICE_LIMIT: usize = 1024;

/// An end of a pipe that a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PipeEnd {
    pub(super) inode: u64,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// What a process has open, read below its directory, without `ignored` (by which a process looks at itself). Ends of
/// pipes go to `ends`.
///
/// A listing costs as much as all the links together, since the kernel makes an entry for each descriptor. So where the
/// kernel says how many there are (`counts`), numbers are tried from 0 up until as many are found; most programs have
/// few gaps. Who opens and closes meanwhile, or has many gaps, is listed after all.
pub(super) fn read(
    process: BorrowedFd<'_>,
    ignored: Option<i32>,
    counts: bool,
    memory: &mut Memory,
    pool: &mut Pool,
    ends: &mut Vec<PipeEnd>,
) -> Result<Descriptors, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let directory = rustix::fs::openat(process, c"fd", flags, Mode::empty())?;
    let mut listing = Listing {
        process,
        directory: directory.as_fd(),
        memory,
        pool,
        ends,
        found: Descriptors::default(),
        deleted: HashSet::new(),
        largest: 0,
    };
    let next = if counts && ignored.is_none() { listing.try_numbers()? } else { Some(0) };
    if let Some(next) = next {
        listing.list(next, ignored)?;
    }
    let mut found = listing.found;
    for inodes in [&mut found.pipes, &mut found.sockets] {
        inodes.sort_unstable();
        inodes.dedup();
        inodes.shrink_to_fit();
    }
    Ok(found)
}

struct Listing<'l> {
    process: BorrowedFd<'l>,
    directory: BorrowedFd<'l>,
    memory: &'l mut Memory,
    pool: &'l mut Pool,
    ends: &'l mut Vec<PipeEnd>,
    found: Descriptors,
    /// Device and inode of deleted files that were counted.
    deleted: HashSet<(u32, u32, u64)>,
    /// What the largest of them takes.
    largest: u64,
}

impl Listing<'_> {
    /// Looks at descriptors from 0 up. Answers the number from which on they have to be listed, where it could not find
    /// as many as there are.
    fn try_numbers(&mut self) -> Result<Option<i32>, Errno> {
        let count = self.count()?;
        let end = i32::try_from(count.saturating_add(GAPS)).unwrap_or(i32::MAX);
        for number in 0..end {
            if self.found.count >= count.min(DESCRIPTOR_LIMIT) {
                // Was one opened in a gap that was still to come, it was taken for one behind it.
                return Ok((self.count()? != count || count > DESCRIPTOR_LIMIT).then_some(number));
            }
            let mut name = Name::default();
            match self.add(number, name.of(number)) {
                Ok(()) => self.found.count += 1,
                Err(errno) if is_gone(errno) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(Some(end))
    }

    /// How many there are now, by the size of the directory. 0 may also mean that the process is about to end.
    fn count(&self) -> Result<u64, Errno> {
        Ok(u64::try_from(rustix::fs::fstat(self.directory)?.st_size).unwrap_or(0))
    }

    /// Looks at every descriptor from `first` up.
    fn list(&mut self, first: i32, ignored: Option<i32>) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let directory = retry(|| rustix::fs::openat(self.process, c"fd", flags, Mode::empty()))?;
        let own = [ignored.unwrap_or(-1), self.directory.as_raw_fd(), directory.as_raw_fd()];
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            // `.` and `..` are no numbers.
            let Some(number) = parse::number::<i32>(entry.file_name().to_bytes()) else { continue };
            if number < first || (ignored.is_some() && own.contains(&number)) {
                continue;
            }
            self.found.count += 1;
            if self.found.count > DESCRIPTOR_LIMIT {
                continue;
            }
            match self.add(number, entry.file_name()) {
                Ok(()) => {}
                Err(errno) if is_gone(errno) => self.found.count -= 1,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn add(&mut self, number: i32, name: &CStr) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let target = match rustix::fs::readlinkat_raw(self.directory, name, &mut buffer[..]) {
            Ok((target, _)) => &*target,
            // A path that is longer than any system call takes.
            Err(Errno::NAMETOOLONG) => &b"/"[..],
            Err(errno) => return Err(errno),
        };
        let end = if let Some(inode) = pipe_inode(target) {
            self.found.kinds.pipes += 1;
            self.pipe(number, inode, name)?;
            End::Pipe(inode)
        } else if let Some(inode) = socket_inode(target) {
            self.found.kinds.sockets += 1;
            self.found.sockets.push(inode);
            End::Socket(inode)
        } else {
            self.named(target, name)
        };
        if let Some(standard) = usize::try_from(number).ok().and_then(|at| self.found.stdio.get_mut(at)) {
            *standard = end;
        }
        Ok(())
    }

    /// The rights on the link say which end it is (`proc_fd_link()` and `tid_fd_update_inode()` of the kernel's
    /// fs/proc/fd.c).
    fn pipe(&mut self, number: i32, inode: u64, name: &CStr) -> Result<(), Errno> {
        let mode = rustix::fs::statat(self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
        let may = |right: Mode| mode & right.as_raw_mode() != 0;
        self.ends.push(PipeEnd { inode, reads: may(Mode::RUSR), writes: may(Mode::WUSR) });
        if !(0..3).contains(&number) {
            self.found.pipes.push(inode);
        }
        Ok(())
    }

    /// Whatever is no socket and no pipe without a name.
    fn named(&mut self, target: &[u8], name: &CStr) -> End {
        let kinds = &mut self.found.kinds;
        if target.first() != Some(&b'/') || is_memory(target) {
            kinds.anonymous += 1;
            return End::Other(self.pool.path(target));
        }
        if target == b"/dev/null" {
            kinds.devices += 1;
            return End::Null;
        }
        if is_terminal(target) {
            kinds.devices += 1;
            return End::Terminal { path: self.pool.path(target), gone: target.ends_with(DELETED) };
        }
        if is_device(target) {
            kinds.devices += 1;
            return End::File(self.pool.path(target));
        }
        kinds.files += 1;
        if let Some(earlier) = target.strip_suffix(DELETED) {
            // Never asks a server: one that is gone would block this for ever.
            let wanted = StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::INO | StatxFlags::BLOCKS;
            if let Ok(seen) = rustix::fs::statx(self.directory, name, AtFlags::STATX_DONT_SYNC, wanted) {
                self.deleted(&seen, earlier);
            }
        }
        End::File(self.pool.path(target))
    }

    fn deleted(&mut self, seen: &Statx, earlier: &[u8]) {
        let (major, minor) = (seen.stx_dev_major, seen.stx_dev_minor);
        let is_file = FileType::from_raw_mode(RawMode::from(seen.stx_mode)) == FileType::RegularFile;
        // Who still has another name, or a name that only ends so, is not deleted.
        if !is_file || seen.stx_nlink != 0 || self.memory.holds(self.process, (major, minor)) {
            return;
        }
        if !self.deleted.insert((major, minor, seen.stx_ino)) {
            return;
        }
        let bytes = seen.stx_blocks.saturating_mul(512);
        let deleted = &mut self.found.deleted;
        deleted.count += 1;
        deleted.bytes = Bytes(deleted.bytes.0.saturating_add(bytes));
        if bytes > self.largest || deleted.largest.is_none() {
            self.largest = bytes;
            deleted.largest = Some(PathBuf::from(OsStr::from_bytes(earlier)));
        }
    }
}

/// Files that are memory by their name, whatever is mounted: memfd, System V and anonymous shared memory, buffers of
/// devices.
fn is_memory(target: &[u8]) -> bool {
    [&b"/memfd:"[..], b"/dmabuf:", b"/SYSV", b"/anon_hugepage", b"/dev/zero (", b"/[aio]"]
        .iter()
        .any(|prefix| target.starts_with(prefix))
}

fn is_terminal(target: &[u8]) -> bool {
    let target = target.strip_suffix(DELETED).unwrap_or(target);
    target.strip_prefix(b"/dev/").is_some_and(|name| {
        name.strip_prefix(b"pts/").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
            || name.starts_with(b"tty")
            || name == b"console"
    })
}

/// File systems of their own are mounted below `/dev`; the rest of it are devices.
fn is_device(target: &[u8]) -> bool {
    let elsewhere = [&b"/dev/shm/"[..], b"/dev/hugepages/", b"/dev/mqueue/"];
    target.starts_with(b"/dev/") && !elsewhere.iter().any(|prefix| target.starts_with(prefix))
}

/// A number as the name of an entry.
#[derive(Default)]
struct Name([u8; 12]);

impl Name {
    fn of(&mut self, number: i32) -> &CStr {
        // Eleven bytes are the longest number; the twelfth stays 0.
        let [text @ .., _] = &mut self.0;
        let _ = write!(&mut text[..], "{number}");
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Which file systems are in memory, and take no space on a disk.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: HashMap<(u32, u32), bool>,
    reader: Option<Reader>,
}

impl Memory {
    /// Whether what is on this device is in memory, as far as `process`, which has a file of it open, can tell.
    fn holds(&mut self, process: BorrowedFd<'_>, device: (u32, u32)) -> bool {
        // Only file systems without a disk have major number 0; among them are btrfs, overlays and those of other hosts.
        if device.0 != 0 {
            return false;
        }
        if let Some(&known) = self.known.get(&device) {
            return known;
        }
        if self.known.len() >= DEVICE_LIMIT {
            self.known.clear();
        }
        if self.known.is_empty() {
            self.known.extend(internal_device().map(|internal| (internal, true)));
        }
        let reader = self.reader.get_or_insert_with(Reader::new);
        if let Ok((text, _)) = reader.read(process, c"mountinfo", 1 << 20) {
            self.known.extend(memory_mounts(text).take(DEVICE_LIMIT).map(|mount| (mount, true)));
        }
        *self.known.entry(device).or_insert(false)
    }
}

/// The kernel's own, nowhere mounted: what `memfd_create(2)` and buffers of graphics cards are on.
fn internal_device() -> Option<(u32, u32)> {
    let memory = rustix::fs::memfd_create(c"scupper", MemfdFlags::CLOEXEC).ok()?;
    let seen = rustix::fs::statx(&memory, c"", AtFlags::EMPTY_PATH, StatxFlags::INO).ok()?;
    Some((seen.stx_dev_major, seen.stx_dev_minor))
}

/// The devices of file systems in memory: `24 1 0:21 / /run rw - tmpfs tmpfs rw` (`proc_pid_mountinfo(5)`).
fn memory_mounts(mountinfo: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    parse::lines(mountinfo).filter_map(|line| {
        let mut fields = line.split(|&b| b == b' ');
        let device = fields.nth(2)?;
        let colon = device.iter().position(|&b| b == b':')?;
        let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
        let in_memory = [&b"tmpfs"[..], b"ramfs", b"devtmpfs", b"hugetlbfs"].contains(&kind);
        in_memory.then_some((parse::number(device.get(..colon)?)?, parse::number(device.get(colon + 1..)?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn file_systems_in_memory_are_told_by_their_kind() {
        let text = b"24 1 0:21 / /run rw,nosuid shared:5 master:1 - tmpfs tmpfs rw\n\
            25 1 254:0 / / rw - ext4 /dev/vda rw\n\
            26 1 0:30 / /home rw - btrfs tmpfs rw\n\
            27 1 0:31 /a\\040-\\040tmpfs /mnt rw - fuse.sshfs me:/ rw\n\
            28 1 0:32 / /dev rw - devtmpfs udev rw\n\
            29 1 0:x / /bad rw - tmpfs t rw\nnonsense\n";
        assert_eq!(memory_mounts(text).collect::<Vec<_>>(), [(0, 21), (0, 32)]);
    }

    #[test]
    fn terminals_devices_and_memory_are_told_by_their_names() {
        for terminal in ["/dev/pts/0", "/dev/pts/12 (deleted)", "/dev/tty", "/dev/tty1", "/dev/console"] {
            assert!(is_terminal(terminal.as_bytes()), "{terminal}");
        }
        for other in ["/dev/pts/ptmx", "/dev/null", "/tmp/dev/pts/0", "/dev/consoles"] {
            assert!(!is_terminal(other.as_bytes()), "{other}");
        }
        assert!(is_device(b"/dev/kvm") && !is_device(b"/dev/shm/x") && !is_device(b"/development"));
        assert!(
            is_memory(b"/memfd:a (deleted)") && is_memory(b"/SYSV00000000 (deleted)") && !is_memory(b"/x")
        );
    }

    #[test]
    fn a_number_is_its_name() {
        for number in [0, 7, 1_048_576, i32::MAX, i32::MIN] {
            assert_eq!(Name::default().of(number).to_str().unwrap(), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn no_table_of_mounts_panics(text in "[0-9: tmpfs/\n-]{0,200}") {
            let _ = memory_mounts(text.as_bytes()).count();
        }
    }
}
