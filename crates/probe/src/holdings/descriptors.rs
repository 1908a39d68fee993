//! Descriptors by signature: one link for each, and a closer look only at what the link does not say.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, StatxFlags};
use scupper_model::{Pid, ResourceKind};

use super::local::Local;
use super::network::Network;
use super::{Bounds, GONE, Held, Holdings, Part, Table, add, signature, why};
use crate::error::is_gone;
use crate::root::of;
use crate::snapshot::pipe_inode;
use crate::sockets::{is_own_listing, socket_inode};
use crate::{ProbeError, Proc, file, parse};

/// Behind the name of what has no name any more.
const DELETED: &[u8] = b" (deleted)";
/// Descriptors of inotify whose watches are counted.
const MOST_INOTIFY: usize = 256;

/// Reads all of them, or says why not.
pub(super) fn read(
    proc_: &Proc,
    pid: Pid,
    bounds: Bounds<'_>,
    holdings: &mut Holdings,
) -> Result<(), String> {
    let path = of(pid, "fd");
    let refused = |errno| why(&ProbeError::new("list", proc_.path().join(&path), errno));
    let directory = match file::open_directory(proc_.fd(), &path) {
        Ok(directory) => directory,
        Err(errno) if is_gone(errno) => return Err(GONE.to_owned()),
        Err(errno) => return Err(refused(errno)),
    };
    let mut listing = Listing {
        table: Table::new(),
        sockets: Vec::new(),
        deleted: HashSet::new(),
        inotify: Vec::new(),
        local: None,
    };
    let (mut count, mut ended) = (0_u64, None);
    let listed = file::each_name(&directory, |name| {
        if is_own_listing(pid, &directory, name) {
            return true;
        }
        count += 1;
        if count > bounds.descriptors || !(bounds.goes_on)() {
            ended = Some(format!("{} or more are too many to look at in time", count - 1));
            return false;
        }
        match listing.add(proc_, pid, directory.as_fd(), name) {
            Ok(()) => true,
            Err(errno) if is_gone(errno) => true,
            Err(errno) => {
                ended = Some(refused(errno));
                false
            }
        }
    });
    match (listed, ended) {
        (_, Some(why)) => return Err(why),
        (Err(errno), _) if is_gone(errno) => return Err(GONE.to_owned()),
        (Err(errno), _) => return Err(refused(errno)),
        _ => {}
    }
    let Listing { mut table, sockets, inotify, local, .. } = listing;
    if !inotify.is_empty() {
        match watches(proc_, pid, &inotify, bounds) {
            Ok(0) => {}
            Ok(count) => {
                let key = (ResourceKind::InotifyWatch, "watch".to_owned());
                table.insert(key, Held { count, bytes: None });
            }
            Err(why) => holdings.not_read(Part::Watches, why),
        }
    }
    if !sockets.is_empty() {
        let network = Network::read(proc_, pid, &sockets, bounds);
        match network {
            Ok(network) => {
                network.add_to(proc_, pid, &sockets, local, &mut table);
            }
            Err(why) => {
                holdings.not_read(Part::Sockets, why);
                for _ in &sockets {
                    add(&mut table, ResourceKind::Socket, "socket".to_owned(), None);
                }
            }
        }
    }
    holdings.table.append(&mut table);
    Ok(())
}

/// A socket among the descriptors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub(super) number: u32,
    pub(super) inode: u64,
}

struct Listing {
    table: Table,
    sockets: Vec<Socket>,
    /// Device and inode of deleted files whose size was counted.
    deleted: HashSet<(u32, u32, u64)>,
    /// Numbers of descriptors of inotify.
    inotify: Vec<u32>,
    /// Found out when it is first asked for.
    local: Option<Local>,
}

