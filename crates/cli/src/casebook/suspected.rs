//! Who is suspected when an incident is opened: what its run has recorded by then, ranked.

use scupper_casebook::incident::{Recorded, Suspect};
use scupper_casebook::suspects::{self, Known};
use scupper_evidence::Query;
use scupper_model::Event;

use super::evidence::Evidence;

/// Kinds of events that say something of a leak.
const KINDS: [&str; 15] = [
    "unit_started",
    "attached",
    "verdict_changed",
    "leak_found",
    "resources_compared",
    "series_recorded",
    "helper_outlives",
    "limit_crossed",
    "unit_exited",
    "process_died",
    "fatal_message",
    "heap_limit_too_high",
    "soak_finished",
    "evidence_gap",
    "recycle_started",
];
/// Suspects that an incident names when it is opened.
const MOST_NAMED: usize = 3;
/// The score from which on one is named: what is weaker could be anything.
const LEAST_SCORE: u8 = 25;

/// Those kinds, to ask for.
pub(crate) fn kinds() -> Vec<String> {
    KINDS.into_iter().map(str::to_owned).collect()
}

/// The suspects of the run in which something happened, each with the events that speak for it.
pub(crate) fn of(evidence: &Evidence, recorded: &Recorded) -> anyhow::Result<Vec<Suspect>> {
    let Event { unit, run, id, .. } = &recorded.event;
    let query = Query { unit: Some(unit.clone()), run: Some(*run), kinds: kinds(), ..Query::default() };
    let mut events: Vec<Event> =
        evidence.gather(&query)?.events.into_iter().map(|recorded| recorded.event).collect();
    // It is told while it is still being written.
    if events.iter().all(|event| event.id != *id) {
        events.push(recorded.event.clone());
    }
    let ranking = suspects::rank(&Known { events: &events, ..Known::default() });
    let enough = |score: Option<u8>| score.is_some_and(|score| score >= LEAST_SCORE);
    let named = ranking.suspects.into_iter().filter(|one| one.cause.is_leak() && enough(one.score));
    let told = named.map(|one| Suspect {
        score: one.score.map(|score| f64::from(score) / 100.0),
        evidence: one.evidence_for.into_iter().filter_map(|evidence| evidence.id).collect(),
        name: one.name,
    });
    Ok(told.take(MOST_NAMED).collect())
}
