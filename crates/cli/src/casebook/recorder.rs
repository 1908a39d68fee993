//! What becomes of an event that an incident is opened for: the record of the same thing is found and added to, reopened or
//! linked, or a new one is opened. Under the folder's lock, so that there never are two open ones of one thing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use scupper_casebook::incident::{
    Again, Episode, Evidence as Cited, Incident, Opening, Priority, Recorded, Required, State, episode,
};
use scupper_evidence::Query;
use scupper_model::{EventKind, Timestamp, Watched};

use super::evidence::Evidence;
use super::folder::{Folder, Kept};
use super::keep::keep;
use super::suspected;

/// Events of the same run that are cited beside the one that it was opened for.
const CONTEXT: usize = 12;

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub id: String,
    pub path: PathBuf,
    pub title: String,
    pub did: Did,
    /// Why what it cites is not kept for it.
    pub unkept: Option<String>,
    /// Texts of somebody else that a writer that was killed left: a line for each.
    pub found: Vec<String>,
}

/// The same in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Opened,
    Reopened,
    Added,
    Counted,
}

/// Takes an event. `None` where no incident is opened for such a one.
pub(crate) fn record(
    folder: &Folder,
    evidence: &Evidence,
    recorded: &Recorded,
    now: Timestamp,
) -> Result<Option<Outcome>> {
    let Some(episode) = episode(&recorded.event) else { return Ok(None) };
    let (unit, run) = (&recorded.event.unit, recorded.event.run);
    let cited = cited(evidence, recorded, &episode)?;
    folder.make()?;
    let lock = folder.lock()?;
    let found = lock.said().collect();
    let run_id = run.to_string();
    let known = folder.matching(|text| text.contains(&episode.fingerprint) || text.contains(&run_id))?;
    let mut related = Vec::new();
    if let Some(mut kept) = best(known.incidents, &episode, &run_id) {
        let again = kept.incident.again(&episode, &cited, unit, run, now)?;
        let did = match again {
            Again::Added => Some(Did::Added),
            Again::Counted => Some(Did::Counted),
            Again::Reopened => Some(Did::Reopened),
            Again::Another => None,
        };
        if let Some(did) = did {
            kept.write()?;
            let unkept = keep(&kept.incident, evidence);
            let (id, title) = (kept.incident.id().to_owned(), kept.incident.title().to_owned());
            return Ok(Some(Outcome { id, path: kept.path().to_owned(), title, did, unkept, found }));
        }
        related.push(kept);
    }
    let suspects = suspected::of(evidence, recorded)?;
    let command = started(evidence, recorded)?;
    let failure = time_to_failure(recorded, command.as_ref().map(|started| started.at));
    let required = Required::derive(failure, slope(&recorded.event.kind), None, None);
    let links: Vec<String> = related.iter().map(|kept| kept.incident.id().to_owned()).collect();
    let (incident, path) = folder.create(&lock, |id| {
        let mut opening = Opening {
            id,
            title: &episode.title,
            at: now,
            by: "scupper",
            priority: episode.priority,
            owner: None,
            description: None,
            episode: Some(&episode),
            unit: Some(unit),
            run: Some(run),
            command: command.as_ref().map(|started| started.command.as_str()),
            evidence: &cited,
            suspects: &suspects,
            required,
            related: &links,
            blocked_by: &[],
            time_to_failure: failure,
            file_path: "",
        };
        let name = opening.file_name();
        opening.file_path = &name;
        Ok((Incident::open(&opening)?, name))
    })?;
    // The old one says where it goes on.
    for kept in &mut related {
        kept.incident.link("related_issues", incident.id())?;
        kept.write()?;
    }
    let (id, title) = (incident.id().to_owned(), incident.title().to_owned());
    let unkept = keep(&incident, evidence);
    Ok(Some(Outcome { id, path, title, did: Did::Opened, unkept, found }))
}

/// The record of the same thing: an open one goes before one that is done. Other signs in the run for which one is open are
/// the same thing too: what leaks processes leaks memory and descriptors with them.
fn best(known: Vec<Kept>, episode: &Episode, run: &str) -> Option<Kept> {
    let rank = |kept: &Kept| {
        let incident = &kept.incident;
        let same = incident.fingerprints().iter().any(|known| *known == episode.fingerprint);
        let same_run = incident.run() == Some(run);
        Some(match (same, incident.state()) {
            (true, state) if state.is_open() => 0,
            (false, state) if same_run && state.is_open() => 1,
            (true, State::Done) => 2,
            (true, State::WontDo) => 3,
            (true, _) => 4,
            (false, _) => return None,
        })
    };
    let ranked = known.into_iter().filter_map(|kept| Some((rank(&kept)?, kept)));
    // Of two of one rank the newer one: the last in the order of their numbers.
    let better = |best: Option<(i32, Kept)>, next: (i32, Kept)| match best {
        Some(best) if best.0 < next.0 => Some(best),
        _ => Some(next),
    };
    ranked.fold(None, better).map(|(_, kept)| kept)
}

/// The event itself, and what else was recorded of the same thing in its run.
fn cited(evidence: &Evidence, recorded: &Recorded, of: &Episode) -> Result<Vec<Cited>> {
    let kinds = [
        "verdict_changed",
        "limit_crossed",
        "series_recorded",
        "resources_compared",
        "unit_exited",
        "process_died",
    ];
    let query = Query {
        run: Some(recorded.event.run),
        kinds: kinds.into_iter().map(str::to_owned).collect(),
        newest: Some(200),
        ..Query::default()
    };
    let gathered = evidence.gather(&query)?.events;
    let related = |other: &&Recorded| {
        other.event.id != recorded.event.id
            && (episode(&other.event).is_some_and(|episode| episode.fingerprint == of.fingerprint)
                || matches!(
                    other.event.kind,
                    EventKind::SeriesRecorded { .. } | EventKind::ResourcesCompared { .. }
                ))
    };
    let mut cited: Vec<Cited> = gathered.iter().filter(related).rev().take(CONTEXT).map(Cited::of).collect();
    cited.reverse();
    cited.insert(0, Cited::of(recorded));
    Ok(cited)
}

