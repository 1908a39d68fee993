//! What the detector says of a series.

use serde::{Deserialize, Serialize};

/// From best to worst, so that several together are as bad as their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Seen long enough, and not growing.
    Stable,
    /// Growing, and slowing down as start-up does.
    WarmingUp,
    /// Grew once and stays there.
    Step,
    /// Too little seen to say.
    Unknown,
    /// Growing, not yet proven a leak.
    Growing,
    /// A leak.
    Leaking,
}
