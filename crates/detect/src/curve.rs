//! A series as it is drawn: its floor, the line that was fitted, the moments at which its level changed.

use std::time::Duration;

use crate::history::History;
use crate::rules::{Life, least_growth};
use crate::stats::{level, median};
use crate::{Assessment, Settings};

/// The whole life of a series in few points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The floor: lowest value of each stretch, at the middle of it.
    pub floor: Vec<(Duration, f64)>,
    /// The line that was fitted to it: two points.
    pub fit: Option<[(Duration, f64); 2]>,
    /// Moments at which the level changed at once: when, from, to.
    pub steps: Vec<(Duration, f64, f64)>,
}

/// Levels on each side of a change are taken over so many points of the life.
const SIDE: usize = 4;

impl Curve {
    pub(crate) fn of(
        began: Duration,
        age: f64,
        history: &History,
        assessment: &Assessment,
        settings: &Settings,
    ) -> Self {
        let at = |seconds: f64| began + Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let life = Life::of(history.life());
        let points = life.points();
        let fit = assessment.slope.zip(assessment.scale).and_then(|(slope, scale)| {
            let from = (age - scale.as_secs_f64()).max(0.0);
            let within = points.iter().filter(|(x, _)| *x >= from);
            // The line goes through the median of what it is fitted to.
            let per_second = slope.per_hour / 3600.0;
            let level = median(&mut within.map(|(x, y)| y - per_second * (x - from)).collect::<Vec<_>>())?;
            Some([(at(from), level), (at(age), level + per_second * (age - from))])
        });
        Self {
            floor: points.iter().map(|(x, y)| (at(*x), *y)).collect(),
            fit,
            steps: steps(points, least_growth(settings.quantity))
                .into_iter()
                .map(|(x, before, after)| (at(x), before, after))
                .collect(),
        }
    }
}

/// Changes of level: a difference between neighbours that is most of the difference between the levels on both sides, and far
/// more than the series moves otherwise.
fn steps(points: &[(f64, f64)], least: f64) -> Vec<(f64, f64, f64)> {
    let mut moves: Vec<f64> = points
        .windows(2)
        .filter_map(|w| match w {
            [a, b] => Some((b.1 - a.1).abs()),
            _ => None,
        })
        .collect();
    let usual = median(&mut moves).unwrap_or(0.0);
    let mut found: Vec<(f64, f64, f64)> = Vec::new();
    for i in 2..points.len().saturating_sub(1) {
        let side = |from: usize, to: usize| points.get(from..to.min(points.len())).and_then(level);
        let (Some([before_at, at]), Some(before), Some(after)) =
            (points.get(i - 1..=i), side(i.saturating_sub(SIDE), i), side(i, i + SIDE))
        else {
            continue;
        };
        let (jump, change) = (at.1 - before_at.1, after - before);
        let sudden = jump.abs() > (6.0 * usual).max(least) && jump.abs() > 0.05 * before.abs();
        if sudden && change.signum() == jump.signum() && change.abs() >= 0.6 * jump.abs() {
            found.push((f64::midpoint(before_at.0, at.0), before, after));
        }
    }
    found
}
