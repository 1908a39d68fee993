//! Whose life a fact belongs to. What is counted of a tree begins anew with each start of its unit, so facts of two starts, or
//! of two runs, are never taken for one series; and processes that followed each other do not leak together.

use std::collections::{BTreeMap, BTreeSet};

use scupper_detect::Verdict;
use scupper_model::{BootId, Event, EventKind, Identity, RunId, Watched};

use super::facts::Now;

/// Starts that are told apart, at most.
const MOST: usize = 10_000;
/// Milliseconds of a tick: `USER_HZ` is 100 on every Linux that Scupper runs on.
const TICK: u64 = 10;

/// One start of a unit, or of looking at a process that somebody else started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Life {
    pub run: Option<RunId>,
    /// Its main process, where that was recorded.
    pub main: Option<Identity>,
}

/// When a process was there: ticks since boot, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    boot: BootId,
    from: u64,
    /// `None` where nothing was recorded of its end.
    pub until: Option<u64>,
}

impl Span {
    /// Whether two processes were there at the same time, for half of the shorter life at least: a worker that is replaced
    /// lives on for a moment beside its successor.
    pub fn is_beside(&self, other: &Self) -> bool {
        if self.boot != other.boot {
            return false;
        }
        let end = |span: &Self| span.until.unwrap_or(u64::MAX);
        let length = |span: &Self| end(span).saturating_sub(span.from);
        let both = end(self).min(end(other)).saturating_sub(self.from.max(other.from));
        both >= length(self).min(length(other)) / 2 && (both > 0 || self.from == other.from)
    }

    /// Whether it began no later than another.
    pub fn began_by(&self, other: &Self) -> bool {
        self.from <= other.from
    }
}

/// Follows events by time: in which life each of them is.
#[derive(Debug, Default)]
pub(super) struct Starts {
    current: BTreeMap<RunId, Life>,
}

impl Starts {
    /// The life of an event. One that is a start begins another.
    pub fn life(&mut self, event: &Event) -> Life {
        let run = Some(event.run);
        let main = match &event.kind {
            EventKind::UnitStarted { main, .. } => Some(*main),
            EventKind::Attached { target, .. } => Some(*target),
            _ => return self.current.get(&event.run).copied().unwrap_or(Life { run, main: None }),
        };
        let life = Life { run, main };
        if self.current.len() < MOST {
            self.current.insert(event.run, life);
        }
        life
    }
}

/// All lives that were told of.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// By time.
    all: Vec<Life>,
    /// Where in that each is.
    order: BTreeMap<Life, usize>,
    /// Those of more than one process.
    several: BTreeSet<Life>,
    /// When a process ended, in ticks since its boot.
    ended: BTreeMap<Identity, u64>,
    now: Option<Life>,
}

