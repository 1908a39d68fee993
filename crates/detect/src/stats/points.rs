//! What is asked of points again and again: their level, their lows, their slope.

use super::order::median;
use super::{Point, Sen, mann_kendall, theil_sen};

/// The median of the values; `None` of no points.
pub fn level(points: &[Point]) -> Option<f64> {
    median(&mut points.iter().map(|(_, y)| *y).collect::<Vec<_>>())
}

/// The lowest point of each of at most `parts` equal parts.
pub fn lows(points: &[Point], parts: usize) -> Vec<Point> {
    let lowest = |part: &[Point]| part.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(points.len().div_ceil(parts.max(1)).max(1)).filter_map(lowest).collect()
}

/// The median slope with the interval that the autocorrelation of the points asks for.
pub fn slope(points: &[Point]) -> Option<Sen> {
    theil_sen(points, mann_kendall(points)?.corrected_variance)
}

/// Makes of values what was kept of each: the lowest that was still to come. What is left does not fall, so its rises add up
/// to what was never given back.
pub fn keep<'v>(values: impl DoubleEndedIterator<Item = &'v mut f64>) {
    let mut to_come = f64::INFINITY;
    for value in values.rev() {
        to_come = to_come.min(*value);
        *value = to_come;
    }
}
