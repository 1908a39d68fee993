//! Holds a look against the limits, and acts on who grows.

use std::time::Duration;

use scupper_model::{
    EventKind, Identity, LimitLevel, OBSERVED, Policy, Resource, RestartPolicy, SignalReason,
};

use super::{ALERTED, Effect, KILL, REARM_SHARE, REST_GROWTH, State, TERM, Then, Unit, millis};
use crate::unit::bounds::Bound;
use crate::unit::budget::{BudgetPlan, Cause};
use crate::unit::culprit::{Action, culprit};
use crate::unit::look::{Look, Role, Seen};

/// A limit that is crossed.
#[derive(Clone, Copy)]
struct Crossing {
    resource: Resource,
    level: LimitLevel,
    /// How much there is.
    value: u64,
    /// How much there may be.
    limit: u64,
}

impl Unit {
    /// Holds a look against the limits.
    pub(super) fn judge(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        for resource in Resource::ALL {
            let bound = self.settings.bounds.of(resource);
            let Some(whole) = look.total(resource) else { continue };
            let total = whole.saturating_sub(kept(resource, look));
            self.rearm(resource, total, bound);
            // Who was killed no longer counts: its memory is on its way back.
            let killed: Vec<Identity> = self.targets.killed().map(|t| t.identity).collect();
            let value = total.saturating_sub(leaving(resource, look, &killed));
            match bound.crossed(value) {
                Some((level @ LimitLevel::Hard, limit)) => {
                    self.hard(Crossing { resource, level, value, limit }, look, now, effects);
                }
                Some((level, limit)) => {
                    self.drain(Crossing { resource, level, value: total, limit }, look, now, effects);
                }
                None => {
                    if let Some((level, limit)) = bound.crossed(whole).filter(|_| whole > total) {
                        let message =
                            "the rest is within it: what is above is held by processes that are kept";
                        let crossing = Crossing { resource, level, value: whole, limit };
                        self.say_unreachable(crossing, message, effects);
                    }
                }
            }
        }
    }

    pub(super) fn rearm(&mut self, resource: Resource, total: u64, bound: Bound) {
        self.said.retain(|&(said, level)| {
            let limit = if level == LimitLevel::Hard { bound.hard } else { bound.soft };
            said != resource || limit.is_some_and(|limit| total > limit - limit / REARM_SHARE)
        });
    }

