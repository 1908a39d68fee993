//! Documents on the disk: read with bounds, replaced whole or not at all, by one scupper at a time.
//!
//! Other programs write these files at the same moment, and people do. So nothing is replaced that was not read: the new text
//! and the old one change places in one step, and where the old one turns out to be another than was read, they change back.
//! Whoever reads a document sees one text or the other; a writer that is killed leaves a file beside it that the next one
//! removes (`leftovers`).

mod batch;
mod leftovers;
mod lock;
mod read;
mod replace;

pub(crate) use batch::Batch;
pub(crate) use leftovers::sweep;
pub(crate) use lock::{Lock, said_of_kept};
pub(crate) use read::{Source, inside, read};
pub(crate) use replace::{Written, write};

/// The largest document that is read unless the caller says otherwise. A year of a busy incident has a hundredth of it.
pub(crate) const LARGEST_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests;
