//! How often a unit may be started again: exponential back-off with jitter, which decays while the unit runs well, and
//! a budget that a storm exhausts. Crashes, recycles and hard limits each have their own, so that a service that is
//! recycled every hour for its leak has all its crash restarts left.

use std::time::Duration;

/// Why a unit is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Crash,
    /// It was drained to be replaced: soft limit.
    Recycle,
    /// It was ended past a hard limit.
    Limit,
    /// Somebody asked for it: no budget, no delay.
    Asked,
}

impl Cause {
    /// The word in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Recycle => "recycle",
            Self::Limit => "limit",
            Self::Asked => "asked",
        }
    }
}

/// The numbers of one budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetPlan {
    /// Restarts that may come in a burst.
    pub burst: u32,
    /// Time that gives one of them back.
    pub refill: Duration,
    /// Delay before the first restart of a series.
    pub first_delay: Duration,
    /// The longest delay while the budget lasts.
    pub longest_delay: Duration,
    /// Delay once the budget is spent; doubles up to an hour.
    pub slow_retry: Duration,
}

impl BudgetPlan {
    /// Workers drained for a soft limit: a limit below what a worker needs at rest must not make them spin.
    pub const WORKERS: Self = Self {
        burst: 30,
        refill: Duration::from_secs(10),
        first_delay: Duration::ZERO,
        longest_delay: Duration::ZERO,
        slow_retry: Duration::from_secs(10),
    };

    /// The plan of a cause.
    pub const fn of(cause: Cause) -> Self {
        let (burst, refill, first) = match cause {
            // Refilled more slowly than the longest delay, so that a crash loop runs out of it.
            Cause::Crash => (10, Duration::from_mins(5), Duration::from_millis(500)),
            Cause::Recycle => (20, Duration::from_secs(30), Duration::ZERO),
            Cause::Limit => (10, Duration::from_mins(5), Duration::from_millis(200)),
            Cause::Asked => (u32::MAX, Duration::from_secs(1), Duration::ZERO),
        };
        Self {
            burst,
            refill,
            first_delay: first,
            longest_delay: Duration::from_mins(1),
            slow_retry: Duration::from_mins(5),
        }
    }
}

/// The longest time between two slow retries.
const SLOWEST_RETRY: Duration = Duration::from_hours(1);

/// What a budget says to one more restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Start again after this delay.
    After(Duration),
    /// The budget is spent; a slow retry may come after this delay.
    Spent(Duration),
}

/// One budget: a token bucket for the storm, an exponent for the delay.
#[derive(Clone, Debug)]
pub struct Budget {
    plan: BudgetPlan,
    used: u32,
    exponent: u32,
    slow_retries: u32,
    settled_at: Duration,
}

impl Budget {
    /// A full budget.
    pub const fn new(plan: BudgetPlan) -> Self {
        Self { plan, used: 0, exponent: 0, slow_retries: 0, settled_at: Duration::ZERO }
    }

    /// Asks for one more restart at `now` (time since scupper started). `jitter` is a random number from 0 to 1; it
    /// moves the delay by up to a fifth either way.
    pub fn ask(&mut self, now: Duration, jitter: f64) -> Grant {
        self.decay(now);
        if self.used >= self.plan.burst {
            let delay = doubled(self.plan.slow_retry, self.slow_retries, SLOWEST_RETRY);
            self.slow_retries = self.slow_retries.saturating_add(1);
            return Grant::Spent(jittered(delay, jitter));
        }
        self.used += 1;
        // The first restart comes after the first delay; where that is zero, the second starts the series at 200 ms.
        let delay = match (self.exponent, self.plan.first_delay) {
            (0, first) => first,
            (n, Duration::ZERO) => doubled(Duration::from_millis(200), n - 1, self.plan.longest_delay),
            (n, first) => doubled(first, n, self.plan.longest_delay),
        };
        self.exponent = self.exponent.saturating_add(1);
        Grant::After(jittered(delay, jitter))
    }

    /// Whether one more would be granted now.
    pub fn has(&mut self, now: Duration) -> bool {
        self.decay(now);
        self.used < self.plan.burst
    }

    /// Takes one where there is one, without a delay.
    pub fn take(&mut self, now: Duration) -> bool {
        let has = self.has(now);
        self.used += u32::from(has);
        has
    }

    /// Gives back what time has earned: one restart, and one doubling of the delay, for every `refill` that passed.
    fn decay(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.settled_at);
        let periods =
            u32::try_from(passed.as_nanos() / self.plan.refill.as_nanos().max(1)).unwrap_or(u32::MAX);
        if periods == 0 {
            return;
        }
        self.settled_at += self.plan.refill.saturating_mul(periods);
        self.used = self.used.saturating_sub(periods);
        self.exponent = self.exponent.saturating_sub(periods);
        if self.used == 0 {
            self.slow_retries = 0;
        }
    }
}

fn doubled(base: Duration, times: u32, longest: Duration) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times.min(30)).unwrap_or(u32::MAX)).min(longest)
}

fn jittered(delay: Duration, jitter: f64) -> Duration {
    delay.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn r023_a_crash_loop_backs_off_and_gives_up() {
        let mut budget = Budget::new(BudgetPlan::of(Cause::Crash));
        let mut now = Duration::ZERO;
        let mut delays = Vec::new();
        while let Grant::After(delay) = budget.ask(now, 0.5) {
            delays.push(delay);
            now += delay;
            assert!(delays.len() < 100, "a crash loop never gives up");
        }
        assert_eq!(delays[..4], [500, 1000, 2000, 4000].map(Duration::from_millis));
        assert!(delays.len() >= 10);
        assert!(matches!(budget.ask(now, 0.5), Grant::Spent(delay) if delay >= Duration::from_mins(5)));
    }

    #[test]
    fn running_well_gives_the_budget_back() {
        let mut budget = Budget::new(BudgetPlan::of(Cause::Crash));
        for _ in 0..5 {
            budget.ask(Duration::ZERO, 0.5);
        }
        assert_eq!(budget.ask(Duration::from_hours(1), 0.5), Grant::After(Duration::from_millis(500)));
    }

    #[test]
    fn r042_a_first_recycle_does_not_wait() {
        let mut budget = Budget::new(BudgetPlan::of(Cause::Recycle));
        assert_eq!(budget.ask(Duration::ZERO, 1.0), Grant::After(Duration::ZERO));
        assert_eq!(budget.ask(Duration::ZERO, 0.5), Grant::After(Duration::from_millis(200)));
    }

    proptest! {
        /// No restart storm: in any hour, whatever the pattern of crashes, there are at most burst + 12 restarts.
        #[test]
        fn no_restart_storm(gaps in prop::collection::vec(0_u64..30_000, 1..2000), jitter in 0.0_f64..1.0) {
            let mut budget = Budget::new(BudgetPlan::of(Cause::Crash));
            let mut now = Duration::ZERO;
            let mut starts = Vec::new();
            for gap in gaps {
                match budget.ask(now, jitter) {
                    Grant::After(delay) => { now += delay; starts.push(now); }
                    Grant::Spent(delay) => now += delay,
                }
                now += Duration::from_millis(gap);
            }
            for (i, start) in starts.iter().enumerate() {
                let within = starts[i..].iter().take_while(|s| **s < *start + Duration::from_hours(1)).count();
                prop_assert!(within <= 10 + 13, "{within} restarts within an hour");
            }
        }
    }
}
