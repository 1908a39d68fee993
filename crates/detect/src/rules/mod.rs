//! When growth is a leak. A trend test alone calls every cache and every morning a leak: the rules say what else must hold.

mod daily;
mod life;
mod long;
mod short;

pub use daily::Daily;
pub use life::Life;
pub use long::{Context, judge, judge_daily};
pub use short::{Shape, Short, judge_short};

use std::cmp::Ordering;

use crate::Quantity;
use crate::reading::Reading;

/// Which rule spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The operator's own.
    Grow,
    /// It nearly doubled: nothing that warms up does that at this age.
    Fast,
    /// Higher than ever, by four times what it ever gave back, after more than a day.
    Usual,
    /// Every day higher than the day before at the same hour.
    Daily,
    /// It rises with every operation.
    Operations,
    /// A short run under steady load.
    Short,
}

/// What two steps may make of a growth that is no step.
pub const MOST_OF_STEPS: f64 = 0.6;
/// What every quarter of a stretch has to bring of its even share: a leak has no flat quarter.
pub const LEAST_OF_QUARTER: f64 = 0.2;
/// The slope of the last half, by that of the whole, of what goes on rising.
pub const STILL_RISING: f64 = 0.6;

/// The least growth worth a word, whatever the relative size.
pub const fn least_growth(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Bytes => 2.0 * 1024.0 * 1024.0,
        Quantity::Count => 8.0,
        Quantity::Percent => 1.0,
    }
}

/// What a reading amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing, or not enough.
    Nothing,
    /// It rises, and slows down.
    WarmingUp,
    /// It rose at once.
    Step,
    /// It rises.
    Growing,
    /// It leaks.
    Leaking(Rule),
}

/// A reading with what was made of it, and the numbers that decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    pub judgement: Judgement,
    pub reading: Reading,
    /// See [`Life::deceleration`]; `None` where it was not asked, or nothing ran before.
    pub deceleration: Option<f64>,
    /// The most that the series gave back before.
    pub given_back: f64,
}

impl Finding {
    const fn nothing(reading: Reading) -> Self {
        Self { judgement: Judgement::Nothing, reading, deceleration: None, given_back: 0.0 }
    }

    /// The graver judgement, then the more certain one.
    pub fn by_weight(&self, other: &Self) -> Ordering {
        let weight = |finding: &Self| match finding.judgement {
            Judgement::Nothing => 0,
            Judgement::Step => 1,
            Judgement::WarmingUp => 2,
            Judgement::Growing => 3,
            Judgement::Leaking(_) => 4,
        };
        weight(self).cmp(&weight(other)).then(self.reading.z.total_cmp(&other.reading.z))
    }

    const fn judged(self, judgement: Judgement) -> Self {
        Self { judgement, ..self }
    }
}
