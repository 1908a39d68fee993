//! The statistics the rules stand on. Each names its source; each has golden values (`tests/golden.rs`).
//!
//! All work on a handful of points (at most [`MOST_POINTS`]), so quadratic is fast enough and no allocation outlives a call.

mod kendall;
mod order;
mod points;
mod theil_sen;
mod trend;

pub use kendall::{MannKendall, mann_kendall};
pub use order::{median, quantile, to_f64, to_index};
pub use points::{keep, level, lows, slope};
pub use theil_sen::{Sen, sen_slope, theil_sen};
pub use trend::{Trend, perron_yabu};

/// The most points a statistic is asked about: with the pairs of this many it stays below a tenth of a millisecond.
pub const MOST_POINTS: usize = 40;

/// A point of a series: time in any unit, value.
pub type Point = (f64, f64);
