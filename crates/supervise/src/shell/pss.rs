//! Proportional set sizes, read beside the loop.
//!
//! The sum of RSS counts pages that a prefork master shares with its workers once per process. Near a limit PSS
//! confirms or clears. Reading it walks the target's page tables under its mmap lock (5 to 30 ms for 1 GB, and for
//! ever behind a process that hangs there), so it is done on a thread of its own, on a budget, and the loop waits for
//! it only briefly.
//!
//! What is kept is how much of *each* member's RSS is shared: it leaves the sum together with the member. Whoever is new near
//! a limit has not been read. Until it was, for at most [`LATE`], nobody is ended for what may be its double count; then,
//! and where it cannot be read, its RSS counts in full.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid};
use scupper_probe::{Proc, pss};

use super::clock::Clock;
use crate::unit::{Bound, Look};

/// PSS is asked for above this share of the nearest limit.
const FROM_PERCENT: u64 = 90;
/// How long the loop waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// So long a member that was not read may be taken for a double count of others.
const LATE: Duration = Duration::from_secs(1);
/// An answer holds for this long: what is shared changes slowly.
const FRESH: Duration = Duration::from_secs(5);
/// After a reading of all the thread rests for this many times what it took: at most 1 % of a core.
const REST: u32 = 100;
/// After a reading it rests for this many times what it took before it reads who is new.
const SHORT_REST: u32 = 10;
/// A reading costs little enough below this to be made at any time.
const FREE: Duration = Duration::from_millis(5);

/// A member, and its RSS when the question was asked.
type Question = (Identity, Bytes);

/// How PSS is read of one process.
type Read = fn(&Proc, Pid) -> Option<Bytes>;

/// What one reading said: how much of the RSS of each is shared. `None` of who has no memory or may not be read.
#[derive(Debug)]
struct Answer {
    shared: Vec<(Identity, Option<Bytes>)>,
    took: Duration,
}

/// What is known of one member.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When it was first seen near a limit.
    since: Duration,
    /// When it was last read, and how much of its RSS was shared then.
    shared: Option<(Duration, Bytes)>,
}

/// The size of a tree, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    least: u64,
    most: u64,
}

impl Size {
    /// What limits are compared with: the most it may be, but for a limit that only a double count may be above.
    fn against(self, bound: Bound) -> Bytes {
        let perhaps = |limit: &u64| self.least <= *limit && *limit < self.most;
        Bytes([bound.soft, bound.hard].into_iter().flatten().filter(perhaps).min().unwrap_or(self.most))
    }
}

/// Reads PSS when asked. Its thread starts at the first question.
#[derive(Debug)]
pub struct PssReader {
    read: Read,
    thread: Option<(SyncSender<Vec<Question>>, Receiver<Answer>)>,
    waiting: bool,
    rest_until: Duration,
    short_rest_until: Duration,
    known: HashMap<Identity, Known>,
}

impl Default for PssReader {
    fn default() -> Self {
        Self {
            read: |proc, pid| pss(proc, pid).ok().flatten(),
            thread: None,
            waiting: false,
            rest_until: Duration::ZERO,
            short_rest_until: Duration::ZERO,
            known: HashMap::new(),
        }
    }
}

impl PssReader {
    /// Near a limit, takes what its members share out of the size of a tree.
    pub fn confirm(&mut self, look: &mut Look, bound: Bound, now: Duration) {
        let nearest = [bound.soft, bound.hard].into_iter().flatten().min();
        let near = nearest.is_some_and(|limit| look.size.0 > limit / 100 * FROM_PERCENT);
        if near && look.tree.processes > 1 {
            let living = look.processes.iter().filter(|seen| !seen.zombie);
            let members: Vec<Question> = living.filter_map(|seen| Some((seen.identity, seen.rss?))).collect();
            look.size = self.size(&members, now).against(bound);
        }
    }

    /// Forgets what was found: another tree.
    pub fn forget(&mut self) {
        self.known = HashMap::new();
    }

