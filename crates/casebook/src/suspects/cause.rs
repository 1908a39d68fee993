//! The causes that can be told apart from outside, and the classes of leaks that they belong to.

use serde::Serialize;

/// What piles up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Connections that are opened and not closed.
    Sockets,
    /// Processes that are started and not ended, or not waited for.
    ChildTree,
    /// Threads that are started and do not end.
    Threads,
    /// Files that were deleted and are still open.
    DeletedFiles,
    /// Ends of pipes.
    Pipes,
    /// Descriptors of another kind, or of kinds that nobody looked at.
    Descriptors,
    /// Shared memory, or files in memory.
    SharedMemory,
    /// Memory that the program keeps.
    RetainedHeap,
    /// Memory that the program gave back and its allocator or runtime keeps.
    AllocatorTrapped,
    /// Something that fills up and then stays as it is.
    CachePlateau,
    /// What was watched does not grow.
    NotALeak,
    /// Too little was recorded to name a cause.
    Unknown,
}

/// The classes that every leak is one of (R120), and threads, for which they have no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowClass {
    /// Processes below.
    ChildTree,
    /// Memory that is kept.
    RetainedHeap,
    /// Memory that an allocator keeps.
    AllocatorTrapped,
    /// It fills up and stays.
    CachePlateau,
    /// Descriptors and sockets.
    FdSocket,
    /// Threads.
    Threads,
    /// It does not grow.
    NotALeak,
    /// It cannot be told.
    Unknown,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Sockets,
        Self::ChildTree,
        Self::Threads,
        Self::DeletedFiles,
        Self::Pipes,
        Self::Descriptors,
        Self::SharedMemory,
        Self::RetainedHeap,
        Self::AllocatorTrapped,
        Self::CachePlateau,
        Self::NotALeak,
        Self::Unknown,
    ];

    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::ChildTree => "child_tree",
            Self::Threads => "threads",
            Self::DeletedFiles => "deleted_files",
            Self::Pipes => "pipes",
            Self::Descriptors => "descriptors",
            Self::SharedMemory => "shared_memory",
            Self::RetainedHeap => "retained_heap",
            Self::AllocatorTrapped => "allocator_trapped",
            Self::CachePlateau => "cache_plateau",
            Self::NotALeak => "not_a_leak",
            Self::Unknown => "unknown",
        }
    }

    /// What it is, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sockets => "connections that are not closed",
            Self::ChildTree => "processes that are started and not ended",
            Self::Threads => "threads that do not end",
            Self::DeletedFiles => "deleted files that are held open",
            Self::Pipes => "pipes that are not closed",
            Self::Descriptors => "descriptors that are not closed",
            Self::SharedMemory => "shared memory that is not given back",
            Self::RetainedHeap => "memory that the program keeps",
            Self::AllocatorTrapped => "memory that the allocator keeps",
            Self::CachePlateau => "a cache or a warm-up that fills and stops",
            Self::NotALeak => "no sign of a leak in what was watched",
            Self::Unknown => "the cause cannot be told from what was recorded",
        }
    }

    /// The class it belongs to.
    pub const fn class(self) -> RowClass {
        match self {
            Self::Sockets | Self::DeletedFiles | Self::Pipes | Self::Descriptors => RowClass::FdSocket,
            Self::ChildTree => RowClass::ChildTree,
            Self::Threads => RowClass::Threads,
            Self::SharedMemory | Self::RetainedHeap => RowClass::RetainedHeap,
            Self::AllocatorTrapped => RowClass::AllocatorTrapped,
            Self::CachePlateau => RowClass::CachePlateau,
            Self::NotALeak => RowClass::NotALeak,
            Self::Unknown => RowClass::Unknown,
        }
    }

    /// Whether it says that something leaks. A plateau, nothing and the unknown do not.
    pub const fn is_leak(self) -> bool {
        !matches!(self, Self::CachePlateau | Self::NotALeak | Self::Unknown)
    }

    /// Whether it is counted in pieces, not in bytes.
    pub(super) const fn is_counted(self) -> bool {
        matches!(
            self,
            Self::Sockets
                | Self::ChildTree
                | Self::Threads
                | Self::DeletedFiles
                | Self::Pipes
                | Self::Descriptors
        )
    }
}
