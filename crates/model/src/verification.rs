//! A check that was run for a report: what, how it ended, how long it took.

use serde::{Deserialize, Serialize};

/// One command that was run to verify something. Only what was run is recorded; what somebody says of it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The incident that it is about.
    pub incident: String,
    /// The command line, redacted.
    pub command: String,
    /// The directory it ran in.
    pub directory: String,
    /// Tests that it ran, as whoever ran it names them: `file::name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// The commit that was checked out there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its exit code; `None` where a signal ended it, and where its time was over: then it is worth nothing.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The time that it had, where it was ended because that was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out_ms: Option<u64>,
    /// How long it took.
    pub took_ms: u64,
}

impl Verification {
    /// Whether it ended by itself, in time, and with 0.
    pub const fn passed(&self) -> bool {
        matches!((self.exit_code, self.timed_out_ms), (Some(0), None))
    }
}
