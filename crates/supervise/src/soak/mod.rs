//! A soak: a command does so much work, and has not leaked. What is asked for goes in, look by look what is seen, and at
//! the end the result comes out.
//!
//! Pure, like the machine and the watch: times and counts are arguments, so that an hour is judged in a test in no time.
//! Whoever runs it says when the unit was looked at, what was counted, and what happened to it.

mod criteria;
mod judge;
mod level;
mod rows;
mod verdict;

use std::collections::HashSet;
use std::time::Duration;

use scupper_model::{EventKind, HowEnded, SignalReason};

use crate::unit::Look;

pub use criteria::{Criteria, Criterion, WarmUp};
pub use judge::{Judgement, SeriesJudgement};
pub use rows::{Row, Rows};

/// A counter that has not answered by then does not count this command.
const PATIENCE: Duration = Duration::from_mins(1);
/// Processes that are counted as killed.
const MOST_KILLED: usize = 10_000;

/// Whether a soak goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// There is more to see.
    GoOn,
    /// The command may be stopped.
    Enough,
}

/// What the counter of operations has to say at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Nobody counts.
    Nothing,
    /// It never answered; why.
    Silent(String),
    /// So many were done.
    Operations(u64),
}

/// Why the command runs no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Ended {
    /// The soak had seen enough, and stopped it.
    #[default]
    Enough,
    /// By itself.
    ByItself(HowEnded),
    /// Somebody asked for it, or it crossed a limit; the words of the event.
    Asked(String),
    /// It never ran.
    NotStarted { code: i32, message: String },
}

/// One soak.
#[derive(Debug)]
pub struct Soak {
    criteria: Criteria,
    rows: Rows,
    enough: bool,
    exited: Option<(HowEnded, Duration)>,
    not_started: Option<(i32, String)>,
    stopped: Option<(String, u32)>,
    killed: HashSet<i32>,
    restarted: bool,
}

impl Soak {
    /// A soak that has seen nothing.
    pub fn new(criteria: Criteria) -> Self {
        Self {
            criteria,
            rows: Rows::default(),
            enough: false,
            exited: None,
            not_started: None,
            stopped: None,
            killed: HashSet::new(),
            restarted: false,
        }
    }

    /// What is asked for.
    pub const fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// What was seen.
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The running command was looked at, so long after its start. `operations` is `None` while nothing was counted yet.
    pub fn look(&mut self, age: Duration, look: &Look, operations: Option<u64>) -> Wish {
        self.take(Row::of(age, look, operations))
    }

    /// The same, with the numbers of a look.
    pub fn take(&mut self, row: Row) -> Wish {
        self.rows.push(row);
        let Criteria { operations, lasting, .. } = self.criteria;
        let done = operations.is_some_and(|required| row.operations.is_some_and(|done| done >= required));
        let over = lasting.is_some_and(|lasting| row.at >= lasting);
        let silent = operations.is_some() && row.operations.is_none() && row.at >= PATIENCE;
        self.enough |= done || over || silent;
        if self.enough { Wish::Enough } else { Wish::GoOn }
    }

    /// Something happened to the unit.
    pub fn note(&mut self, event: &EventKind) {
        let of_the_end = |reason| matches!(reason, SignalReason::GraceExpired | SignalReason::LeftBehind);
        match event {
            EventKind::UnitStarted { start, .. } => self.restarted |= *start > 1,
            EventKind::StartFailed { code, message, .. } => {
                self.not_started = Some((*code, message.clone()));
            }
            EventKind::UnitExited { certificate } => match certificate.how {
                HowEnded::NotStarted { code } => {
                    self.not_started = Some((code, String::new()));
                }
                how => self.exited = Some((how, certificate.lived)),
            },
            EventKind::UnitStopped { reason, ended, .. } => self.stopped = Some((reason.clone(), *ended)),
            EventKind::SignalSent { target, signal: 9, reason, .. } if of_the_end(*reason) => {
                self.kill(target.pid.get());
            }
            EventKind::CgroupKill { members, reason, .. } if of_the_end(*reason) => {
                for pid in members {
                    self.kill(*pid);
                }
            }
            _ => {}
        }
    }

    fn kill(&mut self, pid: i32) {
        if self.killed.len() < MOST_KILLED {
            self.killed.insert(pid);
        }
    }

    /// The result: the unit is over.
    pub fn conclude(&self, counted: &Counted) -> Judgement {
        judge::judge(self, counted)
    }

    fn ended(&self) -> Ended {
        if let Some((code, message)) = &self.not_started {
            return Ended::NotStarted { code: *code, message: message.clone() };
        }
        match (&self.stopped, self.exited) {
            _ if self.enough => Ended::Enough,
            (Some((reason, _)), Some((how, _))) if reason == crate::unit::ENDED_BY_ITSELF => {
                Ended::ByItself(how)
            }
            (Some((reason, _)), _) => Ended::Asked(reason.clone()),
            (None, how) => Ended::ByItself(how.map_or(HowEnded::Unknown, |(how, _)| how)),
        }
    }

    /// How long it was watched; of a command that ended between two looks, how long it lived.
    fn lasted(&self) -> Duration {
        let seen = self.rows.last().map_or(Duration::ZERO, |row| row.at);
        let lived = self.exited.filter(|_| !self.enough).map_or(Duration::ZERO, |(_, lived)| lived);
        seen.max(lived)
    }

    /// Who was left: of a command that ended by itself whoever had to be ended after it; of one that was stopped, whoever
    /// had to be killed.
    fn left_behind(&self) -> u32 {
        let killed = u32::try_from(self.killed.len()).unwrap_or(u32::MAX);
        match (self.ended(), &self.stopped) {
            (Ended::ByItself(_), Some((_, ended))) => killed.max(*ended),
            _ => killed,
        }
    }
}

#[cfg(test)]
mod tests;
