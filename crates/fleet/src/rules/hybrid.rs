//! Epochs and fences: hybrid-logical numbers, and which of them a store has provably forgotten.

use scupper_model::Timestamp;

use crate::words::{Epoch, Fence};

/// All epochs and fences are below this (2^53): a Lua number and a JavaScript number hold them exactly.
pub const NUMBERS_END: u64 = 1 << 53;

/// How many restarts of a store are remembered.
const WINDOWS: usize = 16;

/// The next epoch: larger than the last one, and larger than any that was given before this moment, also where the store
/// lost its memory of them.
pub fn next_epoch(last: Option<Epoch>, now: Timestamp) -> Epoch {
    Epoch(next(last.map(|last| last.0), now))
}

/// The next fence, made in the same way.
pub fn next_fence(last: Option<Fence>, now: Timestamp) -> Fence {
    Fence(next(last.map(|last| last.0), now))
}

fn next(last: Option<u64>, now: Timestamp) -> u64 {
    micros(now).max(last.map_or(0, |last| last.saturating_add(1))).min(NUMBERS_END - 1)
}

const fn micros(now: Timestamp) -> u64 {
    now.0.saturating_mul(1000)
}

/// Which epochs a store gave out and has lost since: those between the last one it still knows and the moment it came up.
/// Only an incarnation with such an epoch may go on after the store has forgotten it; every other one that is unknown has
/// been ended by somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostEpochs {
    windows: Vec<(u64, u64)>,
}

impl LostEpochs {
    /// The store came up now, and the last epoch in its data is this one; `None` where there is no data at all.
    pub fn came_up(&mut self, last: Option<Epoch>, now: Timestamp) {
        if self.windows.len() == WINDOWS {
            self.windows.remove(0);
        }
        self.windows.push((last.map_or(0, |last| last.0), micros(now)));
    }

    /// Whether this epoch was given out, and forgotten.
    pub fn contains(&self, epoch: Epoch) -> bool {
        self.windows.iter().any(|&(after, until)| after < epoch.0 && epoch.0 <= until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_is_larger_than_the_last_whatever_the_clock_does(moments in prop::collection::vec(0..4_000_000_000_000_u64, 1..50)) {
            let mut last = None;
            for now in moments {
                let epoch = next_epoch(last, Timestamp(now));
                prop_assert!(last < Some(epoch) && epoch.0 < NUMBERS_END && epoch.0 >= now * 1000);
                last = Some(epoch);
            }
        }

        #[test]
        fn what_was_lost_may_resume_and_nothing_else(kept in 1..1_000_u64, lost in 1..1_000_u64, down in 1..1_000_u64) {
            let known = next_epoch(None, Timestamp(kept));
            let forgotten = next_epoch(Some(known), Timestamp(kept + lost));
            let mut windows = LostEpochs::default();
            windows.came_up(Some(known), Timestamp(kept + lost + down));
            prop_assert!(windows.contains(forgotten));
            prop_assert!(!windows.contains(known));
            prop_assert!(!windows.contains(next_epoch(Some(forgotten), Timestamp(kept + lost + down + 1))));
        }
    }

    #[test]
    fn a_number_never_grows_past_what_lua_holds() {
        assert_eq!(next_fence(Some(Fence(u64::MAX)), Timestamp(u64::MAX)).0, NUMBERS_END - 1);
    }

    #[test]
    fn restarts_are_remembered_up_to_a_bound() {
        let mut windows = LostEpochs::default();
        for restart in 1..100_u64 {
            windows.came_up(Some(Epoch(restart * 10_000)), Timestamp(restart * 10 + 5));
        }
        assert_eq!(windows.windows.len(), WINDOWS);
        assert!(windows.contains(Epoch(990_001)) && !windows.contains(Epoch(10_001)));
    }
}
