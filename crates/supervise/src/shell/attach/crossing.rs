//! A limit that a watched tree crosses is said as a unit says it that only observes, and nothing is done about it.

use scupper_model::{EventKind, LimitLevel, OBSERVED, Resource};

use crate::unit::{Bound, Look, REARM_SHARE, culprit};

/// What was said of the limit of memory.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    said: Option<LimitLevel>,
}

impl Crossing {
    /// That the tree is above a limit: once, until it has fallen well below it again.
    pub(super) fn seen(&mut self, look: &Look, bound: Bound) -> Option<EventKind> {
        let size = look.size.0;
        let limit = |level| if level == LimitLevel::Hard { bound.hard } else { bound.soft };
        self.said =
            self.said.filter(|level| limit(*level).is_some_and(|limit| size > limit - limit / REARM_SHARE));
        let (level, limit) = bound.crossed(size)?;
        if self.said.replace(level) == Some(level) {
            return None;
        }
        let largest = culprit(look, Resource::Memory, limit, &[], false);
        Some(EventKind::LimitCrossed {
            resource: Resource::Memory,
            level,
            value: size,
            limit,
            culprit: largest.map(|seen| seen.identity),
            culprit_name: largest.map(|seen| seen.name.to_string()),
            culprit_value: largest.and_then(|seen| seen.value(Resource::Memory)),
            growth_per_second: largest.and_then(|seen| seen.slope),
            action: OBSERVED.to_owned(),
        })
    }
}
