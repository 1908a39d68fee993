//! The mass brake (ARCHITECTURE.md, Safety 6) from one sweep to the next.
//!
//! A pass here is what was claimed within one round of heartbeats. Agents beat at different moments of their interval, so
//! the leases of a hundred that a broken switch cuts off in one moment end one by one, over a whole interval: counted
//! sweep by sweep, each few seconds, they would all be claimed, a few at a time.

use std::time::Duration;

use scupper_model::{Timestamp, brake};

use crate::words::{CLAIMS_LIMIT, Timing};

/// What is remembered from one sweep to the next, in the store itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MassBrake {
    /// When the claims that count together began.
    pub since: Option<Timestamp>,
    /// How many there were since then, of orphans; whoever left by himself is none, and neither is whom a person asked for.
    pub claimed: u64,
    /// Until then nobody is claimed, where too many looked dead.
    pub until: Option<Timestamp>,
}

/// What a sweep may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Claim so many at most.
    Claim(usize),
    /// Nothing, until then.
    Hold {
        /// Until then.
        until: Timestamp,
        /// Whether it begins with this sweep: said once.
        begins: bool,
        /// How many look dead, with those of this round that were claimed.
        dead: u64,
        /// Of how many.
        members: u64,
    },
}

impl MassBrake {
    /// So many of so many members look dead now.
    pub fn sweep(
        &mut self,
        now: Timestamp,
        dead: u64,
        members: u64,
        timing: &Timing,
        asked: bool,
    ) -> Allowance {
        let is_over = |since: Timestamp| now < since || millis(timing.interval) < now.0 - since.0;
        // While it holds or trickles they count on: else a hold would end with the round.
        if self.until.is_none() && self.since.is_some_and(is_over) {
            self.since = None;
            self.claimed = 0;
        }
        let (dead, members) = (dead.saturating_add(self.claimed), members.saturating_add(self.claimed));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let brakes = brake(count(dead), count(members)) && dead > self.claimed;
        if !brakes {
            self.until = None;
        }
        let batch = timing.batch.clamp(1, CLAIMS_LIMIT);
        if asked || !brakes {
            return Allowance::Claim(batch);
        }
        // A hold that would last longer than one can is one of a clock that was wrong.
        let most = Timestamp(now.0.saturating_add(millis(timing.hold)));
        let begins = self.until.is_none();
        let until = self.until.unwrap_or(most).min(most);
        self.until = Some(until);
        if now < until {
            return Allowance::Hold { until, begins, dead, members };
        }
        Allowance::Claim((batch / 10).max(1))
    }

    /// So many orphans were claimed by the sweep at this moment.
    pub fn claimed(&mut self, now: Timestamp, count: u64) {
        if count > 0 {
            self.since.get_or_insert(now);
            self.claimed = self.claimed.saturating_add(count);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scupper_model::allowed;

    use super::*;

    const TIMING: Timing = Timing::DEFAULT;

    fn at(secs: u64) -> Timestamp {
        Timestamp(1_000_000_000 + secs * 1000)
    }

    fn claims(allowance: Allowance) -> Option<usize> {
        match allowance {
            Allowance::Claim(most) => Some(most),
            Allowance::Hold { .. } => None,
        }
    }

    #[test]
    fn r116_a_few_are_claimed_at_once() {
        for (dead, members) in [(0, 0), (3, 3), (3, 10), (30, 100)] {
            assert_eq!(claims(MassBrake::default().sweep(at(0), dead, members, &TIMING, false)), Some(100));
        }
    }

    #[test]
    fn r116_too_many_are_held_and_then_go_a_tenth_at_a_time() {
        let mut mass = MassBrake::default();
        let held = |begins| Allowance::Hold { until: at(60), begins, dead: 50, members: 100 };
        assert_eq!(mass.sweep(at(0), 50, 100, &TIMING, false), held(true));
        assert_eq!(mass.sweep(at(59), 50, 100, &TIMING, false), held(false));
        assert_eq!(claims(mass.clone().sweep(at(59), 50, 100, &TIMING, true)), Some(100));
        let (mut dead, mut members, mut now) = (50, 100, 60);
        while dead > 0 {
            assert_eq!(claims(mass.sweep(at(now), dead, members, &TIMING, false)), Some(10), "at {now}");
            mass.claimed(at(now), 10);
            (dead, members, now) = (dead - 10, members - 10, now + 5);
        }
        assert_eq!(claims(mass.sweep(at(now), 0, members, &TIMING, false)), Some(100));
        assert_eq!(mass.until, None);
    }

    #[test]
    fn r116_those_who_come_back_end_the_hold() {
        let mut mass = MassBrake::default();
        assert_eq!(claims(mass.sweep(at(0), 50, 100, &TIMING, false)), None);
        assert_eq!(claims(mass.sweep(at(5), 30, 100, &TIMING, false)), Some(100));
    }

    #[test]
    fn r116_leases_that_end_one_by_one_within_one_interval_are_one_mass() {
        let mut mass = MassBrake::default();
        let (mut claimed, mut held) = (0_u64, false);
        for tick in 0..6 {
            // 60 of 100 were cut off in one moment; 10 more leases end with each sweep.
            let dead = (tick + 1) * 10 - claimed;
            match mass.sweep(at(tick * 5), dead, 100 - claimed, &TIMING, false) {
                Allowance::Claim(_) => {
                    mass.claimed(at(tick * 5), dead);
                    claimed += dead;
                }
                Allowance::Hold { .. } => held = true,
            }
        }
        assert!(held && claimed <= 30, "{claimed}");
        // Nor does the hold end when the round of those that were claimed is over.
        let began = mass.until.unwrap();
        for tick in 6..17 {
            let allowance = mass.sweep(at(tick * 5), 60 - claimed, 100 - claimed, &TIMING, false);
            assert_eq!(claims(allowance).is_none(), at(tick * 5) < began, "at {}", tick * 5);
        }
        assert_eq!(claims(mass.sweep(at(90), 60 - claimed, 100 - claimed, &TIMING, false)), Some(10));
    }

    proptest! {
        #[test]
        fn no_round_of_heartbeats_claims_more_than_is_allowed_without_a_hold(
            members in 1..500_u64, dying in prop::collection::vec(0..50_u64, 1..6))
        {
            let mut mass = MassBrake::default();
            let (mut dead, mut left, mut claimed) = (0_u64, members, 0_u64);
            for (tick, more) in dying.into_iter().enumerate() {
                dead += more.min(left - dead);
                if let Allowance::Claim(most) = mass.sweep(at(tick as u64 * 5), dead, left, &TIMING, false) {
                    let now = dead.min(most as u64);
                    mass.claimed(at(tick as u64 * 5), now);
                    (dead, left, claimed) = (dead - now, left - now, claimed + now);
                }
                prop_assert!(claimed <= allowed(usize::try_from(members).unwrap()) as u64);
            }
        }
    }
}
