//! One resource in figures: how high it rose, and how long it was above its limit, as recorded and under the policy.

use std::time::Duration;

use scupper_detect::Sample;
use scupper_model::Resource;

use super::recorded::whole;
use crate::unit::Bound;

/// What happened to one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heights {
    /// The highest.
    pub peak: Option<u64>,
    /// How long it was above the soft limit.
    pub above_soft: Duration,
    /// When it was first above the soft limit.
    pub soft_crossed_at: Option<Duration>,
    /// When it was first above the hard limit.
    pub hard_crossed_at: Option<Duration>,
}

impl Heights {
    /// Takes a value at a time.
    pub(super) fn note(&mut self, at: Duration, value: u64, bound: Bound) {
        let above = |limit: Option<u64>| limit.is_some_and(|limit| value > limit).then_some(at);
        self.peak = self.peak.max(Some(value));
        self.soft_crossed_at = self.soft_crossed_at.or_else(|| above(bound.soft));
        self.hard_crossed_at = self.hard_crossed_at.or_else(|| above(bound.hard));
    }

    /// It held a value for so long.
    pub(super) fn held(&mut self, value: u64, lasted: Duration, bound: Bound) {
        if bound.soft.is_some_and(|soft| value > soft) {
            self.above_soft = self.above_soft.saturating_add(lasted);
        }
    }

    /// Those of a recording that nobody intervened in.
    fn of(samples: &[Sample], begins: Duration, lasts: Duration, bound: Bound) -> Self {
        let mut heights = Self::default();
        let mut samples = samples.iter().peekable();
        while let Some(sample) = samples.next() {
            let at = sample.at.saturating_sub(begins);
            let until = samples.peek().map_or(lasts, |next| next.at.saturating_sub(begins));
            heights.note(at, whole(sample.value), bound);
            heights.held(whole(sample.value), until.saturating_sub(at), bound);
        }
        heights
    }
}

/// A resource that was recorded, with and without scupper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceFigures {
    /// Which.
    pub resource: Resource,
    /// Its limits.
    pub bound: Bound,
    /// As it was recorded.
    pub recorded: Heights,
    /// As it would have been.
    pub replayed: Heights,
}

impl ResourceFigures {
    pub(super) fn new(
        resource: Resource,
        samples: &[Sample],
        begins: Duration,
        lasts: Duration,
        bound: Bound,
    ) -> Self {
        let recorded = Heights::of(samples, begins, lasts, bound);
        Self { resource, bound, recorded, replayed: Heights::default() }
    }
}
