//! What a unit had served when something happened: operations, and the lines of its log.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Lines of a log that are remembered of one look.
const MOST_LINES: usize = 2;
/// Lines that are remembered of a helper: those, and as many after them.
const MOST_OF_HELPER: usize = 4;
/// Characters of a line that are kept.
const LONGEST: usize = 200;

/// What was served until a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Operations, where somebody counts them.
    pub operations: Option<u64>,
    /// Lines of the log, where there is one.
    pub log_lines: Option<u64>,
    /// The last lines that the log got since the look before, redacted, the newest last.
    pub lines: VecDeque<String>,
}

impl Moment {
    /// So many lines were written to the log; `last` are the last of them, which must have been redacted.
    pub fn note_log<'l>(&mut self, lines: u64, last: impl Iterator<Item = &'l str>) {
        self.log_lines = Some(self.log_lines.unwrap_or(0).saturating_add(lines));
        for line in last {
            if self.lines.len() >= MOST_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line.chars().take(LONGEST).collect());
        }
    }

    /// What of the two there is, operations before lines.
    pub fn count(&self) -> Option<u64> {
        self.operations.or(self.log_lines)
    }

    pub(super) fn take(&mut self, served: &Self) {
        (self.operations, self.log_lines) = (served.operations, served.log_lines);
    }
}

/// The request that a helper was started for, as closely as looks and counts can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Operations (else lines of the log) that had been counted at the last look before it was there.
    pub operations_before: Option<u64>,
    /// Operations that had been counted when it was first seen: it belongs to one of those in between, or to one that was
    /// being served and is counted when it is done.
    pub operations_seen: Option<u64>,
    /// The last lines that the log got in between and the first ones after it, redacted. Where few were served meanwhile,
    /// one of them is the line of its request.
    pub lines: Vec<String>,
}

impl Request {
    pub(super) fn at(before: &Moment, served: &Moment) -> Self {
        Self {
            operations_before: before.count(),
            operations_seen: served.count(),
            lines: served.lines.iter().cloned().collect(),
        }
    }

    /// The line of a request comes when it is done.
    pub(super) fn went_on(&mut self, served: &Moment) {
        let room = MOST_OF_HELPER.saturating_sub(self.lines.len());
        self.lines.extend(served.lines.iter().take(room).cloned());
    }

    /// Operations since it was first seen.
    pub(super) fn since(&self, served: &Moment) -> Option<u64> {
        Some(served.count()?.saturating_sub(self.operations_seen?))
    }
}
