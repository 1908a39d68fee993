//! Carries out that a tree stands still: its cgroup is frozen, or every member is stopped.

use std::time::Duration;

use scupper_model::{Identity, Pid, SignalReason};

use super::{Fact, Surrounding, UnitShell};
use crate::shell::ownership::{Frozen, UnitCgroup};

const STOP: i32 = 19;
const CONT: i32 = 18;
/// Whoever forks while it is being stopped is met at the next of so many rounds; after that at the next look.
const ROUNDS: u32 = 5;

/// Who stands still because of us.
#[derive(Debug, Default)]
pub(super) struct Held {
    frozen: bool,
    stopped: Vec<Identity>,
}

impl UnitShell {
    /// Lets everybody stand still who may be ended. Those who stand still already are left as they are.
    pub(super) fn hold_tree(
        &mut self,
        reason: SignalReason,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        for _ in 0..ROUNDS {
            self.tree.refresh(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
            let gathered: Vec<_> =
                self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
            let spared: Vec<Pid> = self.judge.spared(&gathered).into_iter().map(|(pid, _)| pid).collect();
            self.tree.set_spared(&spared);
            if !self.held.frozen
                && spared.is_empty()
                && let Some(event) = self.cgroup.as_ref().and_then(|dir| dir.freeze(Frozen::Yes, reason))
            {
                self.held.frozen = true;
                facts.push(event);
            }
            let inside = self.cgroup.as_ref().filter(|_| self.held.frozen).map(UnitCgroup::members);
            let inside = inside.unwrap_or_default();
            let fresh: Vec<Identity> = self
                .tree
                .members()
                .filter(|m| !m.spared && !m.zombie && !inside.contains(&m.identity.pid))
                .map(|m| m.identity)
                .filter(|identity| !self.held.stopped.contains(identity))
                .collect();
            let acting = fresh.into_iter().filter(|identity| {
                let stat = around.proc.stat(identity.pid).ok().flatten();
                stat.is_some_and(|stat| stat.state != b'T')
            });
            let acting: Vec<Identity> = acting.collect();
            if acting.is_empty() {
                return;
            }
            for target in acting {
                self.signal(&target, STOP, reason, around, facts);
                self.held.stopped.push(target);
            }
        }
    }

    /// Lets those go on who stand still because of us.
    pub(super) fn release_tree(&mut self, reason: SignalReason, around: &Surrounding, facts: &mut Vec<Fact>) {
        let held = std::mem::take(&mut self.held);
        if held.frozen {
            facts.extend(self.cgroup.as_ref().and_then(|dir| dir.freeze(Frozen::No, reason)));
        }
        for target in held.stopped {
            self.signal(&target, CONT, reason, around, facts);
        }
    }
}
