//! What a report draws and what suspects are ranked by: the history of a series, and what a process held at two times.

use serde::{Deserialize, Serialize};

use crate::{Identity, Watched};

/// Points of a recorded history, at most. More are thinned out before they are recorded.
pub const MOST_POINTS: usize = 240;
/// Changes of what a process held that are recorded, the largest first.
pub const MOST_CHANGES: usize = 24;

/// The values of one series up to the time of its event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What was counted or measured.
    pub series: Watched,
    /// Of which process; `None` for the tree.
    pub target: Option<Identity>,
    /// The name of that process.
    pub name: Option<String>,
    /// For each value, how many seconds before the event it was seen; falling. As many as values.
    pub seconds_before: Vec<f64>,
    /// The values: bytes for memory, else how many.
    pub values: Vec<u64>,
    /// Why it was recorded now: `growing`, `leaking`, `recycled`, `ended`, `soak`.
    pub because: String,
}

/// What a process held at two times: from when its growth was first suspected until it was looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Which process.
    pub target: Identity,
    /// Its name.
    pub name: String,
    /// Its role in the unit: `main`, `worker`, `helper`.
    pub role: String,
    /// The series that was suspected.
    pub series: Watched,
    /// Milliseconds between the two looks.
    pub after_ms: u64,
    /// Operations that were counted between them; `None` where nothing counts them.
    pub operations: Option<u64>,
    /// Its memory by what it is.
    pub memory: Vec<MemoryChange>,
    /// What else it holds, by signature; at most [`MOST_CHANGES`].
    pub resources: Vec<ResourceChange>,
}

/// The kinds of memory that the kernel tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// `[heap]`: what `brk` gave.
    Heap,
    /// Anonymous mappings: other heaps, arenas, caches of a runtime.
    Anonymous,
    /// Stacks of threads, as far as they are known as such.
    Stack,
    /// Pages of files.
    File,
    /// Shared memory.
    Shared,
    /// Swapped out.
    Swap,
}

/// One kind of memory at two times, in bytes. `None` is unknown, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryChange {
    /// Which kind.
    pub kind: MemoryKind,
    /// At the first look.
    pub before: Option<u64>,
    /// At the second.
    pub after: Option<u64>,
}

/// What a process can hold besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A socket.
    Socket,
    /// An open file.
    File,
    /// An open file that has no name any more.
    DeletedFile,
    /// An end of a pipe.
    Pipe,
    /// A descriptor of the kernel: `eventfd`, `timerfd`, `epoll`, `inotify`.
    Kernel,
    /// A thread.
    Thread,
    /// A child.
    Child,
    /// A child that has ended and that nobody waited for.
    Zombie,
}

/// So many of one signature at two times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// Which kind.
    pub kind: ResourceKind,
    /// What all of them have in common, with digits and hexadecimal names replaced: `tcp CLOSE_WAIT outbound to
    /// 127.0.0.1:8301`, `/tmp/upload-#`, `chromium --type=renderer`. Redacted.
    pub what: String,
    /// How many at the first look.
    pub before: u64,
    /// How many at the second.
    pub after: u64,
    /// What they hold in bytes at the second look, where that is known: the size of deleted files, the memory of children.
    pub bytes: Option<u64>,
}
