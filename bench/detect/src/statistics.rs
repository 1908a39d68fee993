//! Small statistics that reports and baselines share. Written here although the detector has its own: a mistake there
//! must not be made twice in the same way.

/// The value below which the share `p` lies, between neighbours; `values` are put in order.
pub fn quantile(values: &mut [f64], p: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    values.sort_unstable_by(f64::total_cmp);
    let place = p.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(values[low] + (values[high] - values[low]) * place.fract())
}

/// The middle value.
pub fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its rise per unit of time.
    pub slope: f64,
    /// Its value at time 0.
    pub intercept: f64,
    /// The share of the variance it explains.
    pub r2: f64,
}

impl Line {
    /// Ordinary least squares; `None` for less than two moments.
    pub fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let (mut n, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (x, y) in points.clone() {
            n += 1.0;
            sum_x += x;
            sum_y += y;
        }
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            xx += (x - mean_x) * (x - mean_x);
            xy += (x - mean_x) * (y - mean_y);
            yy += (y - mean_y) * (y - mean_y);
        }
        if n < 2.0 || xx <= 0.0 {
            return None;
        }
        let slope = xy / xx;
        Some(Self {
            slope,
            intercept: mean_y - slope * mean_x,
            r2: if yy > 0.0 { slope * xy / yy } else { 0.0 },
        })
    }

    /// Its value at this time.
    pub fn at(&self, x: f64) -> f64 {
        self.slope.mul_add(x, self.intercept)
    }
}

/// Mann and Kendall's S: how many pairs rise, less how many fall.
pub fn kendall_s(values: &[f64]) -> f64 {
    let mut s = 0_i64;
    for (place, early) in values.iter().enumerate() {
        for late in &values[place + 1..] {
            s += compare(*early, *late);
        }
    }
    s as f64
}

/// 1 if the later value is higher, -1 if it is lower.
pub const fn compare(early: f64, late: f64) -> i64 {
    (late > early) as i64 - (late < early) as i64
}

/// The variance of S for independent values, less what ties take from it.
pub fn kendall_variance(values: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut ordered = values.to_vec();
    ordered.sort_unstable_by(f64::total_cmp);
    let ties: f64 = ordered.chunk_by(|a, b| compare(*a, *b) == 0).map(|tied| term(tied.len() as f64)).sum();
    (term(values.len() as f64) - ties) / 18.0
}

/// S over its deviation, with the correction for continuity.
pub fn kendall_z(s: f64, variance: f64) -> f64 {
    if variance <= 0.0 { 0.0 } else { (s - s.signum() * f64::from(u8::from(s != 0.0))) / variance.sqrt() }
}

/// Theil and Sen's slope per step: the median of the slopes of all pairs.
pub fn sen_slope(values: &[f64]) -> f64 {
    let mut slopes = Vec::with_capacity(values.len() * values.len() / 2);
    for (place, early) in values.iter().enumerate() {
        for (step, late) in values[place + 1..].iter().enumerate() {
            slopes.push((late - early) / (step + 1) as f64);
        }
    }
    median(&mut slopes).unwrap_or(0.0)
}

/// By how much Hamed and Rao (1998) enlarge the variance of S: from the significant autocorrelations of the ranks of what
/// is left when the trend is taken away.
pub fn hamed_rao_factor(values: &[f64]) -> f64 {
    let n = values.len();
    let slope = sen_slope(values);
    let rest: Vec<f64> =
        values.iter().enumerate().map(|(place, value)| value - slope * place as f64).collect();
    let ranks = ranks(&rest);
    let mean = ranks.iter().sum::<f64>() / n as f64;
    let total: f64 = ranks.iter().map(|rank| (rank - mean) * (rank - mean)).sum();
    if n < 3 || total <= 0.0 {
        return 1.0;
    }
    let bound = 1.96 / (n as f64).sqrt();
    let mut sum = 0.0;
    for lag in 1..n - 1 {
        let pairs = ranks.iter().zip(&ranks[lag..]);
        let r = pairs.map(|(early, late)| (early - mean) * (late - mean)).sum::<f64>() / total;
        if r.abs() > bound {
            let left = (n - lag) as f64;
            sum += left * (left - 1.0) * (left - 2.0) * r;
        }
    }
    let n = n as f64;
    let factor = 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum;
    if factor > 0.0 { factor } else { 1.0 }
}

/// Ranks from 1; tied values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tied in order.chunk_by(|a, b| compare(values[*a], values[*b]) == 0) {
        let shared = below as f64 + (tied.len() + 1) as f64 / 2.0;
        for place in tied {
            ranks[*place] = shared;
        }
        below += tied.len();
    }
    ranks
}

/// Wilson's interval (1927) for a share of `n`: low and high at 95 %.
pub fn wilson(successes: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_963_984_540_054_f64;
    let (k, n) = (successes as f64, n as f64);
    let share = k / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0, 4.0]), Some(2.5));
        assert_eq!(quantile(&mut [0.0, 10.0], 0.9), Some(9.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_line_is_found() {
        let line = Line::through((0..5).map(|x| (f64::from(x), 3.0 + 2.0 * f64::from(x)))).unwrap();
        assert!(near(line.slope, 2.0) && near(line.intercept, 3.0) && near(line.r2, 1.0));
        assert!(near(line.at(10.0), 23.0));
        assert_eq!(Line::through(std::iter::once((0.0, 1.0))), None);
    }

    #[test]
    fn mann_kendall_is_that_of_the_books() {
        // Ten rising values: S = 45, variance 125.
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        assert!(near(kendall_s(&rising), 45.0) && near(kendall_variance(&rising), 125.0));
        assert!(near(kendall_z(45.0, 125.0), 44.0 / 125_f64.sqrt()));
        // A pair of ties takes 18 from 18 times the variance.
        assert!(near(kendall_variance(&[1.0, 1.0, 2.0, 3.0]), (4.0 * 3.0 * 13.0 - 18.0) / 18.0));
        assert!(near(sen_slope(&[1.0, 3.0, 5.0, 100.0]), f64::midpoint(2.0, 33.0)));
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [2.5, 1.0, 2.5]);
    }

    #[test]
    fn hamed_and_rao_enlarge_the_variance_of_a_wave() {
        let wave: Vec<f64> =
            (0..48).map(|hour| (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin()).collect();
        assert!(!near(hamed_rao_factor(&wave), 1.0));
        let slow: Vec<f64> = (0..48).map(|hour| (f64::from(hour) / 20.0).sin()).collect();
        assert!(hamed_rao_factor(&slow) > 1.5);
    }

    #[test]
    fn wilson_is_that_of_the_books() {
        let (low, high) = wilson(8, 10);
        assert!(near(low, 0.4902) && near(high, 0.9433));
        let (low, high) = wilson(0, 20);
        assert!(near(low, 0.0) && near(high, 0.1611));
    }
}
