//! A straight line that fits: least squares over the last six hours of 5-minute medians, R2 above .8, the limit reached
//! within seven days. The core of Precog (Jindal, Staab, Cardoso, Gerndt and Podolskiy, "Online Memory Leak Detection in
//! the Cloud-based Infrastructures", 2020, arXiv 2101.09799) without its training.

use super::window::{Buckets, Window};
use super::{DAY, HOUR, MINUTE};
use crate::detector::{Alarm, Detector};
use crate::statistics::Line;

/// See the module.
pub struct Ols {
    limit: f64,
    buckets: Buckets,
    window: Window,
}

impl Ols {
    pub const fn new(limit: f64) -> Self {
        Self { limit, buckets: Buckets::new(5.0 * MINUTE), window: Window::new(6.0 * HOUR) }
    }
}

impl Detector for Ols {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let bucket = self.buckets.push(at_seconds, value)?;
        self.window.push(bucket.at, bucket.median);
        if !self.window.is_full() {
            return None;
        }
        let line = Line::through(self.window.points())?;
        let leaks =
            line.r2 > 0.8 && line.slope > 0.0 && (self.limit - bucket.median) / line.slope <= 7.0 * DAY;
        leaks.then_some(Alarm::LEAKING)
    }
}
