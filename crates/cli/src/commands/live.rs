//! Units as they are now: what their record says, and what they answer.

use std::path::Path;
use std::time::Duration;

use scupper_model::{Identity, UnitName, UnitRecord};
use scupper_probe::{ProbeError, Proc};
use scupper_supervise::control::{self, AskError, Reply, Request, UnitStatus};
use scupper_supervise::record::Records;

use crate::args::UnitNames;
use crate::failure::Failure;
use crate::output::Printer;
use crate::paths;

/// How long a unit may take to answer: one of thousands of processes looks at each of them first.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the scupper behind a record.
#[derive(Debug)]
pub(super) enum Supervisor {
    /// It answers.
    Answers(Box<UnitStatus>),
    /// It lives and does not answer, or cannot be told to be gone.
    Silent(String),
    /// It is gone, and its record was left.
    Gone,
}

/// Asks a unit how it is.
pub(super) fn look(records: &Records, record: &UnitRecord) -> Supervisor {
    match ask(records, &record.unit, &Request::Status) {
        Ok(Reply::Status(status)) => Supervisor::Answers(status),
        Ok(Reply::Accepted { message } | Reply::Refused { message }) => Supervisor::Silent(message),
        Err(_) if is_gone(&record.supervisor) => Supervisor::Gone,
        Err(error) => Supervisor::Silent(format!("{:#}", anyhow::Error::from(error))),
    }
}

/// Sends one request to a unit.
pub(super) fn ask(records: &Records, unit: &UnitName, request: &Request) -> Result<Reply, AskError> {
    control::ask(&control::socket_path(&records.path(unit)), request, ANSWER_WITHIN)
}

/// All records; files that are none are named on stderr and hide nothing. Says whether there were any.
pub(super) fn list(records: &Records, printer: &mut Printer) -> Result<(Vec<UnitRecord>, bool), Failure> {
    let (units, bad) = records.list()?;
    let any_bad = !bad.is_empty();
    for error in bad {
        printer.note(&format!("warning: {:#}", anyhow::Error::from(error)));
    }
    Ok((units, any_bad))
}

/// The records of the units that are meant; where there is none, the failure names those that run.
pub(super) fn find_all(units: &UnitNames) -> Result<(Records, Vec<UnitRecord>), Failure> {
    if let UnitNames::One(name) = units {
        return find(name).map(|(records, record)| (records, vec![record]));
    }
    let records = paths::records()?;
    let (all, _) = records.list()?;
    let (found, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|record| units.matches(&record.unit));
    if found.is_empty() { Err(unknown(units, &others)) } else { Ok((records, found)) }
}

/// The record of one unit; where there is none, the failure names those that run.
pub(super) fn find(unit: &UnitName) -> Result<(Records, UnitRecord), Failure> {
    let records = paths::records()?;
    if let Some(record) = records.read(unit)? {
        return Ok((records, record));
    }
    let (others, _) = records.list()?;
    Err(unknown(&UnitNames::One(unit.clone()), &others))
}

/// That no unit has this name.
pub(super) fn unknown(unit: &UnitNames, others: &[UnitRecord]) -> Failure {
    let names: Vec<&str> = others.iter().map(|record| record.unit.as_str()).collect();
    let running = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::usage(format!("no unit named {unit}; running: {running}"))
}

/// Whether a process is certainly gone. What cannot be told is not gone.
pub(super) fn is_gone(process: &Identity) -> bool {
    is_alive(process).is_ok_and(|alive| !alive)
}

fn is_alive(process: &Identity) -> Result<bool, ProbeError> {
    let proc_ = Proc::open(Path::new("/proc"))?;
    let stat = if proc_.is_same(process)? { proc_.stat(process.pid)? } else { None };
    Ok(stat.is_some_and(|stat| !stat.is_zombie()))
}
