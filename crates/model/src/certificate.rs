//! The death certificate: how a process ended and why, as far as it is known.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Bytes, Identity, SignalReason};

/// How a process ended, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum HowEnded {
    /// It exited with a code.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// The command could not be started: 127 not found, 126 not executable.
    NotStarted {
        /// 126 or 127.
        code: i32,
    },
    /// It ended, and nobody who could say how was asked in time.
    Unknown,
}

impl HowEnded {
    /// The exit code that a shell gives for it: the code, 128+n for signal n. `None` where it is unknown.
    pub const fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exited { code } | Self::NotStarted { code } => Some(code),
            Self::Signaled { signal, .. } => Some(128 + signal),
            Self::Unknown => None,
        }
    }

    /// Whether it ended as a program does that has done its work.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

/// Who or what ended a process, as far as it can be proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum EndedBy {
    /// It ended by itself.
    Itself,
    /// Scupper ended it.
    Scupper {
        /// Why.
        reason: SignalReason,
    },
    /// Somebody signalled scupper, and it passed the signal on.
    Forwarded {
        /// The signal that was passed on: it may have ended by another, or by an exit code.
        passed_on: i32,
        /// Who sent it, where the kernel said so.
        sender: Option<i32>,
    },
    /// The kernel's OOM killer: a SIGKILL that nobody of ours sent, with a step in the counter of its own cgroup.
    OomKiller {
        /// The cgroup whose counter stepped.
        cgroup: String,
        /// `oom_kill` before.
        count_before: u64,
        /// `oom_kill` after.
        count_after: u64,
    },
    /// A signal from outside, or an end nobody saw.
    Unknown,
}

/// A fatal message of a runtime, found in a log file given with `--log`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fatal {
    /// `v8` or `python`.
    pub runtime: String,
    /// The message, redacted.
    pub message: String,
    /// The process it names, where it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// V8: milliseconds since the process started, from its last GC line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// V8: the last GC lines before the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_gcs: Vec<String>,
    /// V8: mutator utilisation of the last full collection, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutator_utilization: Option<f64>,
    /// V8: MiB that each of the last full collections gave back; near 0 is a heap full of live objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freed_mib: Vec<f64>,
}

/// The record of one death.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Who.
    #[serde(flatten)]
    pub identity: Identity,
    /// The kernel's short name for it.
    pub name: String,
    /// `main`, `worker` or `helper`.
    pub role: String,
    /// How it ended.
    #[serde(flatten)]
    pub how: HowEnded,
    /// By whom.
    #[serde(flatten)]
    pub by: EndedBy,
    /// How long it was seen alive.
    #[serde(with = "crate::duration")]
    pub lived: Duration,
    /// Resident memory at the last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rss_bytes: Option<Bytes>,
    /// Most resident memory at any look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<Bytes>,
    /// Growth from when it had settled, a second old, to the last look; absent where it did not live that long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth_bytes: Option<i64>,
    /// The heap limit on its command line or in `NODE_OPTIONS`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_limit_bytes: Option<Bytes>,
    /// What its runtime said at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<Fatal>,
    /// The last lines of its log, where Scupper was given one. Redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}
