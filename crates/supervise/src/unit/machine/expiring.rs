//! The ends of a unit that nobody has to ask for: its client is gone, it is idle, it is old.

use std::time::Duration;

use scupper_model::{EventKind, SignalReason};

use super::{Effect, State, TERM, Then, Unit, millis};
use crate::unit::look::Look;

/// Share of the grace in which a unit whose client is gone may end by itself: a half.
const OWN_SHARE: u32 = 2;

impl Unit {
    /// Ends the unit, but lets it end by itself first: its stdin is at its end, so a program that reads it knows.
    pub(super) fn let_end(&mut self, reason: SignalReason, now: Duration, effects: &mut Vec<Effect>) {
        if self.stop_asked.is_some() {
            return;
        }
        self.stop_asked = Some(reason);
        if self.state == State::Running && self.main.is_some() {
            self.forget_plans();
            let grace = self.settings.grace;
            self.state = State::Draining {
                deadline: now + grace,
                killed: false,
                then: Then::Exit(reason),
                tell: Some(now + grace / OWN_SHARE),
            };
        } else {
            self.stop(reason, TERM, true, now, effects);
        }
    }

    /// It still answers: the time in which it may end by itself begins anew. It is too late once it was told.
    pub(super) fn prolong(&mut self, now: Duration) {
        let grace = self.settings.grace;
        if let State::Draining { deadline, killed: false, tell: Some(tell), .. } = &mut self.state {
            (*deadline, *tell) = (now + grace, now + grace / OWN_SHARE);
        }
    }

    /// When the unit is over because of its age; nobody asks a second time.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        if self.stop_asked.is_some() || self.state == State::Stopped {
            return None;
        }
        Some(self.began_at? + self.settings.lifetime?)
    }

    pub(super) fn end_expired(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.expires_at().is_some_and(|at| now >= at) {
            let age = self.began_at.map_or(Duration::ZERO, |began| now.saturating_sub(began));
            self.expire(SignalReason::LifetimeExceeded, age, now, effects);
        }
    }

    /// Ends a unit through which nothing passed for so long. Where that cannot be said, it is kept.
    pub(super) fn end_idle(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let (Some(most), Some(idle)) = (self.settings.idle, look.idle) else { return };
        if idle >= most && self.state == State::Running && self.stop_asked.is_none() {
            self.expire(SignalReason::Idle, idle, now, effects);
        }
    }

    fn expire(&mut self, reason: SignalReason, after: Duration, now: Duration, effects: &mut Vec<Effect>) {
        effects.push(Effect::Record(EventKind::UnitExpired { reason, after_ms: millis(after) }));
        self.stop_asked = Some(reason);
        self.stop(reason, TERM, true, now, effects);
    }
}
