//! The pass: every process once, and after all of them the tables of sockets.
//!
//! A process is read below its own directory, which is held open meanwhile: once the process is gone, whatever is read
//! below it is `ESRCH`, whoever has the number by then. So all that is said of one process was read of it.
//!
//! The pass is no photograph. Who hands a pipe on to a process that starts meanwhile, and ends itself before it is looked
//! at, leaves a pipe without a holder in the snapshot. Whoever acts on one looks again ([`super::pipe_has_writer`]).

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use scupper_model::{Bytes, Identity, Pid, ProcessState};

use super::contents::{descriptor_limit, marks};
use super::descriptors::{self, Memory, PipeEnd};
use super::shared::{Pool, SharedList, SharedPath};
use super::{Marks, PipeHolders, Process, Snapshot, Unreadable, sock_diag, tcp};
use crate::error::is_gone;
use crate::file::Reader;
use crate::process::processor_time;
use crate::root::{ENVIRONMENT_LIMIT, SMALL_LIMIT, STATUS_LIMIT};
use crate::{CgroupPath, ParseError, ProbeError, Proc, Stat, cgroup, parse};

/// Processes that are looked at.
const PROCESS_LIMIT: usize = 65_536;
/// Of a command line.
const COMMAND_LIMIT: usize = 1024;
/// Holders of one end of a pipe that are named.
const HOLDER_LIMIT: usize = 64;
/// Nobody is near a limit of 64 descriptors, the smallest that is seen set, with fewer than this.
const MANY_DESCRIPTORS: u64 = 48;
/// Different `cgroup` files that are remembered.
const CGROUP_LIMIT: usize = 1024;
/// SIGHUP in a mask of signals.
const HANGUP: u64 = 1;

/// Looks at every process.
///
/// # Errors
/// Where `/proc` itself cannot be listed or its `uptime` cannot be read, and where this process runs out of memory or
/// descriptors. What cannot be read of one process is in [`Snapshot::unreadable`].
pub fn take(proc_: &Proc) -> Result<Snapshot, ProbeError> {
    let uptime = uptime(proc_)?;
    let mut pids = proc_.pids()?;
    pids.sort_unstable();
    let mut pass = Pass::new(proc_, uptime, &pids);
    for &pid in pids.iter().take(PROCESS_LIMIT) {
        pass.look(pid)?;
    }
    if let Some(&pid) = pids.get(PROCESS_LIMIT) {
        let why = format!("only {PROCESS_LIMIT} are looked at; this one and all above it are not");
        pass.unreadable.push(Unreadable { pid, what: "process", why });
    }
    Ok(Snapshot {
        boot_id: proc_.boot_id(),
        uptime,
        processes: pass.processes,
        pipes: pass.pipes,
        // The kernel answers for the own network namespace, whatever directory stands in for `/proc`.
        unix_sockets: if proc_.is_the_kernels() { sock_diag::unix(&|| true).ok().flatten() } else { None },
        tcp: tcp::connections(proc_)?,
        unreadable: pass.unreadable,
    })
}

/// Whether this very process is still there and has ended, so that only its parent's `wait` is missing. A cheap second
/// look.
pub fn still_zombie(proc_: &Proc, identity: &Identity) -> Result<bool, ProbeError> {
    let stat = proc_.stat(identity.pid)?;
    Ok(stat.is_some_and(|stat| stat.identity(proc_.boot_id()) == *identity && stat.is_zombie()))
}

/// `/proc/uptime`: seconds since boot, with two digits behind the point.
fn uptime(proc_: &Proc) -> Result<Duration, ProbeError> {
    let text = proc_.read_global("uptime", 256)?.bytes;
    let first = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    std::str::from_utf8(first)
        .ok()
        .and_then(|first| first.parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| ParseError::malformed("uptime", first, "a number of seconds"))
        .map_err(|source| ProbeError::parse(proc_.path().join("uptime"), source))
}

