//! What the fleet takes, added up from what every member has said: for a store that keeps no sums of its own. Its effort grows
//! with the number of members, which a registry on one host can bear.

use std::collections::{BTreeMap, HashMap, HashSet};

use scupper_detect::Verdict;
use scupper_model::Bytes;

use crate::store::{Store, StoreError};
use crate::words::{
    AgentId, Epoch, FleetGrowth, Incarnation, NAMED_LIMIT, PERIODS, Standing, Status, Totals,
};

/// Agents of one page when they are asked what they say of themselves, and how many are asked: in a larger fleet the
/// heaps and verdicts stay unknown, and what they take is told all the same.
const PAGE: usize = 500;
const MOST_ASKED: usize = 10_000;

/// What one period's heartbeats said.
type Period = HashMap<Incarnation, Bytes>;

/// Adds it up.
pub(crate) fn add_up<S: Store + ?Sized>(store: &S) -> Result<Totals, StoreError> {
    let status = store.status()?;
    let window = store.leak_window()?;
    let nth = window.nth(status.now.0);
    let ago = |periods: u64| -> Result<Period, StoreError> {
        nth.checked_sub(periods).map_or_else(|| Ok(Period::new()), |nth| store.memory(nth))
    };
    // The period that runs is incomplete: growth is between the last two whole ones and those a window before. Who
    // says it every other heartbeat may be in one of them alone.
    let latest = [ago(0)?, ago(1)?, ago(2)?];
    let before = [ago(1 + PERIODS)?, ago(2 + PERIODS)?];
    let said = said_by_members(store, &status)?;

    let growth = growth(&latest, &before);
    let mut current: BTreeMap<&Incarnation, Bytes> = BTreeMap::new();
    for period in latest.iter().rev() {
        current.extend(period.iter().map(|(who, bytes)| (who, *bytes)));
    }
    if let Some(members) = &said.members {
        current.retain(|who, _| members.contains(*who));
    }
    let mut largest: Vec<(AgentId, Bytes)> =
        current.iter().map(|(who, bytes)| (who.id.clone(), *bytes)).collect();
    let rss = Bytes(largest.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(bytes.0)));
    largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    largest.truncate(NAMED_LIMIT);
    largest.shrink_to_fit();

    Ok(Totals {
        now: status.now,
        members: status.members,
        rss,
        heap_used: said.heap_used,
        store: status.memory,
        window,
        growth,
        largest,
        verdicts: said.verdicts,
        leaks: said.leaks,
    })
}

/// Over the members that are in both periods of a pair, which is exactly a window apart: the later pair where both ends of
/// it are known.
fn growth(latest: &[Period; 3], before: &[Period; 2]) -> Option<FleetGrowth> {
    let mut ends: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (now, then) in latest[1..].iter().zip(before) {
        for (who, then) in then {
            if let Some(now) = now.get(who) {
                ends.entry(who.to_string()).or_insert((then.0, now.0));
            }
        }
    }
    let sum = |end: fn(&(u64, u64)) -> u64| ends.values().map(end).fold(0_u64, u64::saturating_add);
    FleetGrowth::of(sum(|both| both.0), sum(|both| both.1), ends.len() as u64)
}

/// What members say of themselves.
#[derive(Debug, Default)]
struct Said {
    /// Who is a member, where all could be asked.
    members: Option<HashSet<Incarnation>>,
    heap_used: Option<Bytes>,
    verdicts: BTreeMap<Verdict, u64>,
    leaks: Vec<AgentId>,
}

fn said_by_members<S: Store + ?Sized>(store: &S, status: &Status) -> Result<Said, StoreError> {
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
            let epoch = agent.epoch.unwrap_or(Epoch(0));
            if !members.insert(Incarnation { id: agent.id.clone(), epoch }) {
                continue;
            }
            let Some(report) = agent.report else { continue };
            if let Some(heap) = report.memory.heap_used {
                let sum = said.heap_used.unwrap_or_default();
                said.heap_used = Some(Bytes(sum.0.saturating_add(heap.0)));
            }
            if let Some(verdict) = report.verdict {
                *said.verdicts.entry(verdict).or_default() += 1;
                if verdict == Verdict::Leaking && said.leaks.len() < NAMED_LIMIT {
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

#[cfg(test)]
mod tests {
    //! Rows shown here: R104.

    use super::*;

    fn period(sizes: &[(&str, u64)]) -> Period {
        let of = |id: &str| Incarnation { id: id.parse().unwrap(), epoch: Epoch(1) };
        sizes.iter().map(|(id, bytes)| (of(id), Bytes(*bytes))).collect()
    }

    #[test]
    fn r105_growth_is_over_the_members_of_both_ends_and_who_says_it_every_other_period_counts() {
        let latest = [
            period(&[("late", 9_000_000_000)]),
            period(&[("a", 1500), ("joined", 5_000_000_000)]),
            period(&[("a", 1400), ("b", 2600)]),
        ];
        let before = [period(&[("a", 1000), ("left", 7_000_000_000)]), period(&[("a", 900), ("b", 2000)])];
        let growth = growth(&latest, &before).unwrap();
        assert_eq!((growth.members, growth.growth), (2, 500 + 600));
        assert_eq!((growth.baseline, growth.current), (Bytes(3000), Bytes(4100)));
    }

    #[test]
    fn r104_where_nobody_was_there_a_window_ago_nothing_has_grown() {
        let none = || period(&[]);
        assert_eq!(growth(&[none(), period(&[("a", 1 << 40)]), none()], &[none(), none()]), None);
    }
}
