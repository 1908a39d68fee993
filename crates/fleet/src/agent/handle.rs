//! An agent for Rust programs: a [`Keeper`], and what is done when the lease is lost.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scupper_model::Identity;
use serde::{Deserialize, Serialize};

use super::keeper::{Keeper, Setup, Told, WriteError};
use super::machine::News;
use super::times::times;
use super::{InvalidTimes, LEASE_LOST};
use crate::store::{Members, StoreError};
use crate::words::{
    AgentId, Directive, HostId, Incarnation, Item, ItemKind, Process, Report, SecretHash, Timing,
};

/// What is done when an agent can no longer be sure that it is a member. Whichever: from that moment
/// [`Agent::may_act`] is `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLeaseLost {
    /// It stands still until the registry answers, and goes on if nobody was told otherwise. If its incarnation is over
    /// by then, as [`Finish`](Self::Finish).
    #[default]
    Pause,
    /// It finishes what it works on, for at most [`Timing::drain`]; then the process exits with [`LEASE_LOST`].
    Finish,
    /// The process exits with [`LEASE_LOST`] at once.
    Exit,
}

/// What an agent is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It asks to be a member.
    #[default]
    Joining,
    /// It is a member.
    Member,
    /// It has lost its lease, and stands still.
    Lost,
    /// It has lost its lease: it finishes what it works on, and takes nothing new.
    Finishing,
    /// A living process has its name.
    Taken,
    /// It has left.
    Left,
}

/// What [`Agent::leave`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing of it is left.
    Left,
    /// The registry did not say so in time: the lease runs out, and a sweep cleans up.
    Unanswered,
}

/// An agent that could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its times cannot hold.
    #[error("the agent cannot keep a lease with these times")]
    Times(#[from] InvalidTimes),
    /// No thread, or no descriptor.
    #[error("cannot start the thread of the agent")]
    Thread(#[source] io::Error),
    /// A living process has its name.
    #[error(
        "a living process is the agent {id}: it is believed for another {} ms; wait, end it, or take its name over",
        .remaining.as_millis()
    )]
    Taken {
        /// Which name.
        id: AgentId,
        /// How long its lease still holds.
        remaining: Duration,
    },
}

