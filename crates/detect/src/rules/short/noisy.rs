//! A run that goes up and down more than it rises: the teeth of a collector, or noise.
//!
//! Its ups and downs hide where it is at any moment, so no moment decides: a floor is read with the statistics that a service of
//! days is read with.

use crate::stats::{Point, level, lows, mann_kendall, perron_yabu, sen_slope, to_f64};

/// Blocks of a floor.
const BLOCKS: usize = 18;
/// With fewer points the statistics of a service say nothing, and Student's t of the line says it.
const FEW: usize = 8;
/// Student's t at .995 with 1 to 5 degrees of freedom: three to seven points.
const STUDENT: [f64; 5] = [63.657, 9.925, 5.841, 4.604, 4.032];
/// A rise that noise could have hidden is believed from so many standard deviations from no trend on. Few points that reach
/// [`STUDENT`] are as good as that.
pub const BELIEVED: f64 = 3.5;
/// A cache that is full by this share of the run is no leak; whether it was is seen after the second.
const FULL: f64 = 0.8;
const END: f64 = 0.88;
/// Before this share it starts.
const EARLY: f64 = 0.3;

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
            Some((*x, level(chunk)?))
        })
        .collect()
}

/// Troughs; many are joined to fewer.
pub fn troughs(troughs: &[Point]) -> Vec<Point> {
    lows(troughs, BLOCKS)
}

/// Reads a floor of a run of this age; `None` of too few points, or where nothing rises.
pub fn read(floor: &[Point], age: f64) -> Option<Steady> {
    let slope = sen_slope(floor).filter(|slope| *slope > 0.0)?;
    if floor.len() < FEW {
        return few(floor, slope, age);
    }
    let z = mann_kendall(floor)?.z.min(perron_yabu(floor)?.z);
    Some(Steady { z, slope, largest_step: largest_step(floor), pace: pace(floor, age) })
}

/// Few teeth, at distances of a fifth of the run: they have to lie on a line, and the last has to be as recent as the distance
/// between them lets expect.
fn few(floor: &[Point], slope: f64, age: f64) -> Option<Steady> {
    let (first, last) = (floor.first()?, floor.last()?);
    let before = floor.get(floor.len().checked_sub(2)?)?;
    let distance = (last.0 - first.0) / to_f64(floor.len() - 1);
    let asked = STUDENT.get(floor.len().checked_sub(3)?)?;
    if age - last.0 > 1.6 * distance {
        return None;
    }
    let pace = (last.1 - before.1) / (last.0 - before.0) / slope;
    Some(Steady { z: student(floor)? / asked * BELIEVED, slope, largest_step: 0.0, pace })
}

/// Student's t of the slope of the least-squares line.
fn student(points: &[Point]) -> Option<f64> {
    let n = to_f64(points.len());
    let mean = |of: fn(&Point) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x0, y0) = (mean(|p| p.0), mean(|p| p.1));
    let xx: f64 = points.iter().map(|(x, _)| (x - x0).powi(2)).sum();
    let slope = points.iter().map(|(x, y)| (x - x0) * (y - y0)).sum::<f64>() / xx;
    let errors: f64 = points.iter().map(|(x, y)| (y - y0 - slope * (x - x0)).powi(2)).sum();
    let deviation = (errors / (n - 2.0) / xx).sqrt();
    // What lies on a line to the byte is as certain as what can be said.
    (xx > 0.0).then(|| slope / deviation.max(slope.abs() / 1e3).max(f64::MIN_POSITIVE))
}

fn largest_step(floor: &[Point]) -> f64 {
    let third = floor.len().div_ceil(3);
    let part = |from: usize, to: usize| floor.get(from..to.min(floor.len())).and_then(level);
    let growth =
        part(floor.len() - third, floor.len()).zip(part(0, third)).map_or(0.0, |(end, start)| end - start);
    let largest = (1..floor.len())
        .filter_map(|i| {
            let (from, to) = (i.saturating_sub(3), (i + 3).min(floor.len()));
            // What the line between the two middles brings is no step.
            let between = to_f64(to - from) / 2.0 / to_f64(floor.len() - third) * growth;
            Some(part(i, to)? - part(from, i)? - between)
        })
        .fold(0.0, f64::max);
    if growth > 0.0 { largest / growth } else { f64::INFINITY }
}

fn pace(floor: &[Point], age: f64) -> f64 {
    let between = |from: f64, to: f64| {
        let index = |share: f64| floor.partition_point(|(x, _)| *x < share * age);
        floor.get(index(from)..index(to)).unwrap_or_default()
    };
    let (before, end) = (between(EARLY, FULL), between(END, f64::INFINITY));
    let slope = if before.len() >= 3 { sen_slope(before).unwrap_or(0.0) } else { 0.0 };
    let (Some(level_before), Some(level_end), true) = (level(before), level(end), slope > 0.0) else {
        return 1.0;
    };
    let when = |points: &[Point]| points.iter().map(|(x, _)| *x).sum::<f64>() / to_f64(points.len());
    // Where the line stood at the end of what came before is what a cache that was full then has.
    let full = level_before + slope * (FULL * age - when(before)).max(0.0);
    let expected = slope * (when(end) - FULL * age);
    if expected <= 0.0 { 1.0 } else { (level_end - full) / expected }
}
