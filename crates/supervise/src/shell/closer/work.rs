//! The thread that a look is made on. A look ends by itself after a while, but not where a system call of it hangs in the
//! kernel (a lock that somebody holds, a server that is gone). Such a thread cannot be ended. So it is given up after a
//! deadline, and looks go on without it; but no more threads than a few may hang.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scupper_model::{EventKind, Identity};

use super::Order;
use super::reading::{Answer, Child, LONGEST, look_closer};
use crate::shell::clock::Clock;

/// A look that has taken so long hangs, as far as anybody can tell: by itself it ends after [`LONGEST`].
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Nobody is kept waiting by one that has taken so long.
const SLOW: Duration = LONGEST.saturating_add(Duration::from_secs(1));
/// Threads that may hang. While there are so many no look is made.
const MOST_HANGING: usize = 2;

/// What a look is made with.
pub(super) type Looker = fn(&Identity, &[Child], usize) -> Answer;

/// The look at work, and those that were given up.
#[derive(Debug)]
pub(super) struct Works {
    work: Option<Work>,
    hanging: Vec<JoinHandle<()>>,
    pub(super) looker: Looker,
    pub(super) slow: Duration,
    pub(super) given_up: Duration,
}

#[derive(Debug)]
struct Work {
    order: Order,
    answered: Receiver<Answer>,
    thread: JoinHandle<()>,
    begun: Clock,
    wanted: bool,
}

/// What has become of the look at work.
#[derive(Debug)]
pub(super) enum Taken {
    /// Nothing yet, or nothing that anybody wants.
    Nothing,
    /// It has found this.
    Found(Box<Order>, Answer),
    /// It will never find anything.
    Failed(EventKind),
}

impl Default for Works {
    fn default() -> Self {
        Self { work: None, hanging: Vec::new(), looker: look_closer, slow: SLOW, given_up: GIVEN_UP }
    }
}

impl Works {
    /// Whether a look can be begun.
    pub(super) fn is_free(&mut self) -> bool {
        self.hanging.retain(|thread| !thread.is_finished());
        self.work.is_none() && self.hanging.len() < MOST_HANGING
    }

    /// What is being looked at for somebody.
    pub(super) fn order(&self) -> Option<&Order> {
        self.work.as_ref().filter(|work| work.wanted).map(|work| &work.order)
    }

    pub(super) const fn is_at_work(&self) -> bool {
        self.work.is_some()
    }

    /// Whether it is worth waiting for the look at work.
    pub(super) fn may_end_soon(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.wanted && work.begun.now() < self.slow)
    }

    /// Begins a look. Where that cannot be, what is to be told of it.
    pub(super) fn begin(&mut self, order: Order) -> Option<EventKind> {
        let (answers, answered) = mpsc::sync_channel(1);
        let (target, children) = (order.subject.target, order.children.clone());
        let (more, looker) = (order.more_children, self.looker);
        let work = move || {
            let _ = answers.send(looker(&target, &children, more));
        };
        let begun = Clock::start();
        match thread::Builder::new().name("scupper-closer".into()).stack_size(256 << 10).spawn(work) {
            Ok(thread) => {
                self.work = Some(Work { order, answered, thread, begun, wanted: true });
                None
            }
            Err(error) => Some(unknown(&order, &format!("could not be begun ({error})"))),
        }
    }

    /// Takes what the look at work has found, where it has, or has by then.
    pub(super) fn take(&mut self, patience: Option<Duration>) -> Taken {
        let Some(work) = self.work.take() else { return Taken::Nothing };
        match work.answered.recv_timeout(patience.unwrap_or_default()) {
            Ok(answer) if work.wanted => Taken::Found(Box::new(work.order), answer),
            Ok(_) => Taken::Nothing,
            Err(RecvTimeoutError::Timeout) if work.begun.now() < self.given_up => {
                self.work = Some(work);
                Taken::Nothing
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hanging.push(work.thread);
                let more = if self.hanging.len() < MOST_HANGING {
                    String::new()
                } else {
                    format!("; no other is made before one of {MOST_HANGING} that hang has ended")
                };
                let what = format!("took longer than {} s and was given up{more}", self.given_up.as_secs());
                Taken::Failed(unknown(&work.order, &what))
            }
            Err(RecvTimeoutError::Disconnected) => Taken::Failed(unknown(&work.order, "failed")),
        }
    }

    /// Nobody wants what the look at work finds.
    pub(super) const fn unwant(&mut self) {
        if let Some(work) = &mut self.work {
            work.wanted = false;
        }
    }
}

fn unknown(order: &Order, what: &str) -> EventKind {
    let Order { name, subject, .. } = order;
    let message =
        format!("a closer look at {name} ({}) {what}: what it holds is not known", subject.target.pid);
    EventKind::Trouble { message }
}
