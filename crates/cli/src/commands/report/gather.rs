//! Everything that a report is made from: the incident, its events, and the rules that are on.

use anyhow::Context;
use scupper_casebook::incident::{Checks, Incident, State, Verdict};
use scupper_casebook::report::changes::Change;
use scupper_casebook::report::{Elsewhere, Named, Rule, Source, Subject, proof, words};
use scupper_evidence::Query;
use scupper_model::{Bytes, EventKind, Limits, Policy, Resource, UnitName, UnitPhase, UnitRecord};
use scupper_supervise::record::Records;
use scupper_supervise::shell::clock;

use super::verify;
use crate::args::ReportArgs;
use crate::casebook::checks::checks;
use crate::casebook::evidence::Evidence;
use crate::casebook::folder::Folder;
use crate::commands::live;
use crate::failure::Failure;

/// What was found.
pub(super) struct Gathered {
    pub source: Source,
    /// Whether older events were left out.
    pub cut: bool,
    /// The limit of memory that is on now, for the picture.
    pub limit: Option<u64>,
    /// Lines of files that the incident names as what was changed.
    pub changes: Vec<Change>,
}

impl Gathered {
    /// The events, one a line, as they are stored.
    pub(super) fn lines(&self) -> String {
        let mut lines = String::new();
        for recorded in &self.source.events {
            lines.push_str(&serde_json::to_string(&recorded.event).unwrap_or_default());
            lines.push('\n');
        }
        lines
    }
}

pub(super) fn gather(args: &ReportArgs, id: &str) -> Result<Gathered, Failure> {
    let folder = Folder::new(args.incidents.as_deref(), args.state.as_deref())?;
    let incident = folder.find(id)?.incident;
    let mut source = Source::new(subject(&incident), clock::wall());
    let mut changes = Vec::new();
    for change in incident.changes() {
        match place_of(&change.what) {
            Some(place) => changes.push(place),
            None => source.named.push(Named { at: change.at, what: change.what, by: change.by }),
        }
    }
    let mut limit = None;
    let evidence = Evidence::open(args.state.as_deref())?;
    source.subject.undone = undone(&incident, &checks(&incident, &evidence, &folder)?);
    let unit = source.subject.unit.clone().unwrap_or_else(|| UnitName::from_command(verify::UNIT));
    let query = Query { unit: Some(unit), ..Query::default() };
    let found = evidence.gather(&query).context("cannot read the recorded events")?;
    source.events = found.events;
    let mut cut = found.cut;
    if let Some(unit) = &source.subject.unit {
        source.unreadable = u64::try_from(found.unreadable).unwrap_or(u64::MAX);
        for other in incident.units().iter().filter_map(|other| other.parse::<UnitName>().ok()) {
            if other != *unit {
                let query = Query { unit: Some(other.clone()), ..Query::default() };
                let found = evidence.gather(&query).context("cannot read the recorded events")?;
                cut |= found.cut;
                let unreadable = u64::try_from(found.unreadable).unwrap_or(u64::MAX);
                source.elsewhere.push(Elsewhere { unit: other, events: found.events, unreadable });
            }
        }
        let (runs, record) = running(unit);
        source.runs = runs;
        if let Some(record) = record {
            source.rules = rules(&record, runs == Some(true));
            limit = memory_limit(&record.limits);
        }
    } else {
        // Of an incident without a unit there is only what was run for it.
        let id = &source.subject.id;
        source.events.retain(|recorded| {
            matches!(&recorded.event.kind, EventKind::VerificationRan { verification } if verification.incident == *id)
        });
    }
    let failed = proof::failed_since_done(&source.plain(), &source.subject);
    source.subject.undone.extend(failed);
    Ok(Gathered { source, cut, limit, changes })
}

/// The incident with this id, from its folder.
pub(super) fn incident(args: &ReportArgs, id: &str) -> Result<Incident, Failure> {
    let folder = Folder::new(args.incidents.as_deref(), args.state.as_deref())?;
    Ok(folder.find(id)?.incident)
}

