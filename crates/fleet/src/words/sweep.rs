//! One pass of a coordinator over the registry.

use scupper_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{AgentId, CoordinatorId, HostId};
use super::reaping::{Claim, Orphan};
use super::timing::Timing;

/// Claims that one pass gives out at most, whatever was asked for.
pub const CLAIMS_LIMIT: usize = 500;

/// Looks for orphans and claims them, atomically: a heartbeat is before it or after it, there is no third order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Who asks. Its own lease is renewed by this, unless it is `dry` or `asked`: a person who looks or cleans is no
    /// coordinator, and nobody is told later that one was lost.
    pub coordinator: CoordinatorId,
    /// Where it runs.
    pub host: HostId,
    /// All times.
    pub timing: Timing,
    /// Claim nothing: only say who would be. Changes nothing in the registry: no lease, no event, and not what the guard
    /// remembers of the last sweep.
    pub dry: bool,
    /// A person has seen the list and wants it: the brake does not hold. Outage and leases still do.
    pub asked: bool,
    /// Claim these alone, at most [`CLAIMS_LIMIT`]; everybody where it is empty. A person who names one orphan says nothing
    /// of the others.
    pub only: Vec<AgentId>,
}

/// Whether the registry may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// Orphans are claimed.
    Open,
    /// The registry was away, or its clock jumped: everybody first gets time to beat again.
    Grace {
        /// Until then nobody is claimed.
        until: Timestamp,
    },
    /// Too many look dead at once: the observer is the suspect. Those that were claimed since one interval ago count with
    /// them, since the leases of many that are cut off in one moment end one by one (`rules::MassBrake`).
    Hold {
        /// Until then nobody is claimed; after that a tenth at a time.
        until: Timestamp,
        /// How many look dead.
        dead: u64,
        /// Of how many. In JSON it stands beside a fleet's `members`.
        #[serde(rename = "of")]
        members: u64,
    },
}

/// What a pass found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The store's time.
    pub now: Timestamp,
    /// Whether it claimed.
    pub phase: Phase,
    /// Members, those just claimed not among them.
    pub members: u64,
    /// Of them, those whose last heartbeat is older than [`Timing::suspect`].
    pub suspects: u64,
    /// Of them, those whose lease is over, and whom nobody has claimed.
    pub expired: u64,
    /// Cleanups in progress, of all coordinators and with those that were just claimed: where there are none nobody need ask
    /// for them.
    pub cleanups: u64,
    /// Processes of [`Sweep::host`] that somebody is to look at: where there are none nobody need ask for them.
    pub delegated: u64,
    /// What was claimed, to be cleaned up by whoever asked. Never more than [`CLAIMS_LIMIT`].
    pub claims: Vec<Claim>,
    /// Who would have been, where [`Sweep::dry`] or the phase forbade it; the first [`CLAIMS_LIMIT`], of [`Sweep::only`]
    /// where that names any.
    pub unclaimed: Vec<Orphan>,
    /// Coordinators whose lease ended. Each is told to one sweep; to another one a [`Timing::claim_lease`] later, as long as
    /// nobody says that it is settled ([`crate::Store::lost_settled`]).
    pub lost: Vec<CoordinatorId>,
    /// Entries that could not be understood, a line each: they count as unknown, and nothing is done about them.
    pub trouble: Vec<String>,
}
