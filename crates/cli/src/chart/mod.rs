//! Curves: one series with its floor, the line through it, where that leads, and what was thought of it on the way.
//!
//! Takes plain data and gives text, as SVG or for a terminal, so that whoever has a series can show it.

mod recorded;
mod scale;
mod svg;
mod terminal;

use std::time::Duration;

use scupper_casebook::report::curve::MarkKind;
use scupper_detect::{Quantity, Verdict};
use scupper_model::Timestamp;

pub(crate) use recorded::recorded;
pub(crate) use svg::svg;
pub(crate) use terminal::{Charset, terminal};

/// A point of a curve.
pub(crate) type Point = (Duration, f64);

/// One series, to be drawn. Times count from the first sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    /// What it is of.
    pub title: String,
    /// What is thought of it, in a line.
    pub subtitle: String,
    /// What the numbers count.
    pub quantity: Quantity,
    /// When the first sample was taken, where that is known.
    pub start: Option<Timestamp>,
    /// The samples; thinned with [`thin`] where they are many.
    pub points: Vec<Point>,
    /// The floor under them.
    pub floor: Vec<Point>,
    /// The line that was fitted to the floor.
    pub fit: Option<[Point; 2]>,
    /// Moments at which the level changed at once: when, from, to.
    pub steps: Vec<(Duration, f64, f64)>,
    /// Every change of the verdict.
    pub changes: Vec<(Duration, Verdict)>,
    /// The limit.
    pub limit: Option<f64>,
    /// How it reaches the limit.
    pub cone: Option<Cone>,
    /// What happened on the way: when, of what kind, in a few words.
    pub marks: Vec<(Duration, MarkKind, String)>,
}

/// Where a series leads: from its last point to the limit, sooner or later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cone {
    /// Where it stands.
    pub from: Point,
    /// The most likely time until the limit.
    pub likely: Duration,
    /// No sooner than this.
    pub earliest: Duration,
    /// No later than this; `None`: perhaps never.
    pub latest: Option<Duration>,
}

impl Chart {
    /// The last moment of what was seen.
    fn end(&self) -> Duration {
        self.points.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
}

/// At most `2 * columns + 1` points that look like all of them: of each stretch the lowest and the highest.
pub(crate) fn thin(points: impl ExactSizeIterator<Item = Point> + Clone, columns: usize) -> Vec<Point> {
    if points.len() <= 2 * columns {
        return points.collect();
    }
    let (Some(first), Some(last)) = (points.clone().next(), points.clone().last()) else { return Vec::new() };
    let width = (last.0.saturating_sub(first.0).as_secs_f64() / scale::float(columns)).max(1e-9);
    let mut thinned = Vec::with_capacity(2 * columns);
    let mut stretch: Option<(usize, Point, Point)> = None;
    for point in points {
        let column = scale::index(point.0.saturating_sub(first.0).as_secs_f64() / width).min(columns - 1);
        match &mut stretch {
            Some((of, low, high)) if *of == column => {
                if point.1 < low.1 {
                    *low = point;
                }
                if point.1 > high.1 {
                    *high = point;
                }
            }
            other => {
                finish(other.take(), &mut thinned);
                *other = Some((column, point, point));
            }
        }
    }
    finish(stretch, &mut thinned);
    // The end of what was seen is where the picture ends.
    if thinned.last() != Some(&last) {
        thinned.push(last);
    }
    thinned
}

fn finish(stretch: Option<(usize, Point, Point)>, thinned: &mut Vec<Point>) {
    if let Some((_, low, high)) = stretch {
        let (earlier, later) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        thinned.push(earlier);
        if later.0 > earlier.0 {
            thinned.push(later);
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_points_keep_the_peaks() {
        let value = |n: u32| if n == 54_321 { 1e6 } else { f64::from(n % 10) };
        let points = (0..100_000_u32).map(|n| (Duration::from_secs(n.into()), value(n)));
        let all: Vec<Point> = points.collect();
        let thinned = thin(all.iter().copied(), 1000);
        assert!(thinned.len() <= 2001 && thinned.len() > 1000, "{}", thinned.len());
        assert!(thinned.contains(&(Duration::from_secs(54_321), 1e6)));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thin(all[..2000].iter().copied(), 1000), all[..2000]);
        let apart = [Duration::ZERO, Duration::from_secs(1), Duration::MAX].map(|at| (at, 1.0));
        assert_eq!(thin(apart.into_iter(), 1).len(), 2);
    }
}
