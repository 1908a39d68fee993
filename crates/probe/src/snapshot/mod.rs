//! Every process of the machine in one pass, and who holds the other ends of its pipes and sockets.
//!
//! This is what a search for processes that were left behind reads. It is the one place that looks at everything, so
//! it reads each file once (twice where the first answer may be that of a moment) and keeps of it only what is asked
//! for: no environment, at most 1 KiB of a command line.

mod contents;
mod descriptors;
mod pipes;
mod shared;
mod sock_diag;
mod take;
mod tcp;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use scupper_model::{BootId, Bytes, Identity, Pid, ProcessState};

pub(crate) use contents::descriptor_limit;
pub(crate) use pipes::pipe_inode;
pub use pipes::{pipe_has_reader, pipe_has_writer};
pub use shared::{SharedList, SharedPath};
pub(crate) use sock_diag::{tcp as tcp_of_own_namespace, unix as unix_of_own_namespace};
#[doc(hidden)]
pub use sock_diag::{tcp_sockets, unix_sockets};
pub use take::{still_zombie, take};

use crate::CgroupPath;
use crate::sockets::TcpState;

/// The machine as it was seen in one pass. Processes that end while it is made are missing, or seen for the last time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which boot.
    pub boot_id: BootId,
    /// Time since boot when the pass began: what start times are compared with.
    pub uptime: Duration,
    /// Every process but kernel threads, by pid.
    pub processes: Vec<Process>,
    /// Who holds which end of a pipe, by inode. Only of processes whose descriptors could be read.
    pub pipes: HashMap<u64, PipeHolders>,
    /// Unix sockets of this network namespace, by inode. `None` where the kernel would not say.
    pub unix_sockets: Option<HashMap<u64, UnixSocket>>,
    /// TCP connections and listeners of this network namespace, by inode. `None` where the tables could not be read.
    pub tcp: Option<HashMap<u64, Tcp>>,
    /// Numbers that are processes and of which nothing could be read.
    pub unreadable: Vec<Unreadable>,
}

/// One process in a snapshot. What could not be read is `None`.
#[derive(Clone, Debug)]
pub struct Process {
    /// Who it is.
    pub identity: Identity,
    /// Time since it started.
    pub age: Duration,
    /// Its parent.
    pub parent: Option<Pid>,
    /// Its process group.
    pub group: i32,
    /// Its session: the pid of the process that began it.
    pub session: i32,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// The kernel's short name for it.
    pub name: Vec<u8>,
    /// Running, stopped or zombie.
    pub state: ProcessState,
    /// Resident memory, as inexact as `stat` has it.
    pub rss: Option<Bytes>,
    /// Processor time used.
    pub cpu: Duration,
    /// Threads.
    pub threads: u64,
    /// Its effective user.
    pub uid: Option<u32>,
    /// Its command line, at most 1 KiB of it. Empty for a zombie. `None` also in the middle of an exec.
    pub command: Option<SharedList<Vec<u8>>>,
    /// What of its environment says whose it is.
    pub marks: Marks,
    /// Its cgroup in every hierarchy.
    pub cgroups: Option<SharedList<CgroupPath>>,
    /// Whether it ignores SIGHUP, as under nohup(1). Read only where it may be on its own: its parent is the first
    /// process or in another session, or the leader of its session is gone.
    pub ignores_hangup: Option<bool>,
    /// Its program; one that was deleted has ` (deleted)` behind its name.
    pub executable: Option<SharedPath>,
    /// Its working directory; the same.
    pub working_directory: Option<SharedPath>,
    /// Its descriptors. `None` where they may not be read, and for a zombie.
    pub descriptors: Option<Descriptors>,
}

/// What the environment of a process says of its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// It could not be read: somebody else's process, one that hides from ptrace, or one in the middle of an exec.
    #[default]
    Unreadable,
    /// It is empty: never set, or written over by a program that shows a title of its own. Proves nothing.
    Empty,
    /// As it was when the program was started.
    Read {
        /// `SCUPPER_RUN`.
        run: Option<Vec<u8>>,
        /// `SCUPPER_UNIT`.
        unit: Option<Vec<u8>>,
        /// `SCUPPER_KEEP`.
        keep: Option<Vec<u8>>,
    },
}

/// The descriptors of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// How many are open. Of more than 65,536 only so many are looked at, and `kinds` counts fewer than there are.
    pub count: u64,
    /// The soft `RLIMIT_NOFILE`; read only where there are many.
    pub limit: Option<u64>,
    /// How many of them are what.
    pub kinds: Kinds,
    /// Descriptors 0, 1 and 2.
    pub stdio: [End; 3],
    /// Inodes of pipes it has open, each once, without those of `stdio`.
    pub pipes: Vec<u64>,
    /// Inodes of its sockets, each once, with those of `stdio`.
    pub sockets: Vec<u64>,
    /// Regular files that were deleted and take space on a disk for as long as it has them open.
    pub deleted: Deleted,
}

/// How many descriptors are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Whatever has a path: files, directories, pipes with a name.
    pub files: u64,
    /// Pipes without a name.
    pub pipes: u64,
    /// Sockets.
    pub sockets: u64,
    /// Terminals and other devices.
    pub devices: u64,
    /// epoll, eventfd, timerfd, inotify, pidfd, memfd and the like.
    pub anonymous: u64,
}

/// Open files that have no name any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// How many.
    pub count: u64,
    /// What they take on disk together.
    pub bytes: Bytes,
    /// The largest, by the name it had.
    pub largest: Option<PathBuf>,
}

/// What a standard descriptor is open on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Not open.
    #[default]
    Closed,
    /// `/dev/null`.
    Null,
    /// A terminal; `gone` where its other side has been closed.
    Terminal {
        /// Its path.
        path: SharedPath,
        /// Whether that terminal is not there any more.
        gone: bool,
    },
    /// A file or another device.
    File(SharedPath),
    /// An end of a pipe without a name.
    Pipe(u64),
    /// A socket.
    Socket(u64),
    /// Something else: `anon_inode:[eventfd]`.
    Other(SharedPath),
}

/// Who has which end of a pipe open; at most 64 processes are named for each end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipeHolders {
    /// Processes that can read from it.
    pub readers: Vec<Pid>,
    /// Processes that can write to it.
    pub writers: Vec<Pid>,
    /// Whether there are more readers than are named.
    pub more_readers: bool,
    /// Whether there are more writers than are named.
    pub more_writers: bool,
}

/// A Unix socket as `sock_diag(7)` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// The inode of its peer. `None` where it has none: never connected, not accepted yet, or the peer is closed.
    pub peer: Option<u64>,
    /// Whether it is connected to nobody any more: nothing will ever come.
    pub peer_is_gone: bool,
    /// Whether it waits for connections.
    pub listens: bool,
    /// Whether it bears the name of a display server's, X11 or Wayland: that one itself, or its end of a connection.
    pub shows_windows: bool,
}

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Its state.
    pub state: TcpState,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// A process of which something could not be read. Where its descriptors were refused, its program and its working
/// directory were too, and are not told of again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number.
    pub pid: Pid,
    /// What: `stat`, `descriptors`, `environment`; rarely something else.
    pub what: &'static str,
    /// Why, as the kernel said it.
    pub why: String,
}
