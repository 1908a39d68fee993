//! The guard after an outage: who was not heard of may have had nobody to talk to.

use std::time::Duration;

use scupper_model::Timestamp;

use crate::words::Timing;

/// So far the store's clock may go back without a word: a step of NTP.
const STEP_BACK: u64 = 1000;

/// Why everybody first gets time to beat again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has swept this registry before.
    First,
    /// Nobody has swept it for longer than `longest_gap`: the registry, or everybody, was away.
    Gap(Duration),
    /// The store's clock went back by so much.
    ClockBack(Duration),
    /// The store is another process than at the last sweep: it may have lost what it was told last.
    Restarted,
}

/// How long the leases of those are who are members now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// The shortest, or a shorter one of somebody who has gone; `None` where nobody has one.
    pub shortest: Option<Duration>,
    /// The longest. Needed after a restart only.
    pub longest: Duration,
}

/// How long nobody may have swept before it counts as an outage.
///
/// Leases are the agents' own: silence that is nothing beside the coordinator's may be longer than one of theirs, and then
/// that agent had nobody to talk to until it looked dead. Three sweeps may always come late.
pub fn longest_gap(shortest: Option<Duration>, timing: &Timing) -> Duration {
    let careful = shortest.map_or(Duration::MAX, |lease| (lease / 4).max(timing.tick.saturating_mul(3)));
    timing.max_gap.min(careful)
}

/// What is remembered from one sweep to the next, in the store itself. Sweeps of all coordinators count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// The last sweep.
    pub last: Option<Timestamp>,
    /// Until then nobody is claimed.
    pub until: Option<Timestamp>,
}

impl Outage {
    /// A sweep begins. Gives why a grace begins with it, if one does; [`Outage::grace`] then says until when.
    ///
    /// After a restart the grace is as long as the longest lease: the store may have lost the last beat of an
    /// agent which counts on it for that long, and whom nobody may fence inside of it (I3).
    pub fn sweep(&mut self, now: Timestamp, restarted: bool, leases: Leases, timing: &Timing) -> Option<Why> {
        let why = match self.last {
            None => Some(Why::First),
            Some(_) if restarted => Some(Why::Restarted),
            Some(last) if now.0.saturating_add(STEP_BACK) < last.0 => {
                Some(Why::ClockBack(Duration::from_millis(last.0 - now.0)))
            }
            Some(last) => {
                let gap = Duration::from_millis(now.0.saturating_sub(last.0));
                (gap > longest_gap(leases.shortest, timing)).then_some(Why::Gap(gap))
            }
        };
        self.last = Some(now);
        match why {
            Some(Why::ClockBack(_)) => self.until = Some(after(now, grace(timing))),
            Some(Why::Restarted) => {
                self.until = Some(after(now, grace(timing).max(timing.ttl).max(leases.longest)));
            }
            Some(Why::First | Why::Gap(_)) => {
                self.until = self.until.max(Some(after(now, grace(timing))));
            }
            None => {}
        }
        why
    }

    /// Until when nobody is claimed; `None` where the grace is over.
    pub fn grace(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| now < *until)
    }
}

