//! A run that goes up and down more than it rises: the teeth of a collector, or noise.
//!
//! Its ups and downs hide where it is at any moment, so no moment decides: a floor is read with the statistics that a service of
//! days is read with.

use crate::stats::{Point, mann_kendall, median, perron_yabu, sen_slope, to_f64};

/// Blocks of a floor.
const BLOCKS: usize = 18;
/// Points it takes.
const LEAST_POINTS: usize = 6;
/// With fewer points the second statistic says nothing.
const FEW: usize = 8;
/// A cache that is full by this share of the run is no leak; whether it was is seen after the second.
const FULL: f64 = 0.8;
const END: f64 = 0.88;

/// What a floor says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    /// Standard deviations from no trend.
    pub z: f64,
    /// Slope per second.
    pub slope: f64,
    /// The part of the growth that came with one difference between neighbours.
    pub largest_step: f64,
    /// What the end stands above the line through what came before, by what the line lets expect: 1 on a line, 0 where it
    /// ended flat.
    pub pace: f64,
}

/// The middle of each of [`BLOCKS`] equal parts: noise is as often above as below it.
pub fn middles(points: &[Point]) -> Vec<Point> {
    points
        .chunks(points.len().div_ceil(BLOCKS).max(1))
        .filter_map(|chunk| {
            let (x, _) = chunk.get(chunk.len() / 2)?;
            Some((*x, level(chunk)))
        })
        .collect()
}

/// Troughs, where there are enough of them; many are joined to fewer.
pub fn troughs(troughs: &[Point]) -> Vec<Point> {
    let lowest = |chunk: &[Point]| chunk.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    troughs.chunks(troughs.len().div_ceil(BLOCKS).max(1)).filter_map(lowest).collect()
}

/// Reads a floor of a run of this age; `None` of too few points, or where nothing rises.
pub fn read(floor: &[Point], age: f64) -> Option<Steady> {
    if floor.len() < LEAST_POINTS {
        return None;
    }
    let slope = sen_slope(floor).filter(|slope| *slope > 0.0)?;
    let order = mann_kendall(floor)?.z;
    let z = if floor.len() < FEW { order } else { order.min(perron_yabu(floor)?.z) };
    Some(Steady { z, slope, largest_step: largest_step(floor), pace: pace(floor, age) })
}

fn level(points: &[Point]) -> f64 {
    median(&mut points.iter().map(|(_, y)| *y).collect::<Vec<_>>()).unwrap_or(0.0)
}

fn largest_step(floor: &[Point]) -> f64 {
    let third = floor.len().div_ceil(3);
    let growth = level(floor.get(floor.len() - third..).unwrap_or_default())
        - level(floor.get(..third).unwrap_or_default());
    let largest = (1..floor.len())
        .filter_map(|i| {
            let before = floor.get(i.saturating_sub(3)..i)?;
            let after = floor.get(i..(i + 3).min(floor.len()))?;
            // What the line between the two middles brings is no step.
            let between = to_f64(before.len() + after.len()) / 2.0 / to_f64(floor.len() - third) * growth;
            Some(level(after) - level(before) - between)
        })
        .fold(0.0, f64::max);
    if growth > 0.0 { largest / growth } else { f64::INFINITY }
}

fn pace(floor: &[Point], age: f64) -> f64 {
    let before = floor.get(..floor.partition_point(|(x, _)| *x < FULL * age)).unwrap_or_default();
    let end = floor.get(floor.partition_point(|(x, _)| *x < END * age)..).unwrap_or_default();
    let from = before.partition_point(|(x, _)| *x < 0.3 * age);
    let Some(before) = before.get(from..).filter(|points| points.len() >= 3) else { return 1.0 };
    let Some(slope) = sen_slope(before).filter(|slope| *slope > 0.0) else { return 1.0 };
    if end.is_empty() {
        return 1.0;
    }
    let when = |points: &[Point]| points.iter().map(|(x, _)| *x).sum::<f64>() / to_f64(points.len());
    // Where the line stood at the end of what came before is what a cache that was full then has.
    let full = level(before) + slope * (FULL * age - when(before)).max(0.0);
    let expected = slope * (when(end) - FULL * age);
    if expected <= 0.0 { 1.0 } else { (level(end) - full) / expected }
}
