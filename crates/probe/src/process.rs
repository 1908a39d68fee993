//! One process, watched for long: memory by one `pread` on a descriptor that dies with it.
//!
//! A descriptor on `/proc/PID/statm` belongs to the process and not to its number. Once that process has been waited
//! for, every read of it is `ESRCH`, whoever has the number by then. So whatever else was read by number is certain
//! to be of this process if `statm` can still be read **afterwards**; that is why it is read last.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::AtFlags;
use scupper_model::{Bytes, Identity, Pid, ProcessSample, ProcessState, printable};

use crate::error::is_gone;
use crate::root::{STATUS_LIMIT, of};
use crate::{ParseError, ProbeError, Proc, Stat, file, parse, sockets};

/// What a sample holds beside what `stat` and `statm` say. All of it costs more than they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent switches, not a state")]
pub struct Detail {
    /// Anonymous and swapped memory, from `status`.
    pub memory_split: bool,
    /// Number of open descriptors: the size of the directory where the kernel has that, else a listing.
    pub fds: bool,
    /// Number of sockets among them: one `readlink` for each descriptor.
    pub sockets: bool,
    /// Proportional set size, from `smaps_rollup`: walks all page tables under the lock of the process.
    pub pss: bool,
}

/// What one read of `statm` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Resident memory.
    pub rss: Bytes,
    /// Pages of its program's code. Another number than before: it has executed another program since. `None` where the
    /// kernel does not say, and while there is none.
    pub code: Option<u64>,
}

/// A process and its kept-open `statm`. It can never speak of another process that got the same number.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    statm: OwnedFd,
    path: PathBuf,
    page_size: u64,
}

impl Proc {
    /// Opens the descriptor by which a process is watched. `None` where it is gone.
    pub fn process(&self, pid: Pid) -> Result<Option<Process>, ProbeError> {
        let path = of(pid, "statm");
        let Some(statm) = self.gone("open", &path, file::open_at(self.fd(), &path))? else { return Ok(None) };
        let Some(stat) = self.stat(pid)? else { return Ok(None) };
        let process = Process {
            identity: stat.identity(self.boot_id()),
            statm,
            path: self.path().join(path),
            page_size: self.page_size(),
        };
        // The number may have changed hands between the two reads. If it did, this is `ESRCH`.
        Ok(process.rss()?.map(|_| process))
    }
}

impl Process {
    /// Who it is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// Its resident memory: one system call, nothing allocated. `None` where it is gone.
    ///
    /// 0 for a zombie, and for a process whose main thread has ended before the others; [`Process::sample`] tells
    /// the two apart.
    pub fn rss(&self) -> Result<Option<Bytes>, ProbeError> {
        Ok(self.weigh()?.map(|weight| weight.rss))
    }

    /// The same, with what is beside it in the same file.
    pub fn weigh(&self) -> Result<Option<Weight>, ProbeError> {
        let mut buffer = [0; 256];
        let length = loop {
            match rustix::io::pread(&self.statm, &mut buffer, 0) {
                Ok(length) => break length,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) if is_gone(errno) => return Ok(None),
                Err(errno) => return Err(ProbeError::new("read", &self.path, errno)),
            }
        };
        let text = buffer.get(..length).unwrap_or_default();
        let code = parse::code_pages(text).filter(|pages| *pages > 0);
        parse::resident_pages(text)
            .and_then(|pages| pages.checked_mul(self.page_size))
            .map(|bytes| Some(Weight { rss: Bytes(bytes), code }))
            .ok_or_else(|| ProbeError::parse(&self.path, ParseError::Missing { item: "resident" }))
    }

    /// One look. `None` where it is gone. What may not be read is a field that is `None`.
    pub fn sample(&self, proc_: &Proc, detail: Detail) -> Result<Option<ProcessSample>, ProbeError> {
        let Some(stat) = proc_.stat(self.identity.pid)? else { return Ok(None) };
        self.sample_of(&stat, proc_, detail)
    }

    /// The same, with a `stat` that was read just before. `None` also where that is not of this process.
    pub fn sample_of(
        &self,
        stat: &Stat,
        proc_: &Proc,
        detail: Detail,
    ) -> Result<Option<ProcessSample>, ProbeError> {
        if stat.identity(proc_.boot_id()) != self.identity {
            return Ok(None);
        }
        let mut sample = ProcessSample {
            identity: self.identity,
            parent: stat.parent,
            name: printable(&stat.name, 64),
            state: stat.process_state(),
            rss_bytes: None,
            rss_anon_bytes: None,
            swap_bytes: None,
            pss_bytes: None,
            fds: None,
            sockets: None,
            threads: Some(stat.threads),
            cpu: Some(processor_time(stat, proc_.ticks_per_second())),
        };
        if sample.state == ProcessState::Zombie {
            nothing_left(&mut sample, detail);
        } else {
            look_closer(proc_, stat, detail, &mut sample)?;
        }
        // Last, see above: while this can be read, all of the above was read of this process.
        let Some(rss) = self.rss()? else { return Ok(None) };
        if !stat.lost_its_main_thread() {
            sample.rss_bytes = Some(rss);
        }
        Ok(Some(sample))
    }
}

