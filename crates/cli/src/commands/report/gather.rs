//! Everything that a report is made from: the incident, its events, and the rules that are on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use scupper_casebook::incident::Incident;
use scupper_casebook::report::{Rule, Source, Subject, words};
use scupper_evidence::Query;
use scupper_model::{Bytes, Limits, Policy, Resource, UnitName, UnitPhase, UnitRecord};
use scupper_supervise::record::Records;
use scupper_supervise::shell::clock;

use crate::args::ReportArgs;
use crate::casebook::evidence::Evidence;
use crate::commands::live;
use crate::documents;
use crate::failure::Failure;
use crate::paths;

/// Incidents of one folder that are looked through.
const MOST_INCIDENTS: usize = 100_000;

/// What was found.
pub(super) struct Gathered {
    pub source: Source,
    /// Whether older events were left out.
    pub cut: bool,
    /// The limit of memory that is on now, for the picture.
    pub limit: Option<u64>,
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
    let subject = subject(&incident(args, id)?);
    let mut source = Source::new(subject, clock::wall());
    let mut cut = false;
    let mut limit = None;
    if let Some(unit) = source.subject.unit.clone() {
        let evidence = Evidence::open(args.state.as_deref())?;
        let query = Query { unit: Some(unit.clone()), ..Query::default() };
        let found = evidence.gather(&query).context("cannot read the recorded events")?;
        source.events = found.events;
        source.unreadable = u64::try_from(found.unreadable).unwrap_or(u64::MAX);
        cut = found.cut;
        let (runs, record) = running(&unit);
        source.runs = runs;
        if let Some(record) = record {
            source.rules = rules(&record, runs == Some(true));
            limit = memory_limit(&record.limits);
        }
    }
    Ok(Gathered { source, cut, limit })
}

/// The incident with this id, from its folder.
pub(super) fn incident(args: &ReportArgs, id: &str) -> Result<Incident, Failure> {
    let id = id.trim();
    if id.len() > 64 || id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        let shown = scupper_model::printable(id.as_bytes(), 60);
        return Err(Failure::usage(format!("`{shown}` is no id of an incident: write ISS-0001")));
    }
    let folder = match &args.incidents {
        Some(folder) => folder.clone(),
        None => paths::state(args.state.as_deref())
            .context("no state directory: HOME is not set; use --state DIR")?
            .join("incidents"),
    };
    let path = file_of(&folder, id)?;
    let text = documents::read(&path, documents::LARGEST_BYTES)?;
    let incident = Incident::parse(&text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(incident)
}

fn file_of(folder: &Path, id: &str) -> Result<PathBuf, Failure> {
    let missing = || {
        Failure::usage(format!("there is no incident {id} in {}", folder.display()))
            .hint("scupper incident list shows those there are")
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => {
            return Err(anyhow::Error::new(error)
                .context(format!("cannot read the folder {}", folder.display()))
                .into());
        }
    };
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in entries.take(MOST_INCIDENTS).flatten() {
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".md")) else { continue };
        let rest =
            stem.get(..id.len()).filter(|start| start.eq_ignore_ascii_case(id)).map(|_| &stem[id.len()..]);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
            found.push(entry.path());
        }
    }
    found.sort();
    match found.as_slice() {
        [] => Err(missing()),
        [path] => documents::inside(folder, path).map_err(Failure::from),
        [first, second, ..] => {
            let refuse = || -> anyhow::Result<PathBuf> {
                bail!("{id} is the id of two files: {} and {}", first.display(), second.display())
            };
            refuse().map_err(Failure::from)
        }
    }
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
