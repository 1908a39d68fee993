//! What was left behind, and how sure that is: a snapshot of the machine and what Scupper has recorded in, findings
//! with their evidence out. Pure: no clock, no file, no process.
//!
//! # How it is judged
//!
//! **Certain** is what Scupper recorded: a process that was recorded when it was spawned, that sits in a run's cgroup, or
//! carries both marks of a run, where all who watched over that run are gone (`ownership`). Nothing is certain while
//! records cannot be read, and what descends from such a process without a tie of its own is not.
//!
//! **Likely** needs two things that do not follow from each other: its starter is gone (`lineage`), and another sign
//! (`signs`). A person decides.
//!
//! | sign | enough, where the starter is gone | never |
//! |---|---|---|
//! | nobody holds the other end of its stdin | yes | where somebody reads its stdout, or stdout is a file |
//! | nobody reads its output | yes | where somebody holds its stdin |
//! | its directory was deleted | where all its ends are known | where somebody is at one of them |
//! | its terminal is closed | the same | where it ignores SIGHUP or writes to a file |
//! | the leader of its session is gone | the same | also where stdin, stdout and stderr were all sent away |
//! | its program was deleted, its name | no: they support | |
//!
//! Where the first process may have started it itself, as in a container whose first process is an application, both ends
//! have to be dead; what would be left behind otherwise is told as one of whom it is not known.
//!
//! **Left alone**, whatever speaks against it (`spared`, `verdict`): scupper and those above it, what a living scupper
//! looks after, services, containers, multiplexers, daemons by choice, what is kept; without a record also what was meant
//! to stay, what somebody uses, and what may have somebody in front of it. An error means keep: what could not be read
//! is no sign, and where not everybody could be looked at, the kernel is asked (`questions`).
//!
//! # From a finding to its end
//!
//! [`judge`] -> [`Plan`] -> a second look -> [`Confirmed`] -> [`Reaping`]. There is no other way to a `Confirmed`, and a
//! `Reaping` takes nothing else.

#![forbid(unsafe_code)]

mod descriptors;
mod ends;
mod explain;
mod finding;
mod grouping;
mod idle;
mod judge;
mod known;
mod lineage;
mod ownership;
mod plan;
mod questions;
mod reaping;
mod scene;
mod signs;
mod spared;
mod verdict;
mod wording;
mod zombies;

pub use explain::{Check, CheckState, Explanation, Judged, explain};
pub use finding::{
    Certainty, Class, DescriptorFinding, DescriptorKind, Evidence, EvidenceKind, Findings, HeldIdle,
    LeftBehind, NotTouched, Shown, Zombie,
};
pub use judge::judge;
pub use known::{Known, KnownRun, Observer, PipeAnswer, Settings};
pub use plan::{CONFIRM_AFTER, Choice, Confirmed, Plan, Selection, Target, TooSoon, Why};
pub use questions::{Question, questions};
pub use reaping::{Effect, Liveness, Outcome, Reaped, Reaping};
pub use scene::shown;