struct Pass<'p> {
    proc_: &'p Proc,
    uptime: Duration,
    /// Every number in `/proc` when the pass began, in order.
    pids: &'p [Pid],
    own: Pid,
    reader: Reader,
    memory: Memory,
    pool: Pool,
    /// Every `cgroup` file that was read, and what it says.
    cgroups: HashMap<Box<[u8]>, SharedList<CgroupPath>>,
    ends: Vec<PipeEnd>,
    /// Whether what was just read looks as it does in the middle of an exec or of an end.
    doubtful: bool,
    processes: Vec<Process>,
    pipes: HashMap<u64, PipeHolders>,
    unreadable: Vec<Unreadable>,
}

impl<'p> Pass<'p> {
    fn new(proc_: &'p Proc, uptime: Duration, pids: &'p [Pid]) -> Self {
        Self {
            proc_,
            uptime,
            pids,
            own: Pid::new(rustix::process::getpid().as_raw_pid()).unwrap_or(Pid::INIT),
            reader: Reader::new(),
            memory: Memory::default(),
            pool: Pool::default(),
            cgroups: HashMap::new(),
            ends: Vec::new(),
            doubtful: false,
            processes: Vec::with_capacity(pids.len().min(PROCESS_LIMIT)),
            pipes: HashMap::new(),
            unreadable: Vec::new(),
        }
    }

