//! What would have happened: the events in their order, and their sum.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{EventKind, Severity, Watched};

use super::figures::ResourceFigures;
use crate::control::Standing;

/// More events than these are counted and not kept.
pub const MOST_MOMENTS: usize = 20_000;

const KILL: i32 = 9;

/// Something that would have happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When, since the first sample.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// Why a replay went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The recording was over.
    Recording,
    /// The unit would have ended, with this exit code.
    Unit(i32),
    /// The first signal was sent, and nobody asked what comes after it.
    FirstSignal,
    /// So much would have happened that somebody else has to tell it.
    TooMuch,
}

/// The sum of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How much time of the recording was replayed.
    pub replayed: Duration,
    /// Time during which nothing would have run.
    pub down: Duration,
    /// Starts after a recycle.
    pub recycle_restarts: u64,
    /// Starts after a hard limit.
    pub limit_restarts: u64,
    /// Times that a restart budget was spent.
    pub gave_up: u64,
    /// Signals that ask for the end.
    pub terms: u64,
    /// Signals that end.
    pub kills: u64,
    /// The first event that somebody should look at.
    pub first_warning: Option<Duration>,
    /// When somebody would first have been woken for growth.
    pub first_urgent: Option<Duration>,
    /// When something was first said to leak, and what.
    pub first_leaking: Option<(Duration, Watched)>,
    /// What is thought of the unit in the end.
    pub standing: Standing,
    /// The resources that were recorded.
    pub resources: Vec<ResourceFigures>,
}

/// What would have happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Its events, in order of time.
    pub moments: Vec<Moment>,
    /// Events beyond [`MOST_MOMENTS`].
    pub more: u64,
    /// Why it went no further.
    pub stopped: Stopped,
    /// The sum.
    pub figures: Figures,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self { moments: Vec::new(), more: 0, stopped: Stopped::Recording, figures: Figures::default() }
    }

    /// Whether anything would have been done, or something leaks.
    pub const fn has_findings(&self) -> bool {
        let figures = &self.figures;
        figures.terms + figures.kills > 0 || figures.first_leaking.is_some()
    }

    pub(super) fn tell(&mut self, at: Duration, kind: EventKind) {
        let figures = &mut self.figures;
        if kind.severity() >= Severity::Warning {
            figures.first_warning.get_or_insert(at);
        }
        match &kind {
            EventKind::VerdictChanged { series, judged, .. } => {
                if judged.urgent {
                    figures.first_urgent.get_or_insert(at);
                }
                if judged.verdict == Verdict::Leaking {
                    figures.first_leaking.get_or_insert((at, *series));
                }
            }
            EventKind::LeakFound { series, .. } => {
                figures.first_leaking.get_or_insert((at, *series));
            }
            EventKind::SignalSent { signal: KILL, .. } => figures.kills += 1,
            EventKind::SignalSent { .. } => figures.terms += 1,
            EventKind::UnitGaveUp { .. } => figures.gave_up += 1,
            _ => {}
        }
        if self.moments.len() < MOST_MOMENTS {
            self.moments.push(Moment { at, kind });
        } else {
            self.more += 1;
        }
    }
}
