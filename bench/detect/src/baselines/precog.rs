//! Precog with the maximum filter: Jindal, Staab, Cardoso, Gerndt and Podolskiy, "Online Memory Leak Detection in the
//! Cloud-based Infrastructures" (2020, arXiv 2101.09799) and "Memory Leak Detection Algorithms in the Cloud-based
//! Infrastructure" (2021, arXiv 2106.08938); after `precog_change.py` of `github.com/ansjin/memory_leak_detection`
//! (Apache-2.0) and its default configuration. The first 24 hours are the training, which the method takes to be free of
//! leaks; what came since is judged every half hour. Percent in the source are percent of the limit here.

use std::collections::VecDeque;

use super::window::Buckets;
use super::{DAY, HOUR, MINUTE};
use crate::detector::{Alarm, Detector};
use crate::statistics::{Line, median};

const STEP: f64 = 5.0 * MINUTE;
/// The smallest trend, and how far change points lie apart: 6 hours.
const SEPARATE: usize = 72;
const CRITICAL: f64 = 7.0 * DAY;
const TOP: usize = 10;

/// See the module.
pub struct Precog {
    limit: f64,
    buckets: Buckets,
    recent: VecDeque<f64>,
    values: Vec<f64>,
    training: Option<Training>,
    passed: usize,
}

/// What is normal here.
struct Training {
    max: f64,
    slope: f64,
    steps: usize,
    trends: Vec<Trend>,
}

#[derive(Clone, Copy)]
struct Trend {
    slope: f64,
    steps: usize,
    r2: f64,
    ends_in: f64,
    stop: usize,
}

impl Precog {
    pub const fn new(limit: f64) -> Self {
        Self {
            limit,
            buckets: Buckets::new(STEP),
            recent: VecDeque::new(),
            values: Vec::new(),
            training: None,
            passed: 0,
        }
    }

    /// A straight line over a stretch that ends before `stop`, if it is long and straight enough.
    fn trend(&self, start: usize, stop: usize) -> Option<Trend> {
        let steps = stop.checked_sub(start + 1)?;
        if steps < SEPARATE {
            return None;
        }
        let stretch = &self.values[start..stop];
        let line =
            Line::through(stretch.iter().enumerate().map(|(place, value)| (place as f64 * STEP, *value)))?;
        let last = *stretch.last()?;
        let ends_in = if line.slope > 0.0 { (self.limit - last) / line.slope } else { f64::INFINITY };
        (line.r2 > 0.8).then_some(Trend { slope: line.slope, steps, r2: line.r2, ends_in, stop })
    }

    fn train(&self) -> Training {
        let max = median(&mut top(&self.values)).unwrap_or(f64::INFINITY);
        let mut training = Training { max, slope: 0.0, steps: SEPARATE, trends: Vec::new() };
        let points = change_points(&self.values);
        for (place, start) in points.iter().enumerate() {
            let mut best: Option<Trend> = None;
            for stop in &points[place + 1..] {
                let Some(trend) = self.trend(*start, *stop) else { continue };
                let better = best.map_or(trend.slope > 0.0, |best| {
                    trend.r2 >= best.r2 && trend.steps >= best.steps && trend.slope >= best.slope
                });
                if better {
                    best = Some(trend);
                }
            }
            // A trend that goes on at the end of the training is none of it.
            if let Some(best) =
                best.filter(|best| best.ends_in <= CRITICAL && best.stop < self.values.len() - 1)
            {
                training.steps = training.steps.max(best.steps);
                training.slope = training.slope.max(best.slope);
                training.trends.push(best);
            }
        }
        training
    }

    fn judge(&self, training: &Training) -> bool {
        let Some(last) = self.values.last() else { return false };
        if *last < 0.4 * self.limit {
            return false;
        }
        let points = change_points(&self.values);
        let severe = |trend: &Trend| {
            (trend.slope >= training.slope && trend.steps >= training.steps)
                || training
                    .trends
                    .iter()
                    .any(|known| trend.slope >= known.slope && trend.steps >= known.steps)
        };
        let found = points
            .iter()
            .filter_map(|start| self.trend(*start, self.values.len()))
            .any(|trend| trend.ends_in <= CRITICAL && severe(&trend));
        let newest = points.iter().rev().nth(1).copied().unwrap_or(0);
        found
            && top(&self.values[newest..])
                .iter()
                .all(|value| *value >= 0.95 * self.limit || *value >= training.max)
    }
}

impl Detector for Precog {
    fn push(&mut self, at_seconds: f64, value: f64) -> Option<Alarm> {
        let bucket = self.buckets.push(at_seconds, value)?;
        self.recent.push_back(bucket.median);
        if self.recent.len() > (HOUR / STEP) as usize {
            self.recent.pop_front();
        }
        self.values.push(median(&mut self.recent.iter().copied().collect::<Vec<_>>())?);
        self.passed += 1;
        let Some(training) = &self.training else {
            if self.passed == (DAY / STEP) as usize {
                self.training = Some(self.train());
                self.values.clear();
                self.recent.clear();
            }
            return None;
        };
        (self.passed.is_multiple_of(6) && self.judge(training)).then_some(Alarm::LEAKING)
    }
}

/// The ten highest values.
fn top(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.truncate(TOP);
    values
}

/// Where the series changes more than usual (modified z of the size of differences above 3.5), six hours apart; the
/// first and the last place are among them.
fn change_points(values: &[f64]) -> Vec<usize> {
    let sizes: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let middle = median(&mut sizes.clone()).unwrap_or(0.0);
    let spread =
        median(&mut sizes.iter().map(|size| (size - middle).abs()).collect::<Vec<_>>()).unwrap_or(0.0);
    let mut points = vec![0];
    let last = values.len().saturating_sub(1);
    let unusual =
        sizes.iter().enumerate().filter(|(_, size)| (0.6745 * (*size - middle)).abs() > 3.5 * spread);
    for place in unusual.map(|(place, _)| place).chain([last]) {
        if points.last().is_some_and(|before| place - before >= SEPARATE) {
            points.push(place);
        }
    }
    points.push(last);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_a_change_point() {
        let jump = |i: u32| if i >= 200 { 900.0 } else { 0.0 };
        let values: Vec<f64> = (0..400).map(|i| f64::from(i * i * 7919 % 613) / 10.0 + jump(i)).collect();
        assert_eq!(change_points(&values), [0, 199, 399, 399]);
    }
}