    /// Looks at one process, and once more where the first look is doubtful.
    fn look(&mut self, pid: Pid) -> Result<(), ProbeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(self.proc_.fd(), pid.to_string(), flags, Mode::empty());
        let Some(directory) = self.known(pid, "stat", opened)? else { return Ok(()) };
        let known = self.unreadable.len();
        for again in [false, true] {
            self.doubtful = false;
            self.ends.clear();
            self.unreadable.truncate(known);
            let Some(mut process) = self.read(&directory, pid)? else { return Ok(()) };
            if again || !self.doubtful {
                self.doubt(&mut process);
                self.hold_pipes(pid);
                self.processes.push(process);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Who has no arguments and no environment was most probably seen in the middle of an exec, where the kernel shows
    /// neither: both are unknown then.
    fn doubt(&mut self, process: &mut Process) {
        let is_empty = process.command.as_ref().is_some_and(|command| command.is_empty());
        if is_empty && process.marks == Marks::Empty && process.state != ProcessState::Zombie {
            process.command = None;
            process.marks = Marks::Unreadable;
            let why = "empty, as in the middle of an exec".to_owned();
            self.unreadable.push(Unreadable { pid: process.identity.pid, what: "environment", why });
        }
    }

    /// `None` for who is gone, is a thread of the kernel, or of whom nothing can be read.
    fn read(&mut self, directory: &OwnedFd, pid: Pid) -> Result<Option<Process>, ProbeError> {
        let Some(stat) = self.stat(directory.as_fd(), pid)? else { return Ok(None) };
        if stat.is_kernel_thread() {
            return Ok(None);
        }
        let uid = rustix::fs::fstat(directory).ok().map(|seen| seen.st_uid);
        let mut process = self.known_by_stat(&stat, uid);
        if process.state == ProcessState::Zombie {
            return Ok(Some(process));
        }
        // What belongs to the process is shown of its threads that live.
        let thread = if stat.lost_its_main_thread() { self.other_thread(directory, pid)? } else { None };
        let base = thread.as_ref().unwrap_or(directory).as_fd();
        if thread.is_some() {
            let statm = self.file(base, pid, c"statm", 256, |text, _| parse::resident_pages(text))?;
            process.rss = statm.flatten().and_then(|pages| self.bytes(pages));
        }
        // In this order: an environment that was seen empty in the middle of an exec is told by the arguments.
        process.marks = self.file(base, pid, c"environ", ENVIRONMENT_LIMIT, marks)?.unwrap_or_default();
        let arguments = self.file(base, pid, c"cmdline", COMMAND_LIMIT, |text, _| {
            parse::strings(parse::trim_nuls(text), false)
        })?;
        process.command = arguments.map(|arguments| self.pool.command(arguments));
        process.cgroups = self.cgroups(base, pid)?;
        let ignored = (pid == self.own).then(|| directory.as_raw_fd());
        let counts = self.proc_.counts_descriptors_by_stat();
        let listed =
            descriptors::read(base, ignored, counts, &mut self.memory, &mut self.pool, &mut self.ends);
        process.descriptors = self.known(pid, "descriptors", listed)?;
        self.doubtful |= process.command.as_ref().is_some_and(|command| command.is_empty())
            || process.marks == Marks::Empty
            || process.descriptors.as_ref().is_some_and(|seen| seen.count == 0);
        if let Some(seen) = &mut process.descriptors
            && seen.count >= MANY_DESCRIPTORS
        {
            seen.limit =
                self.file(base, pid, c"limits", SMALL_LIMIT, |text, _| descriptor_limit(text))?.flatten();
        }
        // They ask for the same rights as descriptors do: a refusal is told once.
        let told = self.unreadable.last().is_some_and(|last| last.pid == pid);
        process.executable = self.link(base, pid, c"exe", "executable", told)?;
        process.working_directory = self.link(base, pid, c"cwd", "working directory", told)?;
        if self.may_be_on_its_own(&stat) {
            let mask =
                self.file(base, pid, c"status", STATUS_LIMIT, |text, _| parse::mask(text, "SigIgn"))?;
            process.ignores_hangup = mask.flatten().map(|mask| mask & HANGUP != 0);
        }
        Ok(Some(process))
    }

    fn stat(&mut self, directory: BorrowedFd<'_>, pid: Pid) -> Result<Option<Stat>, ProbeError> {
        let Some(parsed) = self.file(directory, pid, c"stat", SMALL_LIMIT, |text, _| Stat::parse(text))?
        else {
            return Ok(None);
        };
        let source = match parsed {
            Ok(stat) if stat.pid == pid => return Ok(Some(stat)),
            Ok(stat) => {
                let text = stat.pid.to_string();
                ParseError::malformed("pid", text.as_bytes(), "the number in the path")
            }
            Err(source) => source,
        };
        self.unreadable.push(Unreadable { pid, what: "stat", why: source.to_string() });
        Ok(None)
    }

    fn known_by_stat(&self, stat: &Stat, uid: Option<u32>) -> Process {
        let state = stat.process_state();
        let rss = if stat.lost_its_main_thread() { None } else { self.bytes(stat.rss_pages) };
        let started =
            u128::from(stat.start_time.0) * 1_000_000_000 / u128::from(self.proc_.ticks_per_second());
        let started = Duration::from_nanos(u64::try_from(started).unwrap_or(u64::MAX));
        Process {
            identity: stat.identity(self.proc_.boot_id()),
            age: self.uptime.saturating_sub(started),
            parent: stat.parent,
            group: stat.group,
            session: stat.session,
            has_terminal: stat.tty != 0,
            name: stat.name.clone(),
            state,
            rss,
            cpu: processor_time(stat, self.proc_.ticks_per_second()),
            threads: stat.threads,
            uid,
            command: (state == ProcessState::Zombie).then(|| Vec::new().into()),
            marks: Marks::Unreadable,
            cgroups: None,
            ignores_hangup: None,
            executable: None,
            working_directory: None,
            descriptors: None,
        }
    }

    fn bytes(&self, pages: u64) -> Option<Bytes> {
        pages.checked_mul(self.proc_.page_size()).map(Bytes)
    }

    /// A thread of the process that is not its ended main thread.
    fn other_thread(&mut self, directory: &OwnedFd, pid: Pid) -> Result<Option<OwnedFd>, ProbeError> {
        let mut other = None;
        let listed = crate::file::open_directory(directory.as_fd(), Path::new("task")).and_then(|tasks| {
            crate::file::each_name(&tasks, |name| {
                let thread = parse::number(name).and_then(Pid::new);
                other = thread.filter(|&thread| thread != pid);
                other.is_none()
            })
        });
        if self.known(pid, "threads", listed)?.is_none() {
            return Ok(None);
        }
        let Some(other) = other else { return Ok(None) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(directory, format!("task/{other}"), flags, Mode::empty());
        self.known(pid, "threads", opened)
    }

    /// Whoever is in its parent's session, whose leader is there, belongs to it, and what it does on SIGHUP says nothing.
    /// Reading `status` costs more than reading `stat`, so only that of everybody else is read.
    fn may_be_on_its_own(&self, stat: &Stat) -> bool {
        let Some(parent) = stat.parent.filter(|&parent| parent != Pid::INIT) else { return true };
        let leader = Pid::new(stat.session);
        if leader.is_none_or(|leader| self.pids.binary_search(&leader).is_err()) {
            return true;
        }
        // Those of this pass are in order. A parent with a higher number than its child is one that took it over, or
        // numbers have begun anew.
        let at = self.processes.binary_search_by_key(&parent, |process| process.identity.pid);
        at.ok().and_then(|at| self.processes.get(at)).is_none_or(|parent| parent.session != stat.session)
    }

    /// Reads a file of a process.
    fn file<T>(
        &mut self,
        base: BorrowedFd<'_>,
        pid: Pid,
        name: &CStr,
        limit: usize,
        read: impl FnOnce(&[u8], bool) -> T,
    ) -> Result<Option<T>, ProbeError> {
        let what = match name.to_bytes() {
            b"environ" => "environment",
            b"cmdline" => "command line",
            b"stat" => "stat",
            _ => "state",
        };
        let answer = self.reader.read(base, name, limit).map(|(text, cut)| read(text, cut));
        self.known(pid, what, answer)
    }

    fn cgroups(
        &mut self,
        base: BorrowedFd<'_>,
        pid: Pid,
    ) -> Result<Option<SharedList<CgroupPath>>, ProbeError> {
        let known = &mut self.cgroups;
        let answer = self.reader.read(base, c"cgroup", SMALL_LIMIT).map(|(text, _)| {
            if let Some(cgroups) = known.get(text) {
                return cgroups.clone();
            }
            if known.len() >= CGROUP_LIMIT {
                known.clear();
            }
            let cgroups = SharedList::from(cgroup::parse_cgroup(text));
            known.insert(text.into(), cgroups.clone());
            cgroups
        });
        self.known(pid, "cgroups", answer)
    }

    fn link(
        &mut self,
        base: BorrowedFd<'_>,
        pid: Pid,
        name: &CStr,
        what: &'static str,
        told: bool,
    ) -> Result<Option<SharedPath>, ProbeError> {
        match self.reader.link(base, name).map(|target| self.pool.path(target)) {
            Err(Errno::ACCESS | Errno::PERM) if told => Ok(None),
            answer => self.known(pid, what, answer),
        }
    }

    /// What was asked of one process: gone, told as unreadable, or the end of the pass.
    fn known<T>(
        &mut self,
        pid: Pid,
        what: &'static str,
        answer: Result<T, Errno>,
    ) -> Result<Option<T>, ProbeError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(errno) if is_gone(errno) => {
                self.doubtful = true;
                Ok(None)
            }
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                Err(ProbeError::new("read", self.proc_.path().join(pid.to_string()), errno))
            }
            Err(errno) => {
                let why = std::io::Error::from(errno).to_string();
                if !self.unreadable.iter().rev().take_while(|one| one.pid == pid).any(|one| one.what == what)
                {
                    self.unreadable.push(Unreadable { pid, what, why });
                }
                Ok(None)
            }
        }
    }

    fn hold_pipes(&mut self, pid: Pid) {
        for end in self.ends.drain(..) {
            let holders = self.pipes.entry(end.inode).or_default();
            let PipeHolders { readers, writers, more_readers, more_writers } = holders;
            for (holds, list, more) in
                [(end.reads, readers, more_readers), (end.writes, writers, more_writers)]
            {
                if !holds || list.last() == Some(&pid) {
                    continue;
                }
                if list.len() < HOLDER_LIMIT {
                    list.push(pid);
                } else {
                    *more = true;
                }
            }
        }
    }
}
