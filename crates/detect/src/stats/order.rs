//! Order statistics.

/// The median of `values`, which it reorders; `None` of nothing. The mean of the middle two where their number is even.
pub fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The `q`-quantile of `values` (which it reorders), between the two nearest by linear interpolation: type 7 of
/// Hyndman & Fan (1996), the default of `NumPy` and R. `None` of nothing.
pub fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * to_f64(last);
    let below = to_index(position);
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let fraction = position - to_f64(below);
    if fraction == 0.0 {
        return Some(low);
    }
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Some(low + (high - low) * fraction)
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of points")]
pub const fn to_f64(count: usize) -> f64 {
    count as f64
}

/// The index below a position.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and a count of points"
)]
pub const fn to_index(position: f64) -> usize {
    position as usize
}