    fn size(&mut self, members: &[Question], now: Duration) -> Size {
        for (identity, _) in members {
            self.known.entry(*identity).or_insert(Known { since: now, shared: None });
        }
        if self.known.len() > members.len() {
            let present: HashMap<Identity, Bytes> = members.iter().copied().collect();
            self.known.retain(|identity, _| present.contains_key(identity));
            self.known.shrink_to(2 * members.len());
        }
        let due = self.due(members, now);
        if !due.is_empty() {
            self.ask(due, now);
        }
        let mut size = Size { least: 0, most: 0 };
        for (identity, rss) in members {
            let known = self.known.get(identity);
            let shared = known.and_then(|known| known.shared).map(|(_, shared)| shared);
            let own = rss.saturating_sub(shared.unwrap_or_default()).0;
            let late = known.is_none_or(|known| now.saturating_sub(known.since) >= LATE);
            size.most = size.most.saturating_add(own);
            size.least = size.least.saturating_add(if shared.is_some() || late { own } else { 0 });
        }
        // A process counts none of its own pages twice.
        let largest = members.iter().map(|(_, rss)| rss.0).max().unwrap_or(0);
        Size { least: size.least.max(largest).min(size.most), ..size }
    }

    /// Who is to be read now: who is new, or everybody.
    fn due(&self, members: &[Question], now: Duration) -> Vec<Question> {
        let read = |identity: &Identity| self.known.get(identity).and_then(|known| known.shared);
        let old =
            |(identity, _): &&Question| read(identity).is_none_or(|(at, _)| now.saturating_sub(at) >= FRESH);
        if now >= self.rest_until && members.iter().any(|member| old(&member)) {
            return members.to_vec();
        }
        let new = |(identity, _): &&Question| read(identity).is_none();
        if now >= self.short_rest_until { members.iter().filter(new).copied().collect() } else { Vec::new() }
    }

    fn ask(&mut self, due: Vec<Question>, now: Duration) {
        if self.thread.is_none() {
            (self.thread, self.waiting) = (start(self.read), false);
        }
        let Some((questions, answers)) = &self.thread else { return };
        if self.waiting {
            // A late answer is of those who were there then: it holds for whoever of them still is.
            match answers.try_recv() {
                Ok(answer) => {
                    self.waiting = false;
                    return self.note(answer, now);
                }
                Err(_) => return,
            }
        }
        if questions.try_send(due).is_err() {
            return;
        }
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => self.note(answer, now),
            Err(RecvTimeoutError::Timeout) => self.waiting = true,
            Err(RecvTimeoutError::Disconnected) => self.thread = None,
        }
    }

    fn note(&mut self, answer: Answer, now: Duration) {
        if answer.took > FREE {
            self.rest_until = now + answer.took * REST;
            self.short_rest_until = now + answer.took * SHORT_REST;
        }
        for (identity, shared) in answer.shared {
            let Some(known) = self.known.get_mut(&identity) else { continue };
            match shared {
                Some(shared) => known.shared = Some((now, shared)),
                // It ends, and is known already; or nothing can ever be taken off.
                None => _ = known.shared.get_or_insert((now, Bytes(0))),
            }
        }
    }
}

fn start(read: Read) -> Option<(SyncSender<Vec<Question>>, Receiver<Answer>)> {
    let (questions, asked) = mpsc::sync_channel::<Vec<Question>>(1);
    let (answers, answered) = mpsc::sync_channel(1);
    let work = move || {
        let Ok(proc) = Proc::open(std::path::Path::new("/proc")) else { return };
        for members in asked {
            let clock = Clock::start();
            let shared = |(identity, rss): Question| {
                let found = read(&proc, identity.pid);
                (identity, found.map(|bytes| rss.saturating_sub(bytes)))
            };
            let shared = members.into_iter().map(shared).collect();
            if answers.send(Answer { shared, took: clock.now() }).is_err() {
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("scupper-pss".into()).stack_size(128 << 10).spawn(work);
    spawned.ok().map(|_| (questions, answered))
}

#[cfg(test)]
mod tests;
