//! The whole life in at most 128 equal buckets. When they are full, each two become one and the width doubles.
//!
//! Along time, or along whatever else counts up: requests, operations.

use super::Bucket;

/// Buckets of a sketch.
pub const SKETCH: usize = 128;

/// The sketch.
pub struct Sketch {
    width: u64,
    buckets: Vec<Bucket>,
    open: Bucket,
}

impl Sketch {
    /// An empty sketch whose first buckets are so wide.
    pub fn new(width: u64) -> Self {
        Self { width: width.max(1), buckets: Vec::new(), open: Bucket::EMPTY }
    }

    /// Adds a value. Positions must not fall.
    pub fn push(&mut self, position: u64, value: f64) {
        while position / self.width >= SKETCH as u64 {
            self.fold();
        }
        let number = usize::try_from(position / self.width).unwrap_or(SKETCH - 1);
        if number > self.buckets.len() {
            let closed = std::mem::replace(&mut self.open, Bucket::EMPTY);
            self.make_room(number);
            self.buckets.push(closed);
            self.buckets.resize(number, Bucket::EMPTY);
        }
        self.open = self.open.joined(Bucket::of(value));
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
            self.open = self.open.joined(self.buckets.pop().unwrap_or(Bucket::EMPTY));
        }
        let half = self.buckets.len() / 2;
        for i in 0..half {
            let pair = (self.buckets.get(2 * i).copied(), self.buckets.get(2 * i + 1).copied());
            if let ((Some(a), Some(b)), Some(slot)) = (pair, self.buckets.get_mut(i)) {
                *slot = a.joined(b);
            }
        }
        self.buckets.truncate(half);
        self.width = self.width.saturating_mul(2);
    }

    /// Width of a bucket.
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// The closed buckets, oldest first; the first began with the series.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Bytes on the heap.
    pub const fn heap(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}
