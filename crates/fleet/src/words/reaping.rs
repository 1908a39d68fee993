//! Orphans, and the claims under which they are cleaned up.

use std::time::Duration;

use scupper_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::agent::Process;
use super::id::{AgentId, CoordinatorId, Epoch, Fence};

/// Why an incarnation is over. The first two are seed 004's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is a member and there is no heartbeat of it.
    MissingHeartbeat,
    /// Its last heartbeat is too old.
    StaleHeartbeat,
    /// It has left by itself.
    Shutdown,
    /// Somebody took its name over.
    TakenOver,
}

impl Reason {
    /// The word, as in JSON and in the label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingHeartbeat => "missing_heartbeat",
            Self::StaleHeartbeat => "stale_heartbeat",
            Self::Shutdown => "shutdown",
            Self::TakenOver => "taken_over",
        }
    }
}

/// A member that does not beat any more. In JSON as in seed 004.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// Who.
    pub agent_id: AgentId,
    /// Why it counts as one.
    pub reason: Reason,
    /// Its last heartbeat, in milliseconds since 1970; `null` where there is none.
    pub last_seen: Option<u64>,
    /// Milliseconds since then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idle_time: Option<u64>,
}

/// The right to clean up after one incarnation, until a lease ends. Whoever holds it has fenced the incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// After whom.
    pub id: AgentId,
    /// Which incarnation; `None` for an agent written to seed 004, which has none and cannot be fenced.
    pub epoch: Option<Epoch>,
    /// Which claim.
    pub fence: Fence,
    /// Why.
    pub reason: Reason,
    /// When it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// How long before the claim that was.
    pub idle: Option<Duration>,
    /// Which process it was, as it said.
    pub process: Option<Process>,
    /// Who beat for it.
    pub coordinator: Option<CoordinatorId>,
    /// Whether somebody else began, and his lease ended before he was done.
    pub taken_on: bool,
}

/// What one step of a cleanup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// Keys were deleted and more are left; the claim's lease is renewed.
    More {
        /// How many were deleted in this step.
        deleted: u64,
    },
    /// It is done, and said once.
    Completed {
        /// How many keys were deleted in all steps, whoever made them.
        deleted: u64,
    },
    /// Somebody else holds the claim now, or it is done: nothing was deleted.
    Stale,
    /// The agent came back, or a coordinator objected: it is a member again, and nothing more is deleted.
    Aborted,
}

impl Claim {
    /// The orphan as it is told to others.
    pub fn orphan(&self) -> Orphan {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Orphan {
            agent_id: self.id.clone(),
            reason: self.reason,
            last_seen: self.last_seen.map(|at| at.0),
            idle_time: self.idle.map(millis),
        }
    }
}
