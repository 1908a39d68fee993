//! One look at a process and at a tree. What could not be read is `None`, never 0.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Bytes, Identity, Pid};

/// The state letter of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// Running, sleeping or waiting.
    Alive,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended, and not yet waited for by its parent.
    Zombie,
}

/// One look at one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// Who is its parent now.
    pub parent: Option<Pid>,
    /// The kernel's short name for it (at most 15 bytes, made printable).
    pub name: String,
    /// Running, stopped or zombie.
    pub state: ProcessState,
    /// Resident memory.
    pub rss_bytes: Option<Bytes>,
    /// Resident anonymous memory: what a heap leak grows.
    pub rss_anon_bytes: Option<Bytes>,
    /// Memory moved out to swap.
    pub swap_bytes: Option<Bytes>,
    /// Proportional set size: shared pages divided among those who share them. Costly, so often not asked for.
    pub pss_bytes: Option<Bytes>,
    /// Open descriptors.
    pub fds: Option<u64>,
    /// Open descriptors that are sockets. Costly, so often not asked for.
    pub sockets: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processor time used, user and system.
    pub cpu: Option<Duration>,
}

/// The sockets of one process, and the TCP ones among them that tell of connections nobody closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Sockets of any kind.
    pub sockets: u64,
    /// TCP sockets that are connected, or were and are not closed.
    pub connected: u64,
    /// Closed by the other side, and not by this one.
    pub close_wait: u64,
    /// Closed by this side, and not by the other one.
    pub fin_wait2: u64,
    /// The soft `RLIMIT_NOFILE` of the process; `None` where it is unlimited or could not be read.
    pub descriptor_limit: Option<u64>,
}

/// A sum over the members of a tree. Members that could not be read are counted, not taken for 0: `known` is then a
/// lower bound, and a limit that it exceeds is exceeded for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Sum over the members that could be read.
    pub known: u64,
    /// Members that could not be read.
    pub unreadable: u32,
}

impl Total {
    /// Adds one member.
    pub fn add(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.known = self.known.saturating_add(value),
            None => self.unreadable = self.unreadable.saturating_add(1),
        }
    }

    /// The sum, where every member could be read.
    pub const fn exact(self) -> Option<u64> {
        if self.unreadable == 0 { Some(self.known) } else { None }
    }
}

/// One look at a whole tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeSample {
    /// Living members, zombies not counted.
    pub processes: u32,
    /// Members that ended and that their parent has not waited for.
    pub zombies: u32,
    /// Sum of resident memory: counts shared pages once per process.
    pub rss_bytes: Total,
    /// Sum of proportional set sizes, where it was asked for and every member allowed it.
    pub pss_bytes: Option<Bytes>,
    /// Sum of anonymous resident memory.
    pub rss_anon_bytes: Total,
    /// Sum of swapped memory.
    pub swap_bytes: Total,
    /// Open descriptors.
    pub fds: Total,
    /// Sockets among them.
    pub sockets: Total,
    /// Threads.
    pub threads: Total,
    /// Processor time in microseconds.
    pub cpu_micros: Total,
}
