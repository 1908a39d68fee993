//! Heartbeats of the agents of one host, sent in one call (R114: one manager per host). A call of its own for each agent
//! costs the registry several times as much, and a connection each.
//!
//! An agent is answered with what the registry said of its own heartbeat: nobody is told that its lease holds because this
//! coordinator thinks so.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::store::{BEATS_LIMIT, Members, Store, StoreError};
use crate::words::{
    AgentId, Answer, Beat, Beaten, CoordinatorId, Epoch, Incarnation, Item, ItemKind, Registered,
    Registration, Timing, Written,
};

/// How long heartbeats are gathered before they are sent: nothing beside a lease, and enough for a host's worth of them.
const GATHER: Duration = Duration::from_millis(20);
/// Heartbeats that wait: more agents than one host has.
const MOST_WAITING: usize = 10_000;
/// Agents of one host that are remembered.
const MOST_AGENTS: usize = 20_000;

/// Whoever waits for the answer to some heartbeats.
pub type Done = Box<dyn FnOnce(Result<Beaten, StoreError>) + Send>;

struct Waiting {
    beats: Vec<Beat>,
    done: Done,
}

/// When an agent was last heard of, and how long that is good for.
#[derive(Clone, Copy, Debug)]
struct Heard {
    epoch: Epoch,
    at: Duration,
    ttl: Duration,
}

/// Heartbeats that the registry has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// All of them.
    pub beats: u64,
    /// Those that were refused, of incarnations that were over.
    pub fenced: u64,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Waiting>,
    beats: usize,
    heard: HashMap<AgentId, Heard>,
    objections: u64,
    answered: Answered,
    closed: bool,
}

/// Gathers heartbeats and sends them together.
pub struct Batch {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    by: CoordinatorId,
    timing: Timing,
    inner: Mutex<Inner>,
    arrived: Condvar,
}

