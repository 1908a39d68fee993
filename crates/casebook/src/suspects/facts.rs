//! What was recorded, sorted by series and process: the last word on each, and the worst.

use scupper_detect::{Reason, Verdict};
use scupper_model::{
    Certificate, Class, Comparison, Event, EventKind, Fatal, History, Identity, Judged, RunId, SoakResult,
    Timestamp, Watched,
};

use super::suspect::Seen;
use super::{Known, words};

/// Events of one kind that are looked at, at most; the newest.
const MOST: usize = 200;

/// What a running unit says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    /// When it was asked.
    pub at: Option<Timestamp>,
    /// Every series and what is thought of it.
    pub series: Vec<SeriesNow>,
    /// Its processes, the main one first where that is known.
    pub processes: Vec<ProcessNow>,
}

/// One series as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesNow {
    /// What it counts.
    pub series: Watched,
    /// Of which process; `None` for the tree.
    pub target: Option<Identity>,
    /// The name of that process.
    pub name: Option<String>,
    /// The last value.
    pub value: u64,
    /// What is thought of it.
    pub judged: Judged,
}

/// One process as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessNow {
    /// Who.
    pub identity: Identity,
    /// Its name.
    pub name: String,
    /// `main`, `worker` or `helper`.
    pub role: String,
}

/// Where something was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Source {
    pub id: Option<String>,
    pub at: Option<Timestamp>,
}

impl Source {
    fn of(event: &Event) -> Self {
        Self { id: Some(event.id.to_string()), at: Some(event.at) }
    }
}

/// What was thought of one series of one process, or of the tree.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    pub series: Watched,
    pub target: Option<Identity>,
    pub name: Option<String>,
    pub value: u64,
    /// The worst that was thought, and the last of those.
    pub judged: Judged,
    pub source: Source,
    /// What is thought since, where that is better; `unknown` counts for nothing.
    pub since: Option<(Verdict, Source, Vec<Reason>)>,
}

impl Trail {
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

    fn take(&mut self, value: u64, judged: &Judged, source: Source) {
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
}

/// A helper that outlives what it was started for.
#[derive(Clone, Debug)]
pub(super) struct Outlives {
    pub name: String,
    pub kind: String,
    pub started_by: Option<Identity>,
    pub rss: Option<u64>,
    pub because: String,
    pub source: Source,
}

/// A limit that was crossed.
#[derive(Clone, Debug)]
pub(super) struct Crossed {
    pub resource: scupper_model::Resource,
    pub value: u64,
    pub limit: u64,
    pub culprit: Option<Identity>,
    pub culprit_name: Option<String>,
    pub source: Source,
}

/// Everything that says something of a leak.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub trails: Vec<Trail>,
    /// Those of processes that ended first, then by time.
    pub comparisons: Vec<(Comparison, Source)>,
    pub histories: Vec<(History, Source)>,
    pub outlives: Vec<Outlives>,
    pub crossed: Vec<Crossed>,
    pub deaths: Vec<(Certificate, Source)>,
    pub fatals: Vec<(Fatal, Source)>,
    pub soaks: Vec<(SoakResult, Source)>,
    pub too_high: Vec<(String, Source)>,
    /// The main process of the last start.
    pub main: Option<Identity>,
    pub command: Option<String>,
    /// Names of processes, as they were told.
    pub names: Vec<(Identity, String)>,
    /// Whether more than one process was ever told of.
    pub alone: bool,
    used: usize,
    span: Option<(Timestamp, Timestamp)>,
    runs: Vec<RunId>,
    gaps: u64,
}

impl Facts {
    /// Of what is known.
    pub fn of(known: &Known<'_>) -> Self {
        let mut events: Vec<&Event> = known.events.iter().collect();
        events.sort_by_key(|event| (event.at, event.id));
        let mut facts = Self::default();
        for event in events {
            let before = facts.used;
            facts.take(event, known.only.as_ref());
            if facts.used > before {
                let (since, _) = facts.span.unwrap_or((event.at, event.at));
                facts.span = Some((since, event.at));
                if !facts.runs.contains(&event.run) && facts.runs.len() < MOST {
                    facts.runs.push(event.run);
                }
            }
        }
        if let Some(now) = known.now {
            facts.take_now(now, known.only.as_ref());
        }
        facts.bound();
        facts.count_processes(known);
        facts
    }

