//! Plans, incidents and reports, written from evidence.
//!
//! One law: a claim needs recorded evidence, and comes undone when the evidence does. Pure: text, events and the time in, text
//! out. Who reads and writes the files is `scupper-cli` (`documents/`, `commands/{plan,incident,report,lint,why}`).
//!
//! * [`document`] is what the others stand on: Markdown with front matter, edited line by line.
//! * [`plan`], [`incident`] and [`report`] are the three documents.
//! * [`merge`] keeps what people did to them; [`lint`] says what is wrong with them.
//! * [`suspects`] ranks what may be leaking.

pub mod document;
#[cfg(test)]
mod extremes;
pub mod incident;
pub mod lint;
pub mod merge;
pub mod plan;
pub mod report;
pub mod suspects;