/// Proportional set size: shared pages divided among those who share them. `None` where the process is gone, is a
/// zombie, or the kernel has no `smaps_rollup`.
pub fn pss(proc_: &Proc, pid: Pid) -> Result<Option<Bytes>, ProbeError> {
    let Some(content) = proc_.read(pid, "smaps_rollup", 64 << 10)? else { return Ok(None) };
    Ok(parse::kilobytes(&content.bytes, "Pss"))
}

/// How much of a process' resident memory is not its own: what all who map the same pages count and it does not have to.
/// Both sizes are of one moment, so that memory which comes or goes is not taken for shared. `None` as for [`pss`].
pub fn shared(proc_: &Proc, pid: Pid) -> Result<Option<Bytes>, ProbeError> {
    let Some(content) = proc_.read(pid, "smaps_rollup", 64 << 10)? else { return Ok(None) };
    let sizes = parse::kilobytes(&content.bytes, "Rss").zip(parse::kilobytes(&content.bytes, "Pss"));
    Ok(sizes.map(|(resident, share)| resident.saturating_sub(share)))
}

/// A zombie holds nothing but its number: the kernel frees memory and descriptors before it becomes one.
fn nothing_left(sample: &mut ProcessSample, detail: Detail) {
    let none_of = |asked: bool| asked.then_some(0);
    sample.rss_anon_bytes = none_of(detail.memory_split).map(Bytes);
    sample.swap_bytes = none_of(detail.memory_split).map(Bytes);
    sample.pss_bytes = none_of(detail.pss).map(Bytes);
    sample.fds = none_of(detail.fds);
    sample.sockets = none_of(detail.sockets);
}

fn look_closer(
    proc_: &Proc,
    stat: &Stat,
    detail: Detail,
    sample: &mut ProcessSample,
) -> Result<(), ProbeError> {
    // Memory and descriptors belong to the process but are shown of a thread: ask one that lives.
    let base = if stat.lost_its_main_thread() {
        let threads = proc_.threads(stat.pid)?.unwrap_or_default();
        let Some(other) = threads.into_iter().find(|&thread| thread != stat.pid) else { return Ok(()) };
        format!("task/{other}/")
    } else {
        String::new()
    };
    let pid = stat.pid;
    if stat.lost_its_main_thread() {
        sample.rss_bytes = known(proc_.read(pid, &format!("{base}statm"), 256))?
            .and_then(|content| parse::resident_pages(&content.bytes))
            .and_then(|pages| pages.checked_mul(proc_.page_size()))
            .map(Bytes);
    }
    if detail.memory_split
        && let Some(status) = known(proc_.read(pid, &format!("{base}status"), STATUS_LIMIT))?
    {
        sample.rss_anon_bytes = parse::kilobytes(&status.bytes, "RssAnon");
        sample.swap_bytes = parse::kilobytes(&status.bytes, "VmSwap");
    }
    if detail.sockets
        && let Some(seen) = known(sockets::descriptors(proc_, pid, &base))?
    {
        sample.sockets = seen.sockets.map(|sockets| u64::try_from(sockets.len()).unwrap_or(u64::MAX));
        sample.fds = detail.fds.then_some(seen.total);
    }
    if detail.fds && sample.fds.is_none() {
        sample.fds = known(count_descriptors(proc_, pid, &base))?;
    }
    if detail.pss && !stat.lost_its_main_thread() {
        sample.pss_bytes = known(pss(proc_, pid))?;
    }
    Ok(())
}

/// Open descriptors. A size of 0 is believed only after a listing that finds none.
fn count_descriptors(proc_: &Proc, pid: Pid, base: &str) -> Result<Option<u64>, ProbeError> {
    let path = of(pid, &format!("{base}fd"));
    if proc_.counts_descriptors_by_stat() {
        let size = proc_.gone("stat", &path, rustix::fs::statat(proc_.fd(), &path, AtFlags::empty()))?;
        match size.map(|stat| u64::try_from(stat.st_size).unwrap_or(0)) {
            None => return Ok(None),
            Some(0) => {}
            Some(count) => return Ok(Some(count)),
        }
    }
    let Some(directory) = proc_.gone("list", &path, file::open_directory(proc_.fd(), &path))? else {
        return Ok(None);
    };
    let mut count = 0;
    let listed = file::each_name(&directory, |name| {
        count += u64::from(!sockets::is_own_listing(pid, &directory, name));
        true
    });
    Ok(proc_.gone("list", &path, listed)?.map(|()| count))
}

/// What may not be read is unknown.
fn known<T>(answer: Result<Option<T>, ProbeError>) -> Result<Option<T>, ProbeError> {
    match answer {
        Err(error) if error.is_unreadable() => Ok(None),
        answer => answer,
    }
}

pub(crate) fn processor_time(stat: &Stat, ticks_per_second: u64) -> Duration {
    let ticks = stat.user_ticks.saturating_add(stat.system_ticks);
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
