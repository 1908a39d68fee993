//! The operator's rule: more than so much within so long (R105).

use std::collections::VecDeque;
use std::time::Duration;

use crate::GrowRule;

/// Points kept of the time the rule looks back.
const POINTS: u32 = 32;
/// What a program does in this share of the time after its start is its start.
const START: u32 = 30;

/// The rule and what it looks back on.
pub struct Grow {
    rule: GrowRule,
    first: Option<Duration>,
    points: VecDeque<(Duration, f64)>,
    last: Option<(Duration, f64)>,
    /// The sample before that: all there is to compare with where samples are further apart than the rule looks back.
    before: Option<(Duration, f64)>,
}

/// It grew by so much in so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grown {
    pub by: f64,
    pub within: Duration,
}

impl Grow {
    pub fn new(rule: GrowRule) -> Self {
        // One more than the steps that fit, and the one that is pushed before the oldest goes.
        let points = VecDeque::with_capacity(POINTS as usize + 2);
        Self { rule, first: None, points, last: None, before: None }
    }

    pub fn push(&mut self, at: Duration, value: f64) {
        let first = *self.first.get_or_insert(at);
        self.before = self.last.replace((at, value));
        let oldest = at.saturating_sub(self.rule.within);
        while self.points.front().is_some_and(|(at, _)| *at < oldest) {
            self.points.pop_front();
        }
        if at.saturating_sub(first) < self.rule.within / START {
            self.points.clear();
        }
        let step = self.rule.within / POINTS;
        if self.points.back().is_none_or(|(before, _)| at.saturating_sub(*before) >= step) {
            self.points.push_back((at, value));
        }
    }

    /// The growth since the oldest point that is no older than the rule says.
    pub fn grown(&self) -> Option<Grown> {
        let ((then, before), (now, after)) = (*self.points.front()?, self.last?);
        Some(Grown { by: after - before, within: now.saturating_sub(then) })
    }

    /// Whether that is more than is allowed; as much as is allowed is not. Of samples further apart than the rule looks back,
    /// the mean between them counts: somewhere in between it grew by at least that.
    pub fn broken(&self) -> Option<Grown> {
        let grown = self.grown()?;
        if let (Some((then, before)), Some((now, after))) = (self.before, self.last)
            && now.saturating_sub(then) > self.rule.within
        {
            let by = after - before;
            let share = self.rule.within.as_secs_f64() / now.saturating_sub(then).as_secs_f64();
            return (by * share > self.rule.by).then_some(Grown { by, within: now.saturating_sub(then) });
        }
        Some(grown).filter(|grown| grown.by > self.rule.by)
    }

    pub const fn rule(&self) -> GrowRule {
        self.rule
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        self.points.capacity() * size_of::<(Duration, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ALLOWED: f64 = 104_857_600.0;

    fn rule() -> Grow {
        Grow::new(GrowRule { by: ALLOWED, within: SECOND * 300 })
    }

    #[test]
    fn r105_as_much_as_allowed_is_allowed_and_a_byte_more_is_not() {
        for (growth, broken) in [(ALLOWED, false), (ALLOWED + 1.0, true)] {
            let mut grow = rule();
            grow.push(SECOND, 7.0);
            grow.push(SECOND * 301, 7.0 + growth);
            assert_eq!(grow.broken().is_some(), broken, "{growth}");
        }
    }

    #[test]
    fn r105_the_first_sample_has_grown_by_nothing_and_a_zero_before_is_no_trouble() {
        let mut grow = rule();
        grow.push(SECOND, 0.0);
        assert_eq!(grow.grown(), Some(Grown { by: 0.0, within: Duration::ZERO }));
        grow.push(SECOND * 20, ALLOWED * 2.0);
        assert!(grow.broken().is_some());
    }

    #[test]
    fn samples_further_apart_than_the_rule_count_by_their_mean() {
        for (growth, broken) in [(ALLOWED * 2.0, false), (ALLOWED * 2.0 + 1.0, true)] {
            let mut grow = rule();
            grow.push(SECOND, 0.0);
            grow.push(SECOND * 601, growth);
            assert_eq!(grow.broken().is_some(), broken, "{growth}");
        }
    }

    #[test]
    fn what_is_older_does_not_count() {
        let mut grow = rule();
        for second in 0_u32..2000 {
            grow.push(SECOND * second, f64::from(second) * ALLOWED / 301.0);
            assert!(grow.broken().is_none(), "{second}");
        }
        assert!(grow.points.len() <= 34 && grow.heap() < 1024);
    }

    #[test]
    fn the_start_of_a_program_is_not_its_growth() {
        let mut grow = rule();
        for second in 0_u32..200 {
            grow.push(SECOND * second, if second < 9 { 0.0 } else { ALLOWED * 3.0 });
        }
        assert_eq!(grow.broken(), None);
    }
}
