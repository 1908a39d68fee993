//! What a soak has seen. However long it lasts, a bounded number of rows: when they are full, every other one goes, and
//! from then on half as many are kept. The highest memory is remembered apart from them.

use std::time::Duration;

use scupper_model::{Total, Watched};

use crate::unit::{Look, Role};

/// Rows that are kept, at most: more than two hours at two a second.
const MOST_ROWS: usize = 16_384;

/// One look at the tree. What could not be read of every member is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Since the start of the command.
    pub at: Duration,
    /// Operations that were done by then.
    pub operations: Option<u64>,
    /// Resident memory of the main process.
    pub main_rss: Option<u64>,
    /// Resident memory of the tree.
    pub memory: Option<u64>,
    /// The anonymous part of it.
    pub anonymous: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Sockets among them.
    pub sockets: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processes below the main one.
    pub children: Option<u64>,
    /// Zombies.
    pub zombies: Option<u64>,
    /// Processor time in microseconds.
    pub cpu_micros: Option<u64>,
}

impl Row {
    pub(super) fn of(at: Duration, look: &Look, operations: Option<u64>) -> Self {
        let main = look.processes.iter().find(|seen| seen.role == Role::Main && !seen.zombie);
        let whole = |total: Total| total.exact().filter(|_| look.whole);
        Self {
            at,
            operations,
            main_rss: main.and_then(|seen| seen.rss).map(|rss| rss.0),
            memory: look.watched(Watched::Memory).filter(|_| look.tree.processes > 0),
            anonymous: whole(look.tree.rss_anon_bytes),
            descriptors: look.watched(Watched::Descriptors),
            sockets: look.watched(Watched::Sockets),
            threads: look.watched(Watched::Threads),
            children: look.watched(Watched::Children),
            zombies: look.watched(Watched::Zombies),
            cpu_micros: whole(look.tree.cpu_micros),
        }
    }

    /// The number that is judged as this.
    pub const fn value(&self, of: Watched) -> Option<u64> {
        match of {
            Watched::Memory => self.memory,
            Watched::Descriptors => self.descriptors,
            Watched::Sockets => self.sockets,
            Watched::Threads => self.threads,
            Watched::Children => self.children,
            Watched::Zombies => self.zombies,
            // Kept by the watch alone.
            Watched::Browsers | Watched::StdioChildren | Watched::CloseWait | Watched::FinWait2 => None,
        }
    }
}

/// The rows of a soak, in order of time.
#[derive(Debug)]
pub struct Rows {
    kept: Vec<Row>,
    /// Of so many looks one is kept.
    every: u64,
    seen: u64,
    last: Option<Row>,
    highest: Option<u64>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { kept: Vec::new(), every: 1, seen: 0, last: None, highest: None }
    }
}

impl Rows {
    pub(super) fn push(&mut self, row: Row) {
        if self.last.is_some_and(|last| row.at <= last.at) {
            return;
        }
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() >= MOST_ROWS {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(row);
            }
        }
        self.seen += 1;
        self.last = Some(row);
        self.highest = self.highest.max(row.memory);
    }

    /// The first look from then on.
    pub fn after(&self, at: Duration) -> Option<&Row> {
        self.kept.iter().find(|row| row.at >= at)
    }

    /// The last look.
    pub const fn last(&self) -> Option<&Row> {
        self.last.as_ref()
    }

    /// The most memory of the tree at any look.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Looks, kept or not.
    pub const fn looks(&self) -> u64 {
        self.seen
    }

    /// The rows that were kept, and the last one.
    pub fn all(&self) -> Vec<Row> {
        let last = self.last.filter(|last| self.kept.last() != Some(last));
        self.kept.iter().copied().chain(last).collect()
    }
}
