//! `set`: other limits for a running unit.

use scupper_model::{Size, UnitName};
use scupper_supervise::control::{Change, LimitChange, Request};
use serde::Serialize;

use super::{ask, live};
use crate::args::SetArgs;
use crate::failure::Failure;
use crate::output::Printer;

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    unit: &'a UnitName,
    message: &'a str,
}

pub(super) fn run(args: SetArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let change = LimitChange::from(args.limits);
    contradiction(&change).map_or(Ok(()), |message| Err(Failure::usage(message)))?;
    let (records, record) = live::find(&args.unit)?;
    let message = ask::accepted(&records, &record, &Request::Set { change })?;
    if args.json {
        printer.json(&Answer { schema: "scupper.answer/1", unit: &args.unit, message: &message })?;
    } else {
        printer.line(&format!("{}: {message}", args.unit))?;
    }
    Ok(0)
}

/// What contradicts itself on this command line; the unit checks the rest against the limits it has.
fn contradiction(change: &LimitChange) -> Option<String> {
    if let (Some(Change::To(soft)), Some(Change::To(hard))) = (change.mem_soft, change.mem_hard) {
        let above = match (soft, hard) {
            (Size::Absolute(soft), Size::Absolute(hard)) => soft > hard,
            (Size::Percent(soft), Size::Percent(hard)) => soft > hard,
            _ => false,
        };
        if above {
            return Some(format!("--mem-soft ({soft}) is above --mem-hard ({hard})"));
        }
    }
    let counts = [
        ("--max-fds", change.fds),
        ("--max-threads", change.threads),
        ("--max-children", change.children),
        ("--max-sockets", change.sockets),
    ];
    counts.into_iter().find_map(|(flag, limits)| match limits? {
        (Some(soft), Some(hard)) if soft > hard => {
            Some(format!("{flag}: the soft limit {soft} is above the hard limit {hard}"))
        }
        _ => None,
    })
}
