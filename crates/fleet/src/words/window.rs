//! How far back the fleet's growth is measured: a setting of the registry, and not of one coordinator.

use std::time::Duration;

/// The window of the leak check (seed 004: 5 minutes). Members say what they take once in every [`LeakWindow::period`], and
/// growth is between the samples of two periods that are exactly one window apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakWindow {
    /// Milliseconds of one period.
    period: u64,
}

/// Why a time is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWindow(String);

/// Periods of a window.
pub(crate) const PERIODS: u64 = 5;
/// Periods of which a store keeps samples.
pub(crate) const PERIODS_KEPT: u64 = 20;

impl LeakWindow {
    /// Seed 004's.
    pub const DEFAULT: Self = Self { period: 60_000 };
    /// The shortest one.
    pub const SHORTEST: Duration = Duration::from_secs(5);
    /// The longest one: growth over more than a day is the detector's, which judges every agent where it runs.
    pub const LONGEST: Duration = Duration::from_hours(24);

    /// A window of this length, in whole seconds.
    pub fn new(time: Duration) -> Result<Self, InvalidWindow> {
        if !(Self::SHORTEST..=Self::LONGEST).contains(&time) {
            return Err(InvalidWindow("is 5s to 24h".to_owned()));
        }
        if time.subsec_nanos() != 0 {
            return Err(InvalidWindow("is in whole seconds".to_owned()));
        }
        Ok(Self { period: time.as_secs() * 1000 / PERIODS })
    }

    /// As a store keeps it; what is no window is the default.
    pub(crate) fn kept(millis: Option<u64>) -> Self {
        millis.and_then(|millis| Self::new(Duration::from_millis(millis)).ok()).unwrap_or(Self::DEFAULT)
    }

    /// The same in milliseconds.
    pub const fn millis(self) -> u64 {
        self.period * PERIODS
    }

    /// How long it is.
    pub const fn time(self) -> Duration {
        Duration::from_millis(self.millis())
    }

    /// Between two samples of what a member takes.
    pub const fn period(self) -> Duration {
        Duration::from_millis(self.period)
    }

    /// The number of the period in which this time is (milliseconds since 1970): the minute, by default.
    pub const fn nth(self, at: u64) -> u64 {
        at / self.period
    }

    /// The shortest window of members with this lease. They say every other heartbeat at least what they take, of four in a
    /// lease, so that in every period of a longer window there is a sample of each of them.
    pub fn shortest_for(ttl: Duration) -> Duration {
        Duration::from_secs((ttl * 5 / 2).as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }
}

impl Default for LeakWindow {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_five_periods_and_the_default_ones_are_minutes() {
        let of = |secs| LeakWindow::new(Duration::from_secs(secs));
        assert_eq!(of(300), Ok(LeakWindow::DEFAULT));
        assert_eq!(LeakWindow::DEFAULT.nth(119_999), 1);
        let odd = of(7).unwrap();
        assert_eq!((odd.period(), odd.time()), (Duration::from_millis(1400), Duration::from_secs(7)));
        assert!(of(4).is_err() && of(86_401).is_err() && of(5).is_ok() && of(86_400).is_ok());
        assert!(LeakWindow::new(Duration::from_millis(7500)).is_err());
    }

    #[test]
    fn what_a_store_keeps_is_not_trusted() {
        assert_eq!(LeakWindow::kept(Some(900_000)).period(), Duration::from_mins(3));
        for odd in [None, Some(0), Some(1), Some(u64::MAX), Some(300_001)] {
            assert_eq!(LeakWindow::kept(odd), LeakWindow::DEFAULT);
        }
    }

    #[test]
    fn a_lease_has_a_shortest_window() {
        assert_eq!(LeakWindow::shortest_for(Duration::from_mins(2)), LeakWindow::DEFAULT.time());
        assert_eq!(LeakWindow::shortest_for(Duration::from_secs(1)), Duration::from_secs(3));
    }
}
