//! Writes the death certificate from what was seen: how it ended, by whom, and how it grew before.

use std::time::Duration;

use scupper_model::{Certificate, EndedBy, Fatal, HowEnded, Identity, SignalReason};
use scupper_probe::cgroup::{self, OomCounter};

use super::tree::Member;
use crate::knowledge::heap_limit::heap_limit;

/// SIGKILL: what the OOM killer sends.
const KILL: i32 = 9;
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

    fn last(&self, target: &Identity) -> Option<(i32, SignalReason, Option<i32>)> {
        self.list.iter().rev().find(|(t, ..)| t == target).map(|&(_, s, r, from)| (s, r, from))
    }

    fn answer(&self, target: &Identity, how: HowEnded) -> Option<EndedBy> {
        let (signal, reason, sender) = self.last(target)?;
        let fits = match how {
            HowEnded::Signaled { signal: by, .. } => self.contains(target, by),
            HowEnded::Exited { .. } | HowEnded::Unknown => true,
            HowEnded::NotStarted { .. } => false,
        };
        match reason {
            _ if !fits => None,
            SignalReason::Forwarded => Some(EndedBy::Forwarded { passed_on: signal, sender }),
            reason => Some(EndedBy::Scupper { reason }),
        }
    }
}

/// By whom a process was ended. `counter` is its own cgroup's OOM counter as it was noted; it is read again here.
pub fn ended_by(sent: &Sent, identity: &Identity, how: HowEnded, counter: Option<&OomCounter>) -> EndedBy {
    if let Some(by) = sent.answer(identity, how) {
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
        growth_bytes: member.history.peak().is_some().then(|| member.growth()),
        heap_limit_bytes: heap_limit(&member.command, environment).map(|limit| limit.bytes),
        fatal: logs.0,
        last_lines: logs.1,
    }
}
