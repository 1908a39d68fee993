//! A heartbeat and its answer.

use scupper_detect::Verdict;
use scupper_model::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};

use super::id::{Epoch, Incarnation};

/// What an agent takes, in the words of seed 004 (Node's `process.memoryUsage()`). What is not known is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemoryUse {
    /// Resident memory of its process tree.
    pub rss: Option<Bytes>,
    /// Of the runtime's heap, what is reserved.
    pub heap_total: Option<Bytes>,
    /// Of the runtime's heap, what is used.
    pub heap_used: Option<Bytes>,
    /// Memory of the runtime's objects outside of its heap.
    pub external: Option<Bytes>,
}

/// What an agent says of itself, now and then: seed 004's readers see it, the lease does not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it is doing, in a word of its own; at most 64 characters.
    pub state: String,
    /// What the detector says of it.
    pub verdict: Option<Verdict>,
    /// What it takes.
    pub memory: MemoryUse,
}

/// "I live": one incarnation renews its lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Who.
    pub who: Incarnation,
    /// What it says of itself. A store may keep a report that says nearly the same as the last one to itself, but for one in
    /// every minute.
    pub report: Option<Report>,
}

/// What an agent is asked to do, in the answer to its heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// Finish what it works on, take nothing new, and leave.
    Drain,
    /// Leave now.
    Stop,
}

/// The answer to one heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lease is renewed.
    Accepted {
        /// What it is asked to do.
        directive: Option<Directive>,
    },
    /// The incarnation is over.
    Fenced {
        /// The one that lives now, if any.
        by: Option<Epoch>,
    },
}

/// The answer to a call with heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The store's time.
    pub now: Timestamp,
    /// One for each beat, in their order.
    pub answers: Vec<Answer>,
}
