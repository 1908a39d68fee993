//! Whether growth comes in bursts after rest (R028): the sign of a leak that work causes, in a program that has little of it.

use crate::history::Ring;
use crate::stats::{keep, median, to_f64};

/// Bursts it takes to call it a pattern.
const LEAST_BURSTS: usize = 3;
/// Of all growth, the bursts make at least this share ...
const LEAST_SHARE: f64 = 0.8;
/// ... in at most this share of the time.
const MOST_TIME: f64 = 0.25;

/// A pattern of bursts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    pub count: usize,
    /// Median time of rest between two, in seconds.
    pub rest: f64,
}

/// Looks for the pattern in the buckets of a ring.
pub fn bursts(ring: &Ring) -> Option<Bursts> {
    let mut lows: Vec<f64> =
        ring.last(usize::MAX).filter(|(_, b)| !b.is_empty()).map(|(_, b)| f64::from(b.low)).collect();
    keep(lows.iter_mut());
    let rises: Vec<f64> = lows.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    let growth: f64 = rises.iter().sum();
    if growth <= 0.0 {
        return None;
    }
    // A bucket is part of a burst where it rises by more than three times its even share.
    let even = growth / to_f64(rises.len());
    let large: Vec<bool> = rises.iter().map(|rise| *rise > 3.0 * even).collect();
    let of_bursts: f64 = rises.iter().zip(&large).filter(|(_, large)| **large).map(|(rise, _)| rise).sum();
    let time = to_f64(large.iter().filter(|large| **large).count()) / to_f64(rises.len());
    let stretches: Vec<&[bool]> = large.chunk_by(|a, b| a == b).collect();
    let count = stretches.iter().filter(|stretch| stretch.first() == Some(&true)).count();
    let inner = stretches.get(1..stretches.len().saturating_sub(1)).unwrap_or_default();
    let mut rests: Vec<f64> = inner
        .iter()
        .filter(|stretch| stretch.first() == Some(&false))
        .map(|stretch| to_f64(stretch.len()))
        .collect();
    let rest = median(&mut rests)? * ring.width().as_secs_f64();
    (count >= LEAST_BURSTS && of_bursts >= LEAST_SHARE * growth && time <= MOST_TIME)
        .then_some(Bursts { count, rest })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::Bucket;

    fn ring(value: impl Fn(u64) -> f64) -> Ring {
        let mut ring = Ring::new(Duration::from_mins(1));
        for minute in 0..200 {
            ring.push(Duration::from_mins(minute), Bucket::of(value(minute)));
        }
        ring
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    fn r028_growth_at_bursts_after_rest_is_named() {
        let found = bursts(&ring(|minute| 1e8 + 1e7 * (minute / 20) as f64)).unwrap();
        assert_eq!((found.count, found.rest), (4, 19.0 * 60.0));
        assert_eq!(bursts(&ring(|minute| 1e8 + 1e6 * minute as f64)), None, "a line has no bursts");
        assert_eq!(bursts(&ring(|minute| if minute < 150 { 1e8 } else { 2e8 })), None, "a step is one burst");
        assert_eq!(bursts(&ring(|_| 1e8)), None);
    }
}
