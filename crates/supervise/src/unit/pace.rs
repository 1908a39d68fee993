//! How often to look: often near a limit, seldom far from it.
//!
//! The next look comes after `(limit - now) / max(slope, 10 % of the limit per second) / 4`, within 20 ms and 5 s. The
//! assumed 10 % is what a flat process may suddenly start to do; the factor 4 is how often it is then seen before it
//! is there.

use std::time::Duration;

/// The shortest time between two looks.
pub const SHORTEST: Duration = Duration::from_millis(20);
/// The longest time between two looks.
pub const LONGEST: Duration = Duration::from_secs(5);

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
