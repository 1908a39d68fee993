//! One process at a time: helpers that outlived their time, workers that were asked to be replaced.

use std::time::Duration;

use scupper_model::{Identity, Policy, SignalReason};

use super::{Effect, Recycle, TERM, Then, Unit, judging};
use crate::unit::budget::Cause;
use crate::unit::look::{Look, Role};
use scupper_knowledge::glob;

impl Unit {
    pub(super) fn end_old_helpers(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        if self.settings.policy < Policy::Recycle || self.settings.child_lifetimes.is_empty() {
            return;
        }
        for process in look.endable().filter(|p| p.role == Role::Helper) {
            let lifetime = self
                .settings
                .child_lifetimes
                .iter()
                .find(|l| {
                    glob::matches(&l.pattern, process.name.as_bytes())
                        || glob::matches(&l.pattern, process.program.as_bytes())
                })
                .map(|l| l.lifetime);
            let leaves =
                judging::with_all_below(look, &self.targets.identities()).contains(&process.identity);
            if lifetime.is_some_and(|lifetime| process.age > lifetime) && !leaves {
                let grace = self.settings.grace;
                self.targets.start(process, now, grace, TERM, SignalReason::LifetimeExceeded, effects);
            }
        }
    }

    /// Goes on with a recycle that was asked for: one worker at a time.
    pub(super) fn recycle_next(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let left: Vec<Identity> = match &self.to_recycle {
            Recycle::Nobody => return,
            Recycle::Asked => {
                look.endable().filter(|p| matches!(p.role, Role::Worker { .. })).map(|p| p.identity).collect()
            }
            Recycle::Workers(left) => {
                let lives = |identity: &Identity| look.endable().any(|seen| seen.identity == *identity);
                left.iter().copied().filter(lives).collect()
            }
        };
        if left.is_empty() && self.to_recycle == Recycle::Asked {
            return self.drain_main(Then::Restart(Cause::Asked), TERM, SignalReason::Recycle, now, effects);
        }
        self.to_recycle = if left.is_empty() { Recycle::Nobody } else { Recycle::Workers(left.clone()) };
        if !self.targets.worker_may_go(now) {
            return;
        }
        let next = left.iter().filter(|identity| !self.targets.contains(identity)).find_map(|i| look.find(i));
        if let Some((process, Role::Worker { signal })) = next.map(|process| (process, process.role)) {
            let left = left.into_iter().filter(|identity| *identity != process.identity).collect();
            self.to_recycle = Recycle::Workers(left);
            self.targets.start(process, now, self.settings.grace, signal, SignalReason::Recycle, effects);
        }
    }
}
