//! What can be seen of a registry.

use std::time::Duration;

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
