//! From one start to the next: started, ended, started again or given up.

use std::time::Duration;

use scupper_model::{EventKind, HowEnded, Identity, RestartPolicy, SignalReason};

use super::{
    ENDED_BY_ITSELF, ENDS_WITH_IT, Effect, KILL, LEFTOVER_GRACE, Recycle, State, TERM, Then, Unit, millis,
};
use crate::unit::budget::{Cause, Grant};

/// The exit code of a unit that was ended because it is no member of its registry any more (`EX_TEMPFAIL`).
const LEASE_LOST: i32 = 75;
/// The exit code of a unit whose command succeeded, and leaked.
const LEAKED: i32 = 1;

impl Unit {
    pub(super) fn begin(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.state == State::New {
            self.began_at = Some(now);
            self.spawn(effects);
        }
    }

    pub(super) fn spawn(&mut self, effects: &mut Vec<Effect>) {
        self.state = State::Starting;
        self.counts.starts += 1;
        effects.push(Effect::Spawn);
    }

    pub(super) fn started(&mut self, main: Identity, now: Duration, effects: &mut Vec<Effect>) {
        self.main = Some(main);
        self.state = State::Running;
        self.said.clear();
        self.unreachable_said = false;
        if let Some(reason) = self.stop_asked {
            self.drain_main(Then::Exit(reason), TERM, reason, now, effects);
        }
    }

    pub(super) fn start_failed(&mut self, code: i32, now: Duration, effects: &mut Vec<Effect>) {
        self.last_code = code;
        self.main = None;
        // A command that is missing will not appear by being tried at once; a unit of `up` may get it later.
        let first = self.counts.starts == 1;
        match self.stop_asked {
            None if self.settings.restart != RestartPolicy::Never && !first => {
                self.restart(Cause::Crash, now, effects);
            }
            Some(reason) => self.finish(reason.describe(), effects),
            None => self.finish("the command could not be started", effects),
        }
    }

    pub(super) fn main_ended(&mut self, how: HowEnded, now: Duration, effects: &mut Vec<Effect>) {
        self.main = None;
        self.last_code = how.exit_code().unwrap_or(125);
        let (then, deadline, killed) = match self.state {
            // After a KILL nobody is waited for: who forked meanwhile is killed at the next look.
            State::Draining { deadline, killed, then, .. } => {
                (then, if killed { now } else { deadline }, killed)
            }
            State::Stopped | State::Ending { .. } | State::Waiting { .. } => return,
            _ => (Then::Decide, now + self.settings.grace.min(LEFTOVER_GRACE), false),
        };
        let then = match then {
            Then::Decide if self.interrupted_at.is_some_and(|at| now <= at + self.settings.grace) => {
                Then::Exit(SignalReason::Forwarded)
            }
            Then::Decide if self.wants_restart(how) => Then::Restart(Cause::Crash),
            other => other,
        };
        self.targets.clear();
        self.to_recycle = Recycle::Nobody;
        self.leaking = None;
        if self.settings.fail_on_leak && how.is_success() && !killed {
            // Whether it was left behind is a question with an exit code: what ends with its command is given the time to.
            let tell = now + ENDS_WITH_IT;
            let deadline = deadline.max(tell);
            self.state = State::Ending { deadline, killed, then, tell: Some(tell) };
            return;
        }
        self.state = State::Ending { deadline, killed, then, tell: None };
        let signal = if killed { KILL } else { TERM };
        effects.push(Effect::SignalTree { signal, reason: SignalReason::LeftBehind });
    }

    pub(super) fn wants_restart(&self, how: HowEnded) -> bool {
        match self.settings.restart {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => !how.is_success(),
            RestartPolicy::Always => true,
        }
    }

    pub(super) fn tree_empty(&mut self, then: Then, now: Duration, effects: &mut Vec<Effect>) {
        match then {
            Then::Exit(reason) => self.finish(reason.describe(), effects),
            Then::Decide => self.finish(ENDED_BY_ITSELF, effects),
            Then::Restart(cause) => self.restart(cause, now, effects),
        }
    }

    pub(super) fn restart(&mut self, cause: Cause, now: Duration, effects: &mut Vec<Effect>) {
        let jitter = self.jitter();
        let (budget, count) = match cause {
            Cause::Crash => (&mut self.crash, &mut self.counts.crash_restarts),
            Cause::Recycle => (&mut self.recycle, &mut self.counts.recycle_restarts),
            Cause::Limit => (&mut self.limit, &mut self.counts.limit_restarts),
            Cause::Asked => return self.spawn(effects),
        };
        let cause = cause.name().to_owned();
        let delay = match budget.ask(now, jitter) {
            Grant::After(delay) => {
                *count += 1;
                let restarts = *count;
                effects.push(Effect::Record(EventKind::UnitRestarting {
                    cause,
                    restarts,
                    delay_ms: millis(delay),
                }));
                delay
            }
            Grant::Spent(delay) => {
                let restarts = *count;
                let retry = self.settings.retry_after_giving_up.then_some(delay);
                effects.push(Effect::Record(EventKind::UnitGaveUp {
                    cause,
                    restarts,
                    retry_ms: retry.map(millis),
                }));
                match retry {
                    Some(delay) => delay,
                    None => return self.finish("gave up", effects),
                }
            }
        };
        if delay.is_zero() {
            self.spawn(effects);
        } else {
            self.state = State::Waiting { until: now + delay };
        }
    }

    pub(super) fn finish(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        if self.settings.fail_on_leak && self.leak_found && self.last_code == 0 {
            self.last_code = LEAKED;
        }
        if self.hold.lost_lease() {
            self.last_code = LEASE_LOST;
        }
        self.state = State::Stopped;
        effects.push(Effect::Record(EventKind::UnitStopped {
            reason: reason.to_owned(),
            exit_code: self.last_code,
            // The shell knows whom it signalled and whom it kept.
            ended: 0,
            kept: 0,
        }));
        effects.push(Effect::Finish(self.last_code));
    }
}
