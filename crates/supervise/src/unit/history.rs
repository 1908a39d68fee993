//! The short history of one size: enough to say how fast it grows now and how much it grew since it settled.

use std::time::Duration;

use scupper_model::Bytes;

/// At this age a process has loaded what it needs at rest: growth is counted from there.
pub const SETTLED: Duration = Duration::from_secs(1);

/// Points kept.
const POINTS: usize = 8;
/// The slope is taken over at least this much time, so that two looks 20 ms apart do not make a trend.
const LEAST_SPAN: Duration = Duration::from_millis(80);

/// A ring of the last looks, and three numbers of the whole life. About 230 bytes.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: [(Duration, u64); POINTS],
    seen: usize,
    first: Option<(Duration, u64)>,
    peak: u64,
}

impl History {
    /// Adds a look. The first settled one is what growth is counted from.
    pub fn push(&mut self, now: Duration, size: Bytes, settled: bool) {
        if let Some(slot) = self.points.get_mut(self.seen % POINTS) {
            *slot = (now, size.0);
        }
        self.seen += 1;
        self.peak = self.peak.max(size.0);
        if settled && self.first.is_none() {
            self.first = Some((now, size.0));
        }
    }

    /// The last size.
    pub fn last(&self) -> Option<Bytes> {
        self.newest().map(|(_, size)| Bytes(size))
    }

    /// The largest size.
    pub fn peak(&self) -> Option<Bytes> {
        (self.seen > 0).then_some(Bytes(self.peak))
    }

    /// Growth since it settled, in bytes; `None` before, and while that one look is all there is: nothing is compared then.
    pub fn growth(&self) -> Option<i64> {
        let ((settled_at, first), (newest_at, last)) = (self.first?, self.newest()?);
        (newest_at > settled_at)
            .then(|| i64::try_from(i128::from(last) - i128::from(first)).unwrap_or(i64::MAX))
    }

    /// Bytes per second from the oldest point kept to the newest; `None` while they are too close together.
    #[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^53")]
    pub fn slope(&self) -> Option<f64> {
        let (newest_at, newest) = self.newest()?;
        let oldest = if self.seen <= POINTS { 0 } else { self.seen % POINTS };
        let (oldest_at, oldest) = *self.points.get(oldest)?;
        let span = newest_at.saturating_sub(oldest_at);
        (span >= LEAST_SPAN).then(|| (newest as f64 - oldest as f64) / span.as_secs_f64())
    }

    fn newest(&self) -> Option<(Duration, u64)> {
        self.points.get(self.seen.checked_sub(1)? % POINTS).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_is_of_the_last_points_and_growth_of_the_whole_life() {
        let mut history = History::default();
        assert_eq!(history.slope(), None);
        history.push(Duration::ZERO, Bytes(7), false);
        assert_eq!(history.growth(), None, "unknown, not 0");
        for second in 0_u64..20 {
            history.push(Duration::from_secs(second), Bytes(second.saturating_sub(10) * 1000), second >= 1);
        }
        assert_eq!(history.slope(), Some(1000.0));
        assert_eq!(history.growth(), Some(9000));
        assert_eq!(history.peak(), Some(Bytes(9000)));
    }

    #[test]
    fn one_look_has_nothing_to_be_compared_with() {
        let mut history = History::default();
        history.push(Duration::from_secs(1), Bytes(5000), true);
        assert_eq!(history.growth(), None, "unknown, not 0");
        history.push(Duration::from_secs(2), Bytes(5000), true);
        assert_eq!(history.growth(), Some(0));
    }

    #[test]
    fn two_looks_close_together_make_no_trend() {
        let mut history = History::default();
        history.push(Duration::ZERO, Bytes(0), true);
        history.push(Duration::from_millis(20), Bytes(1 << 30), true);
        assert_eq!(history.slope(), None);
    }
}
