//! What Scupper knows of other people's programs: how prefork servers are laid out and drained, who is left alone at
//! the end of a unit, what a dying runtime says, where heap limits are written, what `sd_notify` sends.
//!
//! All of it is about formats and habits that others own and change, so it is kept apart from the decisions: pure
//! functions over bytes, no clock, no I/O, and each fact with the place it was read or the real program it was tried
//! on (`tests/` try them again).

#![forbid(unsafe_code)]

pub mod browser;
pub mod fatal;
pub mod glob;
pub mod heap_limit;
pub mod notify;
pub mod prefork;
pub mod spare;
pub mod wrapper;

pub use fatal::FatalWatch;
pub use heap_limit::{HeapLimit, HeapLimitSource, advice, heap_limit};
pub use notify::{Message, parse as parse_notify};
pub use prefork::{Drain, Prefork, Recipe, View, recognise};
pub use spare::{Because, Candidate, KeepNames, Member, keep_matches, spared, spared_members};

/// The last component of a path, as programs are named by it. A login shell's leading `-` is no part of the name.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    let base = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    base.strip_prefix(b"-").unwrap_or(base)
}
