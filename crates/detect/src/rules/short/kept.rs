//! What a series keeps, and where it falls.

use crate::stats::{Point, keep};
use crate::window::deepest_fall;

/// What a series keeps.
pub struct Kept {
    /// The lowest that is still to come, at each moment: what was there and was never given back. It does not fall.
    pub points: Vec<Point>,
    /// The deepest fall from an earlier peak.
    pub deepest_fall: f64,
    /// Where falls of at least half of that ended.
    pub troughs: Vec<Point>,
}

/// Reads it off the lows of a run.
pub fn kept(points: &[Point]) -> Kept {
    let deepest_fall = deepest_fall(points.iter().map(|(_, y)| *y));
    let troughs = troughs(points, 0.5 * deepest_fall);
    let mut kept = points.to_vec();
    keep(kept.iter_mut().map(|(_, y)| y));
    // What rose since the last trough is no more than was given back before: it does not count as kept.
    let last = points.last().map_or(0.0, |(_, y)| *y);
    if let Some((trough, low)) = troughs.last()
        && last - low <= deepest_fall
    {
        for (_, y) in kept.iter_mut().filter(|(x, _)| x >= trough) {
            *y = y.min(*low);
        }
    }
    Kept { points: kept, deepest_fall, troughs }
}

/// The lowest points between falls of at least `depth` and the rises that follow them.
fn troughs(points: &[Point], depth: f64) -> Vec<Point> {
    let mut troughs: Vec<Point> = Vec::new();
    if depth <= 0.0 {
        return troughs;
    }
    let mut peak = f64::NEG_INFINITY;
    let mut low: Option<Point> = None;
    for point in points {
        match low {
            Some(lowest) if point.1 - lowest.1 >= depth => {
                // It rose again: what comes is another tooth.
                troughs.push(lowest);
                (peak, low) = (point.1, None);
            }
            Some(lowest) => low = Some(if point.1 < lowest.1 { *point } else { lowest }),
            None if peak - point.1 >= depth => low = Some(*point),
            None => peak = peak.max(point.1),
        }
    }
    troughs.extend(low);
    troughs
}
