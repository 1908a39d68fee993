//! The times an agent goes by, made from what it was told: a lease, and perhaps how often to beat.

use std::time::Duration;

use crate::words::Timing;

/// Why two times cannot hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTimes(String);

/// The shortest lease: below it a busy machine's scheduling alone would end it.
pub const SHORTEST_TTL: Duration = Duration::from_secs(1);
/// The longest lease: who is gone for longer than a day is gone.
pub const LONGEST_TTL: Duration = Duration::from_hours(24);
/// Heartbeats that must fit into a lease, so that one may be lost.
const BEATS_OF_A_LEASE: u32 = 2;

/// The times of an agent whose heartbeats are good for `ttl`, and come every `interval`. What is not said keeps the
/// proportions of the defaults: four heartbeats to a lease, and a twelfth of it for clocks and the way.
pub fn times(ttl: Option<Duration>, interval: Option<Duration>) -> Result<Timing, InvalidTimes> {
    let defaults = Timing::DEFAULT;
    let ttl = ttl.unwrap_or(defaults.ttl);
    if !(SHORTEST_TTL..=LONGEST_TTL).contains(&ttl) {
        let said = humanly(ttl);
        return Err(InvalidTimes(format!("a lease of {said} cannot be kept: use 1s to 24h")));
    }
    let margin = ttl / 12;
    let interval = interval.unwrap_or(ttl / 4);
    let most = ttl.saturating_sub(margin) / BEATS_OF_A_LEASE;
    if interval.is_zero() || interval > most {
        let (said, ttl, most) = (humanly(interval), humanly(ttl), humanly(most));
        return Err(InvalidTimes(format!(
            "a heartbeat every {said} cannot keep a lease of {ttl}: use at most {most}, so that one may be lost"
        )));
    }
    Ok(Timing { interval, ttl, margin, ..defaults })
}

/// `90s`, `2.5s`, `300ms`.
fn humanly(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{}ms", time.as_millis());
    }
    format!("{}s", (time.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_keeps_the_proportions_of_the_defaults() {
        assert_eq!(times(None, None).unwrap(), Timing::DEFAULT);
        let short = times(Some(Duration::from_secs(12)), None).unwrap();
        assert_eq!((short.interval, short.margin), (Duration::from_secs(3), Duration::from_secs(1)));
        assert_eq!(short.drain, Timing::DEFAULT.drain);
        let often = times(None, Some(Duration::from_secs(5))).unwrap();
        assert_eq!((often.ttl, often.interval), (Duration::from_mins(2), Duration::from_secs(5)));
    }

    #[test]
    fn a_lease_that_no_heartbeat_could_keep_is_refused() {
        let said = |ttl, beat| times(ttl, beat).unwrap_err().to_string();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(said(Some(Duration::ZERO), None), "a lease of 0ms cannot be kept: use 1s to 24h");
        assert!(said(seconds(100_000), None).contains("24h"));
        assert_eq!(
            said(seconds(120), seconds(60)),
            "a heartbeat every 60s cannot keep a lease of 120s: use at most 55s, so that one may be lost"
        );
        assert!(said(None, Some(Duration::ZERO)).contains("cannot keep"));
    }
}
