//! Who a process is: boot id, pid and start time. A bare pid is never an identity, because pids are reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A process number as the kernel gives it: positive, and alone no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Pid(i32);

impl Pid {
    /// The first process of this pid namespace.
    pub const INIT: Self = Self(1);

    /// `None` for zero and negative numbers, which `kill(2)` would take for groups.
    pub const fn new(raw: i32) -> Option<Self> {
        if raw > 0 { Some(Self(raw)) } else { None }
    }

    /// The number, for a system call or a path.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Pid {
    type Error = ParseIdentityError;
    fn try_from(raw: i32) -> Result<Self, Self::Error> {
        Self::new(raw).ok_or(ParseIdentityError::Pid)
    }
}

impl From<Pid> for i32 {
    fn from(pid: Pid) -> Self {
        pid.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Pid {
    type Err = ParseIdentityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(ParseIdentityError::Pid)
    }
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StartTime(pub u64);

/// Which boot of which machine: `/proc/sys/kernel/random/boot_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootId(uuid::Uuid);

impl BootId {
    /// No machine's: of processes that are only imagined. Nobody who is asked finds one of them.
    pub const NOWHERE: Self = Self(uuid::Uuid::nil());
}

impl FromStr for BootId {
    type Err = ParseIdentityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(|_| ParseIdentityError::BootId)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process and no other: pid, start time and boot id together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The number the kernel gave it.
    pub pid: Pid,
    /// When it started, in clock ticks since boot.
    pub start_time: StartTime,
    /// The boot in which both of them hold.
    pub boot_id: BootId,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}

/// Text that is no part of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdentityError {
    /// Zero, negative, too large or no number.
    #[error("a pid is a whole number from 1 to 2147483647")]
    Pid,
    /// Not a UUID.
    #[error("a boot id is a UUID")]
    BootId,
}
