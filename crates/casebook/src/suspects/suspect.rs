//! What is told: suspects, their evidence, and what to do next.

use scupper_model::{Grows, Identity, RunId, Timestamp, UnitName};
use serde::Serialize;

use super::{Cause, RowClass};

/// The schema of a ranking. Grows when a field is added.
pub const SCHEMA: &str = "scupper.why/1";

/// Suspects, the most likely first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// `scupper.why/1`.
    pub schema: &'static str,
    /// What it rests on.
    pub seen: Seen,
    /// The suspects. Never empty: `unknown` and `not_a_leak` are answers as well. Where `unknown` is among them, at the end,
    /// too little speaks for any of the others to name it.
    pub suspects: Vec<Suspect>,
    /// What is not known of all of it.
    pub unknown: Vec<String>,
}

impl Ranking {
    /// The first of them, however little speaks for it.
    pub fn first(&self) -> Option<&Suspect> {
        self.suspects.first()
    }

    /// The one that is named as the answer; `None` where that is unknown.
    pub fn named(&self) -> Option<&Suspect> {
        let unknown = self.suspects.iter().any(|suspect| suspect.cause == Cause::Unknown);
        self.first().filter(|_| !unknown)
    }
}

/// What a ranking rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    /// The unit, where all of it is of one.
    pub unit: Option<UnitName>,
    /// The runs.
    pub runs: Vec<RunId>,
    /// Events that said something.
    pub events: usize,
    /// The first of them.
    pub since: Option<Timestamp>,
    /// The last of them.
    pub until: Option<Timestamp>,
    /// Whether the unit runs and was asked.
    pub live: bool,
    /// What was run, as it was recorded.
    pub command: Option<String>,
}

/// How much a score means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Little speaks for it.
    Weak,
    /// More than one piece of evidence does, or a strong one.
    Likely,
    /// Several independent ones do.
    Strong,
}

impl Strength {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Likely => "likely",
            Self::Strong => "strong",
        }
    }

    pub(super) const fn of(score: u8) -> Self {
        match score {
            0..40 => Self::Weak,
            40..70 => Self::Likely,
            _ => Self::Strong,
        }
    }
}

/// One suspect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// What piles up.
    pub cause: Cause,
    /// The class it belongs to.
    pub class: RowClass,
    /// In one line.
    pub name: String,
    /// What exactly, where it was seen: `tcp CLOSE_WAIT outbound to 127.0.0.1:8301`, `heap`. Redacted, as it was recorded.
    pub what: Option<String>,
    /// In which processes.
    pub processes: Vec<Process>,
    /// Points, 0 to 99: a sum of evidence, no probability. That the cause is not known has none.
    pub score: Option<u8>,
    /// What that means.
    pub strength: Option<Strength>,
    /// What its numbers are: `bytes` or `count`; `None` where it has none.
    pub unit: Option<&'static str>,
    /// How much of it came while it was watched.
    pub grown: Option<f64>,
    /// Whether that is the least: two looks tell it, and not what came before and after them.
    pub grown_at_least: bool,
    /// How much more there is each hour.
    pub per_hour: Option<f64>,
    /// How much more there is with each operation.
    pub per_operation: Option<f64>,
    /// Time to its limit at this rate.
    pub time_to_limit_seconds: Option<u64>,
    /// Along what memory grows.
    pub grows: Grows,
    /// What speaks for it, the heaviest first.
    pub evidence_for: Vec<Evidence>,
    /// What speaks against it.
    pub evidence_against: Vec<Evidence>,
    /// What would confirm or refute it.
    pub checks: Vec<Check>,
    /// What is not known of it.
    pub unknown: Vec<String>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Process {
    /// Who.
    #[serde(flatten)]
    pub identity: Identity,
    /// Its name.
    pub name: String,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The id of the event that says so; `None` where the running unit does.
    pub id: Option<String>,
    /// When it was recorded.
    pub at: Option<Timestamp>,
    /// What it says.
    pub text: String,
    /// What it is worth.
    pub points: i32,
}

/// Something that can be done to know more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A command, ready to run.
    pub command: String,
    /// What its result means.
    pub means: String,
}
