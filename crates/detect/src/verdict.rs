//! What the detector says of a series, and why.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::PerOperation;

/// From best to worst, so that several together are as bad as their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Seen long enough, and not growing.
    Stable,
    /// Growing, and slowing down as start-up does.
    WarmingUp,
    /// Grew once and stays there.
    Step,
    /// Too little seen to say.
    #[default]
    Unknown,
    /// Growing, not yet proven a leak.
    Growing,
    /// A leak.
    Leaking,
}

impl Verdict {
    /// All of them, from best to worst.
    pub const ALL: [Self; 6] =
        [Self::Stable, Self::WarmingUp, Self::Step, Self::Unknown, Self::Growing, Self::Leaking];

    /// The word: in JSON, in metrics, on the screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::WarmingUp => "warming_up",
            Self::Step => "step",
            Self::Unknown => "unknown",
            Self::Growing => "growing",
            Self::Leaking => "leaking",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How fast the floor of a series rises.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// Units (bytes, descriptors ...) per hour.
    pub per_hour: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
}

/// When the limit is reached if it goes on like this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Forecast {
    /// There is no limit to reach, or too little seen to say.
    #[default]
    Unknown,
    /// Not at this rate: it does not grow, or would take more than a year.
    NotAtThisRate,
    /// In this time from the last sample.
    Within {
        /// The most likely time left.
        likely: Duration,
        /// No sooner than this, by the upper end of the slope's interval.
        earliest: Duration,
        /// No later than this, by its lower end; `None` where that end does not rise.
        latest: Option<Duration>,
    },
    /// The limit is reached.
    Reached,
}

/// What is thought of a series now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The word.
    pub verdict: Verdict,
    /// How often a verdict like this one, reached by the same rule, was right where it could be checked: 0 to 1.
    /// `None` for `unknown`.
    pub confidence: Option<f64>,
    /// What led to it, the decisive one first.
    pub reasons: Vec<Reason>,
    /// How long a stretch of the series it was seen on.
    pub scale: Option<Duration>,
    /// How fast the floor rises on that stretch.
    pub slope: Option<Slope>,
    /// When the limit is reached.
    pub forecast: Forecast,
    /// How much it grows with each operation, where operations are counted and it does.
    pub per_operation: Option<PerOperation>,
}

impl Assessment {
    /// Whether somebody should be woken: it leaks, or it grows and reaches its limit within the hour.
    pub fn is_urgent(&self) -> bool {
        const HOUR: Duration = Duration::from_hours(1);
        match (self.verdict, self.forecast) {
            (Verdict::Leaking, _) | (Verdict::Growing, Forecast::Reached) => true,
            (Verdict::Growing, Forecast::Within { latest, .. }) => latest.is_some_and(|latest| latest < HOUR),
            _ => false,
        }
    }
}

/// One reason. Its text is for a person; the tag is for a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The tag: `rising_floor`, `flat_tail` ...
    pub tag: Cow<'static, str>,
    /// The sentence.
    pub text: String,
}
