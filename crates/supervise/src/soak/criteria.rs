//! What is asked of a soak, and how each part of it came out.

use std::time::Duration;

use scupper_model::Bytes;

/// What a soak is to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// At least so many operations are done.
    pub operations: Option<u64>,
    /// It ends after this time. Where no operations are asked for, it has to last that long.
    pub lasting: Option<Duration>,
    /// Memory grows by less than this.
    pub max_growth: Option<Bytes>,
    /// What counts as the start. A tenth of it all, where nothing is said.
    pub warm_up: Option<WarmUp>,
}

/// How long a command warms up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// Until so many operations are done.
    Operations(u64),
    /// For this time.
    Time(Duration),
}

/// One criterion: what was asked for, what was seen, and whether the one holds for the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The tag: `operations`, `growth`, `verdict` ...
    pub name: &'static str,
    /// What was asked for, in words.
    pub required: String,
    /// What was seen, in words.
    pub observed: String,
    /// `None`: it could not be seen.
    pub held: Option<bool>,
}