type Listener = Box<dyn FnMut(&Told<'_>) + Send>;
type End = Arc<dyn Fn(u8) + Send + Sync>;

/// How an agent is to be.
pub struct Builder {
    id: AgentId,
    members: Arc<dyn Members>,
    ttl: Option<Duration>,
    interval: Option<Duration>,
    drain: Duration,
    process: Process,
    takeover: bool,
    secret: Option<SecretHash>,
    on_lease_lost: OnLeaseLost,
    listener: Listener,
    end: End,
}

impl Builder {
    /// How long a heartbeat is good for [default: 120 s].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How often it beats [default: a quarter of its lease].
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// How long it may finish what it works on [default: 30 s].
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Which process it is, where that is known: whoever coordinates its host may then end it when it is an orphan.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.process.identity = Some(identity);
        self
    }

    /// Fence whoever has the name now, instead of being refused.
    pub fn takeover(mut self) -> Self {
        self.takeover = true;
        self
    }

    /// What its requests are checked against over HTTP.
    pub fn secret(mut self, secret: SecretHash) -> Self {
        self.secret = Some(secret);
        self
    }

    /// What is done when the lease is lost [default: pause].
    pub fn on_lease_lost(mut self, policy: OnLeaseLost) -> Self {
        self.on_lease_lost = policy;
        self
    }

    /// Is told whatever happens, on the agent's thread, one thing after the other. When it returns from
    /// [`News::Lost`], nothing may act any more: only then is the registry asked again.
    pub fn listener(mut self, listener: impl FnMut(&Told<'_>) + Send + 'static) -> Self {
        self.listener = Box::new(listener);
        self
    }

    /// How the process is ended [default: `std::process::exit`]. Whoever gives another way ends the process with it.
    pub fn end_with(mut self, end: impl Fn(u8) + Send + Sync + 'static) -> Self {
        self.end = Arc::new(end);
        self
    }

    /// Begins. The registry need not answer for that: it is asked until it does.
    pub fn start(self) -> Result<Agent, StartError> {
        let timing = Timing { drain: self.drain, ..times(self.ttl, self.interval)? };
        let board = Arc::new(Board::default());
        let setup = Setup {
            id: self.id.clone(),
            timing,
            process: self.process,
            takeover: self.takeover,
            coordinator: None,
            secret: self.secret,
        };
        let mut reaction = Reaction {
            board: Arc::clone(&board),
            policy: self.on_lease_lost,
            listener: self.listener,
            end: self.end,
            drain: self.drain,
        };
        let keeper = Keeper::start(self.members, setup, move |told| reaction.react(told));
        Ok(Agent { id: self.id, keeper: keeper.map_err(StartError::Thread)?, board })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One agent. Dropping it ends its threads and does not leave: see [`Agent::leave`].
#[derive(Debug)]
pub struct Agent {
    id: AgentId,
    keeper: Keeper,
    board: Arc<Board>,
}

/// What the agent's thread has to tell the others.
#[derive(Debug, Default)]
struct Board {
    posted: Mutex<Posted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Posted {
    state: State,
    remaining: Option<Duration>,
    directive: Option<Directive>,
    left: Option<Leaving>,
    /// The program has finished, whatever it was.
    closed: bool,
}

impl Board {
    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, change: impl FnOnce(&mut Posted)) {
        change(&mut self.posted());
        self.changed.notify_all();
    }

    /// Waits until something holds, at most so long; what is posted then.
    fn wait(&self, within: Duration, until: impl Fn(&Posted) -> bool) -> MutexGuard<'_, Posted> {
        let waited = self.changed.wait_timeout_while(self.posted(), within, |posted| !until(posted));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Agent {
    /// An agent of this registry, on this host.
    pub fn builder(id: AgentId, host: HostId, members: Arc<dyn Members>) -> Builder {
        Builder {
            id,
            members,
            ttl: None,
            interval: None,
            drain: Timing::DEFAULT.drain,
            process: Process { host, identity: None },
            takeover: false,
            secret: None,
            on_lease_lost: OnLeaseLost::default(),
            listener: Box::new(|_| {}),
            end: Arc::new(exit),
        }
    }

    /// Its name.
    pub const fn id(&self) -> &AgentId {
        &self.id
    }

    /// Whether it may act, right now: asked before everything that has an effect outside of the process. It costs a
    /// reading of the clock.
    pub fn may_act(&self) -> bool {
        self.keeper.may_act()
    }

    /// What it is now.
    pub fn state(&self) -> State {
        self.board.posted().state
    }

    /// What it was asked to do last, if anything.
    pub fn directive(&self) -> Option<Directive> {
        self.board.posted().directive
    }

    /// Which incarnation it is, while it is one: what has effects that no registry can fence carries its epoch.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.keeper.incarnation()
    }

    /// Waits until it is a member, at most so long. `Ok(false)` where nobody has said so by then: it goes on asking.
    pub fn wait_until_member(&self, within: Duration) -> Result<bool, StartError> {
        let posted = self.board.wait(within, |posted| posted.state != State::Joining);
        match (posted.state, posted.remaining) {
            (State::Taken, Some(remaining)) => Err(StartError::Taken { id: self.id.clone(), remaining }),
            (state, _) => Ok(state == State::Member),
        }
    }

    /// What it says of itself with its next heartbeats.
    pub fn report(&self, report: Report) {
        self.keeper.report(report);
    }

    /// Writes something of it, where it may act. What is refused was not written.
    pub fn put(&self, item: &Item) -> Result<(), WriteError> {
        self.keeper.put(item)
    }

    /// Reads something of it.
    pub fn get(&self, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.keeper.get(kind, name)
    }

    /// Leaves, and waits until it has, at most so long. Its work is over by then: from here on it may not act.
    pub fn leave(self, why: &str, within: Duration) -> Leaving {
        if self.keeper.is_over() {
            return Leaving::Left;
        }
        self.board.post(|posted| posted.closed = true);
        self.keeper.leave(why, within);
        // The agent's own clock counts suspends, this one need not: it comes after it.
        let posted = self.board.wait(within.saturating_mul(2), |posted| posted.left.is_some());
        posted.left.unwrap_or(Leaving::Unanswered)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.board.post(|posted| posted.closed = true);
    }
}

/// What the agent's thread does about what it is told.
struct Reaction {
    board: Arc<Board>,
    policy: OnLeaseLost,
    listener: Listener,
    end: End,
    drain: Duration,
}

impl Reaction {
    fn react(&mut self, told: &Told<'_>) {
        match told.news {
            News::Registered { .. } | News::Regained { .. } => self.post(State::Member),
            News::Lost(_) => self.post(match self.policy {
                OnLeaseLost::Pause => State::Lost,
                OnLeaseLost::Finish | OnLeaseLost::Exit => State::Finishing,
            }),
            News::Dead { .. } => self.post(State::Finishing),
            News::Taken { remaining } => self.board.post(|posted| {
                (posted.state, posted.remaining) = (State::Taken, Some(*remaining));
            }),
            News::Directed(directive) => self.board.post(|posted| posted.directive = Some(*directive)),
            _ => {}
        }
        (self.listener)(told);
        match (told.news, self.policy) {
            (News::Lost(_) | News::Dead { .. }, OnLeaseLost::Exit) => (self.end)(LEASE_LOST),
            (News::Lost(_), OnLeaseLost::Pause) => told.stopped(),
            (News::Dead { .. }, OnLeaseLost::Pause) | (News::Lost(_), OnLeaseLost::Finish) => {
                self.end_after_drain();
            }
            (News::Left { answered }, _) => {
                let left = if *answered { Leaving::Left } else { Leaving::Unanswered };
                self.board.post(|posted| (posted.state, posted.left) = (State::Left, Some(left)));
            }
            _ => {}
        }
    }

    fn post(&self, state: State) {
        self.board.post(|posted| posted.state = state);
    }

    /// Waits for the program to end by itself, on this thread: the agent asks for nothing any more.
    fn end_after_drain(&self) {
        let over = self.board.wait(self.drain, |posted| posted.closed).closed;
        if !over {
            (self.end)(LEASE_LOST);
        }
    }
}

/// Ends the process.
#[expect(
    clippy::exit,
    reason = "whoever has lost its lease must not go on; it was chosen when the agent was built"
)]
fn exit(code: u8) {
    std::process::exit(code.into());
}