struct Started {
    command: String,
    at: Timestamp,
}

/// The last start of the run before this event.
fn started(evidence: &Evidence, recorded: &Recorded) -> Result<Option<Started>> {
    let query = Query {
        run: Some(recorded.event.run),
        unit: Some(recorded.event.unit.clone()),
        kinds: vec!["unit_started".to_owned()],
        until: Some(Timestamp(recorded.event.at.0.saturating_add(1))),
        newest: Some(1),
        ..Query::default()
    };
    Ok(evidence.gather(&query)?.events.pop().and_then(|recorded| match recorded.event.kind {
        EventKind::UnitStarted { command, .. } => Some(Started { command, at: recorded.event.at }),
        _ => None,
    }))
}

/// How long it takes from the start until it fails, as far as that is known.
fn time_to_failure(recorded: &Recorded, start: Option<Timestamp>) -> Option<Duration> {
    let age = || Some(Duration::from_millis(recorded.event.at.0.saturating_sub(start?.0)));
    match &recorded.event.kind {
        EventKind::UnitExited { certificate } => Some(certificate.lived),
        EventKind::LimitCrossed { .. } => age(),
        EventKind::VerdictChanged { judged, .. } => {
            age()?.checked_add(Duration::from_secs(judged.time_to_limit_seconds?))
        }
        _ => None,
    }
}

/// How fast memory grew, in bytes per hour.
fn slope(kind: &EventKind) -> Option<f64> {
    match kind {
        EventKind::VerdictChanged { series: Watched::Memory, judged, .. } => judged.slope_per_hour,
        EventKind::LeakFound { series: Watched::Memory, slope_per_hour, .. } => *slope_per_hour,
        EventKind::LimitCrossed { resource: scupper_model::Resource::Memory, growth_per_second, .. } => {
            growth_per_second.map(|growth| growth * 3600.0)
        }
        _ => None,
    }
}

/// A record that somebody opens by hand.
pub(crate) struct ByHand<'a> {
    pub title: &'a str,
    pub by: &'a str,
    pub priority: Option<Priority>,
    pub owner: Option<&'a str>,
    pub description: Option<&'a str>,
    pub event: Option<&'a Recorded>,
    pub unit: Option<&'a scupper_model::UnitName>,
    pub operations: Option<u64>,
    pub growth: Option<scupper_model::Bytes>,
    pub related: &'a [String],
    pub blocked_by: &'a [String],
}

/// Opens it.
pub(crate) fn open(
    folder: &Folder,
    evidence: &Evidence,
    by_hand: &ByHand<'_>,
    now: Timestamp,
) -> Result<(Incident, PathBuf, Vec<String>)> {
    let episode = by_hand.event.and_then(|recorded| episode(&recorded.event));
    let cited = match (by_hand.event, &episode) {
        (Some(recorded), Some(episode)) => cited(evidence, recorded, episode)?,
        (Some(recorded), None) => vec![Cited::of(recorded)],
        (None, _) => Vec::new(),
    };
    let command = by_hand.event.map(|recorded| started(evidence, recorded)).transpose()?.flatten();
    let failure =
        by_hand.event.and_then(|event| time_to_failure(event, command.as_ref().map(|started| started.at)));
    let slope = by_hand.event.and_then(|event| slope(&event.event.kind));
    let required = Required::derive(failure, slope, by_hand.operations, by_hand.growth);
    let priority =
        by_hand.priority.or(episode.as_ref().map(|episode| episode.priority)).unwrap_or(Priority::Medium);
    let unit = by_hand.unit.or(by_hand.event.map(|recorded| &recorded.event.unit));
    let suspects = match by_hand.event {
        Some(recorded) => suspected::of(evidence, recorded)?,
        None => Vec::new(),
    };
    folder.make()?;
    let lock = folder.lock()?;
    let found = lock.said().collect();
    for id in by_hand.related.iter().chain(by_hand.blocked_by) {
        folder.find(id)?;
    }
    if let Some(episode) = &episode {
        let known = folder.matching(|text| text.contains(&episode.fingerprint))?;
        if let Some(open) = known.incidents.iter().find(|kept| kept.incident.state().is_open()) {
            anyhow::bail!("{} is open for the same thing: {}", open.incident.id(), open.path().display());
        }
    }
    let (incident, path) = folder.create(&lock, |id| {
        let mut opening = Opening {
            id,
            title: by_hand.title,
            at: now,
            by: by_hand.by,
            priority,
            owner: by_hand.owner,
            description: by_hand.description,
            episode: episode.as_ref(),
            unit,
            run: by_hand.event.map(|recorded| recorded.event.run),
            command: command.as_ref().map(|started| started.command.as_str()),
            evidence: &cited,
            suspects: &suspects,
            required,
            related: by_hand.related,
            blocked_by: by_hand.blocked_by,
            time_to_failure: failure,
            file_path: "",
        };
        let name = opening.file_name();
        opening.file_path = &name;
        Ok((Incident::open(&opening)?, name))
    })?;
    Ok((incident, path, found))
}
