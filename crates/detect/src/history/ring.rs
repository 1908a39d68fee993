//! The last 96 buckets of one width.

use std::time::Duration;

use super::Bucket;

/// Buckets of a ring.
pub const SLOTS: usize = 96;

/// A ring of closed buckets and the one that is open.
pub struct Ring {
    width: Duration,
    slots: Box<[Bucket; SLOTS]>,
    open: Bucket,
    /// Number of the open bucket, counted from the beginning of the series. All before it are closed.
    number: u64,
    /// Closed buckets that hold something, since the beginning.
    filled: u64,
}

impl Ring {
    pub fn new(width: Duration) -> Self {
        Self { width, slots: Box::new([Bucket::EMPTY; SLOTS]), open: Bucket::EMPTY, number: 0, filled: 0 }
    }

    pub const fn width(&self) -> Duration {
        self.width
    }

    /// Buckets that were closed with something in them, since the beginning: changes exactly when there is news.
    pub const fn filled(&self) -> u64 {
        self.filled
    }

    /// Adds what was seen at a time. Gives the bucket that this closed, with its time, for the next ring.
    pub fn push(&mut self, at: Duration, seen: Bucket) -> Option<(Duration, Bucket)> {
        let number = number_at(at, self.width);
        if number <= self.number {
            self.open = self.open.joined(seen);
            return None;
        }
        let closed = std::mem::replace(&mut self.open, seen);
        let began = self.width.saturating_mul(u32::try_from(self.number).unwrap_or(u32::MAX));
        self.put(self.number, closed);
        // A gap is remembered as empty buckets; one longer than the ring leaves nothing else.
        for missing in (self.number + 1..number).rev().take(SLOTS) {
            self.put(missing, Bucket::EMPTY);
        }
        self.number = number;
        if closed.is_empty() {
            return None;
        }
        self.filled += 1;
        Some((began, closed))
    }

    fn put(&mut self, number: u64, bucket: Bucket) {
        if let Some(slot) = self.slots.get_mut(slot_of(number)) {
            *slot = bucket;
        }
    }

    /// The last `count` closed buckets, oldest first, with their numbers.
    pub fn last(&self, count: usize) -> impl Iterator<Item = (u64, Bucket)> {
        let count = u64::try_from(count.min(SLOTS)).unwrap_or(0);
        (self.number.saturating_sub(count)..self.number)
            .map(|number| (number, self.slots.get(slot_of(number)).copied().unwrap_or(Bucket::EMPTY)))
    }
}

fn number_at(at: Duration, width: Duration) -> u64 {
    u64::try_from(at.as_nanos() / width.as_nanos().max(1)).unwrap_or(u64::MAX)
}

fn slot_of(number: u64) -> usize {
    usize::try_from(number % SLOTS as u64).unwrap_or(0)
}
