//! What the whole life of a series says about a stretch of it.

use crate::history::Bucket;
use crate::stats::{MOST_POINTS, Point, Sen, median, sen_slope, slope, to_f64};
use crate::window::{blocks, deepest_fall};

/// Floors of the life in at most [`MOST_POINTS`] blocks.
#[derive(Clone, Debug)]
pub struct Life {
    points: Vec<Point>,
    age: f64,
}

impl Life {
    /// Reduces the buckets of a life, each so wide.
    pub fn of((buckets, width): (&[Bucket], f64)) -> Self {
        let per_block = buckets.len().div_ceil(MOST_POINTS).max(1);
        Self { points: blocks(buckets, 0.0, width, per_block), age: width * to_f64(buckets.len()) }
    }

    /// The points: time, floor.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How much of it there is before a moment, in seconds.
    pub fn before(&self, moment: f64) -> Past<'_> {
        let end = self.points.partition_point(|(x, _)| *x < moment);
        Past { points: self.points.get(..end).unwrap_or_default(), moment }
    }

    /// How its growth changes with age: the slope of the last half of the life by the slope of the quarter before. 1 for a
    /// line; 2^(p-1) for t^p; for 1 - exp(-t/tau), with x = T/4tau, e^-x (1 + e^-x) / 2: below 0.75 from x = 0.2 on.
    /// `None` where the quarter before did not rise: nothing slows down that did not run.
    pub fn deceleration(&self) -> Option<f64> {
        let from = |share: f64| self.points.partition_point(|(x, _)| *x < self.age * share);
        let (quarter, half) = (from(0.25), from(0.5));
        let late = sen_slope(self.points.get(half..)?)?;
        let early = sen_slope(self.points.get(quarter..half)?)?;
        (early > 0.0).then_some(late / early)
    }

    /// The slope per second of its second half.
    pub fn slope(&self) -> Option<Sen> {
        let half = self.points.partition_point(|(x, _)| *x < self.age / 2.0);
        slope(self.points.get(half..)?)
    }

    /// The level of the second half of the first part of the life, which ends at `until` seconds.
    pub fn level_until(&self, until: f64) -> Option<f64> {
        let within = |x: f64| x >= until / 2.0 && x <= until;
        median(&mut self.points.iter().filter(|(x, _)| within(*x)).map(|(_, y)| *y).collect::<Vec<_>>())
    }
}

/// The life before a stretch.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    points: &'a [Point],
    moment: f64,
}

impl Past<'_> {
    /// How long it is, in seconds: a life begins at 0.
    pub fn span(self) -> f64 {
        if self.points.is_empty() { 0.0 } else { self.moment }
    }

    /// The deepest fall of its floor.
    pub fn deepest_fall(self) -> f64 {
        deepest_fall(self.points.iter().map(|(_, y)| *y))
    }

    /// Its highest floor.
    pub fn highest(self) -> f64 {
        self.points.iter().map(|(_, y)| *y).fold(0.0, f64::max)
    }
}
