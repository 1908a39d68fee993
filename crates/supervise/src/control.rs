//! The control socket: how `scupper ps|stop|restart|recycle|set` and the metrics page talk to a running unit.
//!
//! One JSON object a line each way, over a Unix socket with mode 0600 beside the unit's record. A request is data:
//! bounded, validated, answered with one [`Reply`].

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scupper_detect::{Reason, Verdict};
use scupper_model::{
    Bytes, Class, Connections, Identity, Judged, Limits, ProcessSample, SignalReason, TreeSample, UnitPhase,
    UnitRecord, Watched,
};
use serde::{Deserialize, Serialize};

use crate::helpers::{Account, HelperStatus};

/// Longest line either side accepts, in bytes. A status of 1,000 processes takes about 400 kB.
pub const MAX_LINE: u64 = 8 << 20;

/// What can be asked of a running unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How it is now.
    Status,
    /// Drain and end it; scupper itself ends where this was its last unit.
    Stop,
    /// Drain it and start it again.
    Restart,
    /// Replace its workers one at a time, or the whole unit where it has none.
    Recycle,
    /// Change limits without a restart. What is absent stays as it is.
    Set {
        /// The limits to change.
        change: LimitChange,
    },
}

/// Limits to change. The outer `None` leaves one as it is; `off` (an inner `None`) removes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitChange {
    /// Soft memory limit.
    pub mem_soft: Option<Change<scupper_model::Size>>,
    /// Hard memory limit.
    pub mem_hard: Option<Change<scupper_model::Size>>,
    /// Soft and hard number of descriptors.
    pub fds: Option<(Option<u64>, Option<u64>)>,
    /// Soft and hard number of threads.
    pub threads: Option<(Option<u64>, Option<u64>)>,
    /// Soft and hard number of processes below the main one.
    pub children: Option<(Option<u64>, Option<u64>)>,
    /// Soft and hard number of sockets.
    pub sockets: Option<(Option<u64>, Option<u64>)>,
    /// How far Scupper may go.
    pub policy: Option<scupper_model::Policy>,
}

impl LimitChange {
    /// These limits with the change made.
    pub fn apply(&self, mut limits: Limits) -> Limits {
        fn changed<T>(old: Option<T>, change: Option<Change<T>>) -> Option<T> {
            match change {
                None => old,
                Some(Change::To(new)) => Some(new),
                Some(Change::Off) => None,
            }
        }
        limits.mem_soft = changed(limits.mem_soft, self.mem_soft);
        limits.mem_hard = changed(limits.mem_hard, self.mem_hard);
        limits.fds = self.fds.unwrap_or(limits.fds);
        limits.threads = self.threads.unwrap_or(limits.threads);
        limits.children = self.children.unwrap_or(limits.children);
        limits.sockets = self.sockets.unwrap_or(limits.sockets);
        limits
    }
}

/// A new value, or none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<T> {
    /// Use this from now on.
    To(T),
    /// No limit from now on.
    Off,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It will be done; the events tell when.
    Accepted {
        /// What will happen, in words.
        message: String,
    },
    /// The answer to [`Request::Status`].
    Status(Box<UnitStatus>),
    /// It cannot be done.
    Refused {
        /// Why, and what to do.
        message: String,
    },
}

/// A unit as it is now, rendered from live state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// What its record file says.
    pub record: UnitRecord,
    /// The last whole look at its tree.
    pub tree: TreeSample,
    /// The size that limits are compared with: PSS where it was needed and could be read, else the sum of RSS.
    pub size_bytes: Bytes,
    /// Growth of that size, bytes per second, over the last looks. `None` until there are enough.
    pub growth_bytes_per_second: Option<f64>,
    /// Whether it leaks: the verdict is the worst of its series, slope and forecast are those of its memory.
    #[serde(flatten)]
    pub standing: Standing,
    /// Everything that is watched of it, and what is thought of each.
    pub series: Vec<SeriesStatus>,
    /// The limits in bytes and counts, percentages resolved.
    pub limits: Limits,
    /// Its processes, largest first; at most 200.
    pub processes: Vec<ProcessStatus>,
    /// The helpers that its workers started, the oldest first; at most 200.
    #[serde(default)]
    pub helpers: Vec<HelperStatus>,
    /// How many helpers of each kind every worker has.
    #[serde(default)]
    pub helper_counts: Vec<Account>,
    /// What it is doing.
    pub phase: UnitPhase,
    /// Why nothing of it may act: its tree stands still until it may again.
    #[serde(default)]
    pub held: Option<SignalReason>,
    /// Whether the command said READY over `NOTIFY_SOCKET`; `None` where it has no such socket.
    pub ready: Option<bool>,
    /// The last STATUS it said there.
    pub status_text: Option<String>,
    /// Seconds since its main process started.
    pub uptime_seconds: Option<f64>,
    /// How often something happened since scupper started.
    pub counts: UnitCounts,
    /// Milliseconds until the next look.
    pub next_look_ms: u64,
}

