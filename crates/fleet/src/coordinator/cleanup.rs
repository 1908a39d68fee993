//! The cleanups that a coordinator has claimed and not finished: which one is due, and what becomes of one that fails.
//! Pure.

use std::time::Duration;

use crate::words::Claim;

/// A cleanup that has failed so often is left to whoever sweeps when its claim has ended: maybe somebody else can.
const MOST_ATTEMPTS: u32 = 8;

/// One cleanup.
#[derive(Clone, Debug)]
struct Cleanup {
    claim: Claim,
    /// When it was claimed, since boot.
    since: Duration,
    /// Nothing is deleted before.
    not_before: Duration,
    /// How often in a row it has failed.
    attempts: u32,
}

/// All of them, in the order in which they were claimed.
#[derive(Debug, Default)]
pub(super) struct Cleanups(Vec<Cleanup>);

/// What becomes of a cleanup that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is tried again, after having failed so often.
    Again(u32),
    /// It is left to others.
    GivenUp(u32),
}

impl Cleanups {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A claim comes in. Others have until `objection` is over to object. A later claim on the same incarnation takes the
    /// place of the earlier.
    pub(super) fn add(&mut self, claim: Claim, now: Duration, objection: Duration) {
        self.0.retain(|one| (&one.claim.id, one.claim.epoch) != (&claim.id, claim.epoch));
        self.0.push(Cleanup { claim, since: now, not_before: now + objection, attempts: 0 });
    }

    /// The next one to go on with.
    pub(super) fn due(&self, now: Duration) -> Option<Claim> {
        self.0.iter().find(|one| one.not_before <= now).map(|one| one.claim.clone())
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.iter().map(|one| one.not_before).min()
    }

    /// A step was made and more are left.
    pub(super) fn went_on(&mut self, claim: &Claim) {
        if let Some(one) = self.find(claim) {
            one.attempts = 0;
        }
    }

    /// It is over, one way or the other. Gives how long it took.
    pub(super) fn over(&mut self, claim: &Claim, now: Duration) -> Duration {
        let since = self.find(claim).map_or(now, |one| one.since);
        self.0.retain(|one| one.claim.fence != claim.fence || one.claim.id != claim.id);
        now.saturating_sub(since)
    }

    /// A step has failed, and `wait` says how long to wait after so many.
    pub(super) fn failed(
        &mut self,
        claim: &Claim,
        now: Duration,
        wait: impl FnOnce(u32) -> Duration,
    ) -> (Failed, Duration) {
        let Some(one) = self.find(claim) else { return (Failed::GivenUp(0), Duration::ZERO) };
        one.attempts += 1;
        let attempts = one.attempts;
        if attempts >= MOST_ATTEMPTS {
            self.over(claim, now);
            return (Failed::GivenUp(attempts), Duration::ZERO);
        }
        let wait = wait(attempts);
        one.not_before = now + wait;
        (Failed::Again(attempts), wait)
    }

    fn find(&mut self, claim: &Claim) -> Option<&mut Cleanup> {
        self.0.iter_mut().find(|one| one.claim.fence == claim.fence && one.claim.id == claim.id)
    }
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R097.

    use super::*;
    use crate::words::{Epoch, Fence, Reason};

    fn claim(id: &str, fence: u64) -> Claim {
        Claim {
            id: id.parse().unwrap(),
            epoch: Some(Epoch(1)),
            fence: Fence(fence),
            reason: Reason::StaleHeartbeat,
            last_seen: None,
            idle: None,
            process: None,
            coordinator: None,
            taken_on: false,
        }
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn r097_nothing_is_deleted_before_others_had_time_to_object() {
        let mut cleanups = Cleanups::default();
        cleanups.add(claim("a", 1), ms(0), ms(100));
        assert_eq!((cleanups.due(ms(99)), cleanups.next()), (None, Some(ms(100))));
        assert_eq!(cleanups.due(ms(100)).unwrap().fence, Fence(1));
        assert_eq!(cleanups.over(&claim("a", 1), ms(150)), ms(150));
        assert_eq!((cleanups.len(), cleanups.next()), (0, None));
    }

    #[test]
    fn r100_one_that_fails_waits_and_the_others_go_on() {
        let mut cleanups = Cleanups::default();
        cleanups.add(claim("a", 1), ms(0), ms(0));
        cleanups.add(claim("b", 2), ms(0), ms(0));
        let first = cleanups.due(ms(0)).unwrap();
        assert_eq!(cleanups.failed(&first, ms(0), |n| ms(100) * n), (Failed::Again(1), ms(100)));
        assert_eq!(cleanups.due(ms(0)).unwrap().id.as_str(), "b");
        cleanups.over(&claim("b", 2), ms(0));
        assert_eq!(cleanups.due(ms(99)), None);
        let mut now = ms(100);
        for attempts in 2..MOST_ATTEMPTS {
            let again = cleanups.due(now).unwrap();
            assert_eq!(cleanups.failed(&again, now, |_| ms(1)).0, Failed::Again(attempts));
            now += ms(1);
        }
        assert_eq!(cleanups.failed(&first, now, |_| ms(1)).0, Failed::GivenUp(MOST_ATTEMPTS));
        assert_eq!(cleanups.len(), 0);
    }

    #[test]
    fn a_later_claim_on_the_same_incarnation_takes_the_place_of_the_earlier() {
        let mut cleanups = Cleanups::default();
        cleanups.add(claim("a", 1), ms(0), ms(0));
        cleanups.add(claim("a", 2), ms(5), ms(0));
        assert_eq!((cleanups.len(), cleanups.due(ms(5)).unwrap().fence), (1, Fence(2)));
    }
}
