//! The recorded life of one series: its values, what was thought of it, and what happened on the way.

use std::collections::BTreeMap;

use scupper_detect::Verdict;
use scupper_model::{
    Certificate, EndedBy, Event, EventKind, Identity, Judged, LimitLevel, OBSERVED, Resource, RunId,
    Timestamp, UnitName, Watched,
};
use uuid::Uuid;

use super::words;

/// Points of one curve, at most: more are thinned, the older ones alike.
pub const MOST_POINTS: usize = 20_000;
/// Marks of one curve, at most.
pub const MOST_MARKS: usize = 200;

/// What a mark on a curve stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A limit was crossed.
    Limit,
    /// Something was replaced or ended on purpose.
    Contained,
    /// Something died.
    Death,
    /// Something was started again.
    Start,
}

/// Something that happened to the unit while the series was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: MarkKind,
    /// In a few words.
    pub label: String,
}

/// What was said of a series, and where that is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The event.
    pub event: Uuid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub judged: Judged,
}

/// One series of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Of which unit.
    pub unit: UnitName,
    /// In which run.
    pub run: RunId,
    /// What it counts.
    pub series: Watched,
    /// Of which process; `None` for the tree.
    pub target: Option<Identity>,
    /// The name of that process, redacted where it was recorded.
    pub name: Option<String>,
    /// The values that were recorded, in order of time.
    pub points: Vec<(Timestamp, u64)>,
    /// Every recorded change of the verdict.
    pub said: Vec<Said>,
    /// The lowest limit of it that the events name.
    pub limit: Option<u64>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// The events that its values are from.
    pub recorded: Vec<Uuid>,
}

type Key = (RunId, Watched, Option<Identity>);

impl Curve {
    /// Every series that the events know something of, the worst first.
    pub fn all(events: &[Event]) -> Vec<Self> {
        let mut curves: BTreeMap<Key, Self> = BTreeMap::new();
        for event in events {
            let Some((series, target, name)) = about(&event.kind) else { continue };
            let curve =
                curves.entry((event.run, series, target)).or_insert_with(|| Self::new(event, series, target));
            if curve.name.is_none() {
                curve.name = name.map(str::to_owned);
            }
            curve.take(event);
        }
        let mut curves: Vec<Self> = curves.into_values().collect();
        for curve in &mut curves {
            curve.finish(events);
        }
        // The sort is stable: of equals the one that was seen first.
        curves.sort_by_key(|curve| std::cmp::Reverse(curve.rank()));
        curves
    }

    /// The series that matters most: the worst verdict, memory before what is counted, a process before the tree.
    pub fn main(events: &[Event]) -> Option<Self> {
        Self::all(events).into_iter().next()
    }

    fn new(event: &Event, series: Watched, target: Option<Identity>) -> Self {
        Self {
            unit: event.unit.clone(),
            run: event.run,
            series,
            target,
            name: None,
            points: Vec::new(),
            said: Vec::new(),
            limit: None,
            marks: Vec::new(),
            recorded: Vec::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::SeriesRecorded { history } => {
                self.recorded.push(event.id);
                for (before, value) in history.seconds_before.iter().zip(&history.values) {
                    // What is no time is no point.
                    let Ok(before) = std::time::Duration::try_from_secs_f64(*before) else { continue };
                    let before = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
                    self.points.push((Timestamp(event.at.0.saturating_sub(before)), *value));
                }
            }
            EventKind::VerdictChanged { value, judged, .. } => {
                self.points.push((event.at, *value));
                self.said.push(Said { event: event.id, at: event.at, judged: judged.as_ref().clone() });
            }
            _ => {}
        }
    }

    fn finish(&mut self, events: &[Event]) {
        self.points.sort_by_key(|(at, _)| *at);
        self.points.dedup_by_key(|(at, _)| *at);
        while self.points.len() > MOST_POINTS {
            let mut kept = 0_usize;
            self.points.retain(|_| {
                kept += 1;
                kept % 2 == 1
            });
        }
        self.said.sort_by_key(|said| said.at);
        for event in events.iter().filter(|event| event.run == self.run) {
            if let EventKind::LimitCrossed { resource, limit, .. } = &event.kind
                && watched(*resource) == self.series
                && self.target.is_none()
            {
                self.limit = Some(self.limit.map_or(*limit, |lowest| lowest.min(*limit)));
            }
            if self.marks.len() < MOST_MARKS
                && let Some((kind, label)) = mark(&event.kind)
            {
                self.marks.push(Mark { at: event.at, kind, label });
            }
        }
        self.marks.sort_by_key(|mark| mark.at);
    }

