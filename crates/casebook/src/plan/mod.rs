//! Action plans, made from the notes of an inbox.
//!
//! [`plan`] judges a note by whole words, reads its numbers, covers each of its bullets and fills in what was recorded;
//! [`original_plan`] writes what the tool wrote that made the first plans, to the byte. [`registry`] is the file in which a
//! vault says which notes have plans.

mod classify;
mod cover;
mod facts;
mod kind;
mod lexicon;
mod limits;
mod note;
mod original;
mod recorded;
pub mod registry;
mod render;
mod risks;
mod steps;
#[cfg(test)]
mod tests;
mod words;

pub use classify::{Classified, Matched, RunnerUp};
pub use cover::Covered;
pub use facts::{Facts, Failure, Rate, Said};
pub use kind::{Effort, Priority, Status, TaskType};
pub use note::{Bullet, Hidden, LARGEST_NOTE, Note, NoteError, stem};
pub use original::{Original, original, original_plan};
pub use recorded::{Fitting, RECORDED_KINDS, newest_of_each};
pub use render::{Chosen, Plan, Surroundings, plan};
