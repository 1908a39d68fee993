//! What can be limited.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A resource that grows and can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Resident memory, in bytes.
    Memory,
    /// Open file descriptors.
    Descriptors,
    /// Threads.
    Threads,
    /// Processes below the unit's main process.
    Children,
    /// Descriptors that are sockets.
    Sockets,
}

impl Resource {
    /// All of them, in the order they are judged.
    pub const ALL: [Self; 5] =
        [Self::Memory, Self::Descriptors, Self::Threads, Self::Children, Self::Sockets];

    /// The word in flags, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
            Self::Threads => "threads",
            Self::Children => "children",
            Self::Sockets => "sockets",
        }
    }

    /// A value of this resource as a person reads it.
    pub fn show(self, value: u64) -> String {
        match self {
            Self::Memory => crate::Bytes(value).to_string(),
            _ => value.to_string(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much a limit means: soft drains and replaces, hard ends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitLevel {
    /// Drain and replace.
    Soft,
    /// KILL at once; stays armed during a drain.
    Hard,
}
