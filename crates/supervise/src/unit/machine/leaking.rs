//! Replaces what leaks before its limit does it: in a quiet moment, and when that does not come, in good time.

use std::time::Duration;

use scupper_model::{EventKind, Identity, Policy, RecyclePolicy, Resource, SignalReason};

use super::{Effect, State, Unit, judging};
use crate::unit::culprit::{Action, culprit};
use crate::unit::look::{Leak, Look, Role, Seen};
use crate::unit::quiet::Load;

/// So long before the limit nobody waits for a quiet moment any more; twice the grace, where that is longer.
const IN_GOOD_TIME: Duration = Duration::from_mins(5);
/// The same as a share of the first forecast: at a tenth of it.
const LATEST: u32 = 10;

/// Somebody who leaks and waits for a quiet moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaking {
    target: Identity,
    /// Time to the limit when it was first found to leak.
    first: Option<Duration>,
    load: Load,
}

impl Unit {
    /// Whether somebody waits for a quiet moment, so that processor time has to be read often.
    pub const fn waits_for_quiet(&self) -> bool {
        self.leaking.is_some()
    }

    /// Recycles what leaks, one at a time.
    pub(super) fn recycle_leaks(&mut self, look: &Look, now: Duration, effects: &mut Vec<Effect>) {
        let wanted =
            self.settings.recycle == RecyclePolicy::OnLeak && self.settings.policy >= Policy::Recycle;
        let waiting = self.leaking.take();
        if !wanted || self.state != State::Running {
            return;
        }
        let taken = judging::with_all_below(look, &self.targets.identities());
        let Some((process, leak)) = self.leaker(look, &taken, waiting.as_ref()) else { return };
        let action = Action::for_role(process.role);
        let mut leaking = waiting.filter(|waiting| waiting.target == process.identity).unwrap_or(Leaking {
            target: process.identity,
            first: leak.time_to_limit,
            load: Load::default(),
        });
        leaking.first = leaking.first.or(leak.time_to_limit);
        if look.whole && action == Action::RecycleUnit {
            leaking.load.note(now, look.processes.iter().filter(|seen| !seen.zombie));
        } else if look.whole {
            leaking.load.note(now, std::iter::once(process));
        }
        let in_good_time = IN_GOOD_TIME.max(self.settings.grace.saturating_mul(2));
        let late = leak.time_to_limit.is_some_and(|left| {
            left < in_good_time || leaking.first.is_some_and(|first| left < first / LATEST)
        });
        if late || leaking.load.is_quiet() {
            self.recycle_leaker(action, process, now, effects);
        }
        // Until it is on its way: a budget that is spent now has something again later.
        self.leaking =
            (self.state == State::Running && !self.targets.contains(&process.identity)).then_some(leaking);
    }

    fn recycle_leaker(&mut self, action: Action, process: &Seen, now: Duration, effects: &mut Vec<Effect>) {
        if action == Action::RecycleUnit && self.recycle.has(now) {
            effects.push(Effect::Record(EventKind::RecycleStarted {
                target: process.identity,
                name: process.name.to_string(),
                role: process.role.name().to_owned(),
                reason: SignalReason::Leak,
                rss_bytes: process.rss,
            }));
        }
        self.act(action, process, SignalReason::Leak, now, effects);
    }

    /// Who is to be replaced: whoever waits already, else the one that is nearest to its limit. Where only the tree as a
    /// whole leaks, the worker that grew most, else the unit.
    fn leaker<'a>(
        &self,
        look: &'a Look,
        taken: &[Identity],
        waiting: Option<&Leaking>,
    ) -> Option<(&'a Seen, Leak)> {
        let leakers = || look.endable().filter_map(|seen| Some((seen, seen.leak?)));
        let free = || leakers().filter(|(seen, _)| !taken.contains(&seen.identity));
        let waits = free().find(|(seen, _)| waiting.is_some_and(|waiting| waiting.target == seen.identity));
        let nearest = || {
            free().min_by_key(|(seen, leak)| {
                (leak.time_to_limit.unwrap_or(Duration::MAX), std::cmp::Reverse(seen.rss))
            })
        };
        if let Some(found) = waits.or_else(nearest) {
            return Some(found);
        }
        // Somebody is on the way out: what the tree weighs without them is not known yet.
        let leak = look.leak.filter(|_| self.targets.is_empty())?;
        let grown = culprit(look, Resource::Memory, look.size.0, taken, true);
        let worker = grown.filter(|seen| matches!(seen.role, Role::Worker { .. }));
        let main = || look.endable().find(|seen| Some(seen.identity) == self.main);
        worker.or_else(main).map(|seen| (seen, leak))
    }
}
