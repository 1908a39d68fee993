//! How many requests are too many: token buckets, pure. Time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Buckets that are kept at most. One that is full again is as good as none.
const MOST: usize = 100_000;
/// Below this nobody looks for full ones.
const FEW: usize = 1_024;

/// So many at once, and so many in a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) per_second: u32,
}

/// A bucket, and when it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    fn full(rate: Rate, now: Duration) -> Self {
        Self { left: f64::from(rate.burst), at: now }
    }

    fn refill(&mut self, rate: Rate, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * f64::from(rate.per_second)).min(f64::from(rate.burst));
        self.at = now.max(self.at);
    }
}

/// One bucket for each of many.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    of: HashMap<K, Bucket>,
    /// How many there may be before full ones are looked for.
    room: usize,
    /// And not before this time: looking costs as much as there are.
    look_after: Duration,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, of: HashMap::new(), room: FEW, look_after: Duration::ZERO }
    }

    /// Takes one; `false` where there is none left.
    pub(super) fn take(&mut self, of: K, now: Duration) -> bool {
        if self.of.len() >= self.room && now >= self.look_after {
            self.make_room(now);
        }
        if self.of.len() >= MOST && !self.of.contains_key(&of) {
            return false;
        }
        let rate = self.rate;
        let bucket = self.of.entry(of).or_insert_with(|| Bucket::full(rate, now));
        bucket.refill(rate, now);
        let enough = bucket.left >= 1.0;
        if enough {
            bucket.left -= 1.0;
        }
        enough
    }

    /// What was taken is given back.
    pub(super) fn give_back(&mut self, to: &K) {
        let most = f64::from(self.rate.burst);
        if let Some(bucket) = self.of.get_mut(to) {
            bucket.left = (bucket.left + 1.0).min(most);
        }
    }

    fn make_room(&mut self, now: Duration) {
        let rate = self.rate;
        self.of.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.left < f64::from(rate.burst)
        });
        self.room = (self.of.len() * 2).clamp(FEW, MOST);
        self.look_after = now + Duration::from_secs(1);
        if self.of.capacity() > self.room * 4 {
            self.of.shrink_to(self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_a_rate_and_each_has_its_own() {
        let mut buckets = Buckets::new(RATE);
        let taken = |buckets: &mut Buckets<&str>, of, now| buckets.take(of, at(now));
        assert_eq!([0; 4].map(|now| taken(&mut buckets, "a", now)), [true, true, true, false]);
        assert!(taken(&mut buckets, "b", 0), "another one's is full");
        assert!(!taken(&mut buckets, "a", 499) && taken(&mut buckets, "a", 500));
        assert!(!taken(&mut buckets, "a", 500));
        // A clock that goes back gives nothing, and an hour no more than a burst.
        assert!(!taken(&mut buckets, "a", 0));
        assert_eq!([3_600_000; 4].map(|now| taken(&mut buckets, "a", now)), [true, true, true, false]);
    }

    #[test]
    fn many_that_ask_once_are_forgotten_and_the_map_never_grows_past_its_cap() {
        let mut buckets = Buckets::new(RATE);
        for n in 0..50_000_u64 {
            assert!(buckets.take(n, at(n)));
        }
        // One is full again after half a second, and they are looked for once a second.
        assert!(buckets.of.len() <= 4 * FEW, "{}", buckets.of.len());
        for n in 0..MOST as u64 * 2 {
            buckets.take(n, at(60_000));
        }
        assert_eq!(buckets.of.len(), MOST);
        assert!(!buckets.take(u64::MAX, at(60_000)) && buckets.take(u64::MAX, at(62_000)));
        assert!(buckets.of.len() <= FEW && buckets.of.capacity() < MOST);
    }
}
