//! Waits for somebody to ring, or for a time since boot. A sleep on the usual clock would go on after a laptop's sleep for
//! as long as it had left; this one is over at once.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// How long it waits at most where the kernel refuses to wait properly.
const STOPGAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

#[derive(Debug)]
pub(super) struct Bell {
    rung: OwnedFd,
    timer: OwnedFd,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            rung: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            timer: timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?,
        })
    }

    /// Ends the wait, or the next one. From any thread.
    pub(super) fn ring(&self) {
        // It can only be full, and then it rings.
        let _ = rustix::io::write(&self.rung, &1_u64.to_ne_bytes());
    }

    /// Waits until it rings or that time has come.
    pub(super) fn wait(&self, until: Option<Duration>) {
        // 0 would disarm it.
        let until = until.map(|until| until.max(Duration::from_nanos(1)));
        let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
        let at = until.map_or(nothing, |until| Timespec {
            tv_sec: i64::try_from(until.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(until.subsec_nanos()),
        });
        let value = Itimerspec { it_interval: nothing, it_value: at };
        let armed = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &value);
        let stopgap = armed.is_err().then_some(&STOPGAP);
        let mut both = [PollFd::new(&self.rung, PollFlags::IN), PollFd::new(&self.timer, PollFlags::IN)];
        let _ = poll(&mut both, stopgap);
        let _ = rustix::io::read(&self.rung, &mut [0_u8; 8]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Clock, SystemClock};

    #[test]
    fn it_rings_across_threads_and_at_its_time() {
        let bell = Arc::new(Bell::new().unwrap());
        let ringer = Arc::clone(&bell);
        let thread = std::thread::spawn(move || ringer.ring());
        bell.wait(None);
        thread.join().unwrap();
        let until = SystemClock.since_boot() + Duration::from_millis(30);
        bell.wait(Some(until));
        assert!(SystemClock.since_boot() >= until);
        // A time that is past, and one before all time, are waited for no more.
        bell.wait(Some(until));
        bell.wait(Some(Duration::ZERO));
    }
}
