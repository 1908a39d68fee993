//! Reports, written from what was recorded.
//!
//! Pure: events, an incident and the time in, Markdown out. Every sentence with a number names the event it is from; what
//! was not recorded is said to be unknown.

pub mod curve;
pub mod words;
