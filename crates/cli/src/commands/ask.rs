//! `stop`, `restart` and `recycle`: asked of the unit over its control socket, and waited for.

use std::time::Duration;

use scupper_model::{Identity, UnitName, UnitRecord, format_duration};
use scupper_supervise::control::{Reply, Request};
use scupper_supervise::record::Records;
use scupper_supervise::shell::{self, Sink};
use serde::Serialize;

use super::live::{self, Supervisor};
use crate::args::AskArgs;
use crate::config::Output;
use crate::failure::{FINDINGS, Failure};
use crate::guard;
use crate::keeps;
use crate::output::Printer;
use crate::sink::EventSink;
use crate::wait;

/// How much longer than its grace a unit may take.
const MARGIN: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    unit: &'a UnitName,
    message: &'a str,
    /// Whether it is done; `null` where nobody waited for it.
    done: Option<bool>,
}

/// Asks every unit that is meant, one after the other. The worst exit code counts.
pub(super) fn run(args: &AskArgs, request: &Request, printer: &mut Printer) -> Result<u8, Failure> {
    let (records, found) = live::find_all(&args.unit)?;
    let mut code = 0;
    for record in &found {
        code = code.max(ask_one(args, &records, record, request, printer)?);
    }
    Ok(code)
}

fn ask_one(
    args: &AskArgs,
    records: &Records,
    record: &UnitRecord,
    request: &Request,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let unit = &record.unit;
    if *request == Request::Stop && live::is_gone(&record.supervisor) {
        return end_abandoned(args, records, record, printer);
    }
    let before = Served::now(records, record);
    let message = accepted(records, record, request)?;
    // Workers are drained one after the other.
    let drains = u32::try_from(before.as_ref().map_or(1, |before| before.workers.len().max(1))).unwrap_or(1);
    let timeout = args.timeout.unwrap_or(record.grace * drains + MARGIN);
    let done = if args.no_wait {
        None
    } else {
        let verb = if *request == Request::Stop { "stopping" } else { "replacing" };
        let done = wait::until(timeout, |passed| {
            let passed = format_duration(Duration::from_secs(passed.as_secs()));
            printer.progress(&format!("{verb} {unit} ... {passed}"));
            is_done(records, record, request, before.as_ref())
        });
        printer.end_progress();
        Some(done)
    };
    if args.json {
        printer.json(&Answer { schema: "scupper.answer/1", unit, message: &message, done })?;
    } else {
        match done {
            None => printer.line(&format!("{unit}: {message}"))?,
            Some(true) => printer.line(&format!("{unit}: done"))?,
            Some(false) => {
                printer.note(&format!("{unit}: not done after {}; it goes on", format_duration(timeout)));
            }
        }
    }
    Ok(if done == Some(false) { FINDINGS } else { 0 })
}

/// Its scupper and its guardian were killed at once: what is left is found by the record, the cgroup and the mark.
fn end_abandoned(
    args: &AskArgs,
    records: &Records,
    record: &UnitRecord,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let facts = shell::end_abandoned(records, record, &keeps::source(None)).map_err(anyhow::Error::from)?;
    let done = facts.is_some();
    let mut sink = EventSink::new(&Output::default());
    for kind in facts.into_iter().flatten() {
        sink.record(&guard::event(record, kind));
    }
    sink.close();
    let message = "its scupper was gone; what it had left was ended";
    if args.json {
        let unit = &record.unit;
        printer.json(&Answer { schema: "scupper.answer/1", unit, message, done: Some(done) })?;
    } else {
        printer.line(&format!("{}: {message}", record.unit))?;
    }
    Ok(if done { 0 } else { FINDINGS })
}

/// Asks, and gives the unit's words where it will do it.
pub(super) fn accepted(records: &Records, record: &UnitRecord, request: &Request) -> Result<String, Failure> {
    match live::ask(records, &record.unit, request) {
        Ok(Reply::Accepted { message }) => Ok(message),
        Ok(Reply::Refused { message }) => Err(Failure::usage(format!("{}: {message}", record.unit))),
        Ok(Reply::Status(_)) => Err(Failure::usage(format!("{} answered something else", record.unit))),
        Err(_) if live::is_gone(&record.supervisor) => {
            let message = format!("the scupper of {} is gone and left its record", record.unit);
            Err(Failure::usage(message).hint("starting the unit again under this name cleans up after it"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stopped: its record is gone, or of another run. Otherwise: it was started since, or none of its workers is the same.
fn is_done(records: &Records, record: &UnitRecord, request: &Request, before: Option<&Served>) -> bool {
    match records.read(&record.unit) {
        Ok(None) => true,
        Ok(Some(now)) if now.run != record.run => true,
        Ok(Some(now)) if *request == Request::Stop => live::is_gone(&now.supervisor),
        Ok(Some(now)) => match (before, Served::now(records, &now)) {
            (Some(before), Some(now)) => now.replaced(before),
            _ => false,
        },
        Err(_) => false,
    }
}

/// Who does the unit's work.
struct Served {
    starts: u64,
    workers: Vec<Identity>,
}

impl Served {
    fn now(records: &Records, record: &UnitRecord) -> Option<Self> {
        let Supervisor::Answers(status) = live::look(records, record) else { return None };
        let workers = status.processes.iter().filter(|process| process.role == "worker");
        let workers = workers.map(|process| process.sample.identity).collect();
        Some(Self { starts: status.counts.starts, workers })
    }

    fn replaced(&self, before: &Self) -> bool {
        let anew = !before.workers.is_empty() && !self.workers.is_empty();
        self.starts > before.starts || anew && before.workers.iter().all(|old| !self.workers.contains(old))
    }
}
