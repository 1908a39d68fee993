//! What is known of what is asked about: recorded events, and what its unit says of itself where it runs.

use std::path::Path;

use scupper_casebook::suspects::{Now, ProcessNow, SeriesNow, processes_of};
use scupper_evidence::Query;
use scupper_model::{Event, Identity, Pid, RunId, Timestamp, UnitName, UnitRecord, printable};
use scupper_probe::Proc;
use scupper_supervise::control::UnitStatus;
use scupper_supervise::record::Records;
use scupper_supervise::shell::clock;

use super::holds::{self, Holds};
use super::incident;
use crate::args::{Asked, WhyArgs};
use crate::casebook::evidence::{Evidence, Gathered};
use crate::casebook::suspected::kinds;
use crate::commands::live::{self, Supervisor};
use crate::failure::Failure;
use crate::paths;

/// Events that tell of one process by its number, at most: the newest.
const MOST_MENTIONS: usize = 1000;
/// Characters of what a unit that does not answer says.
const MESSAGE: usize = 160;

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
        self.note(&gathered);
        self.events = gathered.events.into_iter().map(|recorded| recorded.event).collect();
        Ok(())
    }

    /// What of it could not be looked at.
    fn note(&mut self, gathered: &Gathered) {
        let left_out = gathered.unreadable;
        if left_out > 0 {
            self.notes.push(format!("{left_out} events cannot be read by this scupper and were left out"));
        }
        if gathered.cut {
            self.notes.push("there are more events than are looked at; the oldest were left out".to_owned());
        }
    }
}

/// The newest event of a unit, of whatever kind.
fn newest(evidence: &Evidence, query: Query) -> anyhow::Result<Option<Event>> {
    let gathered = evidence.gather(&Query { newest: Some(1), ..query })?;
    Ok(gathered.events.into_iter().next_back().map(|recorded| recorded.event))
}

fn of_unit(args: &WhyArgs, evidence: &Evidence, unit: &UnitName) -> Result<Found, Failure> {
    let mut found = Found { title: unit.to_string(), ..Found::default() };
    let running = Running::of(unit, &mut found.notes);
    let last =
        newest(evidence, Query { unit: Some(unit.clone()), ..Query::default() })?.map(|event| event.run);
    let run = running.run.or(last);
    let of_unit = Query { unit: Some(unit.clone()), ..Query::default() };
    match (args.since, run) {
        (Some(since), _) => {
            let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            let since = Timestamp(clock::wall().0.saturating_sub(since));
            found.gather(evidence, Query { since: Some(since), ..of_unit })?;
        }
        (None, Some(run)) => found.gather(evidence, Query { run: Some(run), ..of_unit })?,
        (None, None) => return Err(nothing_of(evidence, &format!("unit {unit}"), &found.notes)),
    }
    found.now = running.now(None);
    if found.now.is_none() && found.events.is_empty() {
        return Err(nothing_of(evidence, &format!("unit {unit}"), &found.notes));
    }
    Ok(found)
}

fn of_run(evidence: &Evidence, run: RunId) -> Result<Found, Failure> {
    let mut found = Found { title: format!("run {run}"), ..Found::default() };
    found.gather(evidence, Query { run: Some(run), ..Query::default() })?;
    let Some(first) = found.events.first() else {
        return Err(nothing_of(evidence, &format!("run {run}"), &found.notes));
    };
    let unit = first.unit.clone();
    found.title = format!("{unit}, run {run}");
    found.now = Running::of(&unit, &mut found.notes).now(Some(run));
    Ok(found)
}

