//! What others do with a run of two minutes, as rules over the whole of it, and again without its first fifth: a rule that
//! does not know what a start is should not lose by that alone.

use crate::statistics::{Line, kendall_s, kendall_variance, kendall_z};
use crate::synthetic::Point;

/// A rule of others.
pub struct Rule {
    /// In tables.
    pub name: &'static str,
    /// Whether it is about memory only.
    pub memory_only: bool,
    /// Whether it calls a leak.
    pub calls: fn(&[Point]) -> bool,
}

/// All of them.
pub const RULES: [Rule; 4] = [
    Rule { name: "> 100 MB in 5 min", memory_only: true, calls: |points| growth(points) > 100e6 },
    Rule {
        name: ">= 2 MB/min, first to last",
        memory_only: true,
        calls: |points| growth(points) >= 2e6 * minutes(points),
    },
    Rule { name: "OLS, R2 > .8", memory_only: false, calls: fits },
    Rule { name: "Mann-Kendall, p < .05", memory_only: false, calls: rises },
];

/// A run without its first fifth.
pub fn after_the_start(points: &[Point]) -> &[Point] {
    let begin =
        points.first().zip(points.last()).map_or(0.0, |(first, last)| first.at + (last.at - first.at) / 5.0);
    &points[points.partition_point(|point| point.at < begin)..]
}

fn growth(points: &[Point]) -> f64 {
    points.first().zip(points.last()).map_or(0.0, |(first, last)| last.value - first.value)
}

fn minutes(points: &[Point]) -> f64 {
    points.first().zip(points.last()).map_or(f64::INFINITY, |(first, last)| (last.at - first.at) / 60.0)
}

fn fits(points: &[Point]) -> bool {
    Line::through(points.iter().map(|point| (point.at, point.value)))
        .is_some_and(|line| line.slope > 0.0 && line.r2 > 0.8)
}

fn rises(points: &[Point]) -> bool {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    kendall_z(kendall_s(&values), kendall_variance(&values)) > 1.96
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(course: impl Fn(f64) -> f64) -> [bool; 4] {
        let points: Vec<Point> = (0..120)
            .map(|second| Point { at: f64::from(second), value: course(f64::from(second)) })
            .collect();
        RULES.map(|rule| (rule.calls)(&points))
    }

    #[test]
    fn the_start_is_left_out() {
        let points: Vec<Point> = (0..=10).map(|at| Point { at: f64::from(at), value: 0.0 }).collect();
        assert_eq!(after_the_start(&points).len(), 9);
        assert!(after_the_start(&[]).is_empty());
    }

    #[test]
    fn each_rule_sees_what_it_is_for() {
        assert_eq!(called(|second| 20e6 + second * 1e6), [true; 4]);
        assert_eq!(called(|second| 20e6 + second * 1e5), [false, true, true, true]);
        assert_eq!(called(|second| 20e6 + second), [false, false, true, true]);
        assert_eq!(called(|_| 20e6), [false; 4]);
        assert_eq!(called(|second| 20e6 + (1.0 - (-second / 9.0).exp()) * 1e6), [false, false, false, true]);
    }
}
