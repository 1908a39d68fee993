//! What the fleet takes, and whether it grows (R103-R106). Every member says in its heartbeats what it takes, and the
//! registry keeps that by the minute. Growth is that of the members which were there at both ends of the window: who joins
//! or leaves has not grown.
//!
//! One coordinator does this for all, by a turn that the registry gives out. The alert is said once per rise: whoever takes
//! the turn over while it lasts finds the turn `leak` taken, and knows that it has been said.

use std::time::Duration;

use super::view::Memory;
use crate::store::{Store, StoreError};
use crate::words::{CoordinatorId, Happened, MemoryStats, Timing, Totals};

/// Growth above this, within [`Timing::memory_window`], is a leak; as much is not (seed 004: 100 MB).
pub const GROWTH_LIMIT: u64 = 104_857_600;

/// Looks at the fleet's memory from time to time.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    next: Duration,
    said: bool,
}

/// What a look came to.
#[derive(Debug)]
pub(super) struct Looked {
    /// What was found; `None` where another coordinator looks.
    pub memory: Option<Memory>,
    /// What is to be announced: the alert, or its end.
    pub news: Option<Happened>,
}

impl MemoryWatch {
    pub(super) const fn new(now: Duration) -> Self {
        Self { next: now, said: false }
    }

    /// Looks, if it is time and this coordinator's turn. The time of the next look is set first: what fails is not asked
    /// again at once.
    pub(super) fn look(
        &mut self,
        store: &dyn Store,
        by: &CoordinatorId,
        timing: &Timing,
        now: Duration,
    ) -> Result<Option<Looked>, StoreError> {
        if now < self.next {
            return Ok(None);
        }
        self.next = now + timing.memory_period;
        // Longer than the period: whoever has the turn keeps it, and when it dies another one has it soon.
        if !store.take_turn("memory", by, timing.memory_period * 2)? {
            self.said = false;
            return Ok(Some(Looked { memory: None, news: None }));
        }
        let memory = found(store.totals(timing)?);
        let news = self.news(store, by, timing, &memory)?;
        Ok(Some(Looked { memory: Some(memory), news }))
    }

    fn news(
        &mut self,
        store: &dyn Store,
        by: &CoordinatorId,
        timing: &Timing,
        memory: &Memory,
    ) -> Result<Option<Happened>, StoreError> {
        let growth = memory.growth.unwrap_or_default();
        if !memory.leaking {
            let over = std::mem::take(&mut self.said);
            return Ok(over.then_some(Happened::MemoryLeakCleared { growth: growth.growth }));
        }
        // As long as it lasts whoever said it keeps this turn.
        let is_first = store.take_turn("leak", by, timing.memory_period * 3)?;
        let news = (!self.said && is_first).then(|| Happened::MemoryLeakDetected {
            growth: growth.growth,
            growth_pct: growth.growth_percent,
            baseline: MemoryStats {
                total_agents: growth.members,
                total_heap_used: None,
                total_rss: growth.baseline,
                redis_memory: None,
                timestamp: memory.at.0.saturating_sub(millis(timing.memory_window)),
            },
            current: memory.stats,
        });
        self.said = true;
        Ok(news)
    }
}

fn found(totals: Totals) -> Memory {
    let growth = totals.growth;
    Memory {
        at: totals.now,
        stats: MemoryStats {
            total_agents: totals.members,
            total_heap_used: totals.heap_used,
            total_rss: totals.rss,
            redis_memory: totals.store,
            timestamp: totals.now.0,
        },
        leaking: growth.is_some_and(|growth| u64::try_from(growth.growth).is_ok_and(|by| by > GROWTH_LIMIT)),
        growth,
        largest: totals.largest,
        verdicts: totals.verdicts,
        leaks: totals.leaks,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
