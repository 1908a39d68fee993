//! What one coordinator knows and has done: the page of metrics is rendered from it, and it is served as it is.
//!
//! Totals count since this coordinator began. What was never learned is `None`, and what was learned and may be old says
//! when ([`View::last_sweep`], [`Memory::at`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{Bytes, Timestamp};

pub use crate::words::FleetGrowth;
use crate::words::{
    AgentId, CoordinatorId, CoordinatorView, HostId, LeakWindow, MemoryStats, NAMED_LIMIT, Phase, Reason,
};

/// So many agents are named with what they take; the rest is in the totals alone.
pub const LARGEST_LIMIT: usize = NAMED_LIMIT;

/// One coordinator, as it stands. Cloned by whoever reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Who.
    pub coordinator: CoordinatorId,
    /// Where it runs.
    pub host: HostId,
    /// The registry's address, without a password.
    pub registry: String,
    /// What kind of store it is and which version; `None` until it has answered.
    pub store: Option<String>,
    /// Since when the registry does not answer, by the wall clock; `None` where it does.
    pub lost_since: Option<Timestamp>,
    /// Whether orphans are claimed; `None` until the first sweep.
    pub phase: Option<Phase>,
    /// Members of the registry (seed 004's "active agents").
    pub members: Option<u64>,
    /// Of them, those that have not been heard of for longer than [`crate::Timing::suspect`].
    pub suspects: Option<u64>,
    /// Of them, those whose lease is over.
    pub expired: Option<u64>,
    /// Cleanups in progress, of all coordinators.
    pub claims: Option<u64>,
    /// Everybody who coordinates. Asked for less often than the others.
    pub coordinators: Vec<CoordinatorView>,
    /// Cleanups that this coordinator has claimed and not finished.
    pub cleanups: u64,
    /// Agents of this host that it beats for.
    pub agents_here: u64,
    /// Heartbeats of theirs that the registry has answered.
    pub beats: u64,
    /// Of them, those of incarnations that were over: refused.
    pub fenced: u64,
    /// What it has done.
    pub done: Done,
    /// Sweeps that were answered.
    pub sweeps: u64,
    /// Calls of the registry that failed.
    pub failures: u64,
    /// The last sweep that was answered, by the store's clock.
    pub last_sweep: Option<Timestamp>,
    /// How long it took.
    pub last_sweep_took: Option<Duration>,
    /// How long all of them took.
    pub sweeps_took: Duration,
    /// What the fleet takes. `None` where another coordinator looks at that, or nobody has yet.
    pub memory: Option<Memory>,
}

/// What a coordinator has done since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Orphans it found and claimed first, by reason.
    pub detected: BTreeMap<Reason, u64>,
    /// Cleanups it completed, by reason: seed 004's `agent_orphan_cleanup_count`.
    pub cleaned: BTreeMap<Reason, u64>,
    /// Keys it deleted in them.
    pub keys_deleted: u64,
    /// Cleanups that were aborted because the agent came back or somebody objected.
    pub aborted: u64,
    /// Cleanups that somebody else had finished, or taken on.
    pub stale: u64,
    /// Steps of cleanups that failed and were tried again.
    pub retried: u64,
    /// Cleanups it left to whoever sweeps next, having failed too often.
    pub given_up: u64,
    /// Objections it made.
    pub objections: u64,
    /// Orphans' processes of this host that were ended.
    pub processes_ended: u64,
    /// Orphans' processes of this host that were left alone.
    pub processes_left: u64,
    /// Orphans' processes that another host's coordinator was asked to look at.
    pub processes_delegated: u64,
    /// Coordinators whose end it was told of.
    pub coordinators_lost: u64,
    /// Times that claiming was held back after an outage.
    pub graces: u64,
    /// Times that the brake held.
    pub holds: u64,
}

/// What the fleet takes, and whether it grows.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// When this was found out, by the store's clock.
    pub at: Timestamp,
    /// Totals (R103).
    pub stats: MemoryStats,
    /// How far back growth is measured: the registry's setting.
    pub window: LeakWindow,
    /// What the members that were there at both ends of it have grown by; `None` as long as nobody was, or that is not so
    /// long ago.
    pub growth: Option<FleetGrowth>,
    /// Whether that is a leak (R105): 1 and 0 of `memory_leak_detected`.
    pub leaking: bool,
    /// Those who take most, the largest first; at most [`LARGEST_LIMIT`].
    pub largest: Vec<(AgentId, Bytes)>,
    /// How many members say what of themselves (R107: each is judged where it runs, over hours and days). Empty where
    /// nobody says, or there are too many to ask.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Those who say that they leak; at most [`LARGEST_LIMIT`].
    pub leaks: Vec<AgentId>,
}

impl View {
    /// Of a coordinator that has done nothing yet.
    pub fn new(coordinator: CoordinatorId, host: HostId, registry: String) -> Self {
        Self {
            coordinator,
            host,
            registry,
            store: None,
            lost_since: None,
            phase: None,
            members: None,
            suspects: None,
            expired: None,
            claims: None,
            coordinators: Vec::new(),
            cleanups: 0,
            agents_here: 0,
            beats: 0,
            fenced: 0,
            done: Done::default(),
            sweeps: 0,
            failures: 0,
            last_sweep: None,
            last_sweep_took: None,
            sweeps_took: Duration::ZERO,
            memory: None,
        }
    }
}

/// A view that is kept up to date by its coordinator and read by others.
#[derive(Clone, Debug)]
pub struct SharedView(Arc<Mutex<View>>);

impl SharedView {
    /// Shares a view.
    pub fn new(view: View) -> Self {
        Self(Arc::new(Mutex::new(view)))
    }

    /// As it is now.
    pub fn read(&self) -> View {
        self.lock().clone()
    }

    /// Changes it: its coordinator alone, and tests. Nothing slow is done inside.
    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.lock());
    }

    /// A view is whole after every single assignment: whoever died in the middle of a change has not broken it.
    fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