impl Listing {
    fn add(
        &mut self,
        proc_: &Proc,
        pid: Pid,
        directory: rustix::fd::BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<(), rustix::io::Errno> {
        let Some(number) = parse::number::<u32>(name) else { return Ok(()) };
        let mut buffer = [0_u8; 4096];
        let target = match rustix::fs::readlinkat_raw(directory, name, &mut buffer[..]) {
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            // A path that is longer than any system call takes.
            Err(rustix::io::Errno::NAMETOOLONG) => &b"/..."[..],
            Err(errno) => return Err(errno),
        };
        let (kind, what, mut bytes) = if let Some(inode) = socket_inode(target) {
            self.sockets.push(Socket { number, inode });
            return Ok(());
        } else if pipe_inode(target).is_some() {
            // The rights on the link say which end it is.
            let mode = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
            let may = |right: Mode| mode & right.as_raw_mode() != 0;
            let end = match (may(Mode::RUSR), may(Mode::WUSR)) {
                (true, false) => "pipe, the end that reads",
                (false, true) => "pipe, the end that writes",
                _ => "pipe",
            };
            (ResourceKind::Pipe, end.to_owned(), None)
        } else if let Some(kernel) = anonymous(target) {
            if kernel == "inotify" {
                self.inotify.push(number);
            }
            (ResourceKind::Kernel, kernel, None)
        } else if let Some(memory) = target.strip_prefix(b"/memfd:") {
            let memory = memory.strip_suffix(DELETED).unwrap_or(memory);
            (ResourceKind::File, format!("memfd:{}", signature::normalised(memory)), Some(()))
        } else if let Some(earlier) = target.strip_suffix(DELETED) {
            (ResourceKind::DeletedFile, signature::normalised(earlier), Some(()))
        } else {
            (ResourceKind::File, signature::normalised(target), None)
        };
        let mut kind = kind;
        let size = bytes.take().and_then(|()| {
            let local = self.local.get_or_insert_with(|| Local::of(proc_, pid));
            if !local.has_file(proc_, pid, number) {
                return None;
            }
            let wanted = StatxFlags::NLINK | StatxFlags::INO | StatxFlags::BLOCKS;
            let seen = rustix::fs::statx(directory, name, AtFlags::STATX_DONT_SYNC, wanted).ok()?;
            if seen.stx_nlink != 0 {
                // Its name only ends so, or it has another one.
                kind = ResourceKind::File;
                return None;
            }
            let first = self.deleted.insert((seen.stx_dev_major, seen.stx_dev_minor, seen.stx_ino));
            Some(if first { seen.stx_blocks.saturating_mul(512) } else { 0 })
        });
        add(&mut self.table, kind, what, size);
        Ok(())
    }
}

/// How many files descriptors of inotify watch.
fn watches(proc_: &Proc, pid: Pid, inotify: &[u32], bounds: Bounds<'_>) -> Result<u64, String> {
    if inotify.len() > MOST_INOTIFY {
        return Err(format!("{} descriptors of inotify are too many to ask", inotify.len()));
    }
    let (mut count, mut lines, mut whole) = (0_u64, 0_u64, true);
    for number in inotify {
        let path = of(pid, &format!("fdinfo/{number}"));
        let answer = file::each_line(proc_.fd(), &path, |line| {
            lines += 1;
            count += u64::from(line.starts_with(b"inotify wd:"));
            whole = !lines.is_multiple_of(64) || (bounds.goes_on)();
            whole
        });
        match answer {
            Ok(()) if whole => {}
            Ok(()) => return Err("they are more than can be counted in time".to_owned()),
            // It was closed meanwhile.
            Err(errno) if is_gone(errno) => {}
            Err(errno) => return Err(why(&ProbeError::new("read", proc_.path().join(&path), errno))),
        }
    }
    Ok(count)
}

/// What the kernel made without a file: `anon_inode:[eventfd]`, `anon_inode:inotify`, `pidfd:[7]`, `net:[4026531840]`.
fn anonymous(target: &[u8]) -> Option<String> {
    if target.first() == Some(&b'/') || target.is_empty() {
        return None;
    }
    let text = target.strip_prefix(b"anon_inode:").unwrap_or(target);
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    Some(signature::normalised(text))
}

/// What a socket is that no table knows: the name of its protocol, as the kernel has it.
pub(super) fn protocol(proc_: &Proc, pid: Pid, number: u32) -> Option<String> {
    let path = proc_.path().join(of(pid, &format!("fd/{number}")));
    let mut buffer = [0_u8; 64];
    let length = rustix::fs::getxattr(Path::new(&path), c"system.sockprotoname", &mut buffer[..]).ok()?;
    let name = parse::trim_nuls(buffer.get(..length)?);
    (!name.is_empty()).then(|| scupper_model::printable(name, 32).to_ascii_lowercase())
}