/// A commit or a setting names no lines; those can be looked up.
fn place_of(what: &str) -> Option<Change> {
    Some(Change { place: what.trim().parse().ok()?, what: String::new(), snippet: None })
}

/// Why what it claims does not hold. What is put away claims what it claimed before.
fn undone(incident: &Incident, checks: &Checks) -> Vec<String> {
    let mut undone = incident.undone(checks);
    let was_done = || incident.history().iter().any(|moved| moved.to == State::Done);
    let shown = checks.soak.verdict == Verdict::Passed && checks.soak.everywhere;
    if incident.state() == State::Archived && was_done() && !shown {
        undone.push(format!("it was done, and no soak shows it: {}", checks.soak.reasons.join("; ")));
    }
    undone
}

fn subject(incident: &Incident) -> Subject {
    let moves = incident.history().iter().map(|moved| (moved.at, moved.to.name().to_owned())).collect();
    let mut related: Vec<String> = Vec::new();
    for key in ["related_issues", "related_tasks", "blocks", "blocked_by"] {
        related.extend(incident.listed(key).into_iter().map(str::to_owned));
    }
    related.dedup();
    Subject {
        id: incident.id().to_owned(),
        title: incident.title().to_owned(),
        description: String::new(),
        state: incident.state().name().to_owned(),
        priority: incident.priority().to_owned(),
        owner: incident.owner().map(str::to_owned),
        unit: incident.unit(),
        opened: incident.history().first().map(|moved| moved.at),
        moves,
        related,
        undone: Vec::new(),
    }
}

/// Whether the unit runs, and its record. What cannot be told is unknown.
fn running(unit: &UnitName) -> (Option<bool>, Option<UnitRecord>) {
    let records = match Records::existing_for_this_user() {
        Ok(Some(records)) => records,
        Ok(None) => return (Some(false), None),
        Err(_) => return (None, None),
    };
    match records.read(unit) {
        Ok(Some(record)) if record.phase == UnitPhase::Stopped || live::is_gone(&record.supervisor) => {
            (Some(false), None)
        }
        Ok(Some(record)) => (Some(true), Some(record)),
        Ok(None) => (Some(false), None),
        Err(_) => (None, None),
    }
}

/// What the record of a unit says is on.
fn rules(record: &UnitRecord, runs: bool) -> Vec<Rule> {
    let policy = match record.policy {
        Policy::Observe => "observe",
        Policy::Alert => "alert",
        Policy::Recycle => "recycle",
        Policy::Kill => "kill",
    };
    let acts = matches!(record.policy, Policy::Recycle | Policy::Kill);
    let place =
        format!("the record of the unit, run {}, written {}", record.run, words::utc(record.written_at));
    let rule = |what: String, recycles: bool| Rule {
        what: format!("{what}, policy {policy}"),
        place: place.clone(),
        on: runs && acts,
        recycles: recycles && acts,
    };
    let limits = &record.limits;
    let mut rules = Vec::new();
    rules.extend(limits.mem_soft.map(|size| rule(format!("soft limit of memory {size}"), true)));
    rules.extend(limits.mem_hard.map(|size| rule(format!("hard limit of memory {size}"), false)));
    for resource in Resource::ALL {
        let (soft, hard) = limits.counts(resource);
        rules.extend(soft.map(|soft| rule(format!("soft limit of {resource} {soft}"), true)));
        rules.extend(hard.map(|hard| rule(format!("hard limit of {resource} {hard}"), false)));
    }
    rules
}

fn memory_limit(limits: &Limits) -> Option<u64> {
    let absolute = |size: scupper_model::Size| size.resolve(None).map(|Bytes(bytes)| bytes);
    [limits.mem_soft, limits.mem_hard].into_iter().flatten().filter_map(absolute).min()
}
