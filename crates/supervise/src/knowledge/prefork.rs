//! stub

use scupper_model::Pid;

/// One process of the tree, as far as it is needed to recognise it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its pid.
    pub pid: Pid,
    /// Its parent.
    pub parent: Option<Pid>,
    /// The kernel's short name for it (`/proc/PID/comm`).
    pub name: &'a [u8],
    /// Its command line, one entry an argument (`/proc/PID/cmdline`, split at NUL).
    pub command: &'a [Vec<u8>],
}

/// How a worker is replaced without losing work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// This signal to the worker: it finishes what it has and ends, and the master replaces it.
    Worker {
        /// The number.
        signal: i32,
    },
    /// A signal to the worker would lose work (or nobody would replace it): this signal to the main process, which
    /// ends the whole unit gracefully; then it is started again.
    Main {
        /// The number.
        signal: i32,
    },
}

/// What is known of one kind of prefork server.
#[derive(Debug)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// How a worker of it is replaced.
    pub drain: Drain,
    /// Why it is drained so.
    pub why: &'static str,
    /// Where that is written, and the version it was tried on.
    pub source: &'static str,
}

/// A prefork server found in the tree.
#[derive(Clone, Debug)]
pub struct Prefork {
    /// Which kind.
    pub recipe: &'static Recipe,
    /// Its master.
    pub master: Pid,
    /// Its workers, in the order of their pids. Empty while it starts or replaces them.
    pub workers: Vec<Pid>,
}

/// The prefork servers of a tree, in the order of their masters' pids.
pub fn recognise(views: &[View<'_>]) -> Vec<Prefork> {
    let _ = views;
    Vec::new()
}
