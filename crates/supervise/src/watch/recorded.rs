//! What is recorded for whoever explains a leak later: when a process is worth a closer look, and the histories of series.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{EventKind, History, Identity, MOST_POINTS, Pattern, Resource, Watched, Work};

use super::line::Line;
use super::load::{Load, Point};
use super::{Followed, Watch};
use crate::unit::Look;

/// Suspicions that wait to be taken. Who takes none (a replay) loses nothing by it.
const MOST_SUSPICIONS: usize = 32;
/// Histories that are recorded at one time.
const MOST_HISTORIES: usize = 8;
/// A life shorter than this has no history that is worth keeping, unless something was suspected in it.
const LEAST_LIFE: Duration = Duration::from_mins(1);

/// How sure it is that something grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has risen, which most do once.
    Suspected,
    /// It grows.
    Growing,
    /// It leaks.
    Leaking,
}

impl Stage {
    const fn of(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Growing => Some(Self::Growing),
            Verdict::Leaking => Some(Self::Leaking),
            _ => None,
        }
    }

    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Growing => "growing",
            Self::Leaking => "leaking",
        }
    }
}

/// A series that a closer look is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Of which process; `None` for the tree.
    pub target: Option<Identity>,
    /// What grows.
    pub series: Watched,
    /// How sure that is.
    pub stage: Stage,
}

impl Watch {
    /// What is worth a closer look since this was last asked.
    pub fn take_suspicions(&mut self) -> Vec<Suspicion> {
        std::mem::take(&mut self.suspicions)
    }

    /// What was recorded of processes that are gone since this was last asked.
    pub fn take_parting(&mut self) -> Vec<EventKind> {
        std::mem::take(&mut self.parting)
    }

    /// The history of a process that grew and is gone.
    pub(super) fn part_from(&mut self, followed: &Followed, now: Duration) {
        for (of, line) in &followed.lines {
            let suspicious = line.verdict() >= Verdict::Growing || line.was_recorded();
            if suspicious && self.parting.len() < MOST_HISTORIES {
                let whose = Some((followed.identity, &*followed.name));
                self.parting.push(history(*of, whose, line, &followed.load, now, "ended"));
            }
        }
    }

    /// Operations that were counted until now, where somebody counts them.
    pub const fn operations(&self) -> Option<u64> {
        self.served.operations
    }

    /// Notes whose numbers have risen.
    pub(super) fn suspect(&mut self) {
        let mut found: Vec<Suspicion> = Vec::new();
        let stage = Stage::Suspected;
        for followed in self.processes.values_mut() {
            let target = Some(followed.identity);
            let risen = followed.lines.iter_mut().filter_map(|(of, line)| line.suspects().then_some(*of));
            found.extend(risen.map(|series| Suspicion { target, series, stage }));
        }
        for (series, line) in &mut self.tree {
            if line.suspects() {
                found.push(Suspicion { target: None, series: *series, stage });
            }
        }
        for suspicion in found {
            self.note(suspicion);
        }
    }

    /// Notes that a verdict was told.
    pub(super) fn told(&mut self, target: Option<Identity>, series: Watched, verdict: Verdict) {
        if let Some(stage) = Stage::of(verdict) {
            self.note(Suspicion { target, series, stage });
        }
    }

    fn note(&mut self, suspicion: Suspicion) {
        if self.suspicions.len() < MOST_SUSPICIONS {
            self.suspicions.push(suspicion);
        }
    }

    /// Notes what every process weighs and has done, where this look has read both.
    pub(super) fn note_load(&mut self, at: Duration, look: &Look) {
        if !look.whole {
            return;
        }
        let operations = self.served.operations;
        let note = |load: &mut Load, memory: Option<u64>, cpu_micros: Option<u64>| {
            let (kind, work) = match (operations, cpu_micros) {
                (Some(operations), _) => (Work::Operations, operations),
                (None, Some(micros)) => (Work::ProcessorTime, micros / 1000),
                (None, None) => return,
            };
            if let Some(memory) = memory {
                load.note(kind, Point { at, memory, work });
            }
        };
        for seen in &look.processes {
            let Some(followed) = self.processes.get_mut(&seen.identity.pid) else { continue };
            let micros = seen.cpu.and_then(|cpu| u64::try_from(cpu.as_micros()).ok());
            note(&mut followed.load, seen.value(Resource::Memory), micros);
        }
        note(&mut self.load, look.watched(Watched::Memory), look.tree.cpu_micros.exact());
    }

