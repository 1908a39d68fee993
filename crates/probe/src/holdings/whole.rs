//! Through which thread a process is read, and whether it was still whole when that was done.
//!
//! The kernel shows memory and descriptors of a thread, and gives them up while the thread ends (`do_exit()` of
//! kernel/exit.c): memory first, then descriptors, then it is a zombie. Each of these reads as one that holds nothing, with
//! no error. But a thread that begins to end says so before (`PF_EXITING`), and does not take that back. So whoever says
//! afterwards that he does not end was whole all the time before.

use rustix::fs::AtFlags;
use scupper_model::{Identity, Pid, StartTime};

use crate::root::{STATUS_LIMIT, of};
use crate::{ProbeError, Proc, Stat, parse};

/// `PF_EXITING` of include/linux/sched.h.
const EXITING: u32 = 0x4;
/// SIGKILL in a mask of signals.
const KILLED: u64 = 1 << 8;
/// Threads that are asked in the place of one that has ended.
const MOST_ASKED: usize = 64;

/// A thread of a process that shows what the process holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    process: Identity,
    /// Its number, by which `/proc` has it as it has a process.
    pub(super) thread: Pid,
    started: StartTime,
}

impl Witness {
    /// The first thread of a process, or another where that has ended. `None` where nobody is left to show anything.
    pub(super) fn of(proc_: &Proc, who: &Identity) -> Result<Option<Self>, ProbeError> {
        let Some(stat) = same(proc_, who)? else { return Ok(None) };
        if !ends(&stat) {
            return Ok(Some(Self { process: *who, thread: who.pid, started: who.start_time }));
        }
        if stat.threads <= 1 {
            return Ok(None);
        }
        let others = proc_.threads(who.pid)?.unwrap_or_default();
        for thread in others.into_iter().filter(|thread| *thread != who.pid).take(MOST_ASKED) {
            let Some(stat) = proc_.stat(thread)?.filter(|stat| !ends(stat)) else { continue };
            // Its number may have been given to another process since it was listed.
            let path = of(who.pid, &format!("task/{thread}"));
            if rustix::fs::statat(proc_.fd(), &path, AtFlags::empty()).is_ok() {
                return Ok(Some(Self { process: *who, thread, started: stat.start_time }));
            }
        }
        Ok(None)
    }

    /// Whether what was read by now was of this process, and of nobody who had begun to end.
    pub(super) fn is_whole(&self, proc_: &Proc) -> Result<bool, ProbeError> {
        // A process is killed thread by thread: each is told before it begins to end.
        let Some(status) = proc_.read(self.thread, "status", STATUS_LIMIT)? else { return Ok(false) };
        if parse::mask(&status.bytes, "SigPnd").is_none_or(|pending| pending & KILLED != 0) {
            return Ok(false);
        }
        let thread = proc_.stat(self.thread)?;
        let lives = thread.is_some_and(|stat| stat.start_time == self.started && !ends(&stat));
        Ok(lives && same(proc_, &self.process)?.is_some())
    }
}

/// What `/proc` says of this very process.
fn same(proc_: &Proc, who: &Identity) -> Result<Option<Stat>, ProbeError> {
    let stat = if who.boot_id == proc_.boot_id() { proc_.stat(who.pid)? } else { None };
    Ok(stat.filter(|stat| stat.start_time == who.start_time))
}

/// Whether a thread has ended, or has begun to.
const fn ends(stat: &Stat) -> bool {
    matches!(stat.state, b'Z' | b'X' | b'x') || stat.flags & EXITING != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_begun_to_end_is_told_by_letter_and_flag() {
        let of = |state: &str, flags: u32| {
            let line = format!("7 (x) {state} 1 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
            ends(&Stat::parse(line.as_bytes()).unwrap())
        };
        assert!(of("Z", 0) && of("X", 0) && of("R", EXITING) && of("S", 0x0040_0100 | EXITING));
        assert!(!of("R", 0x0040_0100) && !of("D", 0) && !of("T", 0));
    }
}
