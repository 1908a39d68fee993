//! Mann and Kendall's test for a trend, as it has been used on memory since Garg, van Moorsel, Vaidyanathan and Trivedi
//! (1998) and judged by Machida, Andrzejak, Matias and Vicente ("On the Effectiveness of Mann-Kendall Test for Detection of
//! Software Aging", ISSREW 2013). Plain: 24 hours of 5-minute medians. With the variance of Hamed and Rao ("A modified
//! Mann-Kendall trend test for autocorrelated data", J. Hydrology 204, 1998): hourly minima, p < .001 and at least 1 % of
//! the level a day, in every one of its windows.

use std::collections::VecDeque;

use super::window::Buckets;
use super::{HOUR, MINUTE};
use crate::detector::{Alarm, Detector};
use crate::statistics::{
    compare, hamed_rao_factor, kendall_s, kendall_variance, kendall_z, median, sen_slope,
};

/// The plain test: z above a bound in a full window of a day.
pub struct Plain {
    bound: f64,
    buckets: Buckets,
    values: VecDeque<f64>,
    s: i64,
}

impl Plain {
    const COUNT: usize = 24 * 12;

    pub const fn new(bound: f64) -> Self {
        Self { bound, buckets: Buckets::new(5.0 * MINUTE), values: VecDeque::new(), s: 0 }
    }
}

impl Detector for Plain {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let newest = self.buckets.push(at_seconds, value)?.median;
        if self.values.len() == Self::COUNT
            && let Some(oldest) = self.values.pop_front()
        {
            self.s -= self.values.iter().map(|late| compare(oldest, *late)).sum::<i64>();
        }
        self.s += self.values.iter().map(|early| compare(*early, newest)).sum::<i64>();
        self.values.push_back(newest);
        if self.values.len() < Self::COUNT {
            return None;
        }
        // Ties only make the variance smaller: where z is low without them, they need not be counted.
        let n = Self::COUNT as f64;
        let untied = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
        if self.s <= 0 || kendall_z(self.s as f64, untied) < self.bound / 2.0 {
            return None;
        }
        let variance = kendall_variance(self.values.make_contiguous());
        (kendall_z(self.s as f64, variance) > self.bound).then_some(Alarm::LEAKING)
    }
}

/// With the variance of Hamed and Rao, over one or more windows of hours.
pub struct HamedRao {
    hours: &'static [usize],
    buckets: Buckets,
    floors: VecDeque<f64>,
}

impl HamedRao {
    pub const fn new(hours: &'static [usize]) -> Self {
        Self { hours, buckets: Buckets::new(HOUR), floors: VecDeque::new() }
    }

    fn rises(floors: &[f64]) -> bool {
        let level = median(&mut floors.to_vec()).unwrap_or(0.0);
        let variance = kendall_variance(floors) * hamed_rao_factor(floors);
        kendall_z(kendall_s(floors), variance) > 3.29 && sen_slope(floors) * 24.0 >= 0.01 * level
    }
}

impl Detector for HamedRao {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let floor = self.buckets.push(at_seconds, value)?.min;
        let longest = self.hours.iter().copied().max()?;
        if self.floors.len() == longest {
            self.floors.pop_front();
        }
        self.floors.push_back(floor);
        if self.floors.len() < longest {
            return None;
        }
        let floors = self.floors.make_contiguous();
        let leaks = self.hours.iter().all(|hours| Self::rises(&floors[floors.len() - hours..]));
        leaks.then_some(Alarm::LEAKING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_is_kept_up_to_date() {
        let mut plain = Plain::new(99.0);
        for step in 0..2000_u32 {
            plain.push(f64::from(step) * 300.0, f64::from(step * 7919 % 613));
            let whole = kendall_s(plain.values.make_contiguous());
            assert!((whole - plain.s as f64).abs() < 0.5, "at {step}");
        }
    }
}
