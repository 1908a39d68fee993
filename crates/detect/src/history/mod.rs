//! What a series remembers: rings of buckets from a second to three hours wide, and a sketch of its whole life.
//!
//! The numbers are `f32`: a bucket holds 8 GiB to 512 bytes, far below the size of a page.

mod ring;
mod sketch;

use std::time::Duration;

pub use ring::{Ring, SLOTS};
pub use sketch::Sketch;

/// The lowest and the mean of what was seen in a stretch of time. NaN where nothing was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub low: f32,
    pub mean: f32,
}

impl Bucket {
    pub const EMPTY: Self = Self { low: f32::NAN, mean: f32::NAN };

    pub const fn is_empty(self) -> bool {
        self.low.is_nan()
    }

    /// Two neighbours as one.
    pub fn joined(self, other: Self) -> Self {
        if self.is_empty() {
            other
        } else if other.is_empty() {
            self
        } else {
            Self { low: self.low.min(other.low), mean: f32::midpoint(self.mean, other.mean) }
        }
    }
}

/// A bucket that still takes samples.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    low: f64,
    sum: f64,
    count: f64,
}

impl Open {
    pub const EMPTY: Self = Self { low: f64::INFINITY, sum: 0.0, count: 0.0 };

    pub fn of(value: f64) -> Self {
        Self { low: value, sum: value, count: 1.0 }
    }

    /// A closed bucket as part of an open one of the same width: it weighs as much as what is there.
    pub fn of_closed(bucket: Bucket, beside: Self) -> Self {
        let count = beside.count.max(1.0);
        Self { low: bucket.low.into(), sum: f64::from(bucket.mean) * count, count }
    }

    pub fn add(&mut self, other: Self) {
        self.low = self.low.min(other.low);
        self.sum += other.sum;
        self.count += other.count;
    }

    #[expect(clippy::cast_possible_truncation, reason = "24 bits are enough, see the module")]
    pub fn closed(self) -> Bucket {
        if self.count > 0.0 {
            Bucket { low: self.low as f32, mean: (self.sum / self.count) as f32 }
        } else {
            Bucket::EMPTY
        }
    }
}

/// Widths of the rings. Each is a multiple of the one before, so that a closed bucket falls into one of the next ring.
pub const WIDTHS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(6),
    Duration::from_mins(30),
    Duration::from_hours(3),
];

/// Milliseconds of the first buckets of the sketch: a run of a minute is seen in full detail.
const SKETCH_WIDTH: u64 = 500;

/// All rings and the sketch.
pub struct History {
    rings: [Ring; WIDTHS.len()],
    sketch: Sketch,
}

impl History {
    pub fn new() -> Self {
        Self { rings: WIDTHS.map(Ring::new), sketch: Sketch::new(SKETCH_WIDTH) }
    }

    /// Adds a sample, `at` counted from the first one.
    pub fn push(&mut self, at: Duration, value: f64) {
        self.sketch.push(u64::try_from(at.as_millis()).unwrap_or(u64::MAX), value);
        let mut at = at;
        let mut stretch = Open::of(value);
        for ring in &mut self.rings {
            match ring.push(at, stretch) {
                Some((began, closed)) => (at, stretch) = (began, closed),
                None => break,
            }
        }
    }

    pub const fn rings(&self) -> &[Ring; WIDTHS.len()] {
        &self.rings
    }

    /// The whole life, in milliseconds.
    pub const fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// Bytes on the heap.
    pub const fn heap(&self) -> usize {
        WIDTHS.len() * SLOTS * size_of::<Bucket>() + self.sketch.heap()
    }
}
