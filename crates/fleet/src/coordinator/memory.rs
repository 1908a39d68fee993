//! What the fleet takes, and whether it grows (R103-R106). Every member says in its heartbeats what it takes, and the
//! registry keeps that by the minute. Growth is that of the members which were there at both ends of the window: who joins
//! or leaves has not grown.
//!
//! One coordinator does this for all, by a turn that the registry gives out. The alert is said once per rise: whoever takes
//! the turn over while it lasts finds the turn `leak` taken, and knows that it has been said.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use scupper_detect::Verdict;
use scupper_detect::fleet::Growth;
use scupper_model::Bytes;

use super::view::{FleetGrowth, LARGEST_LIMIT, Memory};
use crate::store::{Store, StoreError};
use crate::words::{AgentId, CoordinatorId, Happened, Incarnation, MemoryStats, Standing, Status, Timing};

/// Growth above this, within [`Timing::memory_window`], is a leak; as much is not (seed 004: 100 MB).
pub const GROWTH_LIMIT: u64 = 104_857_600;

/// Agents of one page when they are asked what they say of themselves, and how many are asked: in a larger fleet the
/// heaps and verdicts stay unknown, and what they take is told all the same.
const PAGE: usize = 500;
const MOST_ASKED: usize = 10_000;

const MINUTE_MILLIS: u64 = 60_000;

/// What one minute's heartbeats said.
type Minute = HashMap<Incarnation, Bytes>;

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
        let memory = gather(store, timing)?;
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

fn gather(store: &dyn Store, timing: &Timing) -> Result<Memory, StoreError> {
    let status = store.status()?;
    let minute = status.now.0 / MINUTE_MILLIS;
    let window = (millis(timing.memory_window) / MINUTE_MILLIS).max(1);
    let ago = |minutes: u64| -> Result<Minute, StoreError> {
        minute.checked_sub(minutes).map_or_else(|| Ok(Minute::new()), |minute| store.memory(minute))
    };
    // The minute that runs is incomplete: growth is between the last two whole minutes and those a window before. Who
    // says it every other heartbeat may be in one of them alone.
    let latest = [ago(0)?, ago(1)?, ago(2)?];
    let before = [ago(1 + window)?, ago(2 + window)?];
    let said = said_by_members(store, &status)?;

    let growth = growth(&latest, &before);
    let mut current: BTreeMap<&Incarnation, Bytes> = BTreeMap::new();
    for minute in latest.iter().rev() {
        current.extend(minute.iter().map(|(who, bytes)| (who, *bytes)));
    }
    if let Some(members) = &said.members {
        current.retain(|who, _| members.contains(&who.id));
    }
    let mut largest: Vec<(AgentId, Bytes)> =
        current.iter().map(|(who, bytes)| (who.id.clone(), *bytes)).collect();
    let total_rss = Bytes(largest.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(bytes.0)));
    largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    largest.truncate(LARGEST_LIMIT);
    largest.shrink_to_fit();

    Ok(Memory {
        at: status.now,
        stats: MemoryStats {
            total_agents: status.members,
            total_heap_used: said.heap_used,
            total_rss,
            redis_memory: status.memory,
            timestamp: status.now.0,
        },
        leaking: growth.is_some_and(|growth| u64::try_from(growth.growth).is_ok_and(|by| by > GROWTH_LIMIT)),
        growth,
        largest,
        verdicts: said.verdicts,
        leaks: said.leaks,
    })
}

/// Over the members that are in both minutes of a pair, which is exactly a window apart: the later pair where both ends of
/// it are known.
fn growth(latest: &[Minute; 3], before: &[Minute; 2]) -> Option<FleetGrowth> {
    let mut ends: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (now, then) in latest[1..].iter().zip(before) {
        for (who, then) in then {
            if let Some(now) = now.get(who) {
                ends.entry(who.to_string()).or_insert((then.0, now.0));
            }
        }
    }
    let of = |end: fn(&(u64, u64)) -> u64| ends.iter().map(|(id, both)| (id.clone(), end(both))).collect();
    let growth = Growth::between(&of(|both| both.0), &of(|both| both.1));
    (growth.members > 0).then(|| FleetGrowth {
        baseline: Bytes(growth.baseline),
        current: Bytes(growth.current),
        growth: growth.growth,
        growth_percent: growth.growth_percent,
        members: u64::try_from(growth.members).unwrap_or(u64::MAX),
    })
}

/// What members say of themselves.
#[derive(Debug, Default)]
struct Said {
    /// Who is a member, where all could be asked.
    members: Option<HashSet<AgentId>>,
    heap_used: Option<Bytes>,
    verdicts: BTreeMap<Verdict, u64>,
    leaks: Vec<AgentId>,
}

fn said_by_members(store: &dyn Store, status: &Status) -> Result<Said, StoreError> {
    if usize::try_from(status.members).unwrap_or(usize::MAX) > MOST_ASKED {
        return Ok(Said::default());
    }
    let mut said = Said::default();
    let mut members = HashSet::new();
    let mut from: Option<String> = None;
    // Twice as many pages as there should be: a list that never ends is not followed for ever.
    for _ in 0..2 * MOST_ASKED / PAGE {
        let page = store.agents(from.as_deref(), PAGE)?;
        for agent in page.entries {
            if agent.standing == Standing::Reaping {
                continue;
            }
            // A page may name somebody twice.
            if !members.insert(agent.id.clone()) {
                continue;
            }
            let Some(report) = agent.report else { continue };
            if let Some(heap) = report.memory.heap_used {
                let sum = said.heap_used.unwrap_or_default();
                said.heap_used = Some(Bytes(sum.0.saturating_add(heap.0)));
            }
            if let Some(verdict) = report.verdict {
                *said.verdicts.entry(verdict).or_default() += 1;
                if verdict == Verdict::Leaking && said.leaks.len() < LARGEST_LIMIT {
                    said.leaks.push(agent.id);
                }
            }
        }
        from = page.next;
        if from.is_none() {
            said.members = Some(members);
            return Ok(said);
        }
    }
    Ok(said)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Epoch;

    fn minute(sizes: &[(&str, u64)]) -> Minute {
        let of = |id: &str| Incarnation { id: id.parse().unwrap(), epoch: Epoch(1) };
        sizes.iter().map(|(id, bytes)| (of(id), Bytes(*bytes))).collect()
    }

    #[test]
    fn r105_growth_is_over_the_members_of_both_ends_and_who_says_it_every_other_minute_counts() {
        let latest = [
            minute(&[("late", 9_000_000_000)]),
            minute(&[("a", 1500), ("joined", 5_000_000_000)]),
            minute(&[("a", 1400), ("b", 2600)]),
        ];
        let before = [minute(&[("a", 1000), ("left", 7_000_000_000)]), minute(&[("a", 900), ("b", 2000)])];
        let growth = growth(&latest, &before).unwrap();
        assert_eq!((growth.members, growth.growth), (2, 500 + 600));
        assert_eq!((growth.baseline, growth.current), (Bytes(3000), Bytes(4100)));
    }

    #[test]
    fn r104_where_nobody_was_there_a_window_ago_nothing_has_grown() {
        let none = || minute(&[]);
        assert_eq!(growth(&[none(), minute(&[("a", 1 << 40)]), none()], &[none(), none()]), None);
    }
}