/// Counters of a unit since its scupper started; they only go up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitCounts {
    /// Starts of the command.
    pub starts: u64,
    /// Starts after it ended by itself.
    pub crash_restarts: u64,
    /// Starts after a recycle of the whole unit.
    pub recycle_restarts: u64,
    /// Starts after a hard limit.
    pub limit_restarts: u64,
    /// Workers replaced.
    pub workers_recycled: u64,
    /// Helpers ended.
    pub helpers_ended: u64,
    /// Soft limits crossed.
    pub soft_limits_crossed: u64,
    /// Hard limits crossed.
    pub hard_limits_crossed: u64,
    /// Processes ended by the kernel's OOM killer.
    pub oom_kills: u64,
    /// Processes that had to be ended after their command had ended.
    pub left_behind_ended: u64,
    /// Adopted zombies reaped.
    pub zombies_reaped: u64,
    /// Looks at the tree.
    pub looks: u64,
    /// Events recorded.
    pub events: u64,
}

/// One process of a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// The last look at it.
    #[serde(flatten)]
    pub sample: ProcessSample,
    /// `main`, `worker` or `helper`.
    pub role: String,
    /// Its connections, as they were read last; `None` where they were not.
    #[serde(default)]
    pub connections: Option<Connections>,
    /// Growth since it had settled, a second old, in bytes; `None` before.
    pub growth_bytes: Option<i64>,
    /// Whether its memory leaks.
    #[serde(flatten)]
    pub standing: Standing,
    /// For a worker: the how many-th in its place, counting from 1.
    pub generation: u64,
    /// Command line, redacted.
    pub command: String,
}

/// Whether a unit or a process leaks. All `None` where it is not watched, or not yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The word.
    pub verdict: Option<Verdict>,
    /// How often such a verdict was right where it could be checked, 0 to 1.
    pub confidence: Option<f64>,
    /// Growth of its memory's floor, bytes per hour.
    pub slope_bytes_per_hour: Option<f64>,
    /// Between these two the slope lies.
    pub slope_interval: Option<(f64, f64)>,
    /// Time until its memory reaches the limit at this rate.
    pub time_to_limit_seconds: Option<u64>,
    /// Whether somebody should be woken.
    pub urgent: bool,
    /// What kind of leak it is, as far as that can be told from outside.
    #[serde(default)]
    pub class: Option<Class>,
    /// What led to the verdict, the decisive one first.
    pub reasons: Vec<Reason>,
}

impl Standing {
    /// Of what is thought of its memory.
    pub fn of_memory(judged: Judged) -> Self {
        Self {
            verdict: Some(judged.verdict),
            confidence: judged.confidence,
            slope_bytes_per_hour: judged.slope_per_hour,
            slope_interval: judged.slope_interval,
            time_to_limit_seconds: judged.time_to_limit_seconds,
            urgent: judged.urgent,
            class: Some(judged.class),
            reasons: judged.reasons,
        }
    }
}

/// One series of a unit, and what is thought of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesStatus {
    /// What it counts.
    pub series: Watched,
    /// The process it is of; `None` for the whole tree.
    pub target: Option<Identity>,
    /// The name of that process.
    pub name: Option<String>,
    /// The last value.
    pub value: u64,
    /// What is thought of it.
    #[serde(flatten)]
    pub judged: Judged,
}

/// The socket that belongs to a unit's record file.
pub fn socket_path(record: &Path) -> PathBuf {
    beside(record, "sock")
}

/// A socket beside a record file. The kernel takes 107 bytes for its path (unix(7)): a longer name is replaced by its hash
/// (FNV-1a, 64 bit).
pub(crate) fn beside(record: &Path, extension: &str) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = record.with_extension(extension);
    if path.as_os_str().len() <= 107 {
        return path;
    }
    let name = record.file_name().unwrap_or_default().as_bytes();
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    record.with_file_name(format!(".{hash:016x}.{extension}"))
}

/// Asks a unit and waits at most `timeout` for its answer.
pub fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Reply, AskError> {
    let trouble = |source| AskError::Talk { socket: socket.to_owned(), source };
    let mut stream = UnixStream::connect(socket).map_err(trouble)?;
    stream.set_read_timeout(Some(timeout)).map_err(trouble)?;
    stream.set_write_timeout(Some(timeout)).map_err(trouble)?;
    let mut line = serde_json::to_vec(request).map_err(|e| trouble(e.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(trouble)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer).map_err(trouble)?;
    serde_json::from_str(&answer).map_err(|source| AskError::Answer { socket: socket.to_owned(), source })
}

/// A unit could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answered.
    #[error("cannot talk to the unit at {}", socket.display())]
    Talk {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The answer made no sense: another version of scupper may be running.
    #[error("the unit at {} gave an answer that cannot be read", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
