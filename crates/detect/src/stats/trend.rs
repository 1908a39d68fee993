//! A trend test that holds whether the noise returns to its line or wanders off it.
//!
//! After Perron & Yabu (2009), Estimating deterministic trends with an integrated or stationary noise component, Journal of
//! Econometrics 151, 56-69: feasible GLS with the autoregressive root put to 1 where a unit root cannot be ruled out. Here the
//! unit root is ruled out by the Dickey-Fuller t of the residuals of the line (Dickey & Fuller 1979, with trend), the root of
//! the other case is corrected for its bias in small samples, and the long-run variance has Bartlett weights
//! (Newey & West 1987) at a fixed lag.

use super::Point;
use super::order::to_f64;

/// Below this Dickey-Fuller t the noise returns to its line. With trend and 50 points the 1 % value is -4.15
/// (Fuller 1976, table 8.5.2).
const RETURNS: f64 = -4.2;
/// Lags of the long-run variance.
const LAGS: usize = 4;
/// And for the interval of a wandering series.
const WIDE_LAGS: usize = 6;

/// The trend of equally spaced values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Slope per step, in units of its standard deviation.
    pub z: f64,
    /// Whether the noise was taken for a random walk.
    pub wanders: bool,
    /// Mean step.
    pub drift: f64,
    /// Standard deviation of the mean step, by a long-run variance.
    pub drift_deviation: f64,
}

/// The trend of values at equal distances; `None` with fewer than eight. The times of `points` are not looked at.
pub fn perron_yabu(points: &[Point]) -> Option<Trend> {
    let n = points.len();
    if n < 8 {
        return None;
    }
    let values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    let steps: Vec<f64> = values.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    let m = to_f64(steps.len());
    let drift = steps.iter().sum::<f64>() / m;
    let deviations: Vec<f64> = steps.iter().map(|step| step - drift).collect();
    let drift_deviation = (long_run_variance(&deviations, WIDE_LAGS) / m).sqrt();

    let residuals = residuals(&values);
    let (root, t) = dickey_fuller(&residuals)?;
    let wanders = t > RETURNS;
    let z = if wanders {
        ratio(drift, (long_run_variance(&deviations, LAGS) / m).sqrt())
    } else {
        let size = to_f64(n);
        let root = ((root + 2.0 / size) / (1.0 - 4.0 / size)).clamp(0.0, 0.95);
        gls_t(&values, root)?
    };
    Some(Trend { z, wanders, drift, drift_deviation })
}

/// A ratio that is certain where nothing varies: a straight line has no noise.
fn ratio(value: f64, deviation: f64) -> f64 {
    const CERTAIN: f64 = 99.0;
    if value == 0.0 { 0.0 } else { (value / deviation.max(value.abs() / CERTAIN)).clamp(-CERTAIN, CERTAIN) }
}

/// Residuals of the least-squares line.
fn residuals(values: &[f64]) -> Vec<f64> {
    let n = to_f64(values.len());
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let (mut xx, mut xy) = (0.0, 0.0);
    for (i, y) in values.iter().enumerate() {
        let x = to_f64(i) - mean_x;
        xx += x * x;
        xy += x * (y - mean_y);
    }
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    values.iter().enumerate().map(|(i, y)| y - mean_y - slope * (to_f64(i) - mean_x)).collect()
}

/// The autoregressive root of the residuals, and the t of (root - 1).
fn dickey_fuller(residuals: &[f64]) -> Option<(f64, f64)> {
    let pairs = || residuals.iter().zip(residuals.iter().skip(1));
    let lagged: f64 = pairs().map(|(before, _)| before * before).sum();
    if lagged <= 0.0 {
        return Some((0.0, f64::NEG_INFINITY));
    }
    let root = pairs().map(|(before, after)| before * after).sum::<f64>() / lagged;
    let errors: f64 = pairs().map(|(before, after)| (after - root * before).powi(2)).sum();
    let freedom = to_f64(residuals.len().checked_sub(2)?);
    let deviation = (errors / freedom / lagged).sqrt();
    Some((root, if deviation > 0.0 { (root - 1.0) / deviation } else { f64::NEG_INFINITY }))
}

/// The t of the slope after quasi-differencing with `root`.
fn gls_t(values: &[f64], root: f64) -> Option<f64> {
    let n = values.len().checked_sub(1)?;
    let rows: Vec<(f64, f64)> = values
        .windows(2)
        .enumerate()
        .filter_map(|(i, w)| {
            let x = to_f64(i + 1) - root * to_f64(i);
            Some((x, w.get(1)? - root * w.first()?))
        })
        .collect();
    let size = to_f64(n);
    let (mean_x, mean_y) =
        (rows.iter().map(|r| r.0).sum::<f64>() / size, rows.iter().map(|r| r.1).sum::<f64>() / size);
    let xx: f64 = rows.iter().map(|r| (r.0 - mean_x).powi(2)).sum();
    let xy: f64 = rows.iter().map(|r| (r.0 - mean_x) * (r.1 - mean_y)).sum();
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    let errors: Vec<f64> = rows.iter().map(|r| r.1 - mean_y - slope * (r.0 - mean_x)).collect();
    Some(ratio(slope, (long_run_variance(&errors, LAGS) / xx.max(f64::MIN_POSITIVE)).sqrt()))
}

/// The larger of the variance and the long-run variance with Bartlett weights.
fn long_run_variance(deviations: &[f64], lags: usize) -> f64 {
    let n = to_f64(deviations.len());
    let covariance =
        |lag: usize| deviations.iter().zip(deviations.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>() / n;
    let own = covariance(0);
    let mut sum = own;
    for lag in 1..=lags {
        sum += 2.0 * (1.0 - to_f64(lag) / to_f64(lags + 1)) * covariance(lag);
    }
    own.max(sum)
}
