//! What people, signals and scupper itself ask of a unit.

use std::time::Duration;

use scupper_model::SignalReason;

use super::{Ask, Effect, INTERRUPT, QUIT, Recycle, State, TERM, Then, Unit};
use crate::unit::budget::Cause;

impl Unit {
    pub(super) fn ask(&mut self, ask: Ask, now: Duration, effects: &mut Vec<Effect>) {
        match ask {
            Ask::Stop(reason) => {
                self.hold.note_end(reason);
                self.stop_asked = Some(reason);
                self.stop(reason, TERM, true, now, effects);
            }
            Ask::LetEnd(reason) => self.let_end(reason, now, effects),
            Ask::Prolong => self.prolong(now),
            Ask::Hold(reason) => self.hold.want(Some(reason)),
            Ask::Release(reason) => self.hold.release(reason),
            Ask::End(reason) => self.end_at_once(reason, now, effects),
            Ask::Restart(reason) => match self.state {
                State::Running => self.drain_main(Then::Restart(Cause::Asked), TERM, reason, now, effects),
                State::Waiting { .. } => self.spawn(effects),
                _ => {}
            },
            Ask::Recycle => {
                if self.state == State::Running {
                    // The next look fills in the workers, or finds none and recycles the unit.
                    self.to_recycle = Recycle::Asked;
                }
            }
        }
    }

    pub(super) fn signalled(
        &mut self,
        signal: i32,
        ends: bool,
        forward: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if ends {
            self.stop_asked = Some(SignalReason::Forwarded);
            if matches!(self.state, State::New | State::Waiting { .. }) {
                self.last_code = 128 + signal;
            }
            self.stop(SignalReason::Forwarded, signal, forward, now, effects);
        }
        if !ends && !forward && matches!(signal, INTERRUPT | QUIT) {
            self.interrupted(signal, now, effects);
        }
        // `stop` has signalled a running main process; later ones of the same are passed on as they come.
        let already = ends && effects.iter().any(|e| matches!(e, Effect::Signal { .. }));
        if let (Some(target), true, false) = (self.main, forward, already) {
            effects.push(Effect::Signal { target, signal, reason: SignalReason::Forwarded, subtree: false });
        }
    }

    /// ^C at the terminal, which the command has got as well: a command that ends of it was not lost, and is not started
    /// again. One that goes on (a prompt) goes on.
    pub(super) fn interrupted(&mut self, signal: i32, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Ending { then: then @ Then::Restart(Cause::Crash), .. } => {
                *then = Then::Exit(SignalReason::Forwarded);
            }
            State::Waiting { .. } => {
                self.last_code = 128 + signal;
                self.finish(SignalReason::Forwarded.describe(), effects);
            }
            _ => self.interrupted_at = Some(now),
        }
    }

    /// Ends the unit, whatever it is doing.
    pub(super) fn stop(
        &mut self,
        reason: SignalReason,
        signal: i32,
        tell: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        match &mut self.state {
            State::Running if tell => self.drain_main(Then::Exit(reason), signal, reason, now, effects),
            State::Running => {
                self.state = State::Draining {
                    deadline: now + self.settings.grace,
                    killed: false,
                    then: Then::Exit(reason),
                    tell: None,
                };
            }
            // Nobody waits for it to end by itself any more.
            State::Draining { then, tell: told @ Some(_), .. } => {
                (*then, *told) = (Then::Exit(reason), None);
                if let (Some(target), true) = (self.main, tell) {
                    effects.push(Effect::Signal { target, signal, reason, subtree: false });
                }
            }
            State::Draining { then, deadline, .. } | State::Ending { then, deadline, .. } => {
                *then = Then::Exit(reason);
                // The grace may have been made shorter since.
                *deadline = (*deadline).min(now + self.settings.grace);
            }
            State::New | State::Waiting { .. } => self.finish(reason.describe(), effects),
            State::Starting | State::Stopped => {}
        }
    }

    pub(super) fn drain_main(
        &mut self,
        then: Then,
        signal: i32,
        reason: SignalReason,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(target) = self.main else { return };
        self.forget_plans();
        self.state = State::Draining { deadline: now + self.settings.grace, killed: false, then, tell: None };
        effects.push(Effect::Signal { target, signal, reason, subtree: false });
    }

    /// Whoever was to be replaced goes with the whole.
    pub(super) fn forget_plans(&mut self) {
        self.to_recycle = Recycle::Nobody;
        self.leaking = None;
    }
}
