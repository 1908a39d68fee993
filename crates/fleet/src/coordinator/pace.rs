//! When the next sweep is, and how long to stay away from a registry that does not answer. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The first wait after a failure, and the longest, before they are spread.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Spreads the times of many, so that they do not all come at once. Not for secrets.
#[derive(Clone, Debug)]
pub(super) struct Spread(u64);

impl Spread {
    /// Another one for every name and moment.
    pub(super) fn new(name: &str, at: Duration) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, at).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Between 0 and 1000, both included (`SplitMix64`, Steele et al. 2014).
    fn permille(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % 1001).unwrap_or_default()
    }

    /// A time, give or take a tenth.
    pub(super) fn around(&mut self, time: Duration) -> Duration {
        time * (900 + self.permille() / 5) / 1000
    }

    /// The wait after so many failures in a row, from 1: doubled each time, then anything up to that (full jitter), but
    /// never less than a tenth of it.
    pub(super) fn back_off(&mut self, failures: u32) -> Duration {
        let (first, longest) = BACK_OFF;
        let bound = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
        bound * (100 + self.permille() * 9 / 10) / 1000
    }
}

/// The times of one coordinator, since boot.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    spread: Spread,
    tick: Duration,
    next_sweep: Duration,
    /// Nothing is asked of the registry before.
    resume_at: Duration,
    failures: u32,
}

impl Pace {
    /// The first sweep is at once.
    pub(super) fn new(mut spread: Spread, tick: Duration, now: Duration) -> Self {
        // Spread from the start: coordinators that are started together do not stay together.
        let _ = spread.permille();
        Self { spread, tick, next_sweep: now, resume_at: now, failures: 0 }
    }

    /// Whether a sweep is due.
    pub(super) fn sweep_is_due(&self, now: Duration) -> bool {
        now >= self.next_sweep
    }

    /// A sweep begins now. One that takes longer than a tick is followed by the next one, never overlapped by it.
    pub(super) fn swept(&mut self, now: Duration) {
        self.next_sweep = now + self.spread.around(self.tick);
    }

    /// When the next sweep is.
    pub(super) fn next_sweep(&self) -> Duration {
        self.next_sweep.max(self.resume_at)
    }

    /// How long nothing is asked of the registry.
    pub(super) fn away(&self, now: Duration) -> Option<Duration> {
        self.resume_at.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// The registry has answered.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// It has not. Gives how long to stay away.
    pub(super) fn failed(&mut self, now: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = self.spread.back_off(self.failures);
        self.resume_at = now + wait;
        // The first thing that is done afterwards.
        self.next_sweep = self.next_sweep.min(self.resume_at);
        wait
    }

    /// The wait before one cleanup is tried again.
    pub(super) fn retry_after(&mut self, attempts: u32) -> Duration {
        self.spread.back_off(attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_a_tick_apart_give_or_take_a_tenth_and_of_two_coordinators_not_alike() {
        let of = |name: &str| {
            let mut pace =
                Pace::new(Spread::new(name, Duration::ZERO), Duration::from_secs(5), Duration::ZERO);
            let mut now = Duration::ZERO;
            (0..100)
                .map(|_| {
                    assert!(pace.sweep_is_due(now));
                    pace.swept(now);
                    let wait = pace.next_sweep().saturating_sub(now);
                    now = pace.next_sweep();
                    wait
                })
                .collect::<Vec<_>>()
        };
        let waits = of("a");
        let millis = |n| Duration::from_millis(n);
        assert!(waits.iter().all(|wait| (millis(4500)..=millis(5500)).contains(wait)), "{waits:?}");
        assert!(waits.iter().max().unwrap().saturating_sub(*waits.iter().min().unwrap()) > millis(500));
        assert_ne!(waits, of("b"));
    }

    #[test]
    fn a_registry_that_stays_away_is_asked_less_and_less_but_at_least_every_five_seconds() {
        let mut pace = Pace::new(Spread::new("a", Duration::ZERO), Duration::from_secs(5), Duration::ZERO);
        let waits: Vec<_> = (0..50).map(|_| pace.failed(Duration::ZERO)).collect();
        assert!(waits[0] <= Duration::from_millis(100) && waits[0] >= Duration::from_millis(10));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)));
        assert!(waits[10..].iter().all(|wait| *wait >= Duration::from_millis(500)), "{waits:?}");
        assert!(pace.away(Duration::ZERO).is_some());
        pace.answered();
        assert!(pace.failed(Duration::from_secs(9)) <= Duration::from_millis(100));
    }
}
