//! Writes the death certificate from what was seen: how it ended, by whom, and how it grew before.

use std::time::Duration;

use scupper_model::{Certificate, EndedBy, Fatal, HowEnded, Identity, SignalReason};
use scupper_probe::cgroup::{self, OomCounter};

use super::tree::Member;
use scupper_knowledge::heap_limit::heap_limit;

/// SIGKILL: what the OOM killer sends.
const KILL: i32 = 9;
/// Signals that ask a program to end, or end it: HUP, INT, QUIT, KILL, TERM.
const ENDING: [i32; 5] = [1, 2, 3, 9, 15];
/// Signals that a program's own fault raises: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
const OWN_FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];
/// Signals remembered. The oldest is forgotten; a target dies soon after it was signalled.
const REMEMBERED: usize = 256;

/// What was sent to whom, so that a death can be laid at the right door.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    list: Vec<(Identity, i32, SignalReason, Option<i32>)>,
}

impl Sent {
    /// Notes a signal; for a forwarded one also who sent it to us.
    pub fn note(&mut self, target: Identity, signal: i32, reason: SignalReason, sender: Option<i32>) {
        if self.list.len() >= REMEMBERED {
            self.list.remove(0);
        }
        self.list.push((target, signal, reason, sender));
    }

    /// Whether this very signal was sent for this reason before, so that a repetition need not be told again.
    pub fn contains(&self, target: &Identity, signal: i32) -> bool {
        self.list.iter().any(|(t, s, ..)| t == target && *s == signal)
    }

    /// Whether it was signalled as something that was left behind.
    pub fn was_left_behind(&self, target: &Identity) -> bool {
        self.list.iter().any(|(t, _, reason, _)| t == target && *reason == SignalReason::LeftBehind)
    }

    /// The signal that ended a process, if it was one of these: the very one that the kernel names, or before an exit
    /// the last that asks for one. What was only passed on ended nothing while the unit was to go on (a HUP to reload,
    /// a USR1 to reopen logs).
    fn answer(&self, target: &Identity, how: HowEnded, ending: bool) -> Option<EndedBy> {
        let could = |signal: i32, reason: SignalReason| match how {
            HowEnded::Signaled { signal: by, .. } => signal == by,
            HowEnded::Exited { .. } | HowEnded::Unknown => {
                ENDING.contains(&signal) && (ending || reason != SignalReason::Forwarded)
            }
            HowEnded::NotStarted { .. } => false,
        };
        let sent =
            self.list.iter().rev().find(|(t, signal, reason, _)| t == target && could(*signal, *reason));
        sent.map(|&(_, passed_on, reason, sender)| match reason {
            SignalReason::Forwarded => EndedBy::Forwarded { passed_on, sender },
            reason => EndedBy::Scupper { reason },
        })
    }
}

/// By whom a process was ended. `counter` is its own cgroup's OOM counter as it was noted; it is read again here.
/// `ending` says whether the unit was being ended or replaced at the time.
pub fn ended_by(
    sent: &Sent,
    identity: &Identity,
    how: HowEnded,
    counter: Option<&OomCounter>,
    ending: bool,
) -> EndedBy {
    if let Some(by) = sent.answer(identity, how, ending) {
        return by;
    }
    match how {
        HowEnded::Signaled { signal: KILL, .. } => {
            let step = counter.and_then(|before| count_again(before).map(|after| (before, after)));
            match step {
                Some((before, after)) if after > before.count => EndedBy::OomKiller {
                    cgroup: before.cgroup.display().to_string(),
                    count_before: before.count,
                    count_after: after,
                },
                _ => EndedBy::Unknown,
            }
        }
        HowEnded::Signaled { signal, .. } if OWN_FAULTS.contains(&signal) => EndedBy::Itself,
        HowEnded::Exited { .. } | HowEnded::NotStarted { .. } => EndedBy::Itself,
        HowEnded::Signaled { .. } | HowEnded::Unknown => EndedBy::Unknown,
    }
}

fn count_again(before: &OomCounter) -> Option<u64> {
    let v2 = cgroup::oom_kills(&before.cgroup).ok().flatten();
    v2.or_else(|| cgroup::v1_oom_kills(&before.cgroup).ok().flatten())
}

/// The certificate of a member of the tree.
pub fn certificate(
    member: &Member,
    how: HowEnded,
    by: EndedBy,
    lived: Duration,
    environment: Option<&[Vec<u8>]>,
    logs: (Option<Fatal>, Vec<String>),
) -> Certificate {
    Certificate {
        identity: member.identity,
        name: member.shown_name(),
        role: member.role.name().to_owned(),
        how,
        by,
        lived,
        last_rss_bytes: member.history.last(),
        peak_rss_bytes: member.history.peak(),
        growth_bytes: member.history.growth(),
        heap_limit_bytes: heap_limit(&member.command, environment).map(|limit| limit.bytes),
        fatal: logs.0,
        last_lines: logs.1,
    }
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Pid, StartTime};

    use super::*;

    #[test]
    fn what_was_passed_on_ended_it_only_where_it_was_to_end() {
        let boot_id = "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap();
        let target = Identity { pid: Pid::new(7).unwrap(), start_time: StartTime(1), boot_id };
        let mut sent = Sent::default();
        let exited = HowEnded::Exited { code: 0 };
        let by = |sent: &Sent, how, ending| ended_by(sent, &target, how, None, ending);
        for signal in [1, 10, 28] {
            sent.note(target, signal, SignalReason::Forwarded, Some(5));
            assert_eq!(by(&sent, exited, false), EndedBy::Itself);
        }
        // It had no handler for that one.
        let by_usr1 = HowEnded::Signaled { signal: 10, core_dumped: false };
        let forwarded = |passed_on| EndedBy::Forwarded { passed_on, sender: Some(5) };
        assert_eq!(by(&sent, by_usr1, false), forwarded(10));
        // A window that changes its size during the end is not what ended it.
        sent.note(target, 15, SignalReason::Forwarded, Some(5));
        sent.note(target, 28, SignalReason::Forwarded, Some(5));
        assert_eq!(by(&sent, exited, true), forwarded(15));
        sent.note(target, 9, SignalReason::GraceExpired, None);
        let killed = HowEnded::Signaled { signal: 9, core_dumped: false };
        assert_eq!(by(&sent, killed, true), EndedBy::Scupper { reason: SignalReason::GraceExpired });
        let crashed = HowEnded::Signaled { signal: 11, core_dumped: false };
        assert_eq!(by(&sent, crashed, true), EndedBy::Itself);
    }
}
