//! Waiting for a condition with a deadline; the edge of this program where a clock is read.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const STEP: Duration = Duration::from_millis(50);

/// The monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: the one place of this program that reads this clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks at a condition until it holds; `false` where the time is over first. It is given the time that has passed.
pub(crate) fn until(timeout: Duration, mut holds: impl FnMut(Duration) -> bool) -> bool {
    let start = now();
    loop {
        let passed = now().saturating_duration_since(start);
        if holds(passed) {
            return true;
        }
        if passed >= timeout {
            return false;
        }
        std::thread::park_timeout(STEP.min(timeout.saturating_sub(passed)));
    }
}
