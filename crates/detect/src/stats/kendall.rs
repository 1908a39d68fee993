//! The Mann-Kendall trend test with the variance that autocorrelation asks for.
//!
//! Mann (1945), Econometrica 13, 245-259; variance with ties as in Kendall (1975), Rank Correlation Methods. The correction is
//! Hamed & Rao (1998), Journal of Hydrology 204, 182-196, equations 9 and 10: only autocorrelations of the ranks of the
//! detrended series count that differ from 0 at 95 %, at lags below a quarter of the series.

use super::order::to_f64;
use super::theil_sen::sen_slope;
use super::{MOST_POINTS, Point};

/// The statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendall {
    /// Pairs that rise less pairs that fall.
    pub s: f64,
    /// Variance of S for independent points, ties considered.
    pub variance: f64,
    /// Variance of S with the correction; never below `variance`.
    pub corrected_variance: f64,
    /// S in units of its corrected standard deviation, with the continuity correction.
    pub z: f64,
}

/// The test; `None` with fewer than four points.
pub fn mann_kendall(points: &[Point]) -> Option<MannKendall> {
    let points = points.get(..MOST_POINTS.min(points.len()))?;
    let n = points.len();
    if n < 4 {
        return None;
    }
    let mut s = 0.0;
    for (i, (_, earlier)) in points.iter().enumerate() {
        for (_, later) in points.iter().skip(i + 1) {
            s += sign(later - earlier);
        }
    }
    let variance = variance_with_ties(points);
    let corrected_variance = variance * correction(points).max(1.0);
    let z = if corrected_variance > 0.0 { (s - sign(s)) / corrected_variance.sqrt() } else { 0.0 };
    Some(MannKendall { s, variance, corrected_variance, z })
}

fn sign(difference: f64) -> f64 {
    if difference > 0.0 {
        1.0
    } else if difference < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn variance_with_ties(points: &[Point]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tied| term(to_f64(tied.len()))).sum();
    (term(to_f64(values.len())) - ties) / 18.0
}

/// The factor n/n* of Hamed & Rao.
fn correction(points: &[Point]) -> f64 {
    let n = points.len();
    let slope = sen_slope(points).unwrap_or(0.0);
    let detrended: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let ranks = ranks(&detrended);
    let size = to_f64(n);
    let mean = f64::midpoint(size, 1.0);
    let spread: f64 = ranks.iter().map(|r| (r - mean).powi(2)).sum();
    if spread <= 0.0 {
        return 1.0;
    }
    let mut sum = 0.0;
    for lag in 1..n.div_ceil(4) {
        let products: f64 =
            ranks.iter().zip(ranks.iter().skip(lag)).map(|(a, b)| (a - mean) * (b - mean)).sum();
        let r = products / spread;
        let k = to_f64(lag);
        // The 95 % band of an autocorrelation of white noise (Anderson 1942).
        let band = 1.96 / size.sqrt();
        if r.abs() > band {
            sum += (size - k) * (size - k - 1.0) * (size - k - 2.0) * r;
        }
    }
    1.0 + 2.0 / (size * (size - 1.0) * (size - 2.0)) * sum
}

/// Ranks from 1, tied values sharing their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let value = |i: usize| values.get(i).copied().unwrap_or(0.0);
    order.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| value(*a).total_cmp(&value(*b)).is_eq()) {
        let rank = to_f64(2 * before + tied.len() + 1) / 2.0;
        for index in tied {
            if let Some(slot) = ranks.get_mut(*index) {
                *slot = rank;
            }
        }
        before += tied.len();
    }
    ranks
}
