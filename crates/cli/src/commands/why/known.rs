//! What is known of what is asked about: recorded events, and what its unit says of itself where it runs.

use std::path::Path;

use scupper_casebook::suspects::{Now, ProcessNow, SeriesNow};
use scupper_evidence::Query;
use scupper_model::{Event, EventKind, Identity, Pid, RunId, Timestamp, UnitName, UnitRecord};
use scupper_probe::Proc;
use scupper_supervise::control::UnitStatus;
use scupper_supervise::shell::clock;

use super::holds::{self, Holds};
use super::incident;
use crate::args::{Asked, WhyArgs};
use crate::casebook::evidence::Evidence;
use crate::casebook::suspected::kinds;
use crate::commands::live::{self, Supervisor};
use crate::failure::Failure;
use crate::paths;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What it is called.
    pub title: String,
    pub events: Vec<Event>,
    pub now: Option<Now>,
    /// Where one process is asked about.
    pub only: Option<Identity>,
    /// What a process of no unit holds.
    pub holds: Option<Holds>,
    /// For the person who asked.
    pub notes: Vec<String>,
}

/// Looks it up.
pub(super) fn find(args: &WhyArgs) -> Result<Found, Failure> {
    let evidence = Evidence::open(args.state.as_deref())?;
    match &args.asked {
        Asked::Unit(unit) => of_unit(args, &evidence, unit),
        Asked::Run(run) => of_run(&evidence, *run),
        Asked::Process(pid) => of_process(&evidence, *pid),
        Asked::Incident(id) => {
            let wanted = incident::read(id, args.incidents.as_deref(), args.state.as_deref())?;
            of_incident(&evidence, id, wanted)
        }
    }
}

impl Found {
    fn gather(&mut self, evidence: &Evidence, query: Query) -> anyhow::Result<()> {
        let gathered = evidence.gather(&Query { kinds: kinds(), ..query })?;
        self.events = gathered.events.into_iter().map(|recorded| recorded.event).collect();
        if gathered.unreadable > 0 {
            self.notes.push(format!(
                "{} events cannot be read by this scupper and were left out",
                gathered.unreadable
            ));
        }
        if gathered.cut {
            self.notes.push("there are more events than are looked at; the oldest were left out".to_owned());
        }
        Ok(())
    }
}

/// The newest event of a unit, of whatever kind.
fn newest(evidence: &Evidence, query: Query) -> anyhow::Result<Option<Event>> {
    let gathered = evidence.gather(&Query { newest: Some(1), ..query })?;
    Ok(gathered.events.into_iter().next_back().map(|recorded| recorded.event))
}

fn of_unit(args: &WhyArgs, evidence: &Evidence, unit: &UnitName) -> Result<Found, Failure> {
    let mut found = Found { title: unit.to_string(), ..Found::default() };
    let running = status_of(unit);
    let last =
        newest(evidence, Query { unit: Some(unit.clone()), ..Query::default() })?.map(|event| event.run);
    let run = running.as_ref().map(|status| status.record.run).or(last);
    let of_unit = Query { unit: Some(unit.clone()), ..Query::default() };
    match (args.since, run) {
        (Some(since), _) => {
            let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            let since = Timestamp(clock::wall().0.saturating_sub(since));
            found.gather(evidence, Query { since: Some(since), ..of_unit })?;
        }
        (None, Some(run)) => found.gather(evidence, Query { run: Some(run), ..of_unit })?,
        (None, None) => return Err(nothing_of(evidence, &format!("unit {unit}"))),
    }
    found.now = running.map(|status| now(&status));
    if found.now.is_none() && found.events.is_empty() {
        return Err(nothing_of(evidence, &format!("unit {unit}")));
    }
    Ok(found)
}

fn of_run(evidence: &Evidence, run: RunId) -> Result<Found, Failure> {
    let mut found = Found { title: format!("run {run}"), ..Found::default() };
    found.gather(evidence, Query { run: Some(run), ..Query::default() })?;
    let Some(first) = found.events.first() else { return Err(nothing_of(evidence, &format!("run {run}"))) };
    let unit = first.unit.clone();
    found.title = format!("{unit}, run {run}");
    found.now = status_of(&unit).filter(|status| status.record.run == run).map(|status| now(&status));
    Ok(found)
}