impl Lives {
    /// Of events by time, and of what a running unit says.
    pub fn of(events: &[&Event], now: Option<&Now>) -> Self {
        let mut lives = Self::default();
        let mut starts = Starts::default();
        let mut mains: BTreeMap<&str, Identity> = BTreeMap::new();
        // What the clock said at the boot, as far as a start tells.
        let mut boots: BTreeMap<BootId, u64> = BTreeMap::new();
        for event in events {
            let life = starts.life(event);
            lives.note(life);
            match &event.kind {
                EventKind::UnitStarted { main, .. } => {
                    let ran = main.start_time.0.saturating_mul(TICK);
                    boots.entry(main.boot_id).or_insert_with(|| event.at.0.saturating_sub(ran));
                    // A name is one unit's: who had it before is gone.
                    if let Some(before) = mains.insert(event.unit.as_str(), *main)
                        && before != *main
                        && before.boot_id == main.boot_id
                    {
                        lives.ended.entry(before).or_insert(main.start_time.0);
                    }
                }
                EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
                    let who = certificate.identity;
                    let clock = boots.get(&who.boot_id).map(|boot| event.at.0.saturating_sub(*boot) / TICK);
                    let at = clock.unwrap_or_else(|| {
                        let millis = u64::try_from(certificate.lived.as_millis()).unwrap_or(u64::MAX);
                        who.start_time.0.saturating_add(millis / TICK)
                    });
                    lives.ended.entry(who).or_insert(at);
                }
                EventKind::RecycleStarted { target, .. } => {
                    if let Some(boot) = boots.get(&target.boot_id) {
                        let at = event.at.0.saturating_sub(*boot) / TICK;
                        lives.ended.entry(*target).or_insert(at);
                    }
                }
                _ => {}
            }
            if processes_of(&event.kind).iter().any(|who| life.main.is_some_and(|main| main != *who))
                || is_piled_up(&event.kind)
            {
                lives.several.insert(life);
            }
        }
        if let Some(now) = now {
            let life = lives.life_now(now);
            lives.now = Some(life);
            lives.note(life);
            if now.processes.len() > 1 {
                lives.several.insert(life);
            }
        }
        lives
    }

    fn note(&mut self, life: Life) {
        // Of several runs at the same time events come by turns.
        if !self.order.contains_key(&life) && self.all.len() < MOST {
            self.order.insert(life, self.all.len());
            self.all.push(life);
        }
    }

    /// The life of what a running unit says of itself: the last that was recorded of its run, where that fits.
    fn life_now(&self, now: &Now) -> Life {
        let named = now.processes.iter().find(|process| process.role == "main");
        let only = now.processes.first().filter(|_| now.processes.len() == 1);
        let main = named.or(only).map(|process| process.identity);
        let fits = |life: &&Life| now.run.is_none_or(|run| life.run == Some(run));
        match self.all.iter().rev().find(fits) {
            Some(life) if main.is_none() || life.main == main => *life,
            _ => Life { run: now.run, main },
        }
    }

    /// The life that runs.
    pub fn now(&self) -> Life {
        self.now.unwrap_or_default()
    }

    /// The last of them.
    pub fn last(&self) -> Option<&Life> {
        self.all.last()
    }

    /// Whether one began after another.
    pub fn is_later(&self, life: &Life, than: &Life) -> bool {
        let at = |life: &Life| self.order.get(life);
        matches!((at(life), at(than)), (Some(life), Some(than)) if life > than)
    }

    /// Whether its main process is known, and nobody told of another one.
    pub fn is_alone(&self, life: &Life) -> bool {
        life.main.is_some() && !self.several.contains(life)
    }

    /// Whether nobody ever told of more than one process at a time.
    pub fn all_alone(&self) -> bool {
        self.several.is_empty()
    }

    /// When a process was there.
    pub fn span(&self, who: &Identity) -> Span {
        Span { boot: who.boot_id, from: who.start_time.0, until: self.ended.get(who).copied() }
    }
}

/// Every process that an event tells something of by itself.
pub fn processes_of(kind: &EventKind) -> Vec<Identity> {
    match kind {
        EventKind::UnitStarted { main, .. } => vec![*main],
        EventKind::Attached { target, .. } => vec![*target],
        EventKind::VerdictChanged { target, .. } | EventKind::LeakFound { target, .. } => {
            target.iter().copied().collect()
        }
        EventKind::ResourcesCompared { comparison } => vec![comparison.target],
        EventKind::SeriesRecorded { history } => history.target.iter().copied().collect(),
        EventKind::HelperOutlives { target, started_by, .. } => {
            started_by.iter().copied().chain([*target]).collect()
        }
        EventKind::LimitCrossed { culprit, .. } => culprit.iter().copied().collect(),
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
            vec![certificate.identity]
        }
        EventKind::HeapLimitTooHigh { target, .. } | EventKind::RecycleStarted { target, .. } => {
            vec![*target]
        }
        _ => Vec::new(),
    }
}

/// Children that pile up are there, whether or not anybody told of one by itself.
fn is_piled_up(kind: &EventKind) -> bool {
    let (series, verdict) = match kind {
        EventKind::VerdictChanged { series, judged, .. } => (series, judged.verdict),
        EventKind::LeakFound { series, .. } => (series, Verdict::Leaking),
        _ => return false,
    };
    verdict >= Verdict::Growing
        && matches!(series, Watched::Children | Watched::Browsers | Watched::StdioChildren)
}
