//! What was recorded, sorted by series, process and start: the last word on each, and the worst.

use std::collections::HashMap;

use scupper_detect::Verdict;
use scupper_model::{
    Certificate, Class, Comparison, Event, EventKind, Fatal, History, Identity, Judged, RunId, SoakResult,
    Timestamp, Watched,
};

use super::compared::{self, Compared};
use super::lead::Part;
use super::lives::{Life, Lives, Starts};
use super::suspect::Seen;
use super::trail::{Source, Trail};
use super::{Known, words};

/// Events of one kind that are looked at, at most; the newest.
const MOST: usize = 200;
/// Series that are, and names of processes that are known.
const MOST_TRAILS: usize = 800;

/// What a running unit says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    /// When it was asked.
    pub at: Option<Timestamp>,
    /// Its run.
    pub run: Option<RunId>,
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
    pub life: Life,
    pub source: Source,
}

/// Everything that says something of a leak.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub trails: Vec<Trail>,
    /// Of each process what says most, by time.
    pub compared: Vec<Compared>,
    pub histories: Vec<(History, Life, Source)>,
    pub outlives: Vec<Outlives>,
    pub crossed: Vec<Crossed>,
    pub deaths: Vec<(Certificate, Source)>,
    pub fatals: Vec<(Fatal, Life, Source)>,
    pub soaks: Vec<(SoakResult, Life, Source)>,
    pub too_high: Vec<(String, Source)>,
    pub command: Option<String>,
    pub lives: Lives,
    /// Names of processes, as they were told.
    names: HashMap<Identity, String>,
    /// Where in `trails` each is.
    index: HashMap<(Option<RunId>, Watched, Whose), usize>,
    looks: Vec<compared::Look>,
    /// What the whole unit did, and no one knows which of its processes.
    of_others: Vec<&'static str>,
    /// Whether the only looks were at a process that was ending.
    of_dying: bool,
    left_out: usize,
    used: usize,
    span: Option<(Timestamp, Timestamp)>,
    runs: Vec<RunId>,
    gaps: u64,
}

/// Of one process, or of the tree of one start.
type Whose = (Option<Identity>, Option<Life>);