fn of_process(evidence: &Evidence, pid: Pid) -> Result<Found, Failure> {
    let proc_ = Proc::open(Path::new("/proc"))?;
    let living = proc_.identify(pid)?;
    let mut found = Found { title: format!("pid {pid}"), only: living, ..Found::default() };
    let owner = living.as_ref().map(Owner::of).unwrap_or_default();
    found.notes.extend(owner.silent.iter().cloned());
    if let Some((unit, run)) = owner.unit {
        found.title = format!("pid {pid} of {unit}");
        found.gather(evidence, Query { unit: Some(unit), run: Some(run), ..Query::default() })?;
        found.now = owner.status.map(|status| now(&status));
        return Ok(found);
    }
    // Of a process that is gone what was recorded is known; its number may have been given to several.
    let gathered = evidence.gather(&Query {
        kinds: kinds(),
        pid: Some(pid),
        newest: Some(MOST_MENTIONS),
        ..Query::default()
    })?;
    let mentioned = gathered.events.iter().flat_map(|recorded| {
        let run = recorded.event.run;
        processes_of(&recorded.event.kind).into_iter().map(move |who| (who, run))
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
        found.note(&gathered);
        found.only = Some(who);
        found.gather(evidence, Query { run: Some(run), ..Query::default() })?;
        found.notes.dedup();
        if living.is_none() {
            found.title = format!("pid {pid}, which is gone");
        }
        return Ok(found);
    }
    found.note(&gathered);
    let Some(who) = living else {
        return Err(Failure::usage(format!("no process {pid} runs, and none was recorded"))
            .hint("`scupper ps` lists what runs, `scupper events` what was recorded"));
    };
    found.holds = Some(holds::now(&proc_, &who)?);
    if !mentioned.is_empty() {
        found.notes.push(format!("what was recorded of pid {pid} is of another process, which is gone"));
    }
    let whose = if owner.silent.is_empty() {
        "no unit of scupper has this process"
    } else {
        "no unit that answers has this process, and whether another one has is not known"
    };
    found
        .notes
        .push(format!("{whose}; `scupper attach {pid} --horizon short --for 3m` records whether it grows"));
    Ok(found)
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
    let mut missing = 0_usize;
    for cited in wanted.evidence {
        match evidence.find(&cited)? {
            Some(recorded) if found.events.iter().all(|event| event.id != recorded.event.id) => {
                found.events.push(recorded.event);
            }
            Some(_) => {}
            None => missing += 1,
        }
    }
    if missing > 0 {
        found
            .notes
            .push(format!("{missing} events that it cites are not in the evidence, or cannot be read"));
    }
    if found.events.is_empty() {
        return Err(nothing_of(evidence, id, &found.notes));
    }
    let running = wanted.unit.as_ref().map(|unit| Running::of(unit, &mut found.notes));
    found.now = running.and_then(|running| running.now(wanted.run));
    Ok(found)
}

fn nothing_of(evidence: &Evidence, what: &str, notes: &[String]) -> Failure {
    let file = evidence.file().display();
    let message = if evidence.is_there() {
        format!("nothing was recorded of {what} in {file}")
    } else {
        format!("nothing was recorded yet in {file}")
    };
    let message = notes.iter().fold(message, |message, note| format!("{message}; {note}"));
    Failure::usage(message)
        .hint("`scupper run -- COMMAND` and `scupper attach PID` record; --state DIR looks elsewhere")
}

/// A unit that runs.
#[derive(Debug, Default)]
struct Running {
    run: Option<RunId>,
    /// What it says of itself, where it answers.
    status: Option<Box<UnitStatus>>,
}

impl Running {
    /// What is known of it; one that runs and does not answer is noted.
    fn of(unit: &UnitName, notes: &mut Vec<String>) -> Self {
        let record = paths::records().and_then(|records| Ok((records.read(unit)?, records)));
        match record {
            Ok((Some(record), records)) => {
                let status = answer(&records, &record, notes);
                let runs = status.is_some() || !live::is_gone(&record.supervisor);
                Self { run: runs.then_some(record.run), status }
            }
            Ok((None, _)) => Self::default(),
            Err(error) => {
                let error = anyhow::Error::from(error);
                notes.push(format!("whether unit {unit} runs is not known: {error:#}"));
                Self::default()
            }
        }
    }

    /// What it says of a run.
    fn now(self, run: Option<RunId>) -> Option<Now> {
        let status = self.status.filter(|status| run.is_none_or(|run| status.record.run == run));
        status.map(|status| now(&status))
    }
}

fn answer(records: &Records, record: &UnitRecord, notes: &mut Vec<String>) -> Option<Box<UnitStatus>> {
    match live::look(records, record) {
        Supervisor::Answers(status) => Some(status),
        Supervisor::Silent(message) => {
            let message = printable(message.as_bytes(), MESSAGE);
            notes.push(format!(
                "unit {} does not answer, what it is now is not known: {message}",
                record.unit
            ));
            None
        }
        Supervisor::Gone => None,
    }
}

/// The unit that a process belongs to, as far as units answer.
#[derive(Debug, Default)]
struct Owner {
    unit: Option<(UnitName, RunId)>,
    /// What it says of itself, where it answers.
    status: Option<Box<UnitStatus>>,
    /// Units, and records, that say nothing: the process may be theirs.
    silent: Vec<String>,
}

impl Owner {
    fn of(who: &Identity) -> Self {
        let mut owner = Self::default();
        let listed = paths::records().and_then(|records| Ok((records.list()?, records)));
        let ((mut units, bad), records) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                owner.silent.push(format!("units cannot be listed: {:#}", anyhow::Error::from(error)));
                return owner;
            }
        };
        owner.silent.extend(bad.into_iter().map(|error| format!("{:#}", anyhow::Error::from(error))));
        // Whose main process it is needs no answer.
        units.sort_by_key(|record| record.main != Some(*who));
        for record in units {
            let status = answer(&records, &record, &mut owner.silent);
            let has = status
                .as_ref()
                .is_some_and(|status| status.processes.iter().any(|process| process.sample.identity == *who));
            if has {
                // What the others say does not matter any more.
                return Self { unit: Some((record.unit, record.run)), status, silent: Vec::new() };
            }
            if record.main == Some(*who) && !live::is_gone(&record.supervisor) {
                return Self { unit: Some((record.unit, record.run)), status: None, ..owner };
            }
        }
        owner
    }
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
