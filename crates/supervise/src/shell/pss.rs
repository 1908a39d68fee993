//! Proportional set sizes, read beside the loop.
//!
//! The sum of RSS counts pages that a prefork master shares with its workers once per process. Near a limit PSS
//! confirms or clears. Reading it walks the target's page tables under its mmap lock (5 to 30 ms for 1 GB, and for
//! ever behind a process that hangs there), so it is done on a thread of its own, on a budget, and the loop waits for
//! it only briefly: where the answer is late or cannot be had, the sum decides.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use scupper_model::{Bytes, Pid};
use scupper_probe::{Proc, pss};

use super::clock::Clock;

/// How long the loop waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// An answer holds for this long: what is shared changes slowly.
const FRESH: Duration = Duration::from_secs(5);
/// After a reading the thread rests for this many times what it took: at most 1 % of a core.
const REST: u32 = 100;
/// A reading costs little enough below this to be made at any time.
const FREE: Duration = Duration::from_millis(5);

/// What one reading said.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Sum of PSS; `None` where a member could not be read.
    total: Option<Bytes>,
    took: Duration,
}

/// Reads PSS when asked. Its thread starts at the first question.
#[derive(Debug, Default)]
pub struct PssReader {
    thread: Option<(SyncSender<Vec<Pid>>, Receiver<Answer>)>,
    waiting: bool,
    rest_until: Duration,
    /// How much of the sum of RSS is shared pages counted more than once.
    shared: Option<(Duration, Bytes)>,
}

impl PssReader {
    /// The size of a tree whose members have `rss` in sum: less what they share, where that could be found out.
    pub fn confirm(&mut self, now: Duration, members: &[Pid], rss: Bytes) -> Bytes {
        let fresh = self.shared.is_some_and(|(at, _)| now.saturating_sub(at) < FRESH);
        if !fresh && members.len() > 1 && now >= self.rest_until {
            self.ask(now, members, rss);
        }
        let shared = self.shared.map_or(Bytes(0), |(_, shared)| shared);
        rss.saturating_sub(shared)
    }

    /// Forgets what was found: another tree, or other members.
    pub fn forget(&mut self) {
        self.shared = None;
    }

    fn ask(&mut self, now: Duration, members: &[Pid], rss: Bytes) {
        if self.thread.is_none() {
            self.thread = start();
        }
        let Some((questions, answers)) = &self.thread else { return };
        if self.waiting {
            // A late answer is of an older tree: it only says that the thread is free again.
            match answers.try_recv() {
                Ok(_) => self.waiting = false,
                Err(_) => return,
            }
        }
        if questions.try_send(members.to_vec()).is_err() {
            return;
        }
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => {
                if answer.took > FREE {
                    self.rest_until = now + answer.took * REST;
                }
                self.shared = answer.total.map(|total| (now, rss.saturating_sub(total)));
            }
            Err(RecvTimeoutError::Timeout) => self.waiting = true,
            Err(RecvTimeoutError::Disconnected) => self.thread = None,
        }
    }
}

fn start() -> Option<(SyncSender<Vec<Pid>>, Receiver<Answer>)> {
    let (questions, asked) = mpsc::sync_channel::<Vec<Pid>>(1);
    let (answers, answered) = mpsc::sync_channel(1);
    let work = move || {
        let Ok(proc) = Proc::open(std::path::Path::new("/proc")) else { return };
        for members in asked {
            let clock = Clock::start();
            let total = members.iter().try_fold(Bytes(0), |sum, pid| match pss(&proc, *pid) {
                Ok(Some(bytes)) => Some(Bytes(sum.0.saturating_add(bytes.0))),
                Ok(None) => Some(sum),
                Err(_) => None,
            });
            if answers.send(Answer { total, took: clock.now() }).is_err() {
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("scupper-pss".into()).stack_size(128 << 10).spawn(work);
    spawned.ok().map(|_| (questions, answered))
}
