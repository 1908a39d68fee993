//! An agent comes, writes, and leaves.

use std::time::Duration;

use scupper_model::{Identity, Timestamp};
use serde::{Deserialize, Serialize};

use super::id::{AgentId, CoordinatorId, Epoch, HostId, Incarnation, Nonce};
use super::reaping::Reason;

/// Which process an agent is, as it says itself: a claim, until something on that host confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Where it runs.
    pub host: HostId,
    /// Boot id, pid and start time, where it has said so.
    pub identity: Option<Identity>,
}

/// SHA-256 of an agent's token. The token itself is nowhere kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// An agent asks to be a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub id: AgentId,
    /// The same in every retry of this registration, another one in every other.
    pub nonce: Nonce,
    /// How long one heartbeat is good for.
    pub ttl: Duration,
    /// Fence whoever has the name now, instead of being refused.
    pub takeover: bool,
    /// The epoch it had, where it was a member before and wants to go on as that one.
    pub earlier: Option<Epoch>,
    /// Who beats for it, where it does not do so itself.
    pub coordinator: Option<CoordinatorId>,
    /// Which process it is.
    pub process: Process,
    /// What its requests are checked against over HTTP.
    pub secret: Option<SecretHash>,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is a member.
    Accepted {
        /// Which incarnation it is.
        epoch: Epoch,
        /// The store's time.
        now: Timestamp,
        /// Whether it goes on as the incarnation it was before the store lost its data.
        resumed: bool,
    },
    /// A living process has that name.
    Taken {
        /// How long its lease still holds.
        remaining: Duration,
    },
    /// The last one of that name is being cleaned up: ask again soon.
    Busy,
    /// The incarnation it was is over, and must not go on.
    Dead {
        /// Why.
        why: String,
    },
}

impl Registered {
    /// The incarnation was cleaned up for this reason.
    pub(crate) fn dead(reason: Reason) -> Self {
        let why = match reason {
            Reason::MissingHeartbeat | Reason::StaleHeartbeat => "it was not heard of for too long",
            Reason::Shutdown => "it has left",
            Reason::TakenOver => "somebody has taken its name over",
        };
        Self::Dead { why: why.to_owned() }
    }
}

/// How an incarnation learned that it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The registry refuses it: it was cleaned up, or somebody has taken its name over.
    Fenced {
        /// The incarnation that lives now, if any.
        by: Option<Epoch>,
    },
    /// It could not be renewed in time, by its own clock: nobody has said that it is over, but it may be.
    Expired,
}

/// What kind of thing an agent keeps in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Its state: one, without a name. Seed 004's `agent:state:<id>`.
    State,
    /// A task it works on. Seed 004's `agent:task:<id>:<name>`.
    Task,
    /// What it depends on. Seed 004's `agent:deps:<id>:<name>`.
    Deps,
}

/// Something an agent keeps in the registry; it goes when the agent goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What kind.
    pub kind: ItemKind,
    /// Which of its kind; empty for [`ItemKind::State`]. Same characters as an id.
    pub name: String,
    /// What is kept; at most 64 KiB. `None` takes it away.
    pub value: Option<Vec<u8>>,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Accepted,
    /// The incarnation is over; nothing was written.
    Fenced {
        /// The incarnation that lives now, if any.
        by: Option<Epoch>,
    },
}

impl Registration {
    /// Which incarnation it is as, where it was accepted with this epoch.
    pub fn incarnation(&self, epoch: Epoch) -> Incarnation {
        Incarnation { id: self.id.clone(), epoch }
    }
}
