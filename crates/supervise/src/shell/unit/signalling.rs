//! Carries out the machine's signals: to one process, to a subtree, to the whole tree.

use std::time::Duration;

use scupper_model::{EventKind, Identity, Pid, SignalReason, UnitPhase};

use super::{Fact, KILL, Surrounding, UnitShell};
use crate::shell::deliver::deliver;
use crate::shell::ownership::UnitCgroup;
use crate::shell::tree::Member;
use scupper_knowledge::spare::Because;

impl UnitShell {
    pub(in crate::shell) fn subtree(&self, root: &Identity) -> Vec<Identity> {
        let mut below: Vec<Identity> = Vec::new();
        let mut parents = vec![root.pid];
        for member in self.tree.members() {
            if member.identity == *root || member.parent.is_some_and(|parent| parents.contains(&parent)) {
                if member.identity != *root {
                    parents.push(member.identity.pid);
                }
                if !member.spared && !member.zombie {
                    below.push(member.identity);
                }
            }
        }
        if below.is_empty() {
            below.push(*root);
        }
        // Children first, so that no parent replaces them.
        below.reverse();
        below
    }

    /// Signals everybody who may be ended. Whether somebody was found who should not have been left.
    pub(in crate::shell) fn signal_tree(
        &mut self,
        signal: i32,
        reason: SignalReason,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> bool {
        self.tree.refresh(&around.proc, self.cgroup.as_ref().map(UnitCgroup::path), now);
        let gathered: Vec<_> =
            self.tree.members().filter_map(|m| self.judge.facts(&around.proc, m.identity.pid)).collect();
        let spared = self.judge.spared(&gathered);
        let spared_pids: Vec<Pid> = spared.iter().map(|(pid, _)| *pid).collect();
        self.tree.set_spared(&spared_pids);
        self.tell_kept(&spared, facts);
        if signal == KILL
            && let Some(event) = self.cgroup.as_ref().and_then(|dir| dir.kill(&spared_pids, reason))
        {
            for member in self.tree.members() {
                self.sent.note(member.identity, signal, reason, None);
            }
            facts.push(event);
        }
        let targets: Vec<Identity> =
            self.tree.members().rev().filter(|m| !m.spared && !m.zombie).map(|m| m.identity).collect();
        let mut leaked = false;
        if reason == SignalReason::LeftBehind {
            let fresh: Vec<Identity> =
                targets.iter().filter(|target| !self.sent.was_left_behind(target)).copied().collect();
            self.left_behind =
                self.left_behind.saturating_add(u32::try_from(fresh.len()).unwrap_or(u32::MAX));
            self.left_behind_total = self.left_behind_total.saturating_add(fresh.len() as u64);
            leaked = self.note_left(&fresh, around, facts);
        }
        for target in targets {
            self.signal(&target, signal, reason, around, facts);
        }
        self.next_look = Some(now + crate::unit::pace::SHORTEST);
        leaked
    }

    pub(in crate::shell) fn tell_kept(&mut self, spared: &[(Pid, Because)], facts: &mut Vec<Fact>) {
        if self.machine.phase() != UnitPhase::Ending {
            return;
        }
        self.kept = u32::try_from(spared.len()).unwrap_or(u32::MAX);
        for (pid, because) in spared {
            let Some(member) = self.tree.member(*pid) else { continue };
            facts.push(EventKind::Kept {
                target: member.identity,
                name: member.shown_name(),
                because: because.to_string(),
            });
        }
    }

    pub(in crate::shell) fn signal(
        &mut self,
        target: &Identity,
        signal: i32,
        reason: SignalReason,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        let name = self.name_of(target);
        let repeated = signal == KILL && self.sent.contains(target, signal);
        let event = deliver(&around.proc, &around.untouchable, target, &name, signal, reason);
        if let Some(EventKind::SignalSent { .. }) = event {
            self.sent.note(*target, signal, reason, self.reason_signal);
        }
        if !repeated {
            facts.extend(event);
        }
    }

    /// Sends once more what was sent and noted before, told or not.
    pub(in crate::shell) fn signal_again(
        &self,
        target: &Identity,
        signal: i32,
        reason: SignalReason,
        around: &Surrounding,
        told: bool,
    ) -> Option<EventKind> {
        deliver(&around.proc, &around.untouchable, target, &self.name_of(target), signal, reason)
            .filter(|_| told)
    }

    fn name_of(&self, target: &Identity) -> String {
        self.tree.member(target.pid).map_or_else(|| self.spec.name.to_string(), Member::shown_name)
    }

    /// Notes who sent the signal that is being handled, for the certificate.
    pub(in crate::shell) fn handling_signal_of(&mut self, sender: Option<i32>) {
        self.reason_signal = sender;
    }
}
