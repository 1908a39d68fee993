//! What every detector here is to the runs: samples in, alarms out. Ours is one of them.

use std::time::Duration;

use anyhow::{Result, bail};
use scupper_detect::{Assessment, Forecast, Horizon, Quantity, Sample, Series, Settings, Slope, Verdict};

use crate::baselines;

/// How loud an alarm is. Only ours knows more than one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Watched.
    Growing,
    /// Grows and reaches its limit within the hour: somebody is woken.
    Urgent,
    /// Called a leak.
    Leaking,
}

/// An alarm.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    /// How loud.
    pub level: Level,
    /// How fast it is said to grow.
    pub slope: Option<Slope>,
    /// When it is said to reach the limit.
    pub forecast: Forecast,
}

impl Alarm {
    /// That of a detector that knows one word only.
    pub const LEAKING: Self = Self { level: Level::Leaking, slope: None, forecast: Forecast::Unknown };
}

/// A detector at one series.
pub trait Detector {
    /// Takes a sample, in order of time. Answers while it is in alarm, or once when it goes into it.
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm>;
}

/// What a detector is told of a series beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Of what.
    pub quantity: Quantity,
    /// What it must not pass.
    pub limit: f64,
}

/// A detector that can be asked for by name.
#[derive(Clone, Copy)]
pub struct Kind {
    /// In arguments and tables.
    pub name: &'static str,
    /// One for a series; `None` where it knows no rule for the quantity.
    pub make: fn(Subject) -> Option<Box<dyn Detector>>,
}

const OURS: Kind = Kind { name: "ours", make: |subject| Some(Box::new(Ours::new(subject))) };

/// Ours first.
fn kinds() -> impl Iterator<Item = Kind> {
    std::iter::once(OURS).chain(baselines::KINDS)
}

/// The detectors of this name, or `all`.
pub fn kinds_of(name: &str) -> Result<Vec<Kind>> {
    if name == "all" {
        return Ok(kinds().collect());
    }
    let mut chosen = Vec::new();
    for name in name.split(',') {
        let Some(kind) = kinds().find(|kind| kind.name == name) else {
            let known: Vec<&str> = kinds().map(|kind| kind.name).collect();
            bail!("no detector is called {name}; there are all, {}", known.join(", "))
        };
        chosen.push(kind);
    }
    Ok(chosen)
}

/// The detector of this house.
struct Ours {
    series: Series,
}

impl Ours {
    fn new(subject: Subject) -> Self {
        let settings = Settings {
            quantity: subject.quantity,
            horizon: Horizon::Long,
            limit: Some(subject.limit),
            ..Settings::default()
        };
        Self { series: Series::new(settings) }
    }
}

impl Detector for Ours {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        self.series.push(Sample { at: Duration::from_secs_f64(at_seconds), value }).ok()?;
        let assessment = self.series.assess();
        let level = level_of(assessment)?;
        Some(Alarm { level, slope: assessment.slope, forecast: assessment.forecast })
    }
}

/// How loud an assessment is.
pub fn level_of(assessment: &Assessment) -> Option<Level> {
    match assessment.verdict {
        Verdict::Leaking => Some(Level::Leaking),
        Verdict::Growing if assessment.is_urgent() => Some(Level::Urgent),
        Verdict::Growing => Some(Level::Growing),
        _ => None,
    }
}
