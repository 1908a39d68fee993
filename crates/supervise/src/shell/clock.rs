//! The only place below the command line that reads a clock. Everything else takes the time as an argument.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use scupper_model::Timestamp;

/// Monotonic time since scupper started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since it was started. Does not count suspend.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn wall() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// Time since boot, suspend included: what start times in `/proc` count.
pub fn since_boot() -> Duration {
    read(ClockId::Boottime)
}

/// Processor time that this thread has taken.
pub fn processor_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
