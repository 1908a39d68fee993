//! What happens in a fleet, as it is recorded in the registry and published to whoever listens. In JSON as in seed 004
//! where it has the event: `{"type":"cleanup_started","agentId":...,"reason":...,"timestamp":ms}`.

use scupper_model::{Bytes, Identity, Timestamp};
use serde::{Deserialize, Serialize};

use super::id::{AgentId, CoordinatorId, Epoch, HostId};
use super::reaping::{Orphan, Reason};

/// Where an event stands in the registry's history: text that sorts, given back by the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub String);

/// One fact about the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the store's clock; in JSON milliseconds since 1970.
    #[serde(rename = "timestamp", with = "millis")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Happened {
    /// An agent became a member.
    AgentRegistered {
        /// Who.
        agent_id: AgentId,
        /// Which incarnation.
        epoch: Epoch,
        /// Where.
        host: HostId,
    },
    /// An agent beat. Published only; the history would be nothing else.
    HeartbeatSent {
        /// Who.
        agent_id: AgentId,
    },
    /// An agent left by itself.
    AgentShutdown {
        /// Who.
        agent_id: AgentId,
        /// Why, in its own words (`SIGTERM`).
        reason: String,
    },
    /// A sweep found orphans. Said only where there are any.
    OrphansDetected {
        /// How many.
        count: u64,
        /// Who: the first hundred.
        orphans: Vec<Orphan>,
    },
    /// A claim: the incarnation is fenced from here on.
    CleanupStarted {
        /// After whom.
        agent_id: AgentId,
        /// Why.
        reason: Reason,
        /// Whether somebody else had begun.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        taken_on: bool,
    },
    /// Everything of an incarnation is gone. Once for each.
    CleanupCompleted {
        /// After whom.
        agent_id: AgentId,
        /// How many keys were deleted.
        keys_deleted: u64,
    },
    /// The agent came back, or a coordinator objected.
    CleanupAborted {
        /// After whom.
        agent_id: AgentId,
        /// Why.
        why: String,
    },
    /// The registry was away: everybody gets time to beat again.
    GraceStarted {
        /// What was seen.
        why: String,
        /// Until then, milliseconds since 1970.
        until: u64,
    },
    /// Too many look dead at once: nobody is claimed.
    HoldStarted {
        /// How many look dead.
        dead: u64,
        /// Of how many.
        members: u64,
        /// Until then, milliseconds since 1970.
        until: u64,
    },
    /// A coordinator's lease ended.
    CoordinatorLost {
        /// Whose.
        coordinator: CoordinatorId,
    },
    /// An orphan's process runs on another host, whose coordinator is asked to look.
    ProcessDelegated {
        /// After whom.
        agent_id: AgentId,
        /// Where it runs.
        host: HostId,
        /// Which process.
        process: Option<Identity>,
    },
    /// An orphan's process was ended.
    ProcessEnded {
        /// After whom.
        agent_id: AgentId,
        /// Where.
        host: HostId,
        /// Which process.
        process: Identity,
    },
    /// An orphan's process was left alone.
    ProcessLeft {
        /// After whom.
        agent_id: AgentId,
        /// Where.
        host: HostId,
        /// Why.
        why: String,
    },
    /// An agent that was asked to do something.
    Directed {
        /// Who.
        agent_id: AgentId,
        /// What.
        directive: super::beat::Directive,
    },
    /// Somebody that was cleaned up and cannot be fenced beats again.
    ZombieDetected {
        /// Who.
        agent_id: AgentId,
    },
    /// Somebody deleted keys of agents that are in no registry any more.
    LeakedKeysDeleted {
        /// How many.
        count: u64,
        /// Who.
        by: CoordinatorId,
    },
    /// The fleet takes more than 100 MB more than a leak window ago, over the members of both times.
    MemoryLeakDetected {
        /// By how much.
        growth: i64,
        /// The same in percent.
        growth_pct: f64,
        /// Then.
        baseline: MemoryStats,
        /// Now.
        current: MemoryStats,
    },
    /// It does not any more.
    MemoryLeakCleared {
        /// By how much it has grown now.
        growth: i64,
    },
}

/// What all members take, in seed 004's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStats {
    /// How many members there are.
    pub total_agents: u64,
    /// What their heaps use; `null` where nobody says, or there are too many to ask.
    pub total_heap_used: Option<Bytes>,
    /// What they take.
    #[serde(rename = "totalRSS")]
    pub total_rss: Bytes,
    /// What the store takes; `null` where it cannot be told.
    pub redis_memory: Option<Bytes>,
    /// When, milliseconds since 1970.
    pub timestamp: u64,
}

impl Happened {
    /// Whom it is about.
    pub const fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::AgentRegistered { agent_id, .. }
            | Self::HeartbeatSent { agent_id }
            | Self::AgentShutdown { agent_id, .. }
            | Self::CleanupStarted { agent_id, .. }
            | Self::CleanupCompleted { agent_id, .. }
            | Self::CleanupAborted { agent_id, .. }
            | Self::ProcessDelegated { agent_id, .. }
            | Self::ProcessEnded { agent_id, .. }
            | Self::ProcessLeft { agent_id, .. }
            | Self::Directed { agent_id, .. }
            | Self::ZombieDetected { agent_id } => Some(agent_id),
            Self::OrphansDetected { .. }
            | Self::GraceStarted { .. }
            | Self::HoldStarted { .. }
            | Self::CoordinatorLost { .. }
            | Self::LeakedKeysDeleted { .. }
            | Self::MemoryLeakDetected { .. }
            | Self::MemoryLeakCleared { .. } => None,
        }
    }
}

/// A moment as a number of milliseconds, as seed 004 writes it.
mod millis {
    use scupper_model::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        at.0.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(from).map(Timestamp)
    }
}
