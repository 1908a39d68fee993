//! A clock for tests, turned by hand.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use scupper_model::Timestamp;

use crate::Clock;

/// 2026-01-01T00:00:00Z, in milliseconds.
const START: u64 = 1_767_225_600_000;

/// A clock that stands still until a test turns it. Shared by an `Arc`.
#[derive(Debug, Default)]
pub struct Manual {
    passed: AtomicU64,
    jumped: AtomicI64,
}

impl Manual {
    /// Stands at the beginning of 2026.
    pub fn new() -> Self {
        Self::default()
    }

    /// So much time passes, in whole milliseconds.
    pub fn pass(&self, time: Duration) {
        self.passed.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), SeqCst);
    }

    /// Somebody sets the wall clock, by so many milliseconds: no time passes.
    pub fn jump(&self, millis: i64) {
        self.jumped.fetch_add(millis, SeqCst);
    }
}

impl Clock for Manual {
    fn wall(&self) -> Timestamp {
        let passed = START.saturating_add(self.passed.load(SeqCst));
        Timestamp(passed.saturating_add_signed(self.jumped.load(SeqCst)))
    }

    fn since_boot(&self) -> Duration {
        Duration::from_millis(self.passed.load(SeqCst))
    }
}
