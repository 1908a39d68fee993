//! The whole life in at most 128 equal buckets. When they are full, each two become one and the width doubles.

use std::time::Duration;

use super::{Bucket, Open};

/// Buckets of a sketch.
pub const SKETCH: usize = 128;

/// Width of the first buckets: a run of a minute is seen in full detail.
const FIRST_WIDTH: Duration = Duration::from_millis(500);

/// The sketch.
pub struct Sketch {
    width: Duration,
    buckets: Vec<Bucket>,
    open: Open,
}

impl Sketch {
    pub fn new() -> Self {
        Self { width: FIRST_WIDTH, buckets: Vec::new(), open: Open::EMPTY }
    }

    pub fn push(&mut self, at: Duration, value: f64) {
        while at.as_nanos() / self.width.as_nanos().max(1) >= SKETCH as u128 {
            self.fold();
        }
        let number = usize::try_from(at.as_nanos() / self.width.as_nanos().max(1)).unwrap_or(SKETCH - 1);
        if number > self.buckets.len() {
            let closed = std::mem::replace(&mut self.open, Open::EMPTY).closed();
            self.make_room(number);
            self.buckets.push(closed);
            self.buckets.resize(number, Bucket::EMPTY);
        }
        self.open.add(Open::of(value));
    }

    /// Room in quarters, never more than a whole sketch: a short life stays small.
    fn make_room(&mut self, buckets: usize) {
        if buckets > self.buckets.capacity() {
            let room = buckets.next_multiple_of(SKETCH / 4).min(SKETCH);
            self.buckets.reserve_exact(room - self.buckets.len());
        }
    }

    /// Two buckets become one. The open one stays open: its other half may be yet to come.
    fn fold(&mut self) {
        if self.buckets.len() % 2 == 1 {
            // The open bucket is the second half of a pair: what is closed of it joins the open one.
            if let Some(first) = self.buckets.pop()
                && !first.is_empty()
            {
                self.open.add(Open::of_closed(first, self.open));
            }
        }
        let half = self.buckets.len() / 2;
        for i in 0..half {
            let pair = (self.buckets.get(2 * i).copied(), self.buckets.get(2 * i + 1).copied());
            if let ((Some(a), Some(b)), Some(slot)) = (pair, self.buckets.get_mut(i)) {
                *slot = a.joined(b);
            }
        }
        self.buckets.truncate(half);
        self.width *= 2;
    }

    /// Width of a bucket in seconds.
    pub fn width(&self) -> f64 {
        self.width.as_secs_f64()
    }

    /// The closed buckets, oldest first; the first began with the series.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}