    fn hard(&mut self, crossing: Crossing, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let taken: Vec<Identity> = self.targets.killed().map(|t| t.identity).collect();
        let found = culprit(look, crossing.resource, crossing.limit, &with_all_below(look, &taken), false);
        let action = match (self.settings.policy, found) {
            (Policy::Observe, _) => OBSERVED,
            (Policy::Alert, _) => ALERTED,
            (Policy::Recycle, _) => "drain: policy",
            (_, Some(p)) if p.role == Role::Main || self.state != State::Running => "kill unit",
            (_, Some(_)) => "kill",
            (_, None) => "none: nobody may be ended",
        };
        self.say_crossed(crossing, found, action, effects);
        if self.settings.policy < Policy::Kill {
            return self.drain(crossing, look, now, effects);
        }
        let Some(process) = found else { return };
        match self.state {
            State::Draining { killed: true, .. } => {}
            State::Draining { deadline, then, .. } => {
                self.state = State::Draining { deadline, killed: true, then, tell: None };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::HardLimit });
            }
            _ if process.role == Role::Main => {
                let then = match self.settings.restart {
                    RestartPolicy::Never => Then::Exit(SignalReason::HardLimit),
                    _ => Then::Restart(Cause::Limit),
                };
                self.state = State::Draining { deadline: now, killed: true, then, tell: None };
                effects.push(Effect::SignalTree { signal: KILL, reason: SignalReason::HardLimit });
            }
            _ if self.targets.contains(&process.identity) => {
                self.targets.escalate(&process.identity, SignalReason::HardLimit, effects);
            }
            _ => self.targets.start(process, now, Duration::ZERO, KILL, SignalReason::HardLimit, effects),
        }
    }

    /// The gentle way below a limit: soft, or hard where nothing may be killed.
    fn drain(&mut self, crossing: Crossing, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let Crossing { resource, level, value, limit } = crossing;
        if self.state != State::Running {
            return;
        }
        if self.settings.policy < Policy::Recycle {
            let action = if self.settings.policy == Policy::Observe { OBSERVED } else { ALERTED };
            let largest = culprit(look, resource, limit, &[], false);
            return self.say_crossed(crossing, largest, action, effects);
        }
        // Whoever is on the way out takes what it holds along: is the rest within the limit?
        let taken = self.targets.identities();
        if value.saturating_sub(leaving(resource, look, &taken)) <= limit && !taken.is_empty() {
            return;
        }
        let Some(process) = culprit(look, resource, limit, &with_all_below(look, &taken), true) else {
            if taken.is_empty() && at_rest(look, limit) {
                let message =
                    "the unit needs more than this at rest, and nothing in it has grown: raise the limit";
                self.say_unreachable(crossing, message, effects);
            }
            return;
        };
        let action = Action::for_role(process.role);
        self.say_crossed(crossing, Some(process), action.describe(), effects);
        let reason = match level {
            LimitLevel::Soft => SignalReason::SoftLimit,
            LimitLevel::Hard => SignalReason::HardLimit,
        };
        self.act(action, process, reason, now, effects);
    }

    fn say_unreachable(&mut self, crossing: Crossing, message: &str, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.unreachable_said, true) {
            let Crossing { resource, level, value, limit } = crossing;
            let message = message.to_owned();
            effects.push(Effect::Record(EventKind::LimitUnreachable {
                resource,
                level,
                value,
                limit,
                message,
            }));
        }
    }

    pub(super) fn act(
        &mut self,
        action: Action,
        process: &Seen,
        reason: SignalReason,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let grace = self.settings.grace;
        match action {
            Action::DrainWorker { signal } => {
                if self.targets.worker_may_go(now) && self.workers.take(now) {
                    self.targets.start(process, now, grace, signal, reason, effects);
                }
            }
            Action::EndHelper => self.targets.start(process, now, grace, TERM, reason, effects),
            Action::RecycleUnit if self.recycle.has(now) => {
                self.recycle_refused = false;
                self.drain_main(Then::Restart(Cause::Recycle), TERM, reason, now, effects);
            }
            // A service that is recycled without end is worse than one above its soft limit: it stays, and the hard
            // limit stays armed.
            Action::RecycleUnit => {
                if !self.recycle_refused {
                    self.recycle_refused = true;
                    effects.push(Effect::Record(EventKind::UnitGaveUp {
                        cause: Cause::Recycle.name().to_owned(),
                        restarts: self.counts.recycle_restarts,
                        retry_ms: Some(millis(BudgetPlan::of(Cause::Recycle).refill)),
                    }));
                }
            }
        }
    }

    fn say_crossed(
        &mut self,
        crossing: Crossing,
        culprit: Option<&Seen>,
        action: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Crossing { resource, level, value, limit } = crossing;
        if self.said.contains(&(resource, level)) {
            return;
        }
        self.said.push((resource, level));
        match level {
            LimitLevel::Soft => self.counts.soft_limits_crossed += 1,
            LimitLevel::Hard => self.counts.hard_limits_crossed += 1,
        }
        effects.push(Effect::Record(EventKind::LimitCrossed {
            resource,
            level,
            value,
            limit,
            culprit: culprit.map(|p| p.identity),
            culprit_name: culprit.map(|p| p.name.to_string()),
            culprit_value: culprit.and_then(|p| p.value(resource)),
            growth_per_second: culprit.and_then(|p| p.slope),
            action: action.to_owned(),
        }));
    }
}

/// How much of a resource some processes hold. Processes are counted by heads, as the limit on them is.
fn held<'a>(resource: Resource, processes: impl Iterator<Item = &'a Seen>) -> u64 {
    let living = processes.filter(|p| !p.zombie);
    let each = |p: &Seen| match resource {
        Resource::Children => Some(u64::from(p.role != Role::Main)),
        other => p.value(other),
    };
    living.filter_map(each).fold(0, u64::saturating_add)
}

/// What is kept is nobody else's fault: nobody is ended for what it holds.
pub(super) fn kept(resource: Resource, look: &Look) -> u64 {
    held(resource, look.processes.iter().filter(|p| p.spared))
}

/// What these take along when they go, with all below them that is not kept.
fn leaving(resource: Resource, look: &Look, roots: &[Identity]) -> u64 {
    let below = roots.iter().flat_map(|root| look.subtree(root));
    held(resource, below.filter(|p| !p.spared))
}

/// Whether a tree has stopped to grow for now: only then a limit can be below what it needs.
#[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^53")]
fn at_rest(look: &Look, limit: u64) -> bool {
    look.slope.is_none_or(|slope| slope < REST_GROWTH.max(limit / 100) as f64)
}

/// These and all below them: who goes with another one is no decision of its own.
pub(super) fn with_all_below(look: &Look, roots: &[Identity]) -> Vec<Identity> {
    roots.iter().flat_map(|root| look.subtree(root)).map(|process| process.identity).collect()
}
