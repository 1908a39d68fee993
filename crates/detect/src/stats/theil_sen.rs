//! The slope that outliers cannot move: the median of the slopes of all pairs.
//!
//! Sen, P. K. (1968): Estimates of the regression coefficient based on Kendall's tau. JASA 63, 1379-1389. The interval is
//! that of Gilbert (1987), Statistical Methods for Environmental Pollution Monitoring, 16.4.2: order statistics of the
//! slopes at (N -+ C)/2 with C = z sqrt(Var S).

use super::order::{quantile, to_f64, to_index};
use super::{MOST_POINTS, Point};

/// A slope with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sen {
    /// The median slope.
    pub slope: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Sen {
    /// The same with another unit of time.
    pub fn times(self, factor: f64) -> Self {
        Self { slope: self.slope * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// The median slope of all pairs; `None` with fewer than two points of different time.
pub fn sen_slope(points: &[Point]) -> Option<f64> {
    quantile(&mut slopes(points), 0.5)
}

/// The median slope with its 95 % interval, given the variance of Kendall's S.
pub fn theil_sen(points: &[Point], variance_of_s: f64) -> Option<Sen> {
    let mut slopes = slopes(points);
    let slope = quantile(&mut slopes, 0.5)?;
    slopes.sort_unstable_by(f64::total_cmp);
    let pairs = to_f64(slopes.len());
    let spread = 1.959_963_984_540_054 * variance_of_s.max(0.0).sqrt();
    // Ranks count from 1 in the book: the M1-th and the (M2 + 1)-th smallest.
    let at = |rank: f64| slopes.get(to_index(rank.max(0.0)).min(slopes.len() - 1)).copied();
    let low = at(((pairs - spread) / 2.0).round_ties_even() - 1.0)?;
    let high = at(f64::midpoint(pairs, spread).round_ties_even())?;
    Some(Sen { slope, low: low.min(slope), high: high.max(slope) })
}

fn slopes(points: &[Point]) -> Vec<f64> {
    let points = points.get(..MOST_POINTS.min(points.len())).unwrap_or_default();
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, (x1, y1)) in points.iter().enumerate() {
        for (x2, y2) in points.iter().skip(i + 1) {
            if x2 > x1 {
                slopes.push((y2 - y1) / (x2 - x1));
            }
        }
    }
    slopes
}
