//! What the fleet takes, and whether it grows (R103-R106). Every member says in its heartbeats what it takes, and the
//! registry keeps that by the periods of its leak window. Growth is that of the members which were there at both ends of the window: who joins
//! or leaves has not grown.
//!
//! One coordinator does this for all, by a turn that the registry gives out. The alert is said once per rise: whoever takes
//! the turn over while it lasts finds the turn `leak` taken, and knows that it has been said.

use std::time::Duration;

use super::view::Memory;
use crate::store::{Store, StoreError};
use crate::words::{CoordinatorId, Happened, LeakWindow, MemoryStats, Totals};

/// Growth above this, within the [`LeakWindow`], is a leak; as much is not (seed 004: 100 MB).
pub const GROWTH_LIMIT: u64 = 104_857_600;

/// Looks at the fleet's memory from time to time.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    next: Duration,
    said: bool,
    /// The registry's, as it was last seen.
    window: LeakWindow,
}

/// Between two looks, however long the window is: the members' sizes are wanted as well.
const LONGEST_PERIOD: Duration = Duration::from_mins(1);

/// What a look came to.
#[derive(Debug)]
pub(super) struct Looked {
    /// The registry's window where it is not the one that was asked for: others go by it.
    pub other: Option<LeakWindow>,
    /// What was found; `None` where another coordinator looks.
    pub memory: Option<Memory>,
    /// What is to be announced: the alert, or its end.
    pub news: Option<Happened>,
}

impl MemoryWatch {
    pub(super) const fn new(now: Duration) -> Self {
        Self { next: now, said: false, window: LeakWindow::DEFAULT }
    }

    /// Looks, if it is time and this coordinator's turn. The time of the next look is set first: what fails is not asked
    /// again at once.
    pub(super) fn look(
        &mut self,
        store: &dyn Store,
        by: &CoordinatorId,
        wanted: Option<LeakWindow>,
        now: Duration,
    ) -> Result<Option<Looked>, StoreError> {
        if now < self.next {
            return Ok(None);
        }
        self.next = now + self.period();
        let mut other = None;
        if let Some(wanted) = wanted {
            // Said again: a registry that has lost its memory knows nothing of it.
            self.window = store.set_leak_window(wanted, by)?;
            self.next = now + self.period();
            other = Some(self.window).filter(|set| *set != wanted);
        }
        // Longer than the period: whoever has the turn keeps it, and when it dies another one has it soon.
        if !store.take_turn("memory", by, self.period() * 2)? {
            self.said = false;
            return Ok(Some(Looked { other, memory: None, news: None }));
        }
        let memory = found(store.totals()?);
        self.window = memory.window;
        self.next = now + self.period();
        let news = self.news(store, by, &memory)?;
        Ok(Some(Looked { other, memory: Some(memory), news }))
    }

    /// Between two looks.
    fn period(&self) -> Duration {
        self.window.period().min(LONGEST_PERIOD)
    }

    fn news(
        &mut self,
        store: &dyn Store,
        by: &CoordinatorId,
        memory: &Memory,
    ) -> Result<Option<Happened>, StoreError> {
        let growth = memory.growth.unwrap_or_default();
        if !memory.leaking {
            let over = std::mem::take(&mut self.said);
            return Ok(over.then_some(Happened::MemoryLeakCleared { growth: growth.growth }));
        }
        // As long as it lasts whoever said it keeps this turn.
        let is_first = store.take_turn("leak", by, self.period() * 3)?;
        let news = (!self.said && is_first).then(|| Happened::MemoryLeakDetected {
            growth: growth.growth,
            growth_pct: growth.growth_percent,
            baseline: MemoryStats {
                total_agents: growth.members,
                total_heap_used: None,
                total_rss: growth.baseline,
                redis_memory: None,
                timestamp: memory.at.0.saturating_sub(memory.window.millis()),
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
        window: totals.window,
        growth,
        largest: totals.largest,
        verdicts: totals.verdicts,
        leaks: totals.leaks,
    }
}
