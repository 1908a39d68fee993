//! What a recorded curve shows by itself: whether anything was ever given back, and whether it still grows at its end.

use scupper_detect::exact;
use scupper_model::History;

/// Values that a curve needs to say something.
const LEAST_POINTS: usize = 8;
/// Its end, as a share of its time.
const END: f64 = 0.25;

/// The shape of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// From the lowest of its first tenth to its last value.
    pub grown: f64,
    /// The deepest fall below an earlier value.
    pub fell: f64,
    /// What came within its end.
    pub at_the_end: f64,
    /// How long it was seen.
    pub seconds: f64,
}

impl Curve {
    /// Of a history; `None` where it is too short or makes no sense.
    pub fn of(history: &History) -> Option<Self> {
        let points: Vec<(f64, f64)> = history
            .seconds_before
            .iter()
            .zip(&history.values)
            .filter(|(before, _)| before.is_finite() && **before >= 0.0)
            .map(|(before, value)| (-before, exact(*value)))
            .collect();
        let (first, last) = (*points.first()?, *points.last()?);
        let seconds = last.0 - first.0;
        if points.len() < LEAST_POINTS || seconds <= 0.0 {
            return None;
        }
        let until = first.0 + 0.1 * seconds;
        let start =
            points.iter().take_while(|(at, _)| *at <= until).map(|(_, value)| *value).fold(first.1, f64::min);
        let (mut peak, mut fell) = (first.1, 0.0_f64);
        for (_, value) in &points {
            peak = peak.max(*value);
            fell = fell.max(peak - value);
        }
        let end = last.0 - END * seconds;
        let before_end =
            points.iter().take_while(|(at, _)| *at <= end).last().map_or(first.1, |(_, value)| *value);
        Some(Self { grown: last.1 - start, fell, at_the_end: last.1 - before_end, seconds })
    }

    /// Whether it ended flat, as a cache at its bound does.
    pub fn ends_flat(&self) -> bool {
        self.grown > 0.0 && self.at_the_end <= 0.05 * self.grown
    }
}
