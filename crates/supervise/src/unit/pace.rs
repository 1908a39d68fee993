//! How often to look: often near a limit, seldom far from it.
//!
//! The next look comes after `(limit - now) / max(slope, 10 % of the limit per second) / 4`, within 20 ms and 5 s. The
//! assumed 10 % is what a flat process may suddenly start to do; the factor 4 is how often it is then seen before it
//! is there.

use std::time::Duration;

use scupper_detect::{GrowRule, Horizon};

/// The shortest time between two looks.
pub const SHORTEST: Duration = Duration::from_millis(20);
/// The longest time between two looks.
pub const LONGEST: Duration = Duration::from_secs(5);
/// The longest time between two looks at a tree that must stand still: whoever is let go on by somebody else acts about so
/// long.
pub const WHILE_HELD: Duration = Duration::from_millis(250);

/// Twice a second is often, for a trend.
const OFTEN: Duration = Duration::from_millis(500);

/// Time until the next look at a value that grows by `slope` a second (`None`: not known yet) towards `limit`.
#[expect(clippy::cast_precision_loss, reason = "only a time comes of it")]
pub fn next_look(value: u64, slope: Option<f64>, limit: u64) -> Duration {
    if limit <= value {
        return SHORTEST;
    }
    let limit_rate = limit as f64 / 10.0;
    let rate =
        slope.filter(|slope| slope.is_finite()).map_or(limit_rate, |slope| slope.max(limit_rate)).max(1e-9);
    let seconds = (limit - value) as f64 / rate / 4.0;
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
}

/// Time until the next look that judging growth asks for: 20 within the time of a rule, and in a short run as many as
/// make a trend, 120 in its time so far.
pub fn to_judge(age: Duration, horizon: Horizon, grow: Option<GrowRule>) -> Duration {
    let rule = grow.map_or(LONGEST, |rule| rule.within / 20);
    let short = if horizon == Horizon::Short { (age / 120).max(OFTEN) } else { LONGEST };
    rule.max(OFTEN / 2).min(short).min(LONGEST)
}

/// Time between two whole looks that judging counts asks for, where it asks at all.
pub fn to_count(age: Duration, horizon: Horizon) -> Option<Duration> {
    (horizon == Horizon::Short).then(|| (age / 120).max(OFTEN * 2))
}

/// Looks at a young unit come early, so that what it weighs at rest is known: a quarter of its age, at most.
pub fn while_young(age: Duration, next: Duration) -> Duration {
    next.min((age / 4).max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn far_and_flat_is_seldom_near_and_fast_is_often() {
        let mib = 1 << 20;
        assert_eq!(next_look(10 * mib, Some(0.0), 200 * mib), Duration::from_millis(2375));
        assert_eq!(next_look(199 * mib, Some(20.0 * 1_048_576.0), 200 * mib), SHORTEST);
        assert_eq!(next_look(300 * mib, None, 200 * mib), SHORTEST);
    }

    #[test]
    fn a_short_run_and_a_short_rule_are_looked_at_often() {
        let seconds = Duration::from_secs;
        assert_eq!(to_judge(seconds(60), Horizon::Long, None), LONGEST);
        assert_eq!(to_judge(seconds(60), Horizon::Short, None), OFTEN);
        assert_eq!(to_judge(seconds(180), Horizon::Short, None), Duration::from_millis(1500));
        assert_eq!(to_judge(seconds(9000), Horizon::Short, None), LONGEST);
        let rule = |within| Some(GrowRule { by: 1.0, within: seconds(within) });
        assert_eq!(to_judge(seconds(9000), Horizon::Long, rule(10)), OFTEN);
        assert_eq!(to_judge(seconds(9000), Horizon::Long, rule(300)), LONGEST);
        assert_eq!(to_count(seconds(600), Horizon::Short), Some(seconds(5)));
        assert_eq!(to_count(seconds(600), Horizon::Long), None);
    }

    proptest! {
        /// The limit is never overrun unseen: until the next look, growth at the assumed rate stays below what is left.
        #[test]
        fn a_look_comes_before_the_limit(value in 0_u64..1 << 40, limit in 1_u64..1 << 40, slope in 0.0_f64..1e12) {
            let next = next_look(value, Some(slope), limit);
            prop_assert!((SHORTEST..=LONGEST).contains(&next));
            if limit > value && next > SHORTEST {
                #[expect(clippy::cast_precision_loss)]
                let left = (limit - value) as f64;
                prop_assert!(slope * next.as_secs_f64() <= left * 0.26);
            }
        }
    }
}
