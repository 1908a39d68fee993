//! `/proc` itself: the questions that can be asked of one process by its number.
//!
//! Each answer is of whoever has the number at that moment. Who needs to be sure asks for the identity before and
//! after, or uses [`crate::Process`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use scupper_model::{BootId, Bytes, Identity, Pid};

use crate::error::is_gone;
use crate::file::{self, Content};
use crate::{CgroupPath, ParseError, ProbeError, Stat, parse};

const COMMAND_LINE_LIMIT: usize = 128 << 10;
pub(crate) const ENVIRONMENT_LIMIT: usize = 256 << 10;
const CHILDREN_LIMIT: usize = 1 << 20;
pub(crate) const SMALL_LIMIT: usize = 64 << 10;
/// The line of groups alone may have 65 536 numbers.
pub(crate) const STATUS_LIMIT: usize = 1 << 20;
/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC_MAGIC: u64 = 0x9fa0;

/// A `/proc`, held open, with what is the same for all its processes.
#[derive(Debug)]
pub struct Proc {
    directory: OwnedFd,
    path: PathBuf,
    boot_id: BootId,
    page_size: u64,
    ticks_per_second: u64,
    counts_descriptors_by_stat: bool,
    is_the_kernels: bool,
}

impl Proc {
    /// Opens a `/proc`, or a fixture that looks like one: it needs `sys/kernel/random/boot_id` below it.
    pub fn open(root: &Path) -> Result<Self, ProbeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(root, flags, Mode::empty()).map_err(|e| ProbeError::new("open", root, e))?;
        let boot_path = Path::new("sys/kernel/random/boot_id");
        let text = file::read_at(directory.as_fd(), boot_path, 64)
            .map_err(|e| ProbeError::new("read", root.join(boot_path), e))?;
        let boot_id = std::str::from_utf8(&text.bytes)
            .ok()
            .and_then(|text| BootId::from_str(text).ok())
            .ok_or_else(|| ParseError::malformed("boot_id", &text.bytes, "a UUID"))
            .map_err(|source| ProbeError::parse(root.join(boot_path), source))?;
        let is_the_kernels = is_proc(directory.as_fd());
        let counts_descriptors_by_stat = is_the_kernels && counts_descriptors_by_stat(directory.as_fd());
        Ok(Self {
            directory,
            path: root.to_owned(),
            boot_id,
            page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            counts_descriptors_by_stat,
            is_the_kernels,
        })
    }

    /// Which boot this `/proc` tells of.
    pub const fn boot_id(&self) -> BootId {
        self.boot_id
    }

    /// Clock ticks per second: the unit of [`Stat::user_ticks`] and of start times.
    pub const fn ticks_per_second(&self) -> u64 {
        self.ticks_per_second
    }

    /// Bytes per page: the unit of [`Stat::rss_pages`].
    pub const fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the size of `/proc/PID/fd` is the number of descriptors (kernel 6.2 and later). Found out once, with
    /// the own process, which has at least one open: older kernels say 0 of every process.
    pub const fn counts_descriptors_by_stat(&self) -> bool {
        self.counts_descriptors_by_stat
    }

    /// Who has this number now.
    pub fn identify(&self, pid: Pid) -> Result<Option<Identity>, ProbeError> {
        Ok(self.stat(pid)?.map(|stat| stat.identity(self.boot_id)))
    }

    /// Whether this very process is still there: same boot, same start time. A zombie is still there.
    pub fn is_same(&self, identity: &Identity) -> Result<bool, ProbeError> {
        Ok(identity.boot_id == self.boot_id
            && self.stat(identity.pid)?.is_some_and(|stat| stat.start_time == identity.start_time))
    }

    /// Reads `/proc/PID/stat`.
    pub fn stat(&self, pid: Pid) -> Result<Option<Stat>, ProbeError> {
        let path = of(pid, "stat");
        // Fifty-two numbers of at most twenty digits and a name of at most 64 bytes fit.
        let mut buffer = [0; 2048];
        let Some(bytes) = self.gone("read", &path, file::read_into(self.fd(), &path, &mut buffer))? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        let stat = Stat::parse(bytes).map_err(|source| ProbeError::parse(self.path.join(&path), source))?;
        if stat.pid != pid {
            let text = stat.pid.to_string();
            let source = ParseError::malformed("pid", text.as_bytes(), "the number in the path");
            return Err(ProbeError::parse(self.path.join(&path), source));
        }
        Ok(Some(stat))
    }

    /// Every process, in no order. One pass over all of `/proc`: for the slow tier.
    pub fn pids(&self) -> Result<Vec<Pid>, ProbeError> {
        let mut pids = Vec::new();
        file::open_directory(self.fd(), Path::new("."))
            .and_then(|directory| {
                file::each_name(directory, |name| {
                    pids.extend(parse::number(name).and_then(Pid::new));
                    true
                })
            })
            .map_err(|e| ProbeError::new("list", &self.path, e))?;
        Ok(pids)
    }

    /// The children of a process, by the `children` file of each of its threads. proc(5) calls the list incomplete
    /// where children end while it is read; looking again finds who was missed.
    ///
    /// # Errors
    /// [`ProbeError::Unsupported`] where the kernel was built without these files.
    pub fn children(&self, pid: Pid) -> Result<Option<Vec<Pid>>, ProbeError> {
        let Some(threads) = self.threads(pid)? else { return Ok(None) };
        let mut children = Vec::new();
        for thread in threads {
            let path = of(pid, &format!("task/{thread}/children"));
            match file::read_at(self.fd(), &path, CHILDREN_LIMIT) {
                Ok(content) => children.extend(parse::pids(&content.bytes, content.truncated)),
                // Did the thread end, or does the kernel not have the file?
                Err(Errno::NOENT) if self.exists(&of(pid, &format!("task/{thread}/stat"))) => {
                    let path = self.path.join(path);
                    return Err(ProbeError::Unsupported { what: "list of children", path });
                }
                Err(errno) => {
                    self.gone("read", &path, Err::<(), _>(errno))?;
                }
            }
        }
        Ok(Some(children))
    }

    /// The arguments, at most 128 KiB of them. Empty for a zombie and for a kernel thread. Empty arguments at the end
    /// are left out: a program that writes its title over its arguments (php-fpm does) leaves dozens of them. Empty for
    /// a moment in the middle of an `exec`, as its environment is.
    pub fn command_line(&self, pid: Pid) -> Result<Option<Vec<Vec<u8>>>, ProbeError> {
        let content = self.read(pid, "cmdline", COMMAND_LINE_LIMIT)?;
        // A command line that was cut is still the best there is, half an argument included.
        Ok(content.map(|content| parse::strings(parse::trim_nuls(&content.bytes), false)))
    }

    /// The environment it was started with, at most 256 KiB of it, whole entries only. Of a zombie, which has
    /// none any more, the answer is nothing, empty or denied, by the version of the kernel and by who asks.
    ///
    /// # Errors
    /// [`ProbeError::Denied`] for a process of somebody else.
    pub fn environment(&self, pid: Pid) -> Result<Option<Vec<Vec<u8>>>, ProbeError> {
        let content = self.read(pid, "environ", ENVIRONMENT_LIMIT)?;
        let mut entries = content.map(|content| parse::strings(&content.bytes, content.truncated));
        // A program may have written its title over its environment, too.
        if let Some(entries) = &mut entries {
            entries.retain(|entry| !entry.is_empty());
        }
        Ok(entries)
    }

    /// One value of the environment it was started with. `None` where it is absent, and where the process is gone or
    /// a zombie.
    pub fn environment_value(&self, pid: Pid, name: &str) -> Result<Option<Vec<u8>>, ProbeError> {
        let content = self.read(pid, "environ", ENVIRONMENT_LIMIT)?;
        Ok(content.and_then(|content| parse::environment_value(&content.bytes, content.truncated, name)))
    }

    /// The program it runs. `None` (or denied, for who is not root) also for a zombie and for a kernel thread.
    /// A program that was deleted has ` (deleted)` behind its name.
    pub fn executable(&self, pid: Pid) -> Result<Option<PathBuf>, ProbeError> {
        self.link(pid, "exe")
    }

    /// Its working directory. `None` (or denied, for who is not root) also for a zombie.
    pub fn working_directory(&self, pid: Pid) -> Result<Option<PathBuf>, ProbeError> {
        self.link(pid, "cwd")
    }

    /// What a descriptor is open on: a path, or `pipe:[INODE]`, `socket:[INODE]`, `anon_inode:…`. `None` also where
    /// that descriptor is not open.
    pub fn descriptor_target(&self, pid: Pid, fd: u32) -> Result<Option<PathBuf>, ProbeError> {
        self.link(pid, &format!("fd/{fd}"))
    }

    /// Its cgroup in every hierarchy.
    pub fn cgroup_paths(&self, pid: Pid) -> Result<Option<Vec<CgroupPath>>, ProbeError> {
        let content = self.read(pid, "cgroup", SMALL_LIMIT)?;
        Ok(content.map(|content| crate::cgroup::parse_cgroup(&content.bytes)))
    }

    /// The signals it ignores: bit n-1 is signal n.
    pub fn ignored_signals(&self, pid: Pid) -> Result<Option<u64>, ProbeError> {
        self.status(pid, "SigIgn", |status| parse::mask(status, "SigIgn"))
    }

    /// The signals that wait for the process as a whole and no thread of it has taken yet, bit n-1 for signal n.
    pub fn pending_signals(&self, pid: Pid) -> Result<Option<u64>, ProbeError> {
        self.status(pid, "ShdPnd", |status| parse::mask(status, "ShdPnd"))
    }

    /// Its real user id.
    pub fn uid(&self, pid: Pid) -> Result<Option<u32>, ProbeError> {
        self.status(pid, "Uid", |status| {
            parse::value(status, "Uid")?.split(u8::is_ascii_whitespace).next().and_then(parse::number)
        })
    }

    /// The memory of the host (`MemTotal`).
    pub fn memory_total(&self) -> Result<Bytes, ProbeError> {
        let text = self.read_global("meminfo", SMALL_LIMIT)?;
        parse::kilobytes(&text.bytes, "MemTotal").ok_or_else(|| {
            ProbeError::parse(self.path.join("meminfo"), ParseError::Missing { item: "MemTotal" })
        })
    }

    /// The threads of a process.
    pub(crate) fn threads(&self, pid: Pid) -> Result<Option<Vec<Pid>>, ProbeError> {
        let path = of(pid, "task");
        // proc_task_getattr() in the kernel's fs/proc/base.c: two links and one for each thread. Most processes have
        // one thread, whose number is their own, and need no listing.
        let links =
            rustix::fs::statat(self.fd(), &path, rustix::fs::AtFlags::empty()).map(|found| found.st_nlink);
        if self.is_the_kernels && links == Ok(3) {
            return Ok(Some(vec![pid]));
        }
        let mut threads = Vec::new();
        let listed = file::open_directory(self.fd(), &path).and_then(|directory| {
            file::each_name(directory, |name| {
                threads.extend(parse::number(name).and_then(Pid::new));
                true
            })
        });
        Ok(self.gone("list", &path, listed)?.map(|()| threads))
    }

    /// Whether it is the kernel's own, and no fixture.
    pub(crate) const fn is_the_kernels(&self) -> bool {
        self.is_the_kernels
    }

    /// A file of a process; `None` where the process is gone.
    pub(crate) fn read(&self, pid: Pid, name: &str, limit: usize) -> Result<Option<Content>, ProbeError> {
        let path = of(pid, name);
        self.gone("read", &path, file::read_at(self.fd(), &path, limit))
    }

    /// A file of no process in particular.
    pub(crate) fn read_global(&self, name: &str, limit: usize) -> Result<Content, ProbeError> {
        file::read_at(self.fd(), Path::new(name), limit)
            .map_err(|e| ProbeError::new("read", self.path.join(name), e))
    }

    /// An answer about a process, with "gone" told from errors.
    pub(crate) fn gone<T>(
        &self,
        attempt: &'static str,
        path: &Path,
        answer: Result<T, Errno>,
    ) -> Result<Option<T>, ProbeError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(errno) if is_gone(errno) => Ok(None),
            Err(errno) => Err(ProbeError::new(attempt, self.path.join(path), errno)),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    fn status<T>(
        &self,
        pid: Pid,
        item: &'static str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, ProbeError> {
        let Some(content) = self.read(pid, "status", STATUS_LIMIT)? else { return Ok(None) };
        let missing = || ProbeError::parse(self.path.join(of(pid, "status")), ParseError::Missing { item });
        read(&content.bytes).map(Some).ok_or_else(missing)
    }

    fn link(&self, pid: Pid, name: &str) -> Result<Option<PathBuf>, ProbeError> {
        let path = of(pid, name);
        self.gone("read", &path, file::link_at(self.fd(), &path))
    }

    fn exists(&self, path: &Path) -> bool {
        rustix::fs::statat(self.fd(), path, AtFlags::empty()).is_ok()
    }
}

/// The path of a process's file below the root.
pub(crate) fn of(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("{pid}/{name}"))
}

/// Whether it is the kernel's own: a fixture's directories have sizes and links too, which count nothing.
fn is_proc(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(directory).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PROC_MAGIC))
}

fn counts_descriptors_by_stat(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::statat(directory, "self/fd", AtFlags::empty()).is_ok_and(|stat| stat.st_size > 0)
}
