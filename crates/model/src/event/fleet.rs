//! What happens in a fleet, as one member or one coordinator of it has seen it. The registry has events of its own, which
//! everybody reads; these are what this process did and learned, and they go the way of all events.
//!
//! Names of agents, hosts and coordinators are text here: whoever makes a fact has checked them.

use serde::{Deserialize, Serialize};

use super::reason::Severity;
use crate::{Bytes, Identity};

/// One fact of a fleet. In JSON it stands beside all others: `{"event":"agent_registered",...}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named by the words of the fleet and explained at their variant")]
pub enum FleetFact {
    // An agent's side.
    /// This unit is a member of a registry. `resumed` where it goes on as the incarnation it was.
    AgentRegistered { agent: String, epoch: u64, registry: String, resumed: bool },
    /// Its name is another living process', or is being cleaned up: it is asked for again.
    AgentRefused { agent: String, registry: String, message: String, retry_ms: Option<u64> },
    /// It left the registry, and so many keys of it were deleted.
    AgentLeft { agent: String, epoch: u64, reason: String, keys_deleted: Option<u64> },
    /// Its lease is over: it was fenced, or could not renew it in time. What is done about it.
    LeaseLost { agent: String, epoch: u64, how: String, action: String },
    /// It holds a lease again, as the same incarnation or as another one.
    LeaseRegained { agent: String, epoch: u64, after_ms: u64 },
    /// The registry asks it to do something.
    DirectiveReceived { agent: String, directive: String },
    /// The registry does not answer. Nobody ends for that alone.
    RegistryLost { registry: String, message: String },
    /// It answers again.
    RegistryBack { registry: String, after_ms: u64 },

    // A coordinator's side.
    /// A coordinator has begun.
    CoordinatorStarted { coordinator: String, host: String, registry: String, store: String },
    /// It has ended, and given its lease back.
    CoordinatorStopped { coordinator: String, reason: String },
    /// A sweep found members that do not beat any more: how many, the first of them, and how many are well.
    OrphansDetected { count: u64, agents: Vec<String>, healthy: u64 },
    /// A cleanup was claimed. `taken_on` where somebody else had begun.
    CleanupStarted {
        agent: String,
        epoch: Option<u64>,
        reason: String,
        last_seen_ms: Option<u64>,
        idle_ms: Option<u64>,
        taken_on: bool,
    },
    /// Everything of the agent is gone from the registry.
    CleanupCompleted { agent: String, epoch: Option<u64>, reason: String, keys_deleted: u64, took_ms: u64 },
    /// It came back, or another coordinator objected.
    CleanupAborted { agent: String, message: String },
    /// It failed and is tried again.
    CleanupFailed { agent: String, attempts: u32, message: String, retry_ms: u64 },
    /// An objection to somebody else's claim: this coordinator hears of the agent.
    CleanupObjected { agent: String, message: String },
    /// The registry was away: nobody is claimed for so long.
    FleetGrace { for_ms: u64 },
    /// Too many look dead at once: nobody is claimed for so long, then a tenth at a time.
    FleetHold { dead: u64, members: u64, for_ms: u64 },
    /// Orphans are claimed again.
    FleetOpen { after_ms: u64 },
    /// Another coordinator's lease ended; what became of so many agents that it beat for.
    CoordinatorLost { coordinator: String, policy: String, agents: u64 },
    /// An orphan's process runs on another host, whose coordinator is asked to look.
    ProcessDelegated { agent: String, host: String, target: Option<Identity> },
    /// Processes of an orphan's unit on this host were ended.
    ProcessEnded { agent: String, target: Identity, unit: String, processes: u32, forced: u32 },
    /// An orphan's process on this host was left alone, and why.
    ProcessLeft { agent: String, target: Option<Identity>, because: String },
    /// The members of both times take so much more than a few minutes ago.
    FleetLeak {
        growth_bytes: i64,
        growth_percent: f64,
        baseline_bytes: Bytes,
        current_bytes: Bytes,
        members: u64,
        window_ms: u64,
    },
    /// They do not any more.
    FleetLeakCleared { growth_bytes: i64 },
    /// Entries of the registry that are not understood: they count as unknown, and nothing is done about them.
    RegistryTrouble { count: u64, lines: Vec<String> },
}

impl FleetFact {
    /// How much it wants to be seen.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::CleanupObjected { .. }
            | Self::CleanupStarted { .. }
            | Self::AgentRegistered { resumed: false, .. }
            | Self::AgentLeft { .. } => Severity::Routine,
            Self::AgentRegistered { .. }
            | Self::LeaseRegained { .. }
            | Self::DirectiveReceived { .. }
            | Self::RegistryBack { .. }
            | Self::CoordinatorStarted { .. }
            | Self::CoordinatorStopped { .. }
            | Self::CleanupCompleted { .. }
            | Self::CleanupAborted { .. }
            | Self::FleetOpen { .. }
            | Self::ProcessDelegated { .. }
            | Self::ProcessEnded { .. }
            | Self::FleetLeakCleared { .. } => Severity::Notice,
            Self::AgentRefused { .. }
            | Self::LeaseLost { .. }
            | Self::RegistryLost { .. }
            | Self::OrphansDetected { .. }
            | Self::FleetGrace { .. }
            | Self::FleetHold { .. }
            | Self::CoordinatorLost { .. }
            | Self::ProcessLeft { .. }
            | Self::RegistryTrouble { .. } => Severity::Warning,
            Self::CleanupFailed { .. } | Self::FleetLeak { .. } => Severity::Error,
        }
    }

    /// The event's name: the tag of its JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AgentRegistered { .. } => "agent_registered",
            Self::AgentRefused { .. } => "agent_refused",
            Self::AgentLeft { .. } => "agent_left",
            Self::LeaseLost { .. } => "lease_lost",
            Self::LeaseRegained { .. } => "lease_regained",
            Self::DirectiveReceived { .. } => "directive_received",
            Self::RegistryLost { .. } => "registry_lost",
            Self::RegistryBack { .. } => "registry_back",
            Self::CoordinatorStarted { .. } => "coordinator_started",
            Self::CoordinatorStopped { .. } => "coordinator_stopped",
            Self::OrphansDetected { .. } => "orphans_detected",
            Self::CleanupStarted { .. } => "cleanup_started",
            Self::CleanupCompleted { .. } => "cleanup_completed",
            Self::CleanupAborted { .. } => "cleanup_aborted",
            Self::CleanupFailed { .. } => "cleanup_failed",
            Self::CleanupObjected { .. } => "cleanup_objected",
            Self::FleetGrace { .. } => "fleet_grace",
            Self::FleetHold { .. } => "fleet_hold",
            Self::FleetOpen { .. } => "fleet_open",
            Self::CoordinatorLost { .. } => "coordinator_lost",
            Self::ProcessDelegated { .. } => "process_delegated",
            Self::ProcessEnded { .. } => "process_ended",
            Self::ProcessLeft { .. } => "process_left",
            Self::FleetLeak { .. } => "fleet_leak",
            Self::FleetLeakCleared { .. } => "fleet_leak_cleared",
            Self::RegistryTrouble { .. } => "registry_trouble",
        }
    }
}
