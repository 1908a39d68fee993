//! What the whole life of a series says about a stretch of it.

use crate::history::Sketch;
use crate::stats::{MOST_POINTS, Point, mann_kendall, median, sen_slope, theil_sen, to_f64};
use crate::window::deepest_fall;

/// Floors of the life in at most [`MOST_POINTS`] blocks.
#[derive(Clone, Debug)]
pub struct Life {
    points: Vec<Point>,
    age: f64,
}

impl Life {
    /// Reduces a sketch of time.
    pub fn of(sketch: &Sketch) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
        let second = sketch.width() as f64 / 1000.0;
        Self::with(sketch, second)
    }

    /// Reduces a sketch whose buckets are `bucket` wide.
    pub fn with(sketch: &Sketch, bucket: f64) -> Self {
        let buckets = sketch.buckets();
        let per_block = buckets.len().div_ceil(MOST_POINTS).max(1);
        let width = bucket * to_f64(per_block);
        let skipped = buckets.len() % per_block;
        let offset = bucket * to_f64(skipped);
        let points = buckets
            .get(skipped..)
            .unwrap_or_default()
            .chunks_exact(per_block)
            .enumerate()
            .filter_map(|(i, block)| {
                let low =
                    block.iter().filter(|b| !b.is_empty()).map(|b| f64::from(b.low)).reduce(f64::min)?;
                Some((offset + width * (to_f64(i) + 0.5), low))
            })
            .collect();
        Self { points, age: bucket * to_f64(buckets.len()) }
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

    /// The slope per second of its second half with its 95 % interval.
    pub fn slope(&self) -> Option<(f64, f64, f64)> {
        let half = self.points.partition_point(|(x, _)| *x < self.age / 2.0);
        let points = self.points.get(half..)?;
        let sen = theil_sen(points, mann_kendall(points)?.corrected_variance)?;
        Some((sen.slope, sen.low, sen.high))
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
    /// How long it is, in seconds.
    pub fn span(self) -> f64 {
        self.points.first().map_or(0.0, |(x, _)| self.moment - x)
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
