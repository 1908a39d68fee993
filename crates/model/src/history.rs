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
    /// Whether it grows along time or along work; of memory alone, and `None` where nothing was found out about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Box<Pattern>>,
}

/// Whether memory grows along time or along work, and whether it is given back: sums over the time that it was followed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// What work is counted by.
    pub work: Work,
    /// Along what it grows. Undetermined where there was no stretch with little work and one with at least ten times as
    /// much, or where it did not grow.
    pub grows: Grows,
    /// The stretches with least work together.
    pub idle: Option<Stretch>,
    /// Those with most.
    pub busy: Option<Stretch>,
    /// How often work began again after a rest and memory grew with it at once (R028).
    pub bursts: u32,
    /// Of all growth, the share of those times: 0 to 1.
    pub burst_share: Option<f64>,
    /// Mean rest before one of them, in seconds.
    pub rest_seconds: Option<f64>,
    /// Time since it was last larger than ever before. Long, while work went on: memory that is kept and used again.
    pub since_peak_seconds: f64,
    /// Work since then.
    pub since_peak_work: u64,
    /// The most that it has fallen below its peak, in bytes: an allocator that gives back, or a collection.
    pub fell_bytes: u64,
    /// How long it was followed until that peak, what it grew by and what was done meanwhile: what came since is compared
    /// with it. `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_peak: Option<Stretch>,
}

/// What work is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Operations that somebody counts.
    Operations,
    /// Processor time, in milliseconds.
    ProcessorTime,
}

/// Along what memory grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grows {
    /// Along work: hardly while there is little.
    WithLoad,
    /// Along time: as much while there is little work.
    WhileIdle,
    /// Along both.
    Both,
    /// Nobody can say.
    #[default]
    Undetermined,
}

/// Some of the time that a process was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// How long it was.
    pub seconds: f64,
    /// What memory grew by within it, in bytes; negative where it shrank.
    pub growth_bytes: i64,
    /// Work that was done within it.
    pub work: u64,
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
    /// Whether it was the memory or the processes of the whole tree that were suspected. Then children and zombies are all
    /// of the tree, and all else is of `target`, its main process. What a process holds by itself (descriptors, threads)
    /// is always told of the one that holds most of it.
    #[serde(default)]
    pub tree: bool,
    /// The series that was suspected.
    pub series: Watched,
    /// Why it was looked at again: `growing`, `leaking`, `recycled`, `ended`, `soak`.
    #[serde(default)]
    pub because: String,
    /// Milliseconds between the two looks.
    pub after_ms: u64,
    /// Operations that were counted between them; `None` where nothing counts them.
    pub operations: Option<u64>,
    /// Its memory by what it is.
    pub memory: Vec<MemoryChange>,
    /// What else it holds, by signature, what changed most first; at most [`MOST_CHANGES`]. What has not changed is left
    /// out.
    pub resources: Vec<ResourceChange>,
    /// Changes beyond those.
    #[serde(default)]
    pub more_changes: u32,
    /// What could not be read at one of the two looks, and why: nothing is said of that.
    #[serde(default)]
    pub unread: Vec<String>,
}

/// The kinds of memory that the kernel tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// `[heap]`: what `brk` gave.
    Heap,
    /// Arenas of the C library: what its threads have from `malloc`.
    Arena,
    /// Other anonymous mappings: large blocks, other heaps, caches of a runtime, and arenas of a C library that cannot be
    /// told by how they are laid out.
    Anonymous,
    /// Stacks of threads, as far as they are known as such (by the page that guards them).
    Stack,
    /// Pages of files.
    File,
    /// Shared memory.
    Shared,
    /// Swapped out.
    Swap,
}

impl MemoryKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Heap, Self::Arena, Self::Anonymous, Self::Stack, Self::File, Self::Shared, Self::Swap];

    /// The words for a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Arena => "arenas of malloc",
            Self::Anonymous => "anonymous mappings",
            Self::Stack => "stacks of threads",
            Self::File => "pages of files",
            Self::Shared => "shared memory",
            Self::Swap => "swapped out",
        }
    }
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
    /// A descriptor of the kernel: `eventfd`, `timerfd`, `eventpoll`, `inotify`.
    Kernel,
    /// Something that inotify watches.
    InotifyWatch,
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
    /// What they hold in bytes at the first look, where that is known: the size of deleted files, the memory of children.
    #[serde(default)]
    pub bytes_before: Option<u64>,
    /// The same at the second look.
    pub bytes: Option<u64>,
}