    fn take(&mut self, event: &Event, only: Option<&Identity>) {
        let source = Source::of(event);
        let meant = |target: Option<&Identity>| match (only, target) {
            (Some(only), Some(target)) => only == target,
            // Of a process that is asked for by itself the tree says nothing, unless it is the main one.
            (Some(only), None) => self.main.as_ref().is_none_or(|main| main == only),
            (None, _) => true,
        };
        match &event.kind {
            EventKind::UnitStarted { main, command, .. } => {
                self.main = Some(*main);
                self.command = Some(command.clone());
            }
            EventKind::Attached { target, name, command, .. } => {
                self.main = Some(*target);
                self.command = Some(command.clone());
                self.note_name(Some(target), Some(name));
            }
            EventKind::VerdictChanged { series, target, name, value, judged, .. }
                if meant(target.as_ref()) =>
            {
                self.note_name(target.as_ref(), name.as_deref());
                self.trail(*series, *target, name.as_deref()).take(*value, judged, source);
            }
            EventKind::LeakFound { series, target, name, value, confidence, slope_per_hour, reasons }
                if meant(target.as_ref()) =>
            {
                self.note_name(target.as_ref(), name.as_deref());
                let judged = Judged {
                    verdict: Verdict::Leaking,
                    confidence: *confidence,
                    slope_per_hour: *slope_per_hour,
                    class: Class::of(*series, Verdict::Leaking),
                    reasons: reasons.clone(),
                    ..Judged::default()
                };
                self.trail(*series, *target, name.as_deref()).take(*value, &judged, source);
            }
            EventKind::ResourcesCompared { comparison } if meant(Some(&comparison.target)) => {
                self.note_name(Some(&comparison.target), Some(&comparison.name));
                self.comparisons.push(((**comparison).clone(), source));
            }
            EventKind::SeriesRecorded { history } if meant(history.target.as_ref()) => {
                self.note_name(history.target.as_ref(), history.name.as_deref());
                self.histories.push(((**history).clone(), source));
            }
            EventKind::HelperOutlives { target, name, kind, started_by, rss_bytes, because, .. }
                if meant(started_by.as_ref()) || meant(Some(target)) =>
            {
                self.outlives.push(Outlives {
                    name: name.clone(),
                    kind: kind.clone(),
                    started_by: *started_by,
                    rss: rss_bytes.map(|bytes| bytes.0),
                    because: because.clone(),
                    source,
                });
            }
            EventKind::LimitCrossed { resource, value, limit, culprit, culprit_name, .. }
                if meant(culprit.as_ref()) =>
            {
                self.note_name(culprit.as_ref(), culprit_name.as_deref());
                self.crossed.push(Crossed {
                    resource: *resource,
                    value: *value,
                    limit: *limit,
                    culprit: *culprit,
                    culprit_name: culprit_name.clone(),
                    source,
                });
            }
            EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
                if meant(Some(&certificate.identity)) =>
            {
                self.note_name(Some(&certificate.identity), Some(&certificate.name));
                self.deaths.push(((**certificate).clone(), source));
            }
            EventKind::FatalMessage { fatal } => self.fatals.push(((**fatal).clone(), source)),
            EventKind::HeapLimitTooHigh { target, message, .. } if meant(Some(target)) => {
                self.too_high.push((message.clone(), source));
            }
            EventKind::SoakFinished { soak } => self.soaks.push(((**soak).clone(), source)),
            EventKind::EvidenceGap { lost, .. } => self.gaps = self.gaps.saturating_add(*lost),
            _ => return,
        }
        self.used += 1;
    }

    fn take_now(&mut self, now: &Now, only: Option<&Identity>) {
        let main =
            now.processes.iter().find(|process| process.role == "main").map(|process| process.identity);
        self.main = main.or(self.main);
        for process in &now.processes {
            self.note_name(Some(&process.identity), Some(&process.name));
        }
        let alone = now.processes.len() == 1;
        for series in &now.series {
            let meant = match (only, &series.target) {
                (Some(only), Some(target)) => only == target,
                (Some(only), None) => self.main.as_ref() == Some(only) || alone,
                (None, _) => true,
            };
            if meant {
                let source = Source { id: None, at: now.at };
                self.trail(series.series, series.target, series.name.as_deref()).take(
                    series.value,
                    &series.judged,
                    source,
                );
            }
        }
    }

