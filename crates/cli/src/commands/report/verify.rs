//! `report --verify`: runs a command and records how it ended. Only what is recorded here counts in a report.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use scupper_evidence::{Options, Store};
use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, UnitName, Verification, redact_command};
use scupper_supervise::shell::clock;

use super::{gather, tree};
use crate::args::ReportArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;
use crate::paths;

/// The unit of what belongs to none.
pub(super) const UNIT: &str = "report";

pub(super) fn run(args: &ReportArgs, id: &str, printer: &mut Printer) -> Result<u8, Failure> {
    let incident = gather::incident(args, id)?;
    let file = paths::evidence(args.state.as_deref())
        .context("no state directory: HOME is not set; use --state DIR")?;
    // What cannot be recorded is not run: it would count for nothing.
    let mut store = Store::open(&file, &Options::default())?;
    let directory = match &args.tree {
        Some(tree) => tree.clone(),
        None => std::env::current_dir().context("cannot tell the directory to run it in")?,
    };
    let directory = std::fs::canonicalize(&directory)
        .with_context(|| format!("cannot run anything in {}", directory.display()))?;
    for test in &args.tests {
        find_test(test, &directory)?;
    }
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::usage("there is no command").hint("scupper report ID --verify -- COMMAND"));
    };
    let shown = redact_command(args.command.iter().map(|word| word.as_bytes()));
    let commit = tree::commit(&directory);
    let began = clock::wall();
    // stdout is for what was recorded.
    let errors = rustix::io::dup(rustix::stdio::stderr()).context("cannot keep stderr")?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(&directory)
        .stdout(Stdio::from(errors))
        .status()
        .with_context(|| format!("cannot run {shown}: nothing was recorded"))?;
    let ended = clock::wall();
    let verification = Verification {
        incident: incident.id().to_owned(),
        command: shown.clone(),
        directory: directory.display().to_string(),
        tests: args.tests.clone(),
        commit,
        exit_code: status.code(),
        signal: status.signal(),
        took_ms: ended.0.saturating_sub(began.0),
    };
    let unit = incident.unit().unwrap_or_else(|| UnitName::from_command(UNIT));
    let event = Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        at: ended,
        unit,
        run: RunId(uuid::Uuid::now_v7()),
        kind: EventKind::VerificationRan { verification: Box::new(verification) },
    };
    store.insert(std::slice::from_ref(&event)).context("cannot record how it ended")?;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "nobody saw how it ended".to_owned(),
    };
    printer.line(&format!("recorded as {}: {shown}: {how}", event.id))?;
    Ok(if status.success() { 0 } else { FINDINGS })
}

/// A test that is named has to be there: its file, and its name in it.
fn find_test(test: &str, directory: &std::path::Path) -> Result<(), Failure> {
    let (file, name) = test.split_once("::").unwrap_or((test, ""));
    let path: PathBuf = directory.join(file);
    let path = crate::documents::inside(directory, &path)?;
    let source = crate::documents::read(&path, super::LARGEST_BYTES)?;
    // `Class::name` and `name[parameter]`: what the file has is the last name.
    let last = name.rsplit("::").next().unwrap_or(name);
    let last = last.split('[').next().unwrap_or(last);
    if last.is_empty() || !source.contains(last) {
        return Err(Failure::usage(format!("there is no test `{last}` in {}", path.display())));
    }
    Ok(())
}
