//! Proportional set sizes, read beside the loop.
//!
//! The sum of RSS counts pages that a prefork master shares with its workers once per process. Near a limit PSS
//! confirms or clears. Reading it walks the target's page tables under its mmap lock (5 to 30 ms for 1 GB, and for
//! ever behind a process that hangs there), so it is done on a thread of its own, on a budget, and the loop waits for
//! it only briefly.
//!
//! What is kept is how much of *each* member's RSS is shared: it leaves the sum together with the member. Whoever is new near
//! a limit has not been read. Until it was, for at most [`LATE`], nobody is ended for what may be its double count; then,
//! and where it cannot be read, its RSS counts in full. A limit waits no longer than that either, whoever comes and goes
//! meanwhile: processes that replace themselves faster than they are read would else never be above it.
//!
//! When somebody leaves who shared much, the others may hold alone what they shared with it: they are read again soon. So they
//! are when they may have made copies of what they share (`unsharing`), which no RSS tells.

mod unsharing;

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread;
use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid};
use scupper_probe::{Proc, shared};

use self::unsharing::Unsharing;
use super::clock;
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
/// After a reading it rests for this many times what it took before it reads who is new, but not until that is late.
const SHORT_REST: u32 = 10;
const LONGEST_SHORT_REST: Duration = Duration::from_millis(250);
/// This part of a limit is much to have been shared by who has left.
const MUCH: u64 = 50;
/// A reading costs little enough below this to be made at any time.
const FREE: Duration = Duration::from_millis(5);

/// A member, and its RSS.
type Member = (Identity, Bytes);

/// How it is read how much of its RSS a process shares.
type Read = fn(&Proc, Pid) -> Option<Bytes>;

/// What one reading said: how much of the RSS of each is shared. `None` of who has no memory or may not be read.
#[derive(Debug)]
struct Answer {
    shared: Vec<(Identity, Option<Bytes>)>,
    /// Of a processor: a machine that is busy with others does not make it dearer.
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

/// Reads PSS when asked. Its thread starts at the first question.
#[derive(Debug)]
pub struct PssReader {
    read: Read,
    thread: Option<(SyncSender<Vec<Identity>>, Receiver<Answer>)>,
    waiting: bool,
    rest_until: Duration,
    short_rest_until: Duration,
    known: HashMap<Identity, Known>,
    /// What those shared who have left since all were read.
    left: u64,
    /// When they may be read again for that.
    left_rest_until: Duration,
    unsharing: Unsharing,
    /// Whether what was asked last was asked of all.
    asked_all: bool,
    /// Since when nobody can say whether the tree is above the soft limit, and above the hard one.
    doubt: [Option<Duration>; 2],
}

impl Default for PssReader {
    fn default() -> Self {
        Self {
            read: |proc, pid| shared(proc, pid).ok().flatten(),
            thread: None,
            waiting: false,
            rest_until: Duration::ZERO,
            short_rest_until: Duration::ZERO,
            known: HashMap::new(),
            left: 0,
            left_rest_until: Duration::ZERO,
            unsharing: Unsharing::default(),
            asked_all: false,
            doubt: [None; 2],
        }
    }
}

impl PssReader {
    /// Near a limit, takes what its members share out of the size of a tree.
    pub fn confirm(&mut self, proc: &Proc, look: &mut Look, bound: Bound, now: Duration) {
        let nearest = [bound.soft, bound.hard].into_iter().flatten().min();
        let near = nearest.filter(|limit| look.size.0 > limit / 100 * FROM_PERCENT);
        let Some(limit) = near.filter(|_| look.tree.processes > 1) else {
            self.doubt = [None; 2];
            return;
        };
        let living = look.processes.iter().filter(|seen| !seen.zombie);
        let members: Vec<Member> = living.filter_map(|seen| Some((seen.identity, seen.rss?))).collect();
        self.meet(&members, now);
        if self.waiting {
            self.take_late(now);
        } else {
            self.read_due(proc, &members, limit, bound, now);
        }
        let size = self.size(&members, now);
        look.size = self.decide(size, bound, now);
    }

    /// What limits are compared with: the most it may be, but for a limit that only a double count may be above.
    fn decide(&mut self, size: Size, bound: Bound, now: Duration) -> Bytes {
        let mut decided = size.most;
        for (limit, since) in [bound.soft, bound.hard].into_iter().zip(&mut self.doubt) {
            let Some(limit) = limit.filter(|limit| size.least <= *limit && *limit < size.most) else {
                *since = None;
                continue;
            };
            if now.saturating_sub(*since.get_or_insert(now)) < LATE {
                decided = decided.min(limit);
            }
        }
        Bytes(decided)
    }

    /// Forgets what was found: another tree.
    pub fn forget(&mut self) {
        self.known = HashMap::new();
        (self.left, self.doubt) = (0, [None; 2]);
        self.unsharing.forget();
    }

    /// Notes who is there, and what those shared who have left.
    fn meet(&mut self, members: &[Member], now: Duration) {
        for (identity, _) in members {
            self.known.entry(*identity).or_insert(Known { since: now, shared: None });
        }
        if self.known.len() > members.len() {
            let present: HashMap<Identity, Bytes> = members.iter().copied().collect();
            let gone = |(identity, known): (&Identity, &Known)| {
                known.shared.filter(|_| !present.contains_key(identity)).map(|(_, shared)| shared.0)
            };
            self.left = self.known.iter().filter_map(gone).fold(self.left, u64::saturating_add);
            self.known.retain(|identity, _| present.contains_key(identity));
            self.known.shrink_to(2 * members.len());
        }
    }

