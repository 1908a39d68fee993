//! Growth from day to day at the same hour: what the load of the day cannot hide or feign.

use crate::history::Ring;
use crate::stats::{median, to_f64};

/// Slots of a day, of three hours each.
const SLOTS: usize = 8;
/// Days looked back, at most.
const DAYS: usize = 6;
/// Student's t at .9975 with 1 to 5 degrees of freedom.
const STUDENT: [f64; 5] = [127.321, 14.089, 7.453, 5.598, 4.773];
/// How much further than that.
const MARGIN: f64 = 1.6;
/// Day-to-day deviations below this share of the level are not believed: data may be rounded.
const LEAST_DEVIATION: f64 = 0.0025;
/// Growth over the days, as a share of the level.
const LEAST_GROWTH: f64 = 0.03;

/// A growth per day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Daily {
    /// Days it was seen from one to the next.
    pub days: usize,
    /// Mean growth per day.
    pub mean: f64,
    /// Standard error of the mean.
    pub deviation: f64,
    /// Student's t by what is asked.
    pub certainty: f64,
}

/// The growth per day over as many of the last days as make it most certain; `None` where no number of days does.
pub fn daily(ring: &Ring) -> Option<Daily> {
    let lows: Vec<f64> = ring.last(SLOTS * (DAYS + 1)).map(|(_, b)| f64::from(b.low)).collect();
    let level = lows.iter().rev().take(SLOTS).copied().filter(|v| v.is_finite()).reduce(f64::min)?;
    // Newest day first. A day counts whose lowest hour is higher than that of the day before, too: the teeth of a saw of some
    // hours fall into other slots every day, and leave its lowest hour where it was.
    let lowest =
        |slots: &[f64]| slots.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
    let mut days = Vec::with_capacity(DAYS);
    for day in 0..DAYS {
        let end = lows.len().checked_sub(day * SLOTS);
        let Some(from) = end.and_then(|end| end.checked_sub(2 * SLOTS)) else { break };
        let slots = lows.get(from..from + 2 * SLOTS)?;
        let (before, after) = slots.split_at(SLOTS);
        let mut rises: Vec<f64> =
            before.iter().zip(after).map(|(b, a)| a - b).filter(|rise| rise.is_finite()).collect();
        if rises.len() < SLOTS / 2 || lowest(after) <= lowest(before) {
            break;
        }
        days.push(median(&mut rises)?);
    }
    (2..=days.len())
        .filter_map(|n| certain(days.get(..n)?, level))
        .max_by(|a, b| a.certainty.total_cmp(&b.certainty))
}

/// `days`: newest first.
fn certain(days: &[f64], level: f64) -> Option<Daily> {
    let n = to_f64(days.len());
    let sum: f64 = days.iter().sum();
    let mean = sum / n;
    let variance = days.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let deviation = variance.sqrt().max(LEAST_DEVIATION * level) / n.sqrt();
    let asked = MARGIN * STUDENT.get(days.len().checked_sub(2)?)?;
    let certainty = mean / deviation / asked;
    let rising = days.iter().all(|d| *d > 0.0) && *days.first()? >= 0.5 * mean;
    (certainty >= 1.0 && rising && sum >= LEAST_GROWTH * level).then_some(Daily {
        days: days.len(),
        mean,
        deviation,
        certainty,
    })
}
