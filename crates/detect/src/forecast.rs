//! When the limit is reached.

use std::time::Duration;

use crate::{Forecast, Slope};

/// Beyond this nobody plans by a slope.
const FAR: f64 = 365.0 * 24.0 * 3600.0;

/// The time from `peak` to `limit` at a slope.
///
/// The peak counts, not the floor: it is what meets the limit. The interval of the time is that of the slope.
pub fn forecast(limit: f64, peak: f64, slope: Slope) -> Forecast {
    if peak >= limit {
        return Forecast::Reached;
    }
    let time = |per_hour: f64| {
        let seconds = (limit - peak) / per_hour * 3600.0;
        (per_hour > 0.0 && seconds <= FAR).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
    };
    match (time(slope.per_hour), time(slope.high)) {
        (Some(likely), Some(earliest)) => {
            Forecast::Within { likely, earliest: earliest.min(likely), latest: time(slope.low) }
        }
        _ => Forecast::NotAtThisRate,
    }
}

/// The highest value of late: of the present stretch and the one before it, which are longer the older the series is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    began: f64,
    now: f64,
    before: f64,
}

impl Peak {
    pub fn push(&mut self, age: f64, value: f64) {
        if age - self.began > (age / 32.0).max(10.0) {
            *self = Self { began: age, now: value, before: self.now };
        }
        self.now = self.now.max(value);
    }

    pub const fn value(self) -> f64 {
        self.now.max(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn r022_the_interval_of_the_time_is_that_of_the_slope() {
        let slope = Slope { per_hour: 100.0, low: 50.0, high: 200.0 };
        let expected = Forecast::Within { likely: HOUR * 4, earliest: HOUR * 2, latest: Some(HOUR * 8) };
        assert_eq!(forecast(500.0, 100.0, slope), expected);
    }

    #[test]
    fn not_at_this_rate_is_an_answer() {
        let falling = Slope { per_hour: -1.0, low: -2.0, high: 0.5 };
        assert_eq!(forecast(500.0, 100.0, falling), Forecast::NotAtThisRate);
        let slow = Slope { per_hour: 0.01, low: 0.0, high: 0.02 };
        assert_eq!(forecast(500.0, 100.0, slow), Forecast::NotAtThisRate);
        assert_eq!(forecast(500.0, 500.0, falling), Forecast::Reached);
    }

    #[test]
    fn a_lower_end_that_does_not_rise_promises_no_latest_time() {
        let slope = Slope { per_hour: 100.0, low: -1.0, high: 200.0 };
        assert!(matches!(forecast(500.0, 100.0, slope), Forecast::Within { latest: None, .. }));
    }

    #[test]
    fn a_peak_is_forgotten_in_time() {
        let mut peak = Peak::default();
        for second in 0_u32..3600 {
            peak.push(second.into(), if second == 100 { 9.0 } else { 1.0 });
            assert!(second != 105 || peak.value() > 8.0);
        }
        assert!(peak.value() < 2.0);
    }
}
