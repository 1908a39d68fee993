//! What goes in: one number at one moment.

use std::time::Duration;

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, since any fixed moment.
    pub at: Duration,
    /// How much: bytes, descriptors, threads ...
    pub value: f64,
}

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// NaN or infinite.
    #[error("not a number")]
    NotANumber,
    /// Sizes and counts are not negative.
    #[error("negative")]
    Negative,
    /// Beyond anything that can be counted: 10^24.
    #[error("too large")]
    TooLarge,
    /// Not later than the sample before it.
    #[error("not later than the sample before it")]
    NotLater,
}

/// A count as a number: exact below 2^53, which no size or count reaches.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub const fn exact(count: u64) -> f64 {
    count as f64
}

impl Sample {
    /// One look at a size or a count.
    pub const fn new(at: Duration, count: u64) -> Self {
        Self { at, value: exact(count) }
    }

    /// The largest value: far above 2^64, and far below where a 32-bit float ends.
    pub const MOST: f64 = 1e24;

    /// Whether it can follow `last`.
    pub(crate) fn check(self, last: Option<Self>) -> Result<(), Rejected> {
        if !self.value.is_finite() {
            Err(Rejected::NotANumber)
        } else if self.value < 0.0 {
            Err(Rejected::Negative)
        } else if self.value > Self::MOST {
            Err(Rejected::TooLarge)
        } else if last.is_some_and(|last| self.at <= last.at) {
            Err(Rejected::NotLater)
        } else {
            Ok(())
        }
    }
}
