//! The times of a coordinator, from the lease that agents have.

use std::time::Duration;

use scupper_fleet::agent::{self, InvalidTimes};
use scupper_fleet::{InvalidWindow, LeakWindow, Timing};
use scupper_model::format_duration;

use crate::failure::Failure;

/// The shortest time between two sweeps.
const SHORTEST_TICK: Duration = Duration::from_millis(20);

/// All of them in the proportions of the defaults. What is not about heartbeats stays: the time for objections, and the
/// keys and times of agents that are written to seed 004.
pub(in crate::commands) fn times(ttl: Duration, tick: Option<Duration>) -> Result<Timing, Failure> {
    let of_agents =
        agent::times(Some(ttl), None).map_err(|why: InvalidTimes| usage("--ttl", &why.to_string()))?;
    let defaults = Timing::DEFAULT;
    let share = |time: Duration| scaled(time, ttl, defaults.ttl);
    let suggested = share(defaults.tick);
    let tick = tick.unwrap_or(suggested);
    if !(SHORTEST_TICK..=share(defaults.max_gap) / 2).contains(&tick) {
        let most = format_duration(share(defaults.max_gap) / 2);
        let why = format!("is 20ms to {most}: half of a gap after which everybody is given time to beat");
        return Err(usage("--tick", &why));
    }
    Ok(Timing {
        suspect: share(defaults.suspect),
        tick,
        claim_lease: share(defaults.claim_lease),
        max_gap: share(defaults.max_gap),
        grace: share(defaults.grace),
        hold: share(defaults.hold),
        ..of_agents
    })
}

/// The window of the leak check, where one is asked for: long enough for members with this lease to be seen at both ends.
pub(super) fn leak_window(window: Option<Duration>, ttl: Duration) -> Result<Option<LeakWindow>, Failure> {
    let Some(time) = window else { return Ok(None) };
    let window =
        LeakWindow::new(time).map_err(|why: InvalidWindow| usage("--leak-window", &why.to_string()))?;
    let shortest = LeakWindow::shortest_for(ttl);
    if time < shortest {
        let (said, ttl, shortest) = (format_duration(time), format_duration(ttl), format_duration(shortest));
        let why = format!(
            "{said} is too short for --ttl {ttl}, whose agents say too rarely what they take: use {shortest} or more"
        );
        return Err(usage("--leak-window", &why));
    }
    Ok(Some(window))
}

/// `time * part / whole`, without overflow for times that anybody can mean.
fn scaled(time: Duration, part: Duration, whole: Duration) -> Duration {
    let millis = time.as_millis().saturating_mul(part.as_millis()) / whole.as_millis().max(1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn usage(flag: &str, why: &str) -> Failure {
    Failure::usage(format!("{flag}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_lease_sets_all_times_and_the_defaults_are_the_protocols() {
        assert_eq!(times(secs(120), None).unwrap(), Timing::DEFAULT);
        let short = times(secs(12), None).unwrap();
        assert_eq!((short.interval, short.claim_lease, short.grace), (secs(3), secs(6), secs(6)));
        assert_eq!((short.tick, short.max_gap), (Duration::from_millis(500), secs(3)));
        assert_eq!(short.objection, Timing::DEFAULT.objection);
        assert_eq!(times(secs(12), Some(secs(1))).unwrap().tick, secs(1));
    }

    #[test]
    fn a_leak_window_has_to_hold_two_and_a_half_leases() {
        let of = |window, ttl| leak_window(Some(secs(window)), secs(ttl));
        let said = |window, ttl| format!("{:#}", of(window, ttl).unwrap_err().error);
        assert_eq!(leak_window(None, secs(3600)).unwrap(), None);
        assert_eq!(of(15, 6).unwrap().unwrap().time(), secs(15));
        assert_eq!(of(300, 120).unwrap(), Some(LeakWindow::DEFAULT));
        assert_eq!(
            said(300, 600),
            "--leak-window: 5m is too short for --ttl 10m, whose agents say too rarely what they take: use 25m or more"
        );
        assert!(said(1, 1).contains("is 5s to 24h"));
    }

    #[test]
    fn times_that_cannot_hold_together_are_refused() {
        let said = |ttl, tick| format!("{:#}", times(ttl, tick).unwrap_err().error);
        assert!(said(Duration::ZERO, None).starts_with("--ttl: "));
        assert!(said(secs(120), Some(Duration::ZERO)).contains("20ms to 15s"));
        assert!(said(secs(120), Some(secs(20))).starts_with("--tick: "));
    }
}
