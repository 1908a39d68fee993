//! What was thought of one series in one life: the worst of it, and the last word since.

use scupper_detect::{Reason, Verdict, exact};
use scupper_model::{Identity, Judged, RunId, Timestamp, Watched};

use super::lives::Life;
use super::words;

/// Where something was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Source {
    pub id: Option<String>,
    pub at: Option<Timestamp>,
    pub run: Option<RunId>,
}

/// What was thought of one series of one process, or of the tree of one start.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    pub series: Watched,
    pub target: Option<Identity>,
    /// The start in which it was seen first.
    pub life: Life,
    pub name: Option<String>,
    pub value: u64,
    /// The worst that was thought, and the last of those.
    pub judged: Judged,
    pub source: Source,
    /// What is thought since, where that is better; `unknown` counts for nothing.
    pub since: Option<(Verdict, Source, Vec<Reason>)>,
}

impl Trail {
    pub fn new(series: Watched, target: Option<Identity>, life: Life, name: Option<&str>) -> Self {
        Self {
            series,
            target,
            life,
            name: name.map(str::to_owned),
            value: 0,
            judged: Judged::default(),
            source: Source::default(),
            since: None,
        }
    }

    /// Whether it is the same series of processes of one name, or of trees.
    pub fn is_of_same(&self, other: &Self) -> bool {
        self.series == other.series
            && self.target.is_some() == other.target.is_some()
            && self.name == other.name
    }

    /// Whether it grew at some time.
    pub fn grew(&self) -> bool {
        self.judged.verdict >= Verdict::Growing
    }

    /// What is thought last.
    pub fn last(&self) -> Verdict {
        self.since.as_ref().map_or(self.judged.verdict, |(verdict, ..)| *verdict)
    }

    /// What led to the last word.
    pub fn last_reasons(&self) -> (&[Reason], &Source) {
        match &self.since {
            Some((_, source, reasons)) => (reasons, source),
            None => (&self.judged.reasons, &self.source),
        }
    }

    /// One more verdict.
    pub fn take(&mut self, value: u64, judged: &Judged, source: Source) {
        if judged.verdict == Verdict::Unknown && self.judged.verdict != Verdict::Unknown {
            return;
        }
        let worse = judged.verdict >= self.judged.verdict || !self.grew();
        if worse {
            *self = Self { value, judged: judged.clone(), source, since: None, ..self.clone() };
        } else {
            self.since = Some((judged.verdict, source, judged.reasons.clone()));
        }
    }

    /// The worst of it in one line: how it grows, from which value, how fast, and why that is thought.
    pub fn told(&self) -> String {
        let judged = &self.judged;
        let quantity = self.series.quantity();
        let rate = judged
            .slope_per_hour
            .map_or_else(String::new, |slope| format!(", {} an hour", words::signed(quantity, slope)));
        let reason = judged
            .reasons
            .first()
            .map_or_else(String::new, |reason| format!(": {}", words::sentence(&reason.text)));
        let verb = match (judged.verdict == Verdict::Leaking, self.series == Watched::Memory) {
            (true, true) => "leaks",
            (true, false) => "leak",
            (false, true) => "grows",
            (false, false) => "grow",
        };
        let value = words::amount(quantity, exact(self.value));
        format!("{} {verb} ({value}{rate}){reason}", words::series(self.series))
    }
}