    fn rank(&self) -> (Verdict, bool, bool, bool, usize) {
        let worst = self.worst();
        (
            worst,
            self.points.len() > 2,
            self.series == Watched::Memory,
            self.target.is_some(),
            self.points.len(),
        )
    }

    /// The worst verdict it ever had; unknown where none was recorded.
    pub fn worst(&self) -> Verdict {
        self.said.iter().map(|said| said.judged.verdict).max().unwrap_or_default()
    }

    /// The last thing that was said of it while it was at its worst, with a slope where any has one.
    pub fn alarm(&self) -> Option<&Said> {
        let worst = self.worst();
        let mut at_worst = self.said.iter().filter(|said| said.judged.verdict == worst);
        at_worst.clone().rfind(|said| said.judged.slope_per_hour.is_some()).or_else(|| at_worst.next_back())
    }

    /// The first time it was called what it was at its worst.
    pub fn first_alarm(&self) -> Option<&Said> {
        let worst = self.worst();
        self.said.iter().find(|said| said.judged.verdict == worst)
    }

    /// What it is of, for a heading: `memory of gunicorn (pid 12)`, `memory of the tree`.
    pub fn title(&self) -> String {
        let series = self.series.name().replace('_', " ");
        match (&self.target, &self.name) {
            (Some(target), Some(name)) => format!("{series} of {name} (pid {})", target.pid),
            (Some(target), None) => format!("{series} of pid {}", target.pid),
            (None, _) => format!("{series} of the tree of {}", self.unit),
        }
    }

    /// The events that its values are from, the last few: each of them holds what the earlier ones held.
    pub fn evidence(&self) -> Vec<Uuid> {
        match self.recorded.last() {
            Some(last) => vec![*last],
            None => self.said.iter().take(1).map(|said| said.event).collect(),
        }
    }

    /// When its first and its last value were seen.
    pub fn window(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.points.first()?.0, self.points.last()?.0))
    }
}

/// Which series an event is about.
fn about(kind: &EventKind) -> Option<(Watched, Option<Identity>, Option<&str>)> {
    match kind {
        EventKind::SeriesRecorded { history } => {
            Some((history.series, history.target, history.name.as_deref()))
        }
        EventKind::VerdictChanged { series, target, name, .. } => Some((*series, *target, name.as_deref())),
        _ => None,
    }
}

/// The series of a resource.
pub const fn watched(resource: Resource) -> Watched {
    match resource {
        Resource::Memory => Watched::Memory,
        Resource::Descriptors => Watched::Descriptors,
        Resource::Threads => Watched::Threads,
        Resource::Children => Watched::Children,
        Resource::Sockets => Watched::Sockets,
    }
}

fn mark(kind: &EventKind) -> Option<(MarkKind, String)> {
    Some(match kind {
        EventKind::LimitCrossed { level, resource, action, .. } if action != OBSERVED => {
            let level = match level {
                LimitLevel::Soft => "soft",
                LimitLevel::Hard => "hard",
            };
            (MarkKind::Limit, format!("{level} limit of {resource}"))
        }
        EventKind::RecycleStarted { reason, .. } => {
            (MarkKind::Contained, format!("recycle: {}", reason.describe()))
        }
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
            if died(certificate) =>
        {
            let how = match certificate.by {
                EndedBy::OomKiller { .. } => "OOM killer".to_owned(),
                _ => words::ended(certificate.how),
            };
            (MarkKind::Death, format!("died: {how}"))
        }
        EventKind::UnitStarted { start, .. } if *start > 1 => (MarkKind::Start, "started again".to_owned()),
        _ => return None,
    })
}

/// Whether a process ended as none should: not with success, and not because somebody asked it to.
pub fn died(certificate: &Certificate) -> bool {
    let asked = match &certificate.by {
        EndedBy::Forwarded { .. } => true,
        EndedBy::Scupper { reason } => !matches!(reason, scupper_model::SignalReason::HardLimit),
        EndedBy::Itself | EndedBy::OomKiller { .. } | EndedBy::Unknown => false,
    };
    !certificate.how.is_success() && !asked
}
