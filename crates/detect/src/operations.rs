//! Growth per request: the axis that idle hours cannot stretch (R041).
//!
//! A program that leaks half a megabyte a request is flat at night and steep in the morning; over the count of its requests it
//! is a line.

use serde::{Deserialize, Serialize};

use crate::history::Sketch;
use crate::reading::read;
use crate::rules::{LEAST_OF_QUARTER, Life, MOST_OF_STEPS, STILL_RISING, least_growth};
use crate::settings::Quantity;
use crate::stats::to_f64;
use crate::window::floor;

/// Operations between two samples say little about one operation; this many make a slope.
const LEAST_OPERATIONS: u64 = 100;
/// And this many a leak.
const LEAST_TO_LEAK: u64 = 1000;

/// How much a series grows with each operation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerOperation {
    /// Units (bytes ...) per operation.
    pub slope: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Over so many operations.
    pub operations: u64,
}

/// The life of a series along its operations.
pub struct Operations {
    sketch: Sketch,
    first: Option<u64>,
    last: u64,
}

/// What is seen along this axis.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    pub growth: PerOperation,
    /// Whether it is a line that goes on, and long enough to be called a leak.
    pub leaking: bool,
}

impl Operations {
    pub fn new() -> Self {
        Self { sketch: Sketch::new(1), first: None, last: 0 }
    }

    /// Adds a value at a count of operations. A count that fell is of a counter that began again: it starts anew.
    pub fn push(&mut self, operations: u64, value: f64) {
        if operations < self.last {
            *self = Self::new();
        }
        let first = *self.first.get_or_insert(operations);
        self.last = operations;
        self.sketch.push(operations - first, value);
    }

    fn seen(&self) -> u64 {
        self.last - self.first.unwrap_or(self.last)
    }

    /// What is seen; `None` while it does not grow, or too few operations were seen.
    pub fn along(&self, quantity: Quantity) -> Option<Along> {
        let operations = self.seen();
        if operations < LEAST_OPERATIONS {
            return None;
        }
        let width = to_f64(usize::try_from(self.sketch.width()).ok()?);
        let buckets = self.sketch.buckets();
        let reading = read(&floor(buckets, 0.0, width)?)?;
        if reading.z < 4.0 || reading.growth() < (0.05 * reading.start).max(least_growth(quantity)) {
            return None;
        }
        let goes_on = reading.still_rising >= STILL_RISING
            && reading.largest_steps <= MOST_OF_STEPS
            && reading.least_quarter >= LEAST_OF_QUARTER
            && Life::of((buckets, width)).deceleration().unwrap_or(1.0) >= 0.8;
        // A cache is a line too, until it is full; what it adds to a program is seldom more than so much of the program.
        let leaking = goes_on && operations >= LEAST_TO_LEAK && reading.growth() >= 1.5 * reading.start;
        let growth = PerOperation { slope: reading.slope, low: reading.low, high: reading.high, operations };
        goes_on.then_some(Along { growth, leaking })
    }

    /// Bytes on the heap.
    pub const fn heap(&self) -> usize {
        self.sketch.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    #[test]
    fn r041_half_a_megabyte_a_request_over_a_thousand_is_a_leak() {
        let mut operations = Operations::new();
        for request in 0_u32..=1000 {
            let garbage = f64::from(request % 7) * MB;
            operations.push(request.into(), 80.0 * MB + garbage + 0.5 * MB * f64::from(request));
        }
        let along = operations.along(Quantity::Bytes).unwrap();
        assert!(along.leaking, "{along:?}");
        let PerOperation { slope, low, high, operations } = along.growth;
        assert!(
            (slope / MB - 0.5).abs() < 0.02 && low <= 0.5 * MB && high >= 0.5 * MB,
            "{slope} {low} {high}"
        );
        assert!(low > 0.3 * MB && high < 0.7 * MB && operations == 1000);
    }

    #[test]
    fn r041_a_plateau_does_not_grow_with_its_requests() {
        let mut operations = Operations::new();
        for request in 0_u32..=2000 {
            operations.push(request.into(), 80.0 * MB + f64::from(request.min(300)) * MB);
        }
        assert!(operations.along(Quantity::Bytes).is_none_or(|along| !along.leaking));
    }

    #[test]
    fn a_counter_that_begins_again_starts_anew() {
        let mut operations = Operations::new();
        for request in 0_u32..500 {
            operations.push(request.into(), MB * f64::from(request));
        }
        operations.push(0, 0.0);
        assert_eq!(operations.seen(), 0);
    }
}
