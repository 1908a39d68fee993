//! Since when nothing passes through a tree.
//!
//! Whether a byte went to a server is told from outside by what its processes have read and written
//! (`/proc/PID/io`) and by their processor time. The times of a pipe's inode would tell it without asking any process,
//! but since Linux 6.15 they stand still (measured: neither a write nor a read moves them), and a socket never had any.
//! An idle MCP server on Node or Python does neither for minutes (measured); one that works by itself, say polls a
//! service, is never idle. Reads and writes of sockets other than read(2) and write(2) are not counted by the kernel:
//! what such a server does shows in its processor time.

use std::time::Duration;

use scupper_model::Identity;

/// Processor time that is nothing: a hundredth of the time, and a few ticks of the clock it is counted in.
const SHARE: u32 = 100;
const TICKS: Duration = Duration::from_millis(50);

/// What one process has done since it began. `None` is unknown, and so never idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Who.
    pub identity: Identity,
    /// Bytes it has read and written.
    pub passed: Option<u64>,
    /// Processor time it has used.
    pub cpu: Option<Duration>,
}

/// Watches for activity of one tree.
#[derive(Clone, Debug, Default)]
pub struct Idle {
    since: Duration,
    last: Vec<Activity>,
}

impl Idle {
    /// Takes what all members have done by `now`. Gives how long that is nothing new.
    pub fn note(&mut self, now: Duration, members: Vec<Activity>) -> Duration {
        let calm = TICKS + now.saturating_sub(self.since) / SHARE;
        let busy = members.iter().any(|member| {
            let last = self.last.iter().find(|last| last.identity == member.identity);
            let (Some(last), Some(passed), Some(cpu)) = (last, member.passed, member.cpu) else {
                return true;
            };
            last.passed != Some(passed) || last.cpu.is_none_or(|before| cpu.saturating_sub(before) > calm)
        });
        // One that ended did something.
        if busy || members.is_empty() || members.len() != self.last.len() {
            self.since = now;
            self.last = members;
        }
        now.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Pid, StartTime};

    use super::*;

    fn member(pid: i32, passed: u64, cpu_millis: u64) -> Activity {
        Activity {
            identity: Identity {
                pid: Pid::new(pid).unwrap(),
                start_time: StartTime(1),
                boot_id: BootId::NOWHERE,
            },
            passed: Some(passed),
            cpu: Some(Duration::from_millis(cpu_millis)),
        }
    }

    fn idle_after(second: Vec<Activity>) -> u64 {
        let mut idle = Idle::default();
        idle.note(Duration::from_secs(10), vec![member(1, 100, 0), member(2, 5, 0)]);
        idle.note(Duration::from_secs(70), second).as_secs()
    }

    #[test]
    fn whoever_does_nothing_is_idle_and_whatever_is_done_ends_it() {
        assert_eq!(idle_after(vec![member(1, 100, 0), member(2, 5, 0)]), 60);
        assert_eq!(idle_after(vec![member(2, 5, 300), member(1, 100, 0)]), 60, "a little processor time");
        for busy in [
            vec![member(1, 101, 0), member(2, 5, 0)],
            vec![member(1, 100, 0), member(2, 5, 900)],
            vec![member(1, 100, 0)],
            vec![member(1, 100, 0), member(2, 5, 0), member(3, 0, 0)],
            vec![member(1, 100, 0), member(3, 5, 0)],
        ] {
            assert_eq!(idle_after(busy.clone()), 0, "{busy:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_idle() {
        for hide in [0, 1] {
            let mut unread = member(1, 100, 0);
            if hide == 0 {
                unread.passed = None;
            } else {
                unread.cpu = None;
            }
            let mut idle = Idle::default();
            for second in 1..100 {
                assert_eq!(idle.note(Duration::from_secs(second), vec![unread]), Duration::ZERO);
            }
        }
    }
}
