//! What can be seen of a registry.

use std::collections::BTreeMap;
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};

use super::agent::{Process, SecretHash};
use super::beat::{Directive, Report};
use super::id::{AgentId, CoordinatorId, Epoch, Fence, HostId};
use super::reaping::Reason;
use super::sweep::Phase;

/// How an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its lease holds.
    Active,
    /// Its lease has ended, and nobody has claimed it.
    Expired,
    /// Somebody cleans up after it.
    Reaping,
    /// Nothing can be told: what is stored of it is not understood.
    Unknown,
}

/// One agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentView {
    /// Who.
    pub id: AgentId,
    /// Which incarnation; `None` for an agent written to seed 004.
    pub epoch: Option<Epoch>,
    /// How it stands.
    pub standing: Standing,
    /// Its last heartbeat.
    pub last_seen: Option<Timestamp>,
    /// When its lease ends.
    pub deadline: Option<Timestamp>,
    /// When it registered.
    pub since: Option<Timestamp>,
    /// Which process it is, as it says.
    pub process: Option<Process>,
    /// Who beats for it.
    pub coordinator: Option<CoordinatorId>,
    /// What it is asked to do.
    pub directive: Option<Directive>,
    /// What it last said of itself.
    pub report: Option<Report>,
    /// What its requests are checked against. Never shown.
    pub secret: Option<SecretHash>,
}

impl AgentView {
    /// There is such an agent, and nothing can be told of it.
    pub(crate) const fn unknown(id: AgentId) -> Self {
        Self {
            id,
            epoch: None,
            standing: Standing::Unknown,
            last_seen: None,
            deadline: None,
            since: None,
            process: None,
            coordinator: None,
            directive: None,
            report: None,
            secret: None,
        }
    }
}

/// One cleanup in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// After whom.
    pub id: AgentId,
    /// Which claim.
    pub fence: Fence,
    /// Whose.
    pub coordinator: Option<CoordinatorId>,
    /// Why.
    pub reason: Reason,
    /// When it ends, if its holder says nothing.
    pub until: Timestamp,
}

/// One coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorView {
    /// Who.
    pub id: CoordinatorId,
    /// Where, if it has said so.
    pub host: Option<HostId>,
    /// When its lease ends.
    pub until: Timestamp,
}

/// A part of a long list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is in it.
    pub entries: Vec<T>,
    /// Given back, the next part comes; `None` at the end. Its text means something to the store alone.
    pub next: Option<String>,
}

/// The registry in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What kind of store it is and which version (`redis 7.4.1`, `embedded`).
    pub store: String,
    /// Its time.
    pub now: Timestamp,
    /// How long a call took.
    pub round_trip: Duration,
    /// Whether orphans are claimed.
    pub phase: Phase,
    /// Members.
    pub members: u64,
    /// Of them, how many have not been heard of for longer than they should.
    pub expired: u64,
    /// Cleanups in progress.
    pub claims: u64,
    /// Who coordinates.
    pub coordinators: Vec<CoordinatorView>,
    /// What the store takes.
    pub memory: Option<Bytes>,
}

/// So many agents are named in [`Totals`].
pub const NAMED_LIMIT: usize = 50;

/// What all members take, as they say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    /// The store's time.
    pub now: Timestamp,
    /// Members.
    pub members: u64,
    /// What they last said that they take.
    pub rss: Bytes,
    /// What their heaps use; `None` where nobody says.
    pub heap_used: Option<Bytes>,
    /// What the store takes.
    pub store: Option<Bytes>,
    /// How far back growth is measured.
    pub window: super::LeakWindow,
    /// By how much the members that were there a window ago have grown since.
    pub growth: Option<FleetGrowth>,
    /// Those that take most, the largest first; at most [`NAMED_LIMIT`].
    pub largest: Vec<(AgentId, Bytes)>,
    /// How many say what of themselves.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Those that say that they leak; at most [`NAMED_LIMIT`].
    pub leaks: Vec<AgentId>,
}

/// Growth over the members that were there at both times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FleetGrowth {
    /// What they took then.
    pub baseline: Bytes,
    /// What they take now.
    pub current: Bytes,
    /// The difference, in bytes.
    pub growth: i64,
    /// The same in percent; 0 where they took nothing then.
    pub growth_percent: f64,
    /// How many they are.
    pub members: u64,
}

impl FleetGrowth {
    /// Of so many members; `None` where there are none.
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    pub(crate) fn of(baseline: u64, current: u64, members: u64) -> Option<Self> {
        let growth = i64::try_from(i128::from(current) - i128::from(baseline));
        let growth = growth.unwrap_or(if current > baseline { i64::MAX } else { i64::MIN });
        (members > 0).then(|| Self {
            baseline: Bytes(baseline),
            current: Bytes(current),
            growth,
            growth_percent: if baseline == 0 { 0.0 } else { growth as f64 / baseline as f64 * 100.0 },
            members,
        })
    }
}
