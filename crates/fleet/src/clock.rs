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

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0);
        Timestamp(seconds.saturating_mul(1000).saturating_add(millis))
    }

    fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}
