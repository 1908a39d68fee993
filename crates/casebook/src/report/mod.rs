//! Reports, written from what was recorded.
//!
//! Pure: events, an incident and the time in, Markdown out. Every sentence with a number names the event it is from; what
//! was not recorded is said to be unknown.

pub mod changes;
pub mod curve;
mod facts;
pub mod impact;
pub mod measured;
pub mod onset;
pub mod timeline;
pub mod uptime;
pub mod whys;
pub mod words;

pub use self::facts::{Kind, Line, Recorded, Rule, Source, Subject, Suspect};
