//! What one process holds, by signature: descriptors, sockets by state and peer, threads by name, memory by kind.
//!
//! Two of these, some time apart, say what grows. So things that differ by a number alone have one signature: `/tmp/a1`
//! and `/tmp/a2` are two of `/tmp/a#`. No contents are read, only names, types, counts and sizes.
//!
//! This costs more than a look (a link for each descriptor, a walk over the page tables), so it is bounded in every
//! direction, and whoever asks may stop it at any time. **What was not read whole is not there at all**, and is named in
//! [`Holdings::unread`]: half a count would look like one that fell.

mod descriptors;
mod local;
mod memory;
mod network;
mod signature;
mod whole;

use std::collections::BTreeMap;

use scupper_model::{Identity, ResourceKind};

use crate::{ProbeError, Proc};

pub use memory::MemoryByKind;
pub use signature::{collapsed, command, normalised};

use whole::Witness;

/// Signatures of one kind that are kept apart. What comes beyond them is counted by its directory, or as one.
pub const MOST_SIGNATURES: usize = 256;
/// Threads whose names are read.
const MOST_THREADS: usize = 4096;
/// Why a part was not read, where the process went away meanwhile.
const GONE: &str = "it ended meanwhile";

/// How far to go.
#[derive(Clone, Copy)]
pub struct Bounds<'b> {
    /// Descriptors that are looked at one by one. Of a process with more, none is.
    pub descriptors: u64,
    /// Bytes of `smaps` that are read.
    pub memory_text: usize,
    /// Asked again and again; the answer `false` ends it.
    pub goes_on: &'b dyn Fn() -> bool,
}

/// What some of a process are that have a signature in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: u64,
    /// Their bytes together, where they have any and all of them are known.
    pub bytes: Option<u64>,
}

/// Things by signature.
pub type Table = BTreeMap<(ResourceKind, String), Held>;

/// A part of what a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Memory by kind.
    Memory,
    /// Descriptors of every kind.
    Descriptors,
    /// Which sockets are what; that they are sockets is known.
    Sockets,
    /// What descriptors of inotify watch; how many of them there are is known.
    Watches,
    /// Threads.
    Threads,
    /// Children.
    Children,
}

impl Part {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory by kind",
            Self::Descriptors => "descriptors",
            Self::Sockets => "sockets by state",
            Self::Watches => "watches of inotify",
            Self::Threads => "threads",
            Self::Children => "children",
        }
    }

    /// The part that things of a kind are read with.
    pub const fn of(kind: ResourceKind) -> Self {
        match kind {
            ResourceKind::Thread => Self::Threads,
            ResourceKind::Child | ResourceKind::Zombie => Self::Children,
            ResourceKind::InotifyWatch => Self::Watches,
            _ => Self::Descriptors,
        }
    }
}

/// What one process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Its memory. Kinds that could not be told are missing.
    pub memory: MemoryByKind,
    /// What else it holds.
    pub table: Table,
    /// What could not be read whole, and why.
    pub unread: Vec<(Part, String)>,
}

impl Holdings {
    /// Adds one more of a signature.
    pub fn add(&mut self, kind: ResourceKind, what: String, bytes: Option<u64>) {
        add(&mut self.table, kind, what, bytes);
    }

    /// Notes that a part was not read.
    pub fn not_read(&mut self, part: Part, why: impl Into<String>) {
        self.unread.push((part, why.into()));
    }

    /// Whether a part was read whole.
    pub fn has(&self, part: Part) -> bool {
        self.unread.iter().all(|(unread, _)| *unread != part)
    }
}

/// Adds one to a table that stays small.
fn add(table: &mut Table, kind: ResourceKind, what: String, bytes: Option<u64>) {
    let mut key = (kind, what);
    if !table.contains_key(&key) && of_kind(table, kind) >= MOST_SIGNATURES {
        key.1 = collapsed(kind, &key.1);
        if !table.contains_key(&key) && of_kind(table, kind) >= 2 * MOST_SIGNATURES {
            "others".clone_into(&mut key.1);
        }
    }
    let held = table.entry(key).or_insert(Held { count: 0, bytes: bytes.map(|_| 0) });
    held.count += 1;
    held.bytes = held.bytes.zip(bytes).map(|(sum, more)| sum.saturating_add(more));
}

fn of_kind(table: &Table, kind: ResourceKind) -> usize {
    table.keys().filter(|(known, _)| *known == kind).count()
}

/// Reads what a process holds. `None` where it is gone, or has begun to end: the kernel then shows less than it held, down
/// to nothing at all, and none of that is what it holds.
///
/// # Errors
/// Where it cannot even be said whether it is there.
pub fn read(proc_: &Proc, who: &Identity, bounds: Bounds<'_>) -> Result<Option<Holdings>, ProbeError> {
    let Some(witness) = Witness::of(proc_, who)? else { return Ok(None) };
    let mut holdings = Holdings::default();
    let threads = read_threads(proc_, who, bounds, &mut holdings);
    if let Err(why) = descriptors::read(proc_, witness.thread, bounds, &mut holdings) {
        holdings.not_read(Part::Descriptors, why);
    }
    memory::read(proc_, witness.thread, threads, bounds, &mut holdings);
    // The number may have changed hands meanwhile: then all of this is of somebody else, or of two.
    Ok(witness.is_whole(proc_)?.then_some(holdings))
}

/// Threads by name. How many there are.
fn read_threads(proc_: &Proc, who: &Identity, bounds: Bounds<'_>, holdings: &mut Holdings) -> Option<usize> {
    let threads = match proc_.threads(who.pid) {
        Ok(Some(threads)) => threads,
        Ok(None) => {
            holdings.not_read(Part::Threads, GONE);
            return None;
        }
        Err(error) => {
            holdings.not_read(Part::Threads, why(&error));
            return None;
        }
    };
    let mut found = Table::new();
    for (index, thread) in threads.iter().enumerate() {
        if index >= MOST_THREADS || !(bounds.goes_on)() {
            holdings.not_read(Part::Threads, format!("{} are too many to name in time", threads.len()));
            return Some(threads.len());
        }
        match proc_.read(who.pid, &format!("task/{thread}/comm"), 64) {
            Ok(Some(name)) => {
                let name = signature::name(name.bytes.trim_ascii_end());
                add(&mut found, ResourceKind::Thread, name, None);
            }
            // It ended meanwhile.
            Ok(None) => {}
            Err(error) => {
                holdings.not_read(Part::Threads, why(&error));
                return Some(threads.len());
            }
        }
    }
    holdings.table.append(&mut found);
    Some(threads.len())
}

/// An error with its cause, in one line.
fn why(error: &ProbeError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests;