    fn trail(&mut self, series: Watched, target: Option<Identity>, name: Option<&str>) -> &mut Trail {
        let known = self.trails.iter().position(|trail| trail.series == series && trail.target == target);
        let at = known.unwrap_or_else(|| {
            self.trails.push(Trail {
                series,
                target,
                name: name.map(str::to_owned),
                value: 0,
                judged: Judged::default(),
                source: Source::default(),
                since: None,
            });
            self.trails.len() - 1
        });
        &mut self.trails[at]
    }

    fn note_name(&mut self, target: Option<&Identity>, name: Option<&str>) {
        let (Some(target), Some(name)) = (target, name) else { return };
        let known = self.names.iter().position(|(who, _)| who == target);
        match known {
            // A process that executes another program has another name from then on.
            Some(at) => name.clone_into(&mut self.names[at].1),
            None if self.names.len() < 4 * MOST => self.names.push((*target, name.to_owned())),
            None => {}
        }
    }

    /// The newest of each kind.
    fn bound(&mut self) {
        fn newest<T>(list: &mut Vec<T>) {
            let beyond = list.len().saturating_sub(MOST);
            list.drain(..beyond);
        }
        // The most telling comes last: one of a process that lived on. Of one that ends part may be gone already.
        self.comparisons.sort_by_key(|(comparison, _)| comparison.because != "ended");
        newest(&mut self.comparisons);
        newest(&mut self.histories);
        newest(&mut self.outlives);
        newest(&mut self.crossed);
        newest(&mut self.deaths);
        newest(&mut self.fatals);
        newest(&mut self.soaks);
    }

    fn count_processes(&mut self, known: &Known<'_>) {
        let others = self.names.iter().any(|(who, _)| self.main.is_some_and(|main| main != *who));
        let several = known.now.is_some_and(|now| now.processes.len() > 1);
        // Children that pile up are there, whether or not anybody told of one by itself.
        let piled_up = |trail: &Trail| {
            trail.grew()
                && matches!(trail.series, Watched::Children | Watched::Browsers | Watched::StdioChildren)
        };
        self.alone = !others && !several && !self.trails.iter().any(piled_up);
    }

    /// The name of a process.
    pub fn name(&self, who: &Identity) -> Option<&str> {
        self.names.iter().find(|(known, _)| known == who).map(|(_, name)| name.as_str())
    }

    /// Who is meant by a series of the tree: its only process.
    pub fn whose(&self, target: Option<Identity>) -> Option<Identity> {
        target.or(self.main.filter(|_| self.alone))
    }

    /// Whether anything is known at all.
    pub fn says_nothing(&self) -> bool {
        self.trails.iter().all(|trail| trail.judged.verdict == Verdict::Unknown) && self.soaks.is_empty()
    }

    /// What it rests on.
    pub fn seen(&self, known: &Known<'_>) -> Seen {
        let unit = known.events.first().map(|event| &event.unit);
        let unit = unit.filter(|unit| known.events.iter().all(|event| event.unit == **unit)).cloned();
        Seen {
            unit,
            runs: self.runs.clone(),
            events: self.used,
            since: self.span.map(|(since, _)| since),
            until: self.span.map(|(_, until)| until),
            live: known.now.is_some(),
            command: self.command.clone(),
        }
    }

    /// What is not known of all of it.
    pub fn unknown(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        if self.gaps > 0 {
            unknown.push(format!("{} events were lost: they may have said more", self.gaps));
        }
        let grew = self.trails.iter().any(Trail::grew);
        if grew && self.comparisons.is_empty() {
            unknown.push(
                "what the process held at two times was not recorded: kinds of descriptors and of memory are not known".to_owned(),
            );
        }
        let unread = self.comparisons.iter().flat_map(|(comparison, _)| &comparison.unread);
        let mut unread: Vec<String> =
            unread.map(|why| format!("not read: {}", words::sentence(why))).collect();
        unread.sort();
        unread.dedup();
        unread.truncate(3);
        unknown.append(&mut unread);
        unknown
    }
}
