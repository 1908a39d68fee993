//! Who is about to be told to end is looked at once more before that: it lets go of what it holds. Nobody waits for that
//! look: the one loop goes on, other units are looked at, and the hard limit stays armed. The signal alone comes later.

use std::time::Duration;

use scupper_model::{EventKind, Identity, SignalReason};

use super::{Fact, KILL, Surrounding, UnitShell};

/// Time between two questions whether the look has ended.
const STEP: Duration = Duration::from_millis(10);

/// A signal to one process, or to it and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) target: Identity,
    pub(super) signal: i32,
    pub(super) reason: SignalReason,
    pub(super) subtree: bool,
}

/// Somebody who is being looked at for the last time.
#[derive(Debug)]
struct Parting {
    target: Identity,
    /// Nobody waits longer.
    until: Duration,
    next: Duration,
    /// What it is told then.
    order: Option<Order>,
}

/// All of them: no more than are on their way out.
#[derive(Debug, Default)]
pub(super) struct Partings(Vec<Parting>);

impl Partings {
    fn add(&mut self, target: Identity, now: Duration, patience: Duration) {
        self.0.push(Parting { target, until: now + patience, next: now + STEP, order: None });
    }

    /// Whether this waits until its target has been looked at. What ends it at once is not held back, and is said instead
    /// of what was.
    fn holds_back(&mut self, order: Order) -> bool {
        let Some(index) = self.0.iter().position(|parting| parting.target == order.target) else {
            return false;
        };
        if order.signal != KILL
            && let Some(parting) = self.0.get_mut(index).filter(|parting| parting.order.is_none())
        {
            parting.order = Some(order);
            return true;
        }
        if super::watching::ends_by(order.signal) {
            self.0.remove(index);
        }
        false
    }

    /// When somebody has to ask again.
    fn next(&self) -> Option<Duration> {
        self.0.iter().map(|parting| parting.next.min(parting.until)).min()
    }

    /// What is said now: to those whom nobody looks at any more, or whom nobody can wait for.
    fn due(&mut self, now: Duration, is_looked_at: impl Fn(&Identity) -> bool) -> Vec<Order> {
        let mut due = Vec::new();
        self.0.retain_mut(|parting| {
            parting.next = now + STEP;
            let waits = now < parting.until && is_looked_at(&parting.target);
            if !waits {
                due.extend(parting.order);
            }
            waits
        });
        due
    }

    /// Nobody is told anything any more: all of them were, or are gone.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

impl UnitShell {
    /// Whoever is about to be told to end is looked at once more, and told no later than after this time. What was found
    /// before.
    pub(super) fn part_with(
        &mut self,
        target: Identity,
        patience: Duration,
        now: Duration,
    ) -> Vec<EventKind> {
        let mut found = self.look_closer_at_last(Some(target), "recycled", Duration::ZERO, now);
        if self.closer.is_looking_at(&target) {
            self.partings.add(target, now, patience);
        } else {
            found.extend(self.closer.ends(Some(target)));
        }
        found
    }

    /// Signals a process, once it has been looked at where it is looked at.
    pub(super) fn tell(&mut self, order: Order, around: &Surrounding, facts: &mut Vec<Fact>) {
        if !self.partings.holds_back(order) {
            self.tell_now(order, around, facts);
        }
    }

    fn tell_now(&mut self, order: Order, around: &Surrounding, facts: &mut Vec<Fact>) {
        let Order { target, signal, reason, subtree } = order;
        let targets = if subtree { self.subtree(&target) } else { vec![target] };
        facts.extend(self.note_signal(Some(target), signal));
        for target in targets {
            self.signal(&target, signal, reason, around, facts);
        }
    }

    /// When it has to be asked whether a last look has ended.
    pub(in crate::shell) fn next_parting(&self) -> Option<Duration> {
        self.partings.next()
    }

    /// Tells those to end whose last look has ended, or is waited for no longer.
    pub(in crate::shell) fn go_on_parting(
        &mut self,
        now: Duration,
        around: &Surrounding,
        facts: &mut Vec<Fact>,
    ) {
        if self.partings.next().is_none_or(|next| now < next) {
            return;
        }
        facts.extend(self.step_closer(now));
        let closer = &self.closer;
        for order in self.partings.due(now, |target| closer.is_looking_at(target)) {
            self.tell_now(order, around, facts);
        }
    }

    /// Tells all of them to end that wait for a look.
    pub(super) fn part_at_once(&mut self, around: &Surrounding, facts: &mut Vec<Fact>) {
        for order in self.partings.due(Duration::MAX, |_| false) {
            self.tell_now(order, around, facts);
        }
    }
}

#[cfg(test)]
mod tests;
