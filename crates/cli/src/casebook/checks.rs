//! What the gates of an incident look at, taken from the evidence file: whether what it cites still is what it was, what was
//! soaked after its change, and whether it was seen again.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Result;
use scupper_casebook::incident::{After, Checks, Incident, Recorded, Standing, episode, verify};
use scupper_evidence::Query;
use scupper_model::{EventKind, RunId, Timestamp, UnitName};
use uuid::Uuid;

use super::evidence::Evidence;
use super::folder::Folder;

/// Kinds that an episode may come from.
const TELLING: [&str; 10] = [
    "verdict_changed",
    "leak_found",
    "helper_outlives",
    "limit_crossed",
    "unit_exited",
    "process_died",
    "reap_finished",
    "earlier_run_found",
    "orphans_detected",
    "fleet_leak",
];

/// Everything that the gates want to know about a record.
pub(crate) fn checks(incident: &Incident, evidence: &Evidence, folder: &Folder) -> Result<Checks> {
    let mut standings = Vec::new();
    let cited = incident.evidence().into_iter().map(|cited| (cited.id, cited.sha256));
    let soaks = incident.soaks().into_iter().map(|soak| (soak.id, soak.sha256));
    for (id, sha256) in cited.chain(soaks) {
        let standing = match evidence.digest(&id)? {
            None => Standing::Gone,
            Some(found) if found == sha256 => Standing::Intact,
            Some(_) => Standing::Changed,
        };
        standings.push((id, standing));
    }
    let change = incident.change().map(|change| change.at);
    // What is cited says in which units it was seen, whatever a list in the record says.
    let (mut units, mut known) = (incident.units(), BTreeSet::new());
    known.extend(incident.fingerprints().into_iter().map(str::to_owned));
    for cited in incident.evidence() {
        let Some(recorded) = evidence.find(&cited.id)? else { continue };
        if let Some(episode) = episode(&recorded.event) {
            known.insert(episode.fingerprint);
            let unit = recorded.event.unit.to_string();
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
    }
    let mut soaks = Vec::new();
    let mut seen_again = Vec::new();
    if let Some(since) = change {
        for unit in units.iter().filter_map(|unit| unit.parse::<UnitName>().ok()) {
            let of = |kinds: &[&str]| Query {
                unit: Some(unit.clone()),
                kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
                since: Some(since),
                ..Query::default()
            };
            soaks.extend(evidence.gather(&of(&["soak_finished"]))?.events);
            let seen = evidence.gather(&of(&TELLING))?.events;
            seen_again.extend(again(&known, seen, &starts(evidence, &unit)?, since));
        }
    }
    let after = After { change, units: &units, soaks: &soaks, seen_again: &seen_again };
    let soak = verify(&incident.required(), &after);
    Ok(Checks { soak, evidence: standings, blocked_by: blockers(incident, folder) })
}

/// The starts of runs that began before the change, and in which something of it was seen after it.
pub(crate) fn older_starts(incident: &Incident, evidence: &Evidence) -> Result<Vec<Uuid>> {
    let Some(since) = incident.change().map(|change| change.at) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for unit in incident.units().iter().filter_map(|unit| unit.parse::<UnitName>().ok()) {
        let query = |kinds: &[&str], since, until| Query {
            unit: Some(unit.clone()),
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            since,
            until,
            ..Query::default()
        };
        let seen = evidence.gather(&query(&TELLING, Some(since), None))?.events;
        let runs: HashSet<RunId> = seen.iter().map(|recorded| recorded.event.run).collect();
        if !runs.is_empty() {
            let starts = evidence.gather(&query(&["unit_started"], None, Some(since)))?.events;
            found.extend(starts.iter().filter(|start| runs.contains(&start.event.run)).map(|s| s.event.id));
        }
    }
    Ok(found)
}

/// When each run of a unit began.
fn starts(evidence: &Evidence, unit: &UnitName) -> Result<HashMap<RunId, Timestamp>> {
    let kinds = vec!["unit_started".to_owned()];
    let query = Query { unit: Some(unit.clone()), kinds, ..Query::default() };
    let mut starts = HashMap::new();
    for recorded in evidence.gather(&query)?.events {
        if let EventKind::UnitStarted { start: 1, .. } = recorded.event.kind {
            starts.insert(recorded.event.run, recorded.event.at);
        }
    }
    Ok(starts)
}

/// What was seen of it in runs that began after the change. A run of which that is not known counts as one.
fn again(
    known: &BTreeSet<String>,
    seen: Vec<Recorded>,
    starts: &HashMap<RunId, Timestamp>,
    change: Timestamp,
) -> Vec<Recorded> {
    let is_it = |recorded: &Recorded| {
        let began_after = starts.get(&recorded.event.run).is_none_or(|start| *start >= change);
        began_after && episode(&recorded.event).is_some_and(|episode| known.contains(&episode.fingerprint))
    };
    seen.into_iter().filter(is_it).collect()
}

/// Incidents that it waits for and that are open, or that nobody can find.
fn blockers(incident: &Incident, folder: &Folder) -> Vec<String> {
    let open = |id: &str| match folder.find(id) {
        Ok(kept) if kept.incident.state().is_open() => Some(id.to_owned()),
        Ok(_) => None,
        Err(_) => Some(format!("{} (it cannot be read)", scupper_model::printable(id.as_bytes(), 40))),
    };
    incident.listed("blocked_by").into_iter().filter_map(open).collect()
}
