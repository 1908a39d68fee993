//! What leaks: gives the watch its looks, and at the end says with `--fail-on-leak` what leaked and what was left.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_detect::Reason;
use scupper_model::{
    Bytes, EventKind, Identity, LimitLevel, Limits, OBSERVED, Resource, SignalReason, UnitSpec, Watched,
};
use scupper_probe::Detail;

use super::{Fact, Surrounding, UnitShell, allowance};
use crate::shell::closer::Scene;
use crate::shell::tree::Member;
use crate::unit::{Input, Look, pace};
use crate::watch::Plan;

/// A zombie this old at the end of its command was not waited for; a younger one may only just have ended.
const ZOMBIE: Duration = Duration::from_secs(1);
/// Signals by which programs end.
const INTERRUPT: i32 = 2;
const QUIT: i32 = 3;
const KILL: i32 = 9;
const TERM: i32 = 15;

/// Processes that were left behind and are told of one by one.
const MOST_TOLD: usize = 20;

/// How long a closer look may take: before a leaking process is replaced or a soak stops its command, before one is ended that
/// has reached its limit, and after the end of a command while it was being looked at.
const BEFORE_RECYCLING: Duration = Duration::from_millis(500);
const AT_THE_LIMIT: Duration = Duration::from_millis(25);
const AFTER_THE_END: Duration = Duration::from_millis(50);

/// Whether a program may end by this signal.
pub(super) const fn ends_by(signal: i32) -> bool {
    matches!(signal, INTERRUPT | QUIT | KILL | TERM)
}

/// How growth of a unit is judged. What memory there is, is found out when it is first needed.
pub(super) fn plan(spec: &UnitSpec, around: &Surrounding) -> Plan {
    Plan { descriptors: around.descriptors, ..Plan::of(spec, around.whole(&spec.limits)) }
}

impl Surrounding {
    /// The memory that a unit without a limit of its own can grow into.
    fn room(&self, limits: &Limits) -> Option<Bytes> {
        let limited = limits.mem_soft.is_some() || limits.mem_hard.is_some();
        if limited { None } else { *self.whole.get_or_init(|| allowance(&self.proc, &self.mounts)) }
    }
}

/// How long who leaks goes on while it is looked at closer. It grows meanwhile, and is not to reach its hard limit by that: so
/// no longer than until it would be looked at again.
fn before_recycling(look: &Look, hard: Option<u64>) -> Duration {
    let due = hard.map(|limit| pace::next_look(look.size.0, look.slope, limit));
    due.map_or(BEFORE_RECYCLING, |due| due.clamp(AT_THE_LIMIT, BEFORE_RECYCLING))
}

impl UnitShell {
    /// Gives a look to the watch, which marks in it what leaks.
    pub(super) fn watch_look(
        &mut self,
        look: &mut Look,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        if self.machine.main().is_none() {
            return;
        }
        self.watch.set_memory(|| around.room(&self.spec.limits));
        facts.extend(self.watch.observe(now, now.saturating_sub(self.started_at), look));
        facts.extend(self.watch.take_parting());
        let suspicions = self.watch.take_suspicions();
        for suspicion in &suspicions {
            facts.extend(self.watch.histories_of(suspicion, now));
        }
        self.note_asked_to_end();
        let scene = Scene { look, tree: &self.tree, operations: self.watch.operations(), now };
        facts.extend(self.closer.step(&suspicions, scene));
    }

    /// Somebody has counted so many operations of the unit.
    pub(in crate::shell) fn note_operations(&mut self, operations: Option<u64>) {
        if let Some(operations) = operations {
            self.watch.set_operations(operations);
        }
    }

    /// Notes what the machine does about a leak, and gives what is to be recorded of whoever ends by it: there is nobody to
    /// ask afterwards.
    pub(super) fn note_end(&mut self, fact: &EventKind, now: Duration) -> Vec<EventKind> {
        match fact {
            EventKind::RecycleStarted { target, reason, .. } => {
                let leaks = *reason == SignalReason::Leak;
                if leaks {
                    self.watch.recycling(*target);
                }
                let mut known = self.watch.histories_at(Some(*target), now, "recycled");
                // Whoever leaks has time; a limit has hardly any. Afterwards it lets go of what it holds.
                let patience = if leaks { self.patience() } else { AT_THE_LIMIT };
                if *reason == SignalReason::HardLimit {
                    known.extend(self.look_closer_at_last(Some(*target), "recycled", patience, now));
                    known.extend(self.closer.ends(Some(*target)));
                } else {
                    known.extend(self.part_with(*target, patience, now));
                }
                known
            }
            EventKind::LimitCrossed { level: LimitLevel::Hard, action, .. } if action != OBSERVED => {
                self.watch.histories_at(None, now, "limit")
            }
            _ => Vec::new(),
        }
    }

    /// A soak has seen enough of it, and is about to stop it.
    pub(in crate::shell) fn note_soak_over(&mut self, now: Duration) -> Vec<EventKind> {
        let mut known = self.look_closer_at_last(None, "soak", self.patience(), now);
        known.extend(self.closer.ends(None));
        known
    }