impl Batch {
    /// Beats for the agents of one coordinator.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, by: CoordinatorId, timing: Timing) -> Self {
        let (inner, arrived) = (Mutex::default(), Condvar::new());
        Self { store, clock, by, timing, inner, arrived }
    }

    /// Hands heartbeats in, and returns at once; `done` is called from the thread of [`Batch::run`]. Refused where too many
    /// wait already, or it is closed: `done` is then called here.
    pub fn submit(&self, beats: Vec<Beat>, done: Done) {
        let mut inner = self.lock();
        if inner.closed || inner.beats + beats.len() > MOST_WAITING {
            let why = if inner.closed { "this coordinator ends" } else { "too many heartbeats wait" };
            drop(inner);
            return done(Err(unreachable(why)));
        }
        inner.beats += beats.len();
        inner.waiting.push(Waiting { beats, done });
        drop(inner);
        self.arrived.notify_all();
    }

    /// Sends what is handed in until [`Batch::close`]: the whole life of one thread.
    pub fn run(&self) {
        loop {
            let mut inner = self.lock();
            while inner.waiting.is_empty() && !inner.closed {
                inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            if inner.waiting.is_empty() {
                return;
            }
            if inner.beats < BEATS_LIMIT && !inner.closed {
                let full = |inner: &mut Inner| inner.beats < BEATS_LIMIT && !inner.closed;
                drop(self.arrived.wait_timeout_while(inner, GATHER, full));
            } else {
                drop(inner);
            }
            self.flush();
        }
    }

    /// No more heartbeats are taken, those that wait are sent, and [`Batch::run`] returns.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Sends what waits now. Gives how many heartbeats that were.
    pub fn flush(&self) -> usize {
        let (waiting, count) = {
            let mut inner = self.lock();
            (std::mem::take(&mut inner.waiting), std::mem::take(&mut inner.beats))
        };
        let mut together: Vec<Waiting> = Vec::new();
        let mut size = 0;
        for one in waiting {
            if size + one.beats.len() > BEATS_LIMIT && !together.is_empty() {
                self.send(std::mem::take(&mut together));
                size = 0;
            }
            size += one.beats.len();
            together.push(one);
        }
        if !together.is_empty() {
            self.send(together);
        }
        count
    }

    /// How many agents it beats for.
    pub fn agents(&self) -> u64 {
        let now = self.clock.since_boot();
        let inner = self.lock();
        let fresh = inner.heard.values().filter(|heard| now.saturating_sub(heard.at) < heard.ttl);
        u64::try_from(fresh.count()).unwrap_or(u64::MAX)
    }

    /// Whether this very incarnation has beaten here within its lease. `None` is one of seed 004, which has no epochs:
    /// whoever has that name.
    pub fn hears(&self, id: &AgentId, epoch: Option<Epoch>) -> bool {
        let now = self.clock.since_boot();
        let inner = self.lock();
        let heard = inner.heard.get(id).filter(|heard| epoch.is_none_or(|epoch| heard.epoch == epoch));
        heard.is_some_and(|heard| now.saturating_sub(heard.at) < heard.ttl)
    }

    /// Objections that were made because of heartbeats.
    pub(super) fn objections(&self) -> u64 {
        self.lock().objections
    }

    /// Heartbeats that were answered.
    pub(super) fn answered(&self) -> Answered {
        self.lock().answered
    }

    fn send(&self, together: Vec<Waiting>) {
        let beats: Vec<Beat> = together.iter().flat_map(|one| one.beats.iter().cloned()).collect();
        match self.beat_for(&beats) {
            Ok(beaten) => {
                let mut answers = beaten.answers.into_iter();
                for one in together {
                    let answers: Vec<Answer> = answers.by_ref().take(one.beats.len()).collect();
                    // A registry that answers less than it was asked has answered nobody for certain.
                    let answer = if answers.len() == one.beats.len() {
                        Ok(Beaten { now: beaten.now, answers })
                    } else {
                        Err(unreachable("it has answered fewer heartbeats than it was sent"))
                    };
                    (one.done)(answer);
                }
            }
            Err(error) => {
                for one in together {
                    (one.done)(Err(error.again()));
                }
            }
        }
    }

    /// Sends heartbeats. Of an agent that has beaten here all the time and is being cleaned up nevertheless, the cleanup is
    /// objected to, and the heartbeat sent again.
    fn beat_for(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        let mut beaten = Beaten { now: self.clock.wall(), answers: Vec::with_capacity(beats.len()) };
        for some in beats.chunks(BEATS_LIMIT) {
            let answered = self.store.beat(some).inspect_err(|_| self.heard_only(beats))?;
            beaten.now = answered.now;
            beaten.answers.extend(answered.answers);
        }
        let objected: Vec<usize> = beats
            .iter()
            .zip(&beaten.answers)
            .enumerate()
            .filter(|(_, (beat, answer))| {
                matches!(answer, Answer::Fenced { by: None })
                    && self.hears(&beat.who.id, Some(beat.who.epoch))
                    && self.object(&beat.who.id, "it beats, over its host's coordinator").unwrap_or(false)
            })
            .map(|(at, _)| at)
            .collect();
        if !objected.is_empty() {
            let again: Vec<Beat> = objected.iter().map(|at| beats[*at].clone()).collect();
            for (some, at) in again.chunks(BEATS_LIMIT).zip(objected.chunks(BEATS_LIMIT)) {
                for (at, answer) in at.iter().zip(self.store.beat(some)?.answers) {
                    beaten.answers[*at] = answer;
                }
            }
        }
        self.remember(beats, &beaten.answers);
        Ok(beaten)
    }

    pub(super) fn object(&self, id: &AgentId, why: &str) -> Result<bool, StoreError> {
        let objected = self.store.object(id, &self.by, why)?;
        self.lock().objections += u64::from(objected);
        Ok(objected)
    }

    /// They have beaten here, and the registry does not know: they live all the same.
    fn heard_only(&self, beats: &[Beat]) {
        let now = self.clock.since_boot();
        let mut inner = self.lock();
        for Beat { who, .. } in beats {
            if let Some(heard) = inner.heard.get_mut(&who.id).filter(|heard| heard.epoch == who.epoch) {
                heard.at = now;
            }
        }
    }

    fn remember(&self, beats: &[Beat], answers: &[Answer]) {
        let now = self.clock.since_boot();
        let mut inner = self.lock();
        for (beat, answer) in beats.iter().zip(answers) {
            inner.answered.beats += 1;
            inner.answered.fenced += u64::from(matches!(answer, Answer::Fenced { .. }));
            match (answer, inner.heard.get_mut(&beat.who.id)) {
                (Answer::Accepted { .. }, Some(heard)) if heard.epoch == beat.who.epoch => heard.at = now,
                // Who registered elsewhere has told its lease there: the default is no longer than what holds.
                (Answer::Accepted { .. }, _) => {
                    inner.hear(beat.who.id.clone(), beat.who.epoch, self.timing.ttl, now);
                }
                (Answer::Fenced { .. }, Some(heard)) if heard.epoch == beat.who.epoch => {
                    inner.heard.remove(&beat.who.id);
                }
                (Answer::Fenced { .. }, _) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn hear(&mut self, id: AgentId, epoch: Epoch, ttl: Duration, at: Duration) {
        if self.heard.len() >= MOST_AGENTS {
            self.heard.retain(|_, heard| at.saturating_sub(heard.at) < heard.ttl);
        }
        if self.heard.len() < MOST_AGENTS {
            self.heard.insert(id, Heard { epoch, at, ttl });
        }
    }
}

/// What the agents of this host ask, with this coordinator as theirs. Blocks until it is answered.
impl Members for Batch {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        let registration = Registration { coordinator: Some(self.by.clone()), ..registration.clone() };
        let registered = self.store.register(&registration)?;
        if let Registered::Accepted { epoch, .. } = registered {
            let now = self.clock.since_boot();
            self.lock().hear(registration.id, epoch, registration.ttl, now);
        }
        Ok(registered)
    }

    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        // Nobody may wait any more: then nobody is told.
        self.submit(beats.to_vec(), Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv().unwrap_or_else(|_| Err(unreachable("this coordinator has ended")))
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        self.store.put(who, item)
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(id, kind, name)
    }

    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        // First: a heartbeat of it that is still under way is no reason to object to its own departure.
        let mut inner = self.lock();
        if inner.heard.get(&who.id).is_some_and(|heard| heard.epoch == who.epoch) {
            inner.heard.remove(&who.id);
        }
        drop(inner);
        self.store.depart(who, why, timing)
    }
}

fn unreachable(why: &str) -> StoreError {
    let url = "of this host's coordinator".to_owned();
    StoreError::Unreachable { url, doing: "sending heartbeats", source: why.into() }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("by", &self.by).finish_non_exhaustive()
    }
}