    /// The histories that a verdict is explained by: its own, and the memory of its tree. What was recorded a while ago and
    /// has not become worse is left out.
    pub fn histories_of(&mut self, suspicion: &Suspicion, now: Duration) -> Vec<EventKind> {
        let verdict = match suspicion.stage {
            Stage::Suspected => return Vec::new(),
            Stage::Growing => Verdict::Growing,
            Stage::Leaking => Verdict::Leaking,
        };
        let mut found = Vec::new();
        let wanted = |of: Watched, target: Option<Identity>, line: &mut Line| {
            let asked = of == suspicion.series && target == suspicion.target;
            (asked || (of == Watched::Memory && target.is_none())) && line.is_to_be_recorded(now, verdict)
        };
        self.each_line(|of, whose, line, load| {
            if wanted(of, whose.map(|(identity, _)| identity), line) {
                found.push(history(of, whose, line, load, now, suspicion.stage.name()));
            }
        });
        found
    }

    /// The histories that the end of a process or of the unit is explained by: the memory of the tree, and of `target` (of
    /// everybody, where it is `None`) what grows.
    pub fn histories_at(&mut self, target: Option<Identity>, now: Duration, because: &str) -> Vec<EventKind> {
        let mut found = Vec::new();
        let lived = self.lived;
        self.each_line(|of, whose, line, load| {
            let concerns = whose.is_none() || target.is_none_or(|t| whose.is_some_and(|(w, _)| w == t));
            let suspicious = line.verdict() >= Verdict::Growing || line.was_recorded();
            // Of whoever is ended on purpose; else of the tree, where it lived for a while.
            let whole_life = of == Watched::Memory
                && line.has_series()
                && (target.is_some() || (whose.is_none() && lived >= LEAST_LIFE));
            if concerns && (suspicious || whole_life || because == SOAK && whose.is_none()) {
                found.push(history(of, whose, line, load, now, because));
            }
        });
        found.truncate(MOST_HISTORIES);
        found
    }

    /// Every series: the memory of the tree, then those of processes, then the tree's others.
    fn each_line(&mut self, mut each: impl FnMut(Watched, Option<(Identity, &str)>, &mut Line, &Load)) {
        for (of, line) in self.tree.iter_mut().filter(|(of, _)| *of == Watched::Memory) {
            each(*of, None, line, &self.load);
        }
        for Followed { identity, name, lines, load, .. } in self.processes.values_mut() {
            for (of, line) in lines.iter_mut() {
                each(*of, Some((*identity, name)), line, load);
            }
        }
        for (of, line) in self.tree.iter_mut().filter(|(of, _)| *of != Watched::Memory) {
            each(*of, None, line, &self.load);
        }
    }
}

/// Of a soak every series of the tree is recorded.
const SOAK: &str = "soak";

fn history(
    series: Watched,
    whose: Option<(Identity, &str)>,
    line: &Line,
    load: &Load,
    now: Duration,
    because: &str,
) -> EventKind {
    let mut points = line.points();
    // The newest are the ones that matter.
    points.drain(..points.len().saturating_sub(MOST_POINTS));
    let before = |at: Duration| (now.saturating_sub(at).as_secs_f64() * 1000.0).round() / 1000.0;
    let pattern: Option<Pattern> = (series == Watched::Memory).then(|| load.pattern()).flatten();
    EventKind::SeriesRecorded {
        history: Box::new(History {
            series,
            target: whose.map(|(identity, _)| identity),
            name: whose.map(|(_, name)| name.to_owned()),
            seconds_before: points.iter().map(|(at, _)| before(*at)).collect(),
            values: points.iter().map(|(_, value)| *value).collect(),
            because: because.to_owned(),
            pattern: pattern.map(Box::new),
        }),
    }
}
