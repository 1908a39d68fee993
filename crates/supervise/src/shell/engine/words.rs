//! What an engine is given, and how it fails.

use std::io;

use scupper_model::{Event, UnitName, UnitSpec};
use scupper_probe::ProbeError;

use crate::record::{RecordError, Records};
use crate::shell::judge::Keeps;
use crate::shell::lease::Lease;

/// Where events go. Exactly one per engine: it hands them to the log, the evidence, the hook.
pub trait Sink {
    /// Takes one event. Must not block.
    fn record(&mut self, event: &Event);
    /// The engine is done: writes down what is left, within a bounded time.
    fn close(&mut self);
}

/// Whether the end of whoever started scupper ends its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParentExit {
    /// Yes, unless scupper was detached on purpose: under `nohup`, as the leader of its own session, or started by
    /// PID 1.
    #[default]
    Auto,
    /// Yes.
    Stop,
    /// No.
    Ignore,
}

/// How the engine is to run.
#[derive(Debug)]
pub struct Options {
    /// Where the units are written down.
    pub records: Records,
    /// Whether the end of whoever started scupper ends its units.
    pub parent_exit: ParentExit,
    /// Whether a terminal's hang-up ends its units.
    pub watch_terminal: bool,
    /// What people asked to keep.
    pub keeps: Keeps,
}

/// Reads the units again, for SIGHUP. An error keeps what runs.
pub type Reload = Box<dyn FnMut() -> Result<Vec<UnitSpec>, String>>;

/// A unit that is to run, and what says whether it may act.
pub type Leasehold = (UnitSpec, Option<Box<dyn Lease>>);

/// The lease of a unit that a reload adds. Must not wait for anybody.
pub type Joins = Box<dyn FnMut(&UnitSpec) -> Result<Option<Box<dyn Lease>>, String>>;

/// Scupper itself failed. Its exit code is 125.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// `/proc` cannot be read.
    #[error("cannot read /proc, without which no process can be owned")]
    Probe(#[source] ProbeError),
    /// A kernel facility is missing.
    #[error("cannot {what}")]
    Kernel {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A record cannot be written.
    #[error("cannot write down what is owned")]
    Record(#[from] RecordError),
    /// The unit runs already.
    #[error("a unit named {unit} is running: choose another --name, or `scupper stop {unit}`")]
    NameTaken {
        /// Its name.
        unit: UnitName,
    },
}

impl SuperviseError {
    /// The exit code it means.
    pub const fn exit_code(&self) -> u8 {
        125
    }
}
