//! What a report is made from.

use scupper_model::{Event, Timestamp, UnitName};
use serde::Serialize;
use uuid::Uuid;

use super::changes::Checked;
use crate::incident::Recorded;

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A readiness audit: suspects, phases, criteria.
    Audit,
    /// A delta report: what was wrong, what was changed, what that did.
    Delta,
    /// A postmortem: timeline, impact, what went well and wrong.
    Postmortem,
    /// The body of an issue.
    Issue,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Audit, Self::Delta, Self::Postmortem, Self::Issue];

    /// The word in flags and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Delta => "delta",
            Self::Postmortem => "postmortem",
            Self::Issue => "issue",
        }
    }
}

/// The incident that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its id: `ISS-0001`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it says of itself.
    pub description: String,
    /// Its state, by name: `ready_for_qa`.
    pub state: String,
    /// `low`, `medium`, `high`, `critical`; whatever else is unknown.
    pub priority: String,
    /// Who has it.
    pub owner: Option<String>,
    /// The unit that it is of.
    pub unit: Option<UnitName>,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// The states it came into, with the time.
    pub moves: Vec<(Timestamp, String)>,
    /// Other issues and tasks that it names.
    pub related: Vec<String>,
    /// Why what it claims does not hold: it was forced, or its evidence, its soak or its history is not what it rested on.
    pub undone: Vec<String>,
}

impl Subject {
    /// Whether it is over, and that holds: only then may a report say that it is resolved.
    pub fn is_done(&self) -> bool {
        let was_done = || self.moves.iter().any(|(_, state)| state == "done");
        // What nobody will do is archived too.
        self.undone.is_empty() && (self.state == "done" || (self.state == "archived" && was_done()))
    }
}

/// A rule that keeps what happened from happening again, and where it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does: `soft limit of memory 450 MiB, policy enforce`.
    pub what: String,
    /// Where that was read: `the record of the running unit, written 2026-11-22 20:54:38 UTC`.
    pub place: String,
    /// Whether it is on now. One that stands in a file that no unit was started with is not.
    pub on: bool,
    /// Whether it replaces what grows before it ends by itself.
    pub recycles: bool,
}

/// What was recorded of another unit in which the same was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// Which one.
    pub unit: UnitName,
    /// Its events, in order of time.
    pub events: Vec<Recorded>,
    /// Those of them that cannot be read by this version.
    pub unreadable: u64,
}

/// A change that names no lines of a file: a commit, a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// When it was recorded.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// By whom.
    pub by: String,
}

/// Everything a report is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Whose.
    pub subject: Subject,
    /// When it is written.
    pub now: Timestamp,
    /// What was recorded, in order of time.
    pub events: Vec<Recorded>,
    /// Recorded events that cannot be read by this version.
    pub unreadable: u64,
    /// What was changed, and whether the source tree says so too.
    pub changes: Vec<Checked>,
    /// What else is said to have been changed: there are no lines of it to compare.
    pub named: Vec<Named>,
    /// Other units in which it was seen. Figures, curve and timeline are of the first one alone.
    pub elsewhere: Vec<Elsewhere>,
    /// What is on, or could be.
    pub rules: Vec<Rule>,
    /// Whether the unit runs now; `None` where nobody can say.
    pub runs: Option<bool>,
    /// The name of the file with the memory curve, where there is one.
    pub curve: Option<String>,
}

impl Source {
    /// A report about somebody, of whom nothing is known yet.
    pub fn new(subject: Subject, now: Timestamp) -> Self {
        Self {
            subject,
            now,
            events: Vec::new(),
            unreadable: 0,
            changes: Vec::new(),
            named: Vec::new(),
            elsewhere: Vec::new(),
            rules: Vec::new(),
            runs: None,
            curve: None,
        }
    }

    /// Its events alone.
    pub fn plain(&self) -> Vec<Event> {
        self.events.iter().map(|recorded| recorded.event.clone()).collect()
    }
}

/// One sentence, with what it is based on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The sentence.
    pub text: String,
    /// The events that say so.
    pub evidence: Vec<Uuid>,
    /// Whether nothing recorded says so.
    pub assumption: bool,
}

impl Line {
    /// A sentence that recorded events bear.
    pub fn of(text: impl Into<String>, evidence: impl IntoIterator<Item = Uuid>) -> Self {
        Self { text: text.into(), evidence: evidence.into_iter().collect(), assumption: false }
    }

    /// A sentence that is about what is not recorded, or needs no event.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::of(text, [])
    }

    /// A sentence that nothing recorded bears.
    pub fn assumed(text: impl Into<String>) -> Self {
        Self { assumption: true, ..Self::plain(text) }
    }
}
