//! What was left behind, and how sure that is: a snapshot of the machine and what Scupper has recorded in, findings
//! with their evidence out. Pure: no clock, no file, no process.

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
pub use plan::{CONFIRM_AFTER, Choice, Confirmed, Plan, Selection, Target, TooSoon, Why, allowed, brake};
pub use questions::{Question, questions};
pub use reaping::{Effect, Liveness, Outcome, Reaped, Reaping};
pub use scene::shown;
