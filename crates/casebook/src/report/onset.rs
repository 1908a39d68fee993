//! When a series began to grow: the moment at which a level turns into a line, by least squares; and what it cost.

use scupper_model::Timestamp;

use super::curve::Curve;
use super::words::float;

/// Fewer values than these have no moment at which they change.
const LEAST: usize = 12;
/// The values are brought down to so many lows before the search.
const STRETCHES: usize = 120;
/// A turn has to explain so much more than one line does, as a share of what the line leaves.
const WORTH: f64 = 0.25;

/// When it began to grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Onset {
    /// At a turn of the curve.
    At(Timestamp),
    /// Before the first value, or with it: it grows from there.
    FromTheStart(Timestamp),
}

impl Onset {
    /// The moment.
    pub const fn at(self) -> Timestamp {
        match self {
            Self::At(at) | Self::FromTheStart(at) => at,
        }
    }
}

/// When a series began to grow; `None` where too few values were recorded, or where it has not grown.
pub fn onset(curve: &Curve) -> Option<Onset> {
    let (start, _) = curve.window()?;
    let lows = lows(curve);
    if lows.len() < LEAST {
        return None;
    }
    let line = Line::of(&lows)?;
    let whole = line.left(&lows);
    let level_left = flat(&lows);
    if line.slope <= 0.0 {
        return None;
    }
    // Flat up to a turn, and a line from there: the turn at which both together leave least.
    let turns = (3..lows.len() - 3).filter_map(|turn| {
        let (before, after) = lows.split_at(turn);
        let after_line = Line::of(after)?;
        let left = flat(before) + after_line.left(after);
        (after_line.slope > 0.0).then_some((left, after.first()?.0))
    });
    let best = turns.min_by(|a, b| a.0.total_cmp(&b.0));
    // What neither explains is noise, and no growth.
    if whole > level_left * 0.8 && best.is_none_or(|(left, _)| left > level_left * 0.8) {
        return None;
    }
    Some(match best {
        Some((left, at)) if whole > 0.0 && left < whole * (1.0 - WORTH) => {
            Onset::At(Timestamp(start.0.saturating_add(millis(at))))
        }
        _ => Onset::FromTheStart(start),
    })
}

/// GiB times hours that a series held above where it began; of memory alone.
pub fn gib_hours_above_base(curve: &Curve) -> Option<f64> {
    if curve.series != scupper_model::Watched::Memory || curve.points.len() < 2 {
        return None;
    }
    let few = (curve.points.len() / 10).clamp(1, 50);
    let base = curve.points.iter().take(few).map(|(_, value)| *value).min()?;
    let sum: f64 = curve
        .points
        .windows(2)
        .filter_map(|pair| match pair {
            [(from, low), (to, high)] => {
                let hours = float(to.0.saturating_sub(from.0)) / 3_600_000.0;
                let mean = f64::midpoint(float(low.saturating_sub(base)), float(high.saturating_sub(base)));
                Some(hours * mean / 1_073_741_824.0)
            }
            _ => None,
        })
        .sum();
    Some(sum)
}

/// The lowest value of each stretch, with the milliseconds since the first.
fn lows(curve: &Curve) -> Vec<(f64, f64)> {
    let Some((start, end)) = curve.window() else { return Vec::new() };
    let length = float(end.0.saturating_sub(start.0)).max(1.0);
    let mut lows: Vec<Option<(f64, f64)>> = vec![None; STRETCHES];
    for (at, value) in &curve.points {
        let (x, y) = (float(at.0.saturating_sub(start.0)), float(*value));
        let Some(low) = lows.get_mut(index(x / length)) else { continue };
        if low.is_none_or(|(_, lowest)| y < lowest) {
            *low = Some((x, y));
        }
    }
    lows.into_iter().flatten().collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share from 0 to 1, and few stretches"
)]
fn index(share: f64) -> usize {
    ((share * STRETCHES as f64) as usize).min(STRETCHES - 1)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since the first value"
)]
fn millis(value: f64) -> u64 {
    value.max(0.0) as u64
}

struct Line {
    slope: f64,
    level: f64,
}

impl Line {
    /// Least squares.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = float(u64::try_from(points.len()).ok()?);
        let (mean_x, mean_y) = (
            points.iter().map(|(x, _)| x).sum::<f64>() / count,
            points.iter().map(|(_, y)| y).sum::<f64>() / count,
        );
        let along: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let both: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let slope = both / along;
        slope.is_finite().then_some(Self { slope, level: mean_y - slope * mean_x })
    }

    /// The squares that it leaves.
    fn left(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|(x, y)| (y - self.level - self.slope * x).powi(2)).sum()
    }
}

/// The squares that a level leaves.
fn flat(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1);
    let mean = points.iter().map(|(_, y)| y).sum::<f64>() / float(u64::try_from(count).unwrap_or(1));
    points.iter().map(|(_, y)| (y - mean).powi(2)).sum()
}