impl Facts {
    /// Of what is known.
    pub fn of(known: &Known<'_>) -> Self {
        let mut events: Vec<&Event> = known.events.iter().collect();
        events.sort_by_key(|event| (event.at, event.id));
        let mut facts = Self { lives: Lives::of(&events, known.now), ..Self::default() };
        let mut starts = Starts::default();
        for event in events {
            let before = facts.used;
            facts.take(event, starts.life(event), known.only.as_ref());
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
        facts
    }

    /// Whether something that was said of a process, or of the tree, is of the one that is asked for.
    fn is_meant(&self, only: Option<&Identity>, target: Option<&Identity>, life: &Life) -> bool {
        match (only, target) {
            (Some(only), Some(target)) => only == target,
            // Of one process the tree says nothing, unless it is all of it.
            (Some(only), None) => life.main.as_ref() == Some(only) && self.lives.is_alone(life),
            (None, _) => true,
        }
    }

    fn take(&mut self, event: &Event, life: Life, only: Option<&Identity>) {
        let source = Source { id: Some(event.id.to_string()), at: Some(event.at), run: Some(event.run) };
        let meant = |facts: &Self, target: Option<&Identity>| facts.is_meant(only, target, &life);
        match &event.kind {
            EventKind::UnitStarted { command, .. } => self.command = Some(command.clone()),
            EventKind::Attached { target, name, command, .. } => {
                self.command = Some(command.clone());
                self.note_name(Some(target), Some(name));
            }
            EventKind::VerdictChanged { series, target, name, value, judged, .. } => {
                self.note_name(target.as_ref(), name.as_deref());
                if !meant(self, target.as_ref()) {
                    return self.leave_out(target.as_ref(), judged.verdict);
                }
                self.trail(*series, *target, life, name.as_deref()).take(*value, judged, source);
            }
            EventKind::LeakFound { series, target, name, value, confidence, slope_per_hour, reasons } => {
                self.note_name(target.as_ref(), name.as_deref());
                if !meant(self, target.as_ref()) {
                    return self.leave_out(target.as_ref(), Verdict::Leaking);
                }
                let judged = Judged {
                    verdict: Verdict::Leaking,
                    confidence: *confidence,
                    slope_per_hour: *slope_per_hour,
                    class: Class::of(*series, Verdict::Leaking),
                    reasons: reasons.clone(),
                    ..Judged::default()
                };
                self.trail(*series, *target, life, name.as_deref()).take(*value, &judged, source);
            }
            EventKind::ResourcesCompared { comparison } if meant(self, Some(&comparison.target)) => {
                self.note_name(Some(&comparison.target), Some(&comparison.name));
                let comparison: Comparison = (**comparison).clone();
                self.looks.push(compared::Look { comparison, life, source });
            }
            EventKind::SeriesRecorded { history } if meant(self, history.target.as_ref()) => {
                self.note_name(history.target.as_ref(), history.name.as_deref());
                self.histories.push(((**history).clone(), life, source));
            }
            EventKind::HelperOutlives { target, name, kind, started_by, rss_bytes, because, .. }
                if meant(self, started_by.as_ref()) || meant(self, Some(target)) =>
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
                if meant(self, culprit.as_ref()) =>
            {
                self.note_name(culprit.as_ref(), culprit_name.as_deref());
                self.crossed.push(Crossed {
                    resource: *resource,
                    value: *value,
                    limit: *limit,
                    culprit: *culprit,
                    culprit_name: culprit_name.clone(),
                    life,
                    source,
                });
            }
            EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
                if meant(self, Some(&certificate.identity)) =>
            {
                self.note_name(Some(&certificate.identity), Some(&certificate.name));
                self.deaths.push(((**certificate).clone(), source));
            }
            EventKind::FatalMessage { fatal } => {
                let named = fatal.pid.zip(only).is_some_and(|(pid, only)| pid == only.pid.get());
                if !named && (fatal.pid.is_some() && only.is_some() || !meant(self, None)) {
                    return self.leave_out_whole("a message of a runtime that ended");
                }
                self.fatals.push(((**fatal).clone(), life, source));
            }
            EventKind::HeapLimitTooHigh { target, message, .. } if meant(self, Some(target)) => {
                self.too_high.push((message.clone(), source));
            }
            EventKind::SoakFinished { soak } => {
                if !meant(self, None) {
                    return self.leave_out_whole("the result of a soak");
                }
                self.soaks.push(((**soak).clone(), life, source));
            }
            EventKind::EvidenceGap { lost, .. } => self.gaps = self.gaps.saturating_add(*lost),
            _ => return,
        }
        self.used += 1;
    }

    /// What the tree did is not what one of its processes did: that is said.
    fn leave_out(&mut self, target: Option<&Identity>, verdict: Verdict) {
        if target.is_none() && verdict >= Verdict::Growing {
            self.leave_out_whole("what is counted of all its processes together");
        }
    }

    fn leave_out_whole(&mut self, what: &'static str) {
        if !self.of_others.contains(&what) {
            self.of_others.push(what);
        }
    }

    fn take_now(&mut self, now: &Now, only: Option<&Identity>) {
        let life = self.lives.now();
        for process in &now.processes {
            self.note_name(Some(&process.identity), Some(&process.name));
        }
        for series in &now.series {
            if self.is_meant(only, series.target.as_ref(), &life) {
                let source = Source { id: None, at: now.at, run: now.run };
                self.trail(series.series, series.target, life, series.name.as_deref()).take(
                    series.value,
                    &series.judged,
                    source,
                );
            } else {
                self.leave_out(series.target.as_ref(), series.judged.verdict);
            }
        }
    }

    fn trail(
        &mut self,
        series: Watched,
        target: Option<Identity>,
        life: Life,
        name: Option<&str>,
    ) -> &mut Trail {
        let whose = (target, target.is_none().then_some(life));
        let next = self.trails.len();
        let at = *self.index.entry((life.run, series, whose)).or_insert(next);
        if at == next {
            self.trails.push(Trail::new(series, target, life, name));
        }
        &mut self.trails[at]
    }

    fn note_name(&mut self, target: Option<&Identity>, name: Option<&str>) {
        let (Some(target), Some(name)) = (target, name) else { return };
        // A process that executes another program has another name from then on.
        if self.names.len() < MOST_TRAILS || self.names.contains_key(target) {
            self.names.insert(*target, name.to_owned());
        }
    }

    /// The newest of each kind.
    fn bound(&mut self) {
        fn newest<T>(list: &mut Vec<T>, most: usize) -> usize {
            let beyond = list.len().saturating_sub(most);
            list.drain(..beyond);
            beyond
        }
        let (mut compared, dying) = Compared::all(std::mem::take(&mut self.looks));
        if dying > 0 && compared.is_empty() {
            self.of_dying = true;
        }
        self.left_out = newest(&mut self.trails, MOST_TRAILS);
        newest(&mut compared, MOST);
        self.compared = compared;
        self.index.clear();
        newest(&mut self.histories, MOST);
        newest(&mut self.outlives, MOST);
        newest(&mut self.crossed, MOST);
        newest(&mut self.deaths, MOST);
        newest(&mut self.fatals, MOST);
        newest(&mut self.soaks, MOST);
    }

    /// The name of a process.
    pub fn name(&self, who: &Identity) -> Option<&str> {
        self.names.get(who).map(String::as_str)
    }

    /// The name of a process, as far as one was told.
    pub fn name_of(&self, whose: Option<Identity>, told: Option<&str>) -> String {
        whose.and_then(|who| self.name(&who)).or(told).map_or_else(String::new, words::shown)
    }

    /// The process with this number that was told of, or that the unit is.
    pub fn with_pid(&self, pid: i32, life: &Life) -> Option<Identity> {
        let mut told: Vec<&Identity> = self.names.keys().filter(|who| who.pid.get() == pid).collect();
        told.sort();
        let main = life.main.filter(|main| main.pid.get() == pid);
        main.or_else(|| told.last().map(|who| **who))
    }

    /// Who is meant by a series of the tree: its only process.
    pub fn whose(&self, target: Option<Identity>, life: &Life) -> Option<Identity> {
        target.or(life.main.filter(|_| self.lives.is_alone(life)))
    }

    /// What growth is counted by: a process, or the tree of one start.
    pub fn part(&self, target: Option<Identity>, life: &Life) -> Part {
        let life = target.is_none().then_some(*life);
        let who = target.or(life.and_then(|life| life.main));
        Part { target, life, span: who.map(|who| self.lives.span(&who)) }
    }

    /// The same series where the unit was started again later, and does not grow.
    pub fn calm_later(&self, trail: &Trail) -> Option<&Trail> {
        self.trails.iter().rev().find(|other| {
            other.is_of_same(trail)
                && other.last() < Verdict::Unknown
                && !other.grew()
                && self.lives.is_later(&other.life, &trail.life)
        })
    }

    /// Whether the same series grew to the end of an earlier start: that this one has filled up so far explains nothing of that.
    pub fn grew_earlier(&self, trail: &Trail) -> bool {
        self.trails.iter().any(|other| {
            other.is_of_same(trail)
                && other.grew()
                && other.last() >= Verdict::Growing
                && self.lives.is_later(&trail.life, &other.life)
        })
    }

    /// The main process of the last start.
    pub fn main(&self) -> Option<Identity> {
        self.lives.last().and_then(|life| life.main)
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
        if self.left_out > 0 {
            unknown.push(format!("{} older series were left out: there are too many", self.left_out));
        }
        if !self.of_others.is_empty() {
            let what = self.of_others.join(", ");
            unknown.push(format!(
                "{what}: said of the whole unit, and not which of its processes it was; left out here"
            ));
        }
        let grew = self.trails.iter().any(Trail::grew);
        if grew && self.compared.is_empty() {
            let why = if self.of_dying {
                "the only looks at what the process held found one that was ending"
            } else {
                "what the process held at two times was not recorded"
            };
            unknown.push(format!("{why}: kinds of descriptors and of memory are not known"));
        }
        let cut = self.compared.iter().map(Compared::not_recorded).fold(0_u32, u32::saturating_add);
        if cut > 0 {
            unknown.push(format!("{cut} smaller changes of what was held were not recorded"));
        }
        let unread = self.compared.iter().flat_map(Compared::unread);
        let mut unread: Vec<String> =
            unread.map(|why| format!("not read: {}", words::sentence(why))).collect();
        unread.sort();
        unread.dedup();
        unread.truncate(3);
        unknown.append(&mut unread);
        unknown
    }
}
