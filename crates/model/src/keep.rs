//! What people asked to keep: never touched by anything.

use serde::{Deserialize, Serialize};

use crate::{Identity, Timestamp};

/// One thing to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// What is kept.
    #[serde(flatten)]
    pub what: Kept,
    /// When that ends; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was asked for.
    pub since: Timestamp,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kept {
    /// This very process, and what descends from it.
    Process {
        /// Who.
        #[serde(flatten)]
        identity: Identity,
        /// Its name when it was asked for.
        name: String,
    },
    /// Whatever process' name or program matches this glob.
    Pattern {
        /// The glob.
        pattern: String,
    },
}

impl Keep {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
