//! What the baselines keep: samples gathered into buckets, and the newest stretch of a series.

use std::collections::VecDeque;

use crate::statistics::median;

/// A closed bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its end, in seconds.
    pub at: f64,
    /// Lowest value.
    pub min: f64,
    /// Middle value.
    pub median: f64,
    /// Last value.
    pub last: f64,
}

/// Gathers samples into buckets of one width.
pub struct Buckets {
    width: f64,
    end: Option<f64>,
    values: Vec<f64>,
}

impl Buckets {
    /// Of so many seconds.
    pub const fn new(width: f64) -> Self {
        Self { width, end: None, values: Vec::new() }
    }

    /// Adds a sample; answers with the bucket that it closed.
    pub fn push(&mut self, at: f64, value: f64) -> Option<Bucket> {
        let end = *self.end.get_or_insert(at + self.width);
        if at < end {
            self.values.push(value);
            return None;
        }
        let last = *self.values.last()?;
        let min = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let bucket = Bucket { at: end, min, median: median(&mut self.values)?, last };
        self.values.clear();
        self.values.push(value);
        // A gap is skipped, not filled.
        self.end = Some(end + self.width * ((at - end) / self.width).floor().max(0.0) + self.width);
        Some(bucket)
    }
}

/// The newest points of a series: as many as fit into a span of time.
pub struct Window {
    span: f64,
    points: VecDeque<(f64, f64)>,
    full: bool,
}

impl Window {
    /// Of so many seconds.
    pub const fn new(span: f64) -> Self {
        Self { span, points: VecDeque::new(), full: false }
    }

    /// Adds a point and lets go of those that are too old.
    pub fn push(&mut self, at: f64, value: f64) {
        self.points.push_back((at, value));
        while self.points.front().is_some_and(|(first, _)| at - first >= self.span) {
            self.points.pop_front();
            self.full = true;
        }
    }

    /// Whether it has been filled once.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Its points, the oldest first.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + Clone + '_ {
        self.points.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_close_with_the_sample_after_them() {
        let mut buckets = Buckets::new(30.0);
        let closed: Vec<Bucket> = [5.0, 1.0, 3.0, 9.0, 9.0]
            .iter()
            .enumerate()
            .filter_map(|(i, v)| buckets.push(i as f64 * 10.0, *v))
            .collect();
        assert_eq!(closed, [Bucket { at: 30.0, min: 1.0, median: 3.0, last: 3.0 }]);
        // After a gap the grid is kept.
        assert_eq!(buckets.push(100.0, 7.0).map(|bucket| bucket.at), Some(60.0));
        assert_eq!(buckets.push(119.0, 7.0), None);
        assert_eq!(buckets.push(120.0, 7.0).map(|bucket| bucket.at), Some(120.0));
    }

    #[test]
    fn a_window_lets_go_of_what_is_old() {
        let mut window = Window::new(30.0);
        for at in 0..5 {
            window.push(f64::from(at) * 10.0, f64::from(at));
        }
        assert!(window.is_full());
        assert_eq!(window.points().map(|(_, value)| value).collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
    }
}
