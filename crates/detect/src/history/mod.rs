//! What a series remembers: rings of buckets from a second to three hours wide, and a sketch of its whole life.
//!
//! The numbers are `f32`: a bucket holds 8 GiB to 512 bytes, far below the size of a page.

mod ring;
mod sketch;

use std::time::Duration;

pub use ring::{Ring, SLOTS};
pub use sketch::Sketch;

/// The lowest of what was seen in a stretch of time. NaN where nothing was.
///
/// The lowest alone: what comes and goes is not what leaks, and a mean would cost as much room again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub low: f32,
}

impl Bucket {
    pub const EMPTY: Self = Self { low: f32::NAN };

    #[expect(clippy::cast_possible_truncation, reason = "24 bits are enough, see the module")]
    pub const fn of(value: f64) -> Self {
        Self { low: value as f32 }
    }

    pub const fn is_empty(self) -> bool {
        self.low.is_nan()
    }

    /// Two stretches as one: the lower, or the one that holds something.
    pub const fn joined(self, other: Self) -> Self {
        Self { low: self.low.min(other.low) }
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
        let mut stretch = Bucket::of(value);
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

    /// The whole life, oldest bucket first, and the width of a bucket in seconds.
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
    pub fn life(&self) -> (&[Bucket], f64) {
        (self.sketch.buckets(), self.sketch.width() as f64 / 1000.0)
    }

    /// Bytes on the heap.
    pub const fn heap(&self) -> usize {
        WIDTHS.len() * SLOTS * size_of::<Bucket>() + self.sketch.heap()
    }
}
