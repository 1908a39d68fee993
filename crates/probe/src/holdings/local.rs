//! Which descriptors may be asked about through their link. Whoever follows `/proc/PID/fd/N` into a file of a server that
//! is gone hangs in the kernel, whatever he wanted to know: some network file systems ask their server whenever such a
//! link is followed (`d_weak_revalidate`). So a link is followed only where `fdinfo` says that the file is on a mount of
//! a file system that asks nobody. Of every other file the size is unknown.
//!
//! What is left: an overlay is believed to lie over local directories, and a number may be given to another file between
//! the two looks. Whoever cannot wait makes the look on a thread of its own.

use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::MemfdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use scupper_model::Pid;

use crate::root::of;
use crate::{Proc, file, parse};

/// File systems that ask nobody outside of this kernel.
const LOCAL: [&[u8]; 22] = [
    b"bcachefs",
    b"btrfs",
    b"devtmpfs",
    b"erofs",
    b"exfat",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"hugetlbfs",
    b"iso9660",
    b"jfs",
    b"nilfs2",
    b"overlay",
    b"ramfs",
    b"reiserfs",
    b"squashfs",
    b"tmpfs",
    b"udf",
    b"vfat",
    b"xfs",
    b"zfs",
];
/// Bytes of `mountinfo` that are read; of a `fdinfo` what is asked for stands in the first lines.
const MOUNTS_TEXT: usize = 4 << 20;
const FDINFO_TEXT: usize = 1024;

/// The mounts whose files may be asked about.
#[derive(Debug, Default)]
pub(super) struct Local {
    mounts: HashSet<u32>,
    /// The kernel's own, which no list has: of sockets, and of memory without a name.
    sockets: Option<u32>,
    memory: Option<u32>,
}

impl Local {
    /// As they are for a process. Of a fixture none is known.
    pub(super) fn of(proc_: &Proc, pid: Pid) -> Self {
        if !proc_.is_the_kernels() {
            return Self::default();
        }
        let text = proc_.read(pid, "mountinfo", MOUNTS_TEXT).ok().flatten();
        let own = |opened: &dyn AsFd| {
            mount(proc_, &PathBuf::from(format!("self/fdinfo/{}", opened.as_fd().as_raw_fd())))
        };
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        let memory = rustix::fs::memfd_create("scupper", MemfdFlags::CLOEXEC);
        Self {
            mounts: text.map(|text| local(&text.bytes)).unwrap_or_default(),
            sockets: socket.ok().and_then(|socket| own(&socket)),
            memory: memory.ok().and_then(|memory| own(&memory)),
        }
    }

    /// Whether this descriptor is of a file that may be asked about.
    pub(super) fn has_file(&self, proc_: &Proc, pid: Pid, number: u32) -> bool {
        let seen = mount_of(proc_, pid, number);
        seen.is_some_and(|seen| self.mounts.contains(&seen)) || (seen.is_some() && seen == self.memory)
    }

    /// Whether it is a socket.
    pub(super) fn has_socket(&self, proc_: &Proc, pid: Pid, number: u32) -> bool {
        self.sockets.is_some() && mount_of(proc_, pid, number) == self.sockets
    }
}

fn mount_of(proc_: &Proc, pid: Pid, number: u32) -> Option<u32> {
    mount(proc_, &of(pid, &format!("fdinfo/{number}")))
}

fn mount(proc_: &Proc, path: &Path) -> Option<u32> {
    let text = file::read_at(proc_.fd(), path, FDINFO_TEXT).ok()?;
    parse::number(parse::value(&text.bytes, "mnt_id")?)
}

/// The mounts of local file systems in a `mountinfo`: `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [MORE...] - TYPE SOURCE ...`.
fn local(mountinfo: &[u8]) -> HashSet<u32> {
    let of_line = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = parse::number(fields.next()?)?;
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        LOCAL.contains(&kind).then_some(id)
    };
    parse::lines(mountinfo).filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_servers_are_not_local() {
        let text = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            28 27 0:25 / /srv rw,relatime shared:7 master:2 - nfs4 host:/srv rw\n\
            29 27 0:26 / /mnt/a\\040-\\040b rw shared:8 - fuse.sshfs me@host: rw\n\
            30 27 0:27 / /run rw shared:9 - tmpfs tmpfs rw\n\
            31 27 0:28 / /merged rw - overlay overlay rw,lowerdir=/a - b\n\
            32 27 0:29 / /v rw - virtiofs v rw\n\
            x 27 0:29 / /v rw - ext4 v rw\n\
            33 27 0:30 / /cut rw\n34\n";
        assert_eq!(local(text), HashSet::from([27, 30, 31]));
        assert!(LOCAL.is_sorted());
    }
}
