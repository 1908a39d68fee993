//! When growth is a leak. A trend test alone calls every cache and every morning a leak: the rules say what else must hold.

mod daily;
mod life;
mod long;

pub use life::Life;
pub use daily::Daily;
pub use long::{Context, Judgement, judge, judge_daily};

use crate::Quantity;

/// Which rule spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The operator's own.
    Grow,
    /// It nearly doubled: nothing that warms up does that at this age.
    Fast,
    /// Higher than ever, by three times what it ever gave back, after more than a day.
    Usual,
    /// Every day higher than the day before at the same hour.
    Daily,
    /// A short run under steady load.
    Short,
}

/// The least growth worth a word, whatever the relative size.
pub const fn least_growth(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Bytes => 2.0 * 1024.0 * 1024.0,
        Quantity::Count => 8.0,
        Quantity::Percent => 1.0,
    }
}
