//! What the judgement is given beside the snapshot: what Scupper recorded, who asks, and what is asked for.

use std::time::Duration;

use scupper_model::{Identity, Keep, Pid, Profile, RunId, Timestamp, UnitName};

/// What Scupper has recorded of the processes of this boot.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Every run that a record file or the evidence tells of.
    pub runs: Vec<KnownRun>,
    /// Processes that were left alone at the end of a run, on purpose, with the reason.
    pub spared: Vec<(Identity, String)>,
    /// What people asked to keep.
    pub keeps: Vec<Keep>,
    /// Why something of the above could not be read. An error means keep: nothing is certain then.
    pub trouble: Vec<String>,
}

/// One run of a unit.
#[derive(Clone, Debug)]
pub struct KnownRun {
    /// Its unit.
    pub unit: UnitName,
    /// The run.
    pub run: RunId,
    /// The processes that watch over it: supervisor and guardian. Empty where only the evidence tells of the run.
    pub watchers: Vec<Identity>,
    /// Main processes that were recorded when they were started.
    pub mains: Vec<Identity>,
    /// What kind of program it is.
    pub profile: Profile,
    /// Globs over names that are kept.
    pub keep: Vec<String>,
    /// Whether its end was recorded.
    pub ended: bool,
}

/// Who asks. Itself and those above it are never touched.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// Its pid.
    pub pid: Pid,
    /// Its effective user.
    pub uid: u32,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Younger processes are not looked at.
    pub min_age: Duration,
    /// Only processes of this user.
    pub user: Option<u32>,
    /// A server that a living parent holds is idle after this long without work.
    pub idle_after: Duration,
    /// The time on the wall, for keeps that end.
    pub now: Timestamp,
}
