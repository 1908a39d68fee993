//! What the judgement is given beside the snapshot: what Scupper recorded, who asks, and what is asked for.

use std::collections::HashMap;
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
    /// What the kernel itself answered about pipes, by inode: see [`crate::questions`].
    pub pipes: HashMap<u64, PipeAnswer>,
}

/// What the kernel says of one pipe. The descriptors of all processes are seen only by root, and of none outside of a
/// container, so where nobody is seen at the other end this decides. `None` where it was not asked, or did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipeAnswer {
    /// Whether anybody at all can write to it.
    pub has_writer: Option<bool>,
    /// Whether anybody at all can read from it.
    pub has_reader: Option<bool>,
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
    /// The agent of a fleet that it was, by its name in the registry.
    pub agent: Option<String>,
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
