//! How long a server may still answer a client that has closed its end of stdin and lives: `producer | server` as a
//! program does it, which writes all of its requests, closes, and reads what comes. As long as something happens in the
//! tree the server's time to end by itself begins anew. A client that is gone, or that nobody knows, reads no answers.

use std::time::Duration;

use crate::unit::{Activity, Idle};

/// Time between two looks at what the tree does.
const LOOK: Duration = Duration::from_millis(100);
/// Nothing has happened for so long: no answer is being made that can be seen.
const QUIET: Duration = Duration::from_secs(1);
/// Whatever it does, a server gets no more than this: one that works by itself is never quiet.
const LONGEST: Duration = Duration::from_secs(30);

/// A server that may be answering.
#[derive(Debug)]
pub(super) struct Answering {
    until: Duration,
    next: Duration,
    idle: Idle,
}

impl Answering {
    /// The client closed now.
    pub(super) fn since(now: Duration) -> Self {
        Self { until: now + LONGEST, next: now, idle: Idle::default() }
    }

    /// When what the tree does is to be looked at.
    pub(super) const fn next(&self) -> Duration {
        self.next
    }

    /// Whether nobody has more time to get.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.until
    }

    /// Takes what the members of the tree have done by now. Whether they get more time; where it cannot be said, not.
    pub(super) fn goes_on(&mut self, now: Duration, done: Option<Vec<Activity>>) -> bool {
        self.next = now + LOOK;
        let known = |done: &Vec<Activity>| {
            !done.is_empty() && done.iter().all(|member| member.passed.is_some() && member.cpu.is_some())
        };
        done.filter(known).is_some_and(|done| self.idle.note(now, done) < QUIET)
    }
}
