//! The two clocks that are needed, as an argument.

use std::time::Duration;

use scupper_model::Timestamp;

/// What time it is. The shells give the machine's; tests turn one by hand.
pub trait Clock: Send + Sync {
    /// Wall-clock time. The embedded store's and the memory store's clock; nothing else is decided by it.
    fn wall(&self) -> Timestamp;

    /// Time since boot, with suspends (`CLOCK_BOOTTIME`): a laptop that slept has slept through its lease.
    fn since_boot(&self) -> Duration;
}
