//! A unit that must not act for a while: its tree stands still, whatever state the unit is in. What ends is let go on, or it
//! could not end.

use std::time::Duration;

use scupper_model::SignalReason;

use super::{Effect, KILL, State, Then, Unit};

/// What is wanted, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    wanted: Option<SignalReason>,
    held: bool,
    again: bool,
    release: Option<SignalReason>,
    lost_lease: bool,
}

impl Hold {
    pub(super) const fn want(&mut self, reason: Option<SignalReason>) {
        self.wanted = reason;
    }

    pub(super) const fn wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whoever has joined since is to stand still as well.
    pub(super) const fn again(&mut self) {
        self.again = true;
    }

    pub(super) const fn release(&mut self, reason: SignalReason) {
        (self.wanted, self.release) = (None, Some(reason));
    }

    /// The reason why it is being ended says what its exit code is.
    pub(super) fn note_end(&mut self, reason: SignalReason) {
        self.lost_lease |= reason == SignalReason::LeaseLost;
    }

    /// Whether it is ended because it holds no lease.
    pub(super) const fn lost_lease(&self) -> bool {
        self.lost_lease
    }
}

impl Unit {
    /// Whether its tree stands still.
    pub const fn is_held(&self) -> bool {
        self.hold.held
    }

    /// Why its tree stands still, where it does.
    pub fn held(&self) -> Option<SignalReason> {
        self.hold.wanted.filter(|_| self.hold.held)
    }

    /// Brings what is done in line with what is wanted, after whatever else was decided: a signal that ends is there
    /// before its receiver goes on.
    pub(super) fn hold_or_release(&mut self, effects: &mut Vec<Effect>) {
        let again = std::mem::take(&mut self.hold.again);
        match (self.hold.wanted, self.hold.held) {
            (Some(reason), held) if self.state == State::Running && (!held || again) => {
                self.hold.held = true;
                effects.push(Effect::HoldTree { reason });
            }
            (Some(reason), true) if self.state != State::Running => {
                self.hold.held = false;
                // Started again, it is held again.
                effects.push(Effect::ReleaseTree { reason });
            }
            (None, true) => {
                self.hold.held = false;
                let reason = self.hold.release.take().unwrap_or(SignalReason::LeaseRegained);
                effects.push(Effect::ReleaseTree { reason });
            }
            _ => {}
        }
    }

    /// KILL to all of it: nobody waits for it any more.
    pub(super) fn end_at_once(&mut self, reason: SignalReason, now: Duration, effects: &mut Vec<Effect>) {
        self.hold.note_end(reason);
        self.stop_asked = Some(reason);
        match &mut self.state {
            State::Running => {
                self.forget_plans();
                self.state =
                    State::Draining { deadline: now, killed: true, then: Then::Exit(reason), tell: None };
            }
            State::Draining { deadline, killed: killed @ false, then, tell }
            | State::Ending { deadline, killed: killed @ false, then, tell } => {
                (*deadline, *killed, *then, *tell) = (now, true, Then::Exit(reason), None);
            }
            _ => return self.stop(reason, KILL, true, now, effects),
        }
        effects.push(Effect::SignalTree { signal: KILL, reason });
    }
}
