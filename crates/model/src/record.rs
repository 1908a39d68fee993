//! The record of a unit: one file in the runtime directory, written atomically at spawn. It is how `ps`, `stop` and a
//! later scan know what is owned, evidence file or not.

use serde::{Deserialize, Serialize};

use crate::{Identity, Limits, Policy, Profile, RunId, Timestamp, UnitName};

/// The schema of a record file.
pub const RECORD_SCHEMA: &str = "scupper.record/1";

/// What a unit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitPhase {
    /// Being started.
    Starting,
    /// Its command runs.
    Running,
    /// TERM was sent; it may finish its work.
    Draining,
    /// Its command ended; what is left of the tree is being ended.
    Ending,
    /// Waiting before the next start.
    Waiting,
    /// Over.
    Stopped,
}

/// One unit, as its supervisor wrote it down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitRecord {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    /// Its name.
    pub unit: UnitName,
    /// The run: value of the environment mark `SCUPPER_RUN`.
    pub run: RunId,
    /// The scupper that supervises it.
    pub supervisor: Identity,
    /// The process that outlives the supervisor, where there is one.
    pub guardian: Option<Identity>,
    /// The command's main process, while there is one.
    pub main: Option<Identity>,
    /// The command line, redacted.
    pub command: String,
    /// The unit's own cgroup v2 directory, where there is one.
    pub cgroup: Option<String>,
    /// What kind of program it is.
    pub profile: Profile,
    /// How far Scupper may go.
    pub policy: Policy,
    /// Its limits.
    pub limits: Limits,
    /// The agent of a fleet that it is: its name in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Globs over names that are kept.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Time between TERM and KILL.
    #[serde(with = "crate::duration")]
    pub grace: std::time::Duration,
    /// What it is doing.
    pub phase: UnitPhase,
    /// How often it was started in this run.
    pub starts: u64,
    /// When this record was written.
    pub written_at: Timestamp,
}
