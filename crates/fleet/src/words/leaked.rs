//! What was left of agents that are in no registry any more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::id::AgentId;

/// So long nobody may have touched a key that is left: longer than any heartbeat or lock of seed 004 lives.
pub const UNTOUCHED: Duration = Duration::from_mins(10);

/// Keys of one look.
pub const LEAKED_LIMIT: usize = 10_000;

/// A key that nobody owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeakedKey {
    /// Its name.
    pub key: String,
    /// For how many seconds nobody has touched it.
    pub untouched_secs: u64,
}

/// What a look at them found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaked {
    /// Those that nobody owns, the first [`LEAKED_LIMIT`].
    pub keys: Vec<LeakedKey>,
    /// Whether there may be more.
    pub more: bool,
    /// How many others of this kind there are, and why they stay.
    pub kept: BTreeMap<Kept, u64>,
}

/// Why a key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kept {
    /// An agent whose it may be is a member, beats, or is being cleaned up after.
    Member,
    /// Somebody has the lock of a cleanup.
    Busy,
    /// It was touched within the last ten minutes.
    Touched,
    /// It has a time limit, and goes by itself.
    Limited,
    /// What cannot be told: its name is none of seed 004's, or the server does not say.
    Unknown,
}

/// Whether a key may be what this agent kept: its name has the agent's, followed by nothing or `:`.
pub fn may_be_of(key: &str, id: &AgentId) -> bool {
    let rest = ["agent:state:", "agent:memory:", "agent:task:", "agent:deps:", "cleanup:lock:"]
        .into_iter()
        .find_map(|prefix| key.strip_prefix(prefix));
    let rest = rest.and_then(|rest| rest.strip_prefix(id.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