fn of_process(evidence: &Evidence, pid: Pid) -> Result<Found, Failure> {
    let proc_ = Proc::open(Path::new("/proc"))?;
    let living = proc_.identify(pid)?;
    let mut found = Found { title: format!("pid {pid}"), only: living, ..Found::default() };
    if let Some(status) = living.as_ref().and_then(unit_with) {
        let unit = status.record.unit.clone();
        found.title = format!("pid {pid} of {unit}");
        found
            .gather(evidence, Query { unit: Some(unit), run: Some(status.record.run), ..Query::default() })?;
        found.now = Some(now(&status));
        return Ok(found);
    }
    // Of a process that is gone what was recorded is known; its number may have been given to several.
    let all = evidence.gather(&Query { kinds: kinds(), ..Query::default() })?;
    let mentioned = all.events.iter().flat_map(|recorded| {
        let run = recorded.event.run;
        identities(&recorded.event.kind).into_iter().map(move |who| (who, run))
    });
    let mentioned: Vec<(Identity, RunId)> = mentioned.filter(|(who, _)| who.pid == pid).collect();
    let meant = match living {
        Some(living) => mentioned.iter().rev().find(|(who, _)| *who == living),
        None => mentioned.last(),
    };
    if let Some(&(who, run)) = meant {
        let others = mentioned.iter().any(|(other, _)| *other != who);
        if others {
            found
                .notes
                .push(format!("several processes had the pid {pid}; this is the one that was recorded last"));
        }
        found.only = Some(who);
        found.events =
            all.events.into_iter().map(|recorded| recorded.event).filter(|event| event.run == run).collect();
        if living.is_none() {
            found.title = format!("pid {pid}, which is gone");
        }
        return Ok(found);
    }
    let Some(who) = living else {
        return Err(Failure::usage(format!("no process {pid} runs, and none was recorded"))
            .hint("`scupper ps` lists what runs, `scupper events` what was recorded"));
    };
    found.holds = Some(holds::now(&proc_, &who)?);
    found.notes.push(format!(
        "no unit of scupper has this process; `scupper attach {pid} --horizon short --for 3m` records whether it grows"
    ));
    Ok(found)
}

/// Every process that an event tells something of.
fn identities(kind: &EventKind) -> Vec<Identity> {
    match kind {
        EventKind::VerdictChanged { target, .. } | EventKind::LeakFound { target, .. } => {
            target.iter().copied().collect()
        }
        EventKind::ResourcesCompared { comparison } => vec![comparison.target],
        EventKind::SeriesRecorded { history } => history.target.iter().copied().collect(),
        EventKind::UnitStarted { main, .. } => vec![*main],
        EventKind::Attached { target, .. } => vec![*target],
        EventKind::HelperOutlives { target, started_by, .. } => {
            started_by.iter().copied().chain([*target]).collect()
        }
        EventKind::LimitCrossed { culprit, .. } => culprit.iter().copied().collect(),
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
            vec![certificate.identity]
        }
        _ => Vec::new(),
    }
}

fn of_incident(evidence: &Evidence, id: &str, wanted: incident::Wanted) -> Result<Found, Failure> {
    let mut found = Found { title: wanted.title, ..Found::default() };
    let query = Query { run: wanted.run, unit: wanted.unit.clone(), ..Query::default() };
    if query.run.is_some() || query.unit.is_some() {
        let window = wanted.window.filter(|_| query.run.is_none());
        let (since, until) = window
            .map_or((None, None), |(since, until)| (Some(since), Some(Timestamp(until.0.saturating_add(1)))));
        found.gather(evidence, Query { since, until, ..query })?;
    }
    // What it cites belongs to it, whichever run it is of.
    for cited in wanted.evidence {
        if let Some(recorded) = evidence.find(&cited)?
            && found.events.iter().all(|event| event.id != recorded.event.id)
        {
            found.events.push(recorded.event);
        }
    }
    if found.events.is_empty() {
        return Err(nothing_of(evidence, id));
    }
    let running = wanted.unit.as_ref().and_then(status_of);
    found.now = running
        .filter(|status| wanted.run.is_none_or(|run| status.record.run == run))
        .map(|status| now(&status));
    Ok(found)
}

fn nothing_of(evidence: &Evidence, what: &str) -> Failure {
    let file = evidence.file().display();
    let message = if evidence.is_there() {
        format!("nothing was recorded of {what} in {file}")
    } else {
        format!("nothing was recorded yet in {file}")
    };
    Failure::usage(message)
        .hint("`scupper run -- COMMAND` and `scupper attach PID` record; --state DIR looks elsewhere")
}

/// What a unit says of itself, where it runs and answers.
fn status_of(unit: &UnitName) -> Option<Box<UnitStatus>> {
    let records = paths::records().ok()?;
    let record = records.read(unit).ok()??;
    answer(&record)
}

fn answer(record: &UnitRecord) -> Option<Box<UnitStatus>> {
    let records = paths::records().ok()?;
    match live::look(&records, record) {
        Supervisor::Answers(status) => Some(status),
        Supervisor::Silent(_) | Supervisor::Gone => None,
    }
}

/// The unit that a process belongs to.
fn unit_with(who: &Identity) -> Option<Box<UnitStatus>> {
    let (units, _) = paths::records().ok()?.list().ok()?;
    let has = |status: &UnitStatus| status.processes.iter().any(|process| process.sample.identity == *who);
    units.iter().filter_map(answer).find(|status| has(status))
}

fn now(status: &UnitStatus) -> Now {
    let series = status.series.iter().map(|series| SeriesNow {
        series: series.series,
        target: series.target,
        name: series.name.clone(),
        value: series.value,
        judged: series.judged.clone(),
    });
    let processes = status.processes.iter().map(|process| ProcessNow {
        identity: process.sample.identity,
        name: process.sample.name.clone(),
        role: process.role.clone(),
    });
    Now {
        at: Some(clock::wall()),
        run: Some(status.record.run),
        series: series.collect(),
        processes: processes.collect(),
    }
}