/// How long everybody has to beat again: two intervals at least, since one beat may be lost.
fn grace(timing: &Timing) -> Duration {
    timing.grace.max(timing.interval * 2)
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("nobody has swept this registry before"),
            Self::Gap(gap) => write!(f, "nobody has swept for {} s", gap.as_secs()),
            Self::ClockBack(by) => write!(f, "the registry's clock went back by {} ms", by.as_millis()),
            Self::Restarted => f.write_str("the registry was restarted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing = Timing::DEFAULT;
    const NOBODY: Leases = Leases { shortest: None, longest: Duration::ZERO };

    fn at(secs: u64) -> Timestamp {
        Timestamp(1_000_000_000 + secs * 1000)
    }

    fn open(now: u64) -> Outage {
        Outage { last: Some(at(now)), until: None }
    }

    #[test]
    fn r116_the_first_sweep_waits() {
        let mut guard = Outage::default();
        assert_eq!(guard.sweep(at(0), false, NOBODY, &TIMING), Some(Why::First));
        assert_eq!(guard.grace(at(59)), Some(at(60)));
        assert_eq!(guard.sweep(at(30), false, NOBODY, &TIMING), None);
        assert_eq!(guard.grace(at(60)), None);
    }

    #[test]
    fn r116_a_gap_is_longer_than_the_longest_that_is_allowed() {
        assert_eq!(open(0).sweep(at(30), false, NOBODY, &TIMING), None);
        let gap = Why::Gap(Duration::from_secs(31));
        assert_eq!(open(0).sweep(at(31), false, NOBODY, &TIMING), Some(gap));
    }

    fn secs(of: Option<u64>, tick: u64) -> Duration {
        let timing = Timing { tick: Duration::from_secs(tick), ..TIMING };
        longest_gap(of.map(Duration::from_secs), &timing)
    }

    #[test]
    fn r116_a_gap_is_long_beside_the_shortest_lease() {
        assert_eq!(secs(None, 5), TIMING.max_gap);
        assert_eq!(secs(Some(600), 5), TIMING.max_gap, "a long lease makes it no longer");
        assert_eq!(secs(Some(120), 5), TIMING.max_gap, "the defaults");
        assert_eq!(secs(Some(80), 5), Duration::from_secs(20));
        assert_eq!(secs(Some(10), 1), Duration::from_secs(3), "three sweeps may come late");
        assert_eq!(secs(Some(10), 15), TIMING.max_gap, "and that makes it no longer");
        let short = Leases { shortest: Some(Duration::from_secs(10)), longest: TIMING.ttl };
        let timing = Timing { tick: Duration::from_secs(1), ..TIMING };
        assert_eq!(open(0).sweep(at(3), false, short, &timing), None);
        let gap = Why::Gap(Duration::from_secs(22));
        assert_eq!(open(0).sweep(at(22), false, short, &timing), Some(gap));
    }

    #[test]
    fn r116_a_clock_that_goes_back_a_step_of_ntp_is_no_outage() {
        let mut guard = open(100);
        assert_eq!(guard.sweep(at(99), false, NOBODY, &TIMING), None);
        let back = Why::ClockBack(Duration::from_millis(1001));
        assert_eq!(guard.sweep(Timestamp(at(98).0 - 1), false, NOBODY, &TIMING), Some(back));
        // A grace that ends far in the future of a clock that was wrong does not stay.
        guard.until = Some(at(1_000_000));
        assert!(guard.sweep(at(0), false, NOBODY, &TIMING).is_some());
        assert_eq!(guard.grace(at(0)), Some(at(60)));
    }

    #[test]
    fn r116_a_restart_gives_everybody_a_whole_lease() {
        let mut guard = open(0);
        let longest = Leases { shortest: None, longest: Duration::from_mins(5) };
        assert_eq!(guard.sweep(at(1), true, longest, &TIMING), Some(Why::Restarted));
        assert_eq!(guard.grace(at(1)), Some(at(301)));
        let mut guard = open(0);
        guard.sweep(at(1), true, NOBODY, &TIMING);
        assert_eq!(guard.grace(at(1)), Some(at(121)));
    }

    #[test]
    fn two_intervals_are_the_least() {
        let slow = Timing { interval: Duration::from_secs(90), ..TIMING };
        let mut guard = Outage::default();
        guard.sweep(at(0), false, NOBODY, &slow);
        assert_eq!(guard.grace(at(0)), Some(at(180)));
    }

    proptest! {
        /// Never more than was allowed before, never so little that sweeps which come late are an outage, and in between a
        /// quarter of the lease.
        #[test]
        fn r116_a_gap_is_a_quarter_of_the_shortest_lease(lease in 1..2_000_000_u64, tick in 1..20_000_u64, gap in 0..60_000_u64) {
            let timing = Timing { tick: Duration::from_millis(tick), ..TIMING };
            let leases = Leases { shortest: Some(Duration::from_millis(lease)), ..NOBODY };
            let limit = longest_gap(leases.shortest, &timing);
            prop_assert!(limit <= timing.max_gap && limit >= timing.max_gap.min(timing.tick * 3));
            prop_assert!(limit <= timing.max_gap.min(timing.tick * 3).max(Duration::from_millis(lease) / 4));
            let shorter = leases.shortest.map(|lease| lease / 2);
            prop_assert!(longest_gap(shorter, &timing) <= limit, "a lease of somebody who has gone is only more careful");
            let why = open(0).sweep(Timestamp(at(0).0 + gap), false, leases, &timing);
            prop_assert_eq!(why.is_some(), Duration::from_millis(gap) > limit);
        }

        #[test]
        fn nobody_is_claimed_right_after_a_silence(steps in prop::collection::vec((0..100_u64, any::<bool>()), 1..40)) {
            let mut guard = Outage::default();
            let mut now = 0;
            for (step, restarted) in steps {
                let gap = guard.last.is_none() || step > 30 || restarted;
                now += step;
                let why = guard.sweep(at(now), restarted, NOBODY, &TIMING);
                prop_assert_eq!(why.is_some(), gap);
                if gap {
                    prop_assert!(guard.grace(Timestamp(at(now + 60).0 - 1)).is_some());
                }
            }
        }
    }
}
