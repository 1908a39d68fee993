//! More than 100 MB within five minutes: the rule that is written first, in many an alert file
//! (`delta(process_resident_memory_bytes[5m]) > 100e6`).

use super::MINUTE;
use super::window::Window;
use crate::detector::{Alarm, Detector};

/// See the module.
pub struct Naive {
    window: Window,
}

impl Naive {
    pub const fn new() -> Self {
        Self { window: Window::new(5.0 * MINUTE + 1.0) }
    }
}

impl Detector for Naive {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        self.window.push(at_seconds, value);
        let (_, before) = self.window.points().next()?;
        (value - before > 100e6).then_some(Alarm::LEAKING)
    }
}
