//! Says of a series of samples whether it leaks, and when it reaches its limit.
//!
//! Pure: it knows no clock, no file and no process. Whoever uses it brings the time of each sample. A series takes at
//! most 8 KiB however long it lasts.

#![forbid(unsafe_code)]

mod bursts;
mod confidence;
mod curve;
pub mod fleet;
mod forecast;
mod grow;
mod history;
mod operations;
mod opinion;
mod reading;
mod reasons;
mod recording;
mod rules;
mod sample;
mod series;
mod settings;
pub mod stats;
mod verdict;
mod window;
mod wording;

pub use curve::Curve;
pub use operations::PerOperation;
pub use recording::{Analysis, Change, analyze, analyze_counted};
pub use sample::{Rejected, Sample, exact};
pub use series::Series;
pub use settings::{GrowRule, Horizon, Quantity, Settings};
pub use verdict::{Assessment, Forecast, Reason, Slope, Verdict};