    /// A signal is about to be sent: whoever ends by it lets go of what it holds, which is no finding. What was found before.
    pub(super) fn note_signal(&mut self, target: Option<Identity>, signal: i32) -> Vec<EventKind> {
        if !ends_by(signal) {
            return Vec::new();
        }
        // Without its main process nobody of the tree is as he was.
        self.closer.ends(target.filter(|target| self.machine.main() != Some(*target)))
    }

    /// Somebody else has sent a signal to all of them: ^C at a terminal.
    fn note_asked_to_end(&mut self) {
        if self.machine.asked_to_end() {
            self.closer.all_end();
        }
    }

    /// How long a closer look at who leaks may take.
    fn patience(&self) -> Duration {
        before_recycling(&self.look, self.machine.settings().bounds.of(Resource::Memory).hard)
    }

    /// Takes what closer looks have found, and begins what waits.
    pub(super) fn step_closer(&mut self, now: Duration) -> Vec<EventKind> {
        let scene = Scene { look: &self.look, tree: &self.tree, operations: self.watch.operations(), now };
        self.closer.step(&[], scene)
    }

    pub(super) fn look_closer_at_last(
        &mut self,
        target: Option<Identity>,
        because: &'static str,
        patience: Duration,
        now: Duration,
    ) -> Vec<EventKind> {
        let (look, tree, operations) = (&self.look, &self.tree, self.watch.operations());
        self.closer.last_look(target, because, patience, Scene { look, tree, operations, now })
    }

    /// The command has ended: what leaked, and whom it had not waited for.
    pub(super) fn conclude(&mut self, now: Duration, around: &Surrounding, facts: &mut Vec<Fact>) {
        self.note_asked_to_end();
        facts.extend(self.closer.finish(AFTER_THE_END));
        let because = if self.is_observed() { "soak" } else { "ended" };
        facts.extend(self.watch.histories_at(None, now, because));
        if !self.spec.fail_on_leak || self.is_observed() {
            return;
        }
        let mut found = self.watch.findings();
        let old = |member: &&Member| member.zombie_since.is_some_and(|since| now >= since + ZOMBIE);
        let text = "it had ended, and its parent did not wait for it until the command ended";
        let zombies = self.tree.members().filter(old).take(MOST_TOLD);
        found.extend(zombies.map(|member| left(Watched::Zombies, member, "not_waited_for", text.to_owned())));
        if !found.is_empty() {
            facts.extend(found);
            self.drive(Input::LeakFound, now, around, facts);
        }
    }

    /// These are being ended because their command has ended without them. Whether that is a finding.
    pub(super) fn note_left(
        &mut self,
        targets: &[Identity],
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) -> bool {
        // Who stopped the command has not waited for the rest of it to end.
        let stopped = self.is_observed() && self.machine.asked_to_end();
        if !self.spec.fail_on_leak || stopped || targets.is_empty() {
            return false;
        }
        let more = targets.len().saturating_sub(MOST_TOLD);
        for target in targets.iter().take(MOST_TOLD) {
            let Some(member) = self.tree.member(target.pid).filter(|member| member.identity == *target)
            else {
                continue;
            };
            let detail = Detail { fds: true, sockets: true, ..Detail::default() };
            let process = around.proc.process(target.pid).ok().flatten();
            let sample = process.and_then(|process| process.sample(&around.proc, detail).ok().flatten());
            let mut text = "alive after its command had ended".to_owned();
            if let Some(fds) = sample.as_ref().and_then(|sample| sample.fds) {
                let _ = write!(text, ", with {fds} descriptors");
            }
            if let Some(sockets) = sample.as_ref().and_then(|sample| sample.sockets).filter(|n| *n > 0) {
                let _ = write!(text, ", {sockets} of them sockets");
            }
            facts.push(left(Watched::Children, member, "left_behind", text));
        }
        if more > 0 {
            let message = format!("{more} more processes were left behind; they are ended as well");
            facts.push(EventKind::Trouble { message });
        }
        true
    }
}

fn left(series: Watched, member: &Member, tag: &'static str, text: String) -> EventKind {
    EventKind::LeakFound {
        series,
        target: Some(member.identity),
        name: Some(member.shown_name()),
        value: 1,
        confidence: None,
        slope_per_hour: None,
        reasons: vec![Reason { tag: tag.into(), text }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R043: near its hard limit, or growing fast, nobody is left unseen for half a second.
    #[test]
    fn r043_a_closer_look_is_waited_for_no_longer_than_a_limit_allows() {
        let gib = 1 << 30;
        let look = |size, slope| Look { size: Bytes(size), slope, ..Look::default() };
        assert_eq!(before_recycling(&look(gib, Some(1e9)), None), BEFORE_RECYCLING, "there is no limit");
        assert_eq!(before_recycling(&look(gib, Some(1e6)), Some(4 * gib)), BEFORE_RECYCLING, "far from it");
        assert_eq!(before_recycling(&look(gib, Some(4e10)), Some(4 * gib)), AT_THE_LIMIT, "growing fast");
        assert_eq!(before_recycling(&look(4 * gib, None), Some(4 * gib)), AT_THE_LIMIT, "at it");
    }
}
