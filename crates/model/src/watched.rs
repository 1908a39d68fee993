//! What is watched for leaks, and what is thought of it: the words that events, `ps` and metrics share.

use std::fmt;
use std::time::Duration;

use scupper_detect::{Assessment, Forecast, PerOperation, Quantity, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// Resident memory, in bytes.
    Memory,
    /// Open descriptors.
    Descriptors,
    /// Descriptors that are sockets.
    Sockets,
    /// Threads.
    Threads,
    /// Processes: of a tree those below its main process, of a process its own children.
    Children,
    /// Processes that ended and that nobody waited for.
    Zombies,
    /// Browsers: of a process those that it started, each with its children one.
    Browsers,
    /// Helpers that are talked to over their stdin or stdout (MCP servers): of a process those that it started.
    StdioChildren,
    /// TCP connections that the other side has closed and this one has not.
    CloseWait,
    /// TCP connections that this side has closed and the other one has not.
    FinWait2,
}

impl Watched {
    /// All of them, the one that matters most first.
    pub const ALL: [Self; 10] = [
        Self::Memory,
        Self::Descriptors,
        Self::Sockets,
        Self::Threads,
        Self::Children,
        Self::Zombies,
        Self::Browsers,
        Self::StdioChildren,
        Self::CloseWait,
        Self::FinWait2,
    ];

    /// The word in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
            Self::Sockets => "sockets",
            Self::Threads => "threads",
            Self::Children => "children",
            Self::Zombies => "zombies",
            Self::Browsers => "browsers",
            Self::StdioChildren => "stdio_children",
            Self::CloseWait => "close_wait",
            Self::FinWait2 => "fin_wait2",
        }
    }

    /// What its numbers are to the detector.
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Memory => Quantity::Bytes,
            _ => Quantity::Count,
        }
    }
}

/// What kind of leak it is, as far as that can be told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It grows, and what of it cannot be told; or too little was seen to say that it does not.
    #[default]
    Unknown,
    /// It does not grow.
    NotALeak,
    /// Processes pile up below it: helpers that were started and not ended, or not waited for.
    ChildTree,
    /// Descriptors pile up that are no sockets.
    Descriptors,
    /// Sockets pile up.
    Sockets,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::NotALeak, Self::ChildTree, Self::Descriptors, Self::Sockets];

    /// The word in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotALeak => "not_a_leak",
            Self::ChildTree => "child_tree",
            Self::Descriptors => "descriptors",
            Self::Sockets => "sockets",
        }
    }

    /// What a series alone says of what grows. Memory, threads and descriptors of any kind say nothing.
    pub const fn of(series: Watched, verdict: Verdict) -> Self {
        match (verdict, series) {
            (Verdict::Unknown, _) => Self::Unknown,
            (Verdict::Stable | Verdict::WarmingUp | Verdict::Step, _) => Self::NotALeak,
            (_, Watched::Children | Watched::Zombies | Watched::Browsers | Watched::StdioChildren) => {
                Self::ChildTree
            }
            (_, Watched::Sockets | Watched::CloseWait | Watched::FinWait2) => Self::Sockets,
            (_, Watched::Memory | Watched::Threads | Watched::Descriptors) => Self::Unknown,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An assessment as it is told: in events, and beside a unit or a process. Numbers are whole, since a forecast has no
/// more than two digits that mean something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The word.
    pub verdict: Verdict,
    /// How often such a verdict was right where it could be checked, 0 to 1.
    pub confidence: Option<f64>,
    /// Growth of the floor, in units of the series (bytes, descriptors ...) per hour.
    pub slope_per_hour: Option<f64>,
    /// Between these two it lies.
    pub slope_interval: Option<(f64, f64)>,
    /// Time until the limit is reached at this rate; 0 where it is. `None` where it is not, or nobody can say.
    pub time_to_limit_seconds: Option<u64>,
    /// Whether somebody should be woken.
    pub urgent: bool,
    /// What kind of leak it is.
    #[serde(default)]
    pub class: Class,
    /// How much it grows with each operation, where operations are counted and it does.
    #[serde(default)]
    pub per_operation: Option<PerOperation>,
    /// What led to it, the decisive one first.
    pub reasons: Vec<Reason>,
}

impl Judged {
    /// What is thought now, so long after the last sample. Its class is for whoever knows the series to say.
    pub fn of(assessment: &Assessment, since: Duration) -> Self {
        Self {
            verdict: assessment.verdict,
            confidence: assessment.confidence.map(|confidence| digits(confidence, 3)),
            slope_per_hour: assessment.slope.map(|slope| digits(slope.per_hour, 3)),
            slope_interval: assessment.slope.map(|slope| (digits(slope.low, 3), digits(slope.high, 3))),
            time_to_limit_seconds: time_to_limit(assessment.forecast, since).map(|left| left.as_secs()),
            urgent: assessment.is_urgent(),
            class: Class::Unknown,
            per_operation: assessment.per_operation,
            reasons: assessment.reasons.clone(),
        }
    }
}

/// How long until the limit is reached at this rate, so long after the last sample.
pub fn time_to_limit(forecast: Forecast, since: Duration) -> Option<Duration> {
    match forecast {
        Forecast::Within { likely, .. } => Some(likely.saturating_sub(since)),
        Forecast::Reached => Some(Duration::ZERO),
        Forecast::Unknown | Forecast::NotAtThisRate => None,
    }
}

/// A number with so many decimals as are shown: 0.1 + 0.2 is nobody's slope.
fn digits(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use scupper_detect::Slope;

    use super::*;

    #[test]
    fn a_forecast_ages_with_the_time_since_it_was_made() {
        let within = Duration::from_hours(1);
        let assessment = Assessment {
            verdict: Verdict::Growing,
            confidence: Some(0.912_345),
            slope: Some(Slope { per_hour: 0.1 + 0.2, low: 0.0, high: 1.0 }),
            forecast: Forecast::Within { likely: within, earliest: within, latest: Some(within * 2) },
            ..Assessment::default()
        };
        let judged = Judged::of(&assessment, Duration::from_mins(10));
        assert_eq!(judged.time_to_limit_seconds, Some(3000));
        assert_eq!((judged.confidence, judged.slope_per_hour), (Some(0.912), Some(0.3)));
        assert_eq!(Judged::of(&assessment, within * 2).time_to_limit_seconds, Some(0));
        let never = Assessment { forecast: Forecast::NotAtThisRate, ..assessment };
        assert_eq!(Judged::of(&never, Duration::ZERO).time_to_limit_seconds, None);
    }
}
