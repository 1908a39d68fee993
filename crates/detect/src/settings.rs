//! What a series is of, and how it is to be judged.

use std::time::Duration;

/// What the numbers count. It decides how much growth is worth a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantity {
    /// Memory, in bytes.
    #[default]
    Bytes,
    /// Descriptors, sockets, threads, children, tasks.
    Count,
    /// A share of something, 0 to 100.
    Percent,
}

/// How much time there is to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Horizon {
    /// A service that runs for days: a leak is called when load of the day and caches are ruled out.
    #[default]
    Long,
    /// A test of one to some minutes under steady load: judged on what there is.
    Short,
}

/// A rule of the operator: growth by more than so much within so long is a leak, whatever its shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowRule {
    /// More than this.
    pub by: f64,
    /// Within this time.
    pub within: Duration,
}

/// How a series is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// What the numbers count.
    pub quantity: Quantity,
    /// How much time there is.
    pub horizon: Horizon,
    /// What the forecast is about.
    pub limit: Option<f64>,
    /// The operator's rule.
    pub grow: Option<GrowRule>,
}