    fn size(&self, members: &[Member], now: Duration) -> Size {
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

    /// Asks for what is due.
    fn read_due(&mut self, proc: &Proc, members: &[Member], limit: u64, bound: Bound, now: Duration) {
        let mut due = self.due(members, limit, now);
        if due.len() < members.len() && self.may_be_unshared(proc, members, bound, now) {
            due = members.iter().map(|(identity, _)| *identity).collect();
        }
        if !due.is_empty() {
            let all = due.len() == members.len();
            self.unsharing.note_asked(proc, &due, all, now);
            self.ask(due, all, now);
        }
    }

    /// Whether the tree may be nearer to its next limit than it was when it was read, by what it has ceased to share.
    fn may_be_unshared(&mut self, proc: &Proc, members: &[Member], bound: Bound, now: Duration) -> bool {
        let size = self.size(members, now).most;
        let Some(limit) = bound.next_above(size) else { return false };
        let known = &self.known;
        let sharing = members.iter().filter_map(|(identity, _)| {
            let (_, shared) = known.get(identity)?.shared?;
            Some((*identity, shared.0))
        });
        self.unsharing.is_due(proc, sharing, (limit, limit.saturating_sub(size)), now)
    }

    /// Who is to be read now: who is new, or everybody.
    fn due(&self, members: &[Member], limit: u64, now: Duration) -> Vec<Identity> {
        let read = |identity: &Identity| self.known.get(identity).and_then(|known| known.shared);
        let identities = members.iter().map(|(identity, _)| *identity);
        let old = |identity: Identity| read(&identity).is_none_or(|(at, _)| now.saturating_sub(at) >= FRESH);
        let all_may_be_read = now >= self.rest_until && identities.clone().any(old);
        if all_may_be_read || (now >= self.left_rest_until && self.left > limit / MUCH) {
            return identities.collect();
        }
        let may_be_read = now >= self.short_rest_until;
        if may_be_read {
            identities.filter(|identity| read(identity).is_none()).collect()
        } else {
            Vec::new()
        }
    }

    /// A late answer is of those who were there then: it holds for whoever of them still is.
    fn take_late(&mut self, now: Duration) {
        match self.thread.as_ref().map(|(_, answers)| answers.try_recv()) {
            Some(Ok(answer)) => {
                self.waiting = false;
                self.note(answer, now);
            }
            Some(Err(TryRecvError::Empty)) => {}
            Some(Err(TryRecvError::Disconnected)) | None => (self.thread, self.waiting) = (None, false),
        }
    }

    fn ask(&mut self, due: Vec<Identity>, all: bool, now: Duration) {
        if self.thread.is_none() {
            self.thread = start(self.read);
        }
        let Some((questions, answers)) = &self.thread else { return };
        if questions.try_send(due).is_err() {
            self.thread = None;
            return;
        }
        self.asked_all = all;
        if all {
            self.left = 0;
        }
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => self.note(answer, now),
            Err(RecvTimeoutError::Timeout) => self.waiting = true,
            Err(RecvTimeoutError::Disconnected) => self.thread = None,
        }
    }

    fn note(&mut self, answer: Answer, now: Duration) {
        if answer.took > FREE {
            let short = answer.took * SHORT_REST;
            self.short_rest_until = now + short.min(LONGEST_SHORT_REST);
            // Who is new must not keep the others from being read again.
            if self.asked_all {
                self.left_rest_until = now + short;
                self.rest_until = now + answer.took * REST;
            }
        }
        if self.asked_all {
            let sum = |shared: Option<Bytes>| shared.map_or(0, |shared| shared.0);
            let known = |identity: &Identity| self.known.get(identity).and_then(|known| known.shared);
            let both = answer.shared.iter().filter(|(_, shared)| shared.is_some());
            let (before, after) = both.fold((0_u64, 0_u64), |(before, after), (identity, shared)| {
                let known = known(identity).map(|(_, shared)| shared);
                (before.saturating_add(sum(known)), after.saturating_add(sum(*shared)))
            });
            self.unsharing.note_read(before, after, answer.took, now);
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

fn start(read: Read) -> Option<(SyncSender<Vec<Identity>>, Receiver<Answer>)> {
    let (questions, asked) = mpsc::sync_channel::<Vec<Identity>>(1);
    let (answers, answered) = mpsc::sync_channel(1);
    let work = move || {
        let Ok(proc) = Proc::open(std::path::Path::new("/proc")) else { return };
        for members in asked {
            let begun = clock::processor_time();
            let shared = members.into_iter().map(|identity| (identity, read(&proc, identity.pid))).collect();
            let took = clock::processor_time().saturating_sub(begun);
            if answers.send(Answer { shared, took }).is_err() {
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("scupper-pss".into()).stack_size(128 << 10).spawn(work);
    spawned.ok().map(|_| (questions, answered))
}

#[cfg(test)]
mod tests;
