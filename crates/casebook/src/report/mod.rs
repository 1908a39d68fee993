//! Reports, written from what was recorded.
//!
//! Pure: events, an incident and the time in, Markdown out. Every sentence with a number names the event it is from; what
//! was not recorded is said to be unknown.
//!
//! * [`Source`] is everything that a report is made from, [`Page`] what is computed of it, [`templates`] make it text.
//! * [`curve`] is the recorded life of a series, [`onset`] when it began to grow.
//! * [`changes`] are checked against the source tree, [`proof`] counts only commands that were run.
//! * Text of strangers is made harmless in [`markdown`].

pub mod changes;
mod criteria;
pub mod curve;
mod elsewhere;
mod facts;
pub mod impact;
mod issue;
mod judged;
pub mod markdown;
pub mod measured;
pub mod onset;
mod page;
pub mod proof;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod uptime;
pub mod whys;
pub mod words;

pub use self::criteria::Criterion;
pub use self::facts::{Elsewhere, Kind, Line, Named, Rule, Source, Subject};
pub use self::issue::{Fix, Group};
pub use self::page::{ChangeShown, Data, DataRow, Page, SuspectShown};
pub use self::templates::ReportError;

/// Writes a report: with the operator's template, or with that of the house.
pub fn render(source: &Source, kind: Kind, template: Option<&str>) -> Result<String, ReportError> {
    templates::render(&Page::of(source, kind), template.unwrap_or(templates::built_in(kind)))
}
