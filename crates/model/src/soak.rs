//! What a soak has found: whether a command did so much work without leaking, with the numbers it was judged by.

use scupper_detect::{Reason, Verdict};
use serde::{Deserialize, Serialize};

use crate::Bytes;

/// How a soak ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoakOutcome {
    /// Every criterion held.
    Passed,
    /// One did not.
    Failed,
    /// It could not be seen whether they hold.
    CouldNotLook,
}

impl SoakOutcome {
    /// The word on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASS",
            Self::Failed => "FAIL",
            Self::CouldNotLook => "COULD NOT LOOK",
        }
    }
}

/// The result of a soak. What could not be measured is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoakResult {
    /// How it ended.
    pub outcome: SoakOutcome,
    /// Whether every criterion held.
    pub passed: bool,
    /// How long the command was watched.
    pub lasted_ms: u64,
    /// Operations that were counted.
    pub operations: Option<u64>,
    /// Operations that were asked for.
    pub required_operations: Option<u64>,
    /// Memory after the warm-up: the median of the first looks.
    pub base_bytes: Option<Bytes>,
    /// The most memory that was seen.
    pub max_bytes: Option<Bytes>,
    /// Growth of the floor, from after the warm-up to the end.
    pub growth_bytes: Option<i64>,
    /// It has to stay below this.
    pub max_growth_bytes: Option<Bytes>,
    /// Growth with each operation.
    pub bytes_per_operation: Option<f64>,
    /// Between these two it lies.
    pub bytes_per_operation_interval: Option<(f64, f64)>,
    /// Growth per hour.
    pub slope_bytes_per_hour: Option<f64>,
    /// Between these two it lies.
    pub slope_interval: Option<(f64, f64)>,
    /// The worst verdict of its series; `unknown` where none could be judged.
    pub verdict: Verdict,
    /// Processes that were left behind.
    pub left_behind: u32,
    /// Why it did not pass; where it did, what held.
    pub reasons: Vec<Reason>,
}
