//! When a process is quiet: a recycle that may wait a little waits until it has less to do than usual.

use std::time::Duration;

use scupper_model::Identity;

use super::look::Seen;

/// Points kept: the last ten seconds.
const POINTS: usize = 11;
/// Time between two of them, however often is looked.
const SPACING: Duration = Duration::from_millis(900);
/// Quiet for less than this is a pause between two requests.
const LEAST_SPAN: Duration = Duration::from_secs(3);
/// Below this share of one processor anybody is quiet.
const IDLE: f64 = 0.02;
/// Quiet is this share of what is usual.
const SHARE: f64 = 0.5;

/// The processor time that some processes used lately, and over their whole life.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Load {
    seen: Vec<(Identity, Duration)>,
    used: Duration,
    points: Vec<(Duration, Duration)>,
    usual: Option<f64>,
}

impl Load {
    /// Notes a whole look at these processes. One that could not be read says nothing of the others.
    pub(super) fn note<'a>(&mut self, now: Duration, processes: impl Iterator<Item = &'a Seen>) {
        if self.points.last().is_some_and(|(at, _)| now < *at + SPACING) {
            return;
        }
        let mut usual = 0.0;
        let mut seen = Vec::with_capacity(self.seen.len());
        for process in processes {
            let Some(cpu) = process.cpu else { continue };
            usual += rate(cpu, process.age);
            let before = self.seen.iter().find(|(identity, _)| *identity == process.identity);
            // Of one that is new, all it has used was used since the last look.
            let new = if self.points.is_empty() { cpu } else { Duration::ZERO };
            self.used += cpu.saturating_sub(before.map_or(new, |(_, cpu)| *cpu));
            seen.push((process.identity, cpu));
        }
        if seen.is_empty() {
            return;
        }
        self.seen = seen;
        self.usual = Some(usual);
        if self.points.len() == POINTS {
            self.points.remove(0);
        }
        self.points.push((now, self.used));
    }

    /// Whether it has less to do than usual, as far as that can be said.
    pub(super) fn is_quiet(&self) -> bool {
        let (Some((from, before)), Some((until, after)), Some(usual)) =
            (self.points.first(), self.points.last(), self.usual)
        else {
            return false;
        };
        let span = until.saturating_sub(*from);
        span >= LEAST_SPAN && rate(after.saturating_sub(*before), span) <= (usual * SHARE).max(IDLE)
    }
}

/// Processors used.
fn rate(used: Duration, within: Duration) -> f64 {
    if within.is_zero() { 0.0 } else { used.as_secs_f64() / within.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use scupper_model::{BootId, Pid, StartTime};

    use super::*;
    use crate::unit::Role;

    fn process(pid: i32, age: u64, cpu_millis: u64) -> Seen {
        let identity = Identity {
            pid: Pid::new(pid).unwrap(),
            start_time: StartTime(pid.unsigned_abs().into()),
            boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
        };
        Seen {
            age: Duration::from_secs(age),
            cpu: Some(Duration::from_millis(cpu_millis)),
            ..Seen::there(identity, Role::Main, &"x".into())
        }
    }

    /// A process that used half a processor for 1,000 s, then so many milliseconds a second.
    fn after(millis_per_second: u64, seconds: u64) -> bool {
        let mut load = Load::default();
        for second in 0..=seconds {
            let seen = process(7, 1000 + second, 500_000 + second * millis_per_second);
            load.note(Duration::from_secs(second), [&seen].into_iter());
        }
        load.is_quiet()
    }

    #[test]
    fn quiet_is_half_of_what_is_usual_for_some_seconds() {
        assert!(after(100, 3) && after(240, 10));
        assert!(!after(100, 2), "a pause between two requests");
        assert!(!after(400, 10), "as busy as ever");
    }

    #[test]
    fn an_idle_process_is_quiet_and_an_unread_one_is_unknown() {
        let mut load = Load::default();
        for second in 0..5 {
            load.note(Duration::from_secs(second), [&process(7, 1000, second)].into_iter());
        }
        assert!(load.is_quiet());
        let mut load = Load::default();
        let unread = Seen { cpu: None, ..process(7, 1000, 1) };
        (0..5).for_each(|second| load.note(Duration::from_secs(second), [&unread].into_iter()));
        assert!(!load.is_quiet());
    }

    /// Children that come and go use what they use: their end is no time given back.
    #[test]
    fn short_lives_count() {
        let mut load = Load::default();
        for second in 0..8 {
            let main = process(7, 1000 + second, 100_000);
            let child = process(100 + i32::try_from(second).unwrap(), 1, 800);
            load.note(Duration::from_secs(second), [&main, &child].into_iter());
        }
        assert!(!load.is_quiet());
    }
}
