//! `report --verify`: runs a command and records how it ended. Only what is recorded here counts in a report.
//!
//! The command runs as a unit of its own, so it ends as every unit does: its whole tree, when its time is over, when it leaves
//! something behind, when whoever asked for it is gone.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use scupper_casebook::report::words;
use scupper_evidence::{Options, Store};
use scupper_model::{
    EVENT_SCHEMA, Event, EventKind, HowEnded, Policy, RunId, Severity, SignalReason, Timestamp, UnitName,
    Verification, redact_command,
};
use scupper_supervise::shell::{Observer, Sink};
use scupper_supervise::soak::Wish;
use scupper_supervise::unit::Look;

use super::{gather, output, tree};
use crate::args::ReportArgs;
use crate::commands::{engine, soak};
use crate::config::UnitSettings;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;
use crate::paths;
use crate::sink::EventSink;

/// The unit of what belongs to none.
pub(super) const UNIT: &str = "report";
/// Between TERM and KILL where its time is over.
const GRACE: Duration = Duration::from_secs(5);
/// Nobody acts on a look at it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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
    let shown = redact_command(args.command.iter().map(|word| word.as_bytes()));
    let commit = tree::commit(&directory);
    let ran = carry_out(args, incident.id(), &directory)?;
    if let Some(why) = &ran.not_started {
        return Err(Failure::usage(format!("cannot run {shown}: {why}: nothing was recorded")));
    }
    let (Some((ended, how)), false) = (ran.ended, ran.interrupted) else {
        return Err(Failure::usage(format!("{shown} was stopped before it ended: nothing was recorded")));
    };
    let (exit_code, signal) = match how {
        HowEnded::Exited { code } => (Some(code), None),
        HowEnded::Signaled { signal, .. } => (None, Some(signal)),
        HowEnded::NotStarted { .. } | HowEnded::Unknown => (None, None),
    };
    let verification = Verification {
        incident: incident.id().to_owned(),
        command: shown,
        directory: directory.display().to_string(),
        tests: args.tests.clone(),
        commit,
        // A program that answers TERM with 0 has shown nothing.
        exit_code: exit_code.filter(|_| !ran.timed_out),
        signal,
        timed_out_ms: ran.timed_out.then(|| u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX)),
        took_ms: ended.0.saturating_sub(ran.began.unwrap_or(ended).0),
    };
    record(&mut store, incident.unit(), (ended, verification), ran.left, printer)
}

fn record(
    store: &mut Store,
    unit: Option<UnitName>,
    (at, verification): (Timestamp, Verification),
    left: u32,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let mut how = match (verification.timed_out_ms, verification.exit_code, verification.signal) {
        (Some(limit), ..) => format!("it did not end within {} and was ended", words::span_of(limit)),
        (None, Some(code), _) => format!("exit code {code}"),
        (None, None, Some(signal)) => format!("signal {signal}"),
        (None, None, None) => "nobody saw how it ended".to_owned(),
    };
    if left > 0 && verification.timed_out_ms.is_none() {
        let _ = write!(how, "; ended what it left behind ({left} processes)");
    }
    let (passed, shown) = (verification.passed(), verification.command.clone());
    let event = Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        at,
        unit: unit.unwrap_or_else(|| UnitName::from_command(UNIT)),
        run: RunId(uuid::Uuid::now_v7()),
        kind: EventKind::VerificationRan { verification: Box::new(verification) },
    };
    store.insert(std::slice::from_ref(&event)).context("cannot record how it ended")?;
    printer.line(&format!("recorded as {}: {shown}: {how}", event.id))?;
    Ok(if passed { 0 } else { FINDINGS })
}

/// Runs the command to its end, or to the end of its time.
fn carry_out(args: &ReportArgs, incident: &str, directory: &Path) -> Result<Ran, Failure> {
    let records = paths::records()?;
    let settings = UnitSettings {
        name: Some(UnitName::from_command(&format!("verify-{incident}"))),
        command: args.command.clone(),
        directory: Some(directory.to_owned()),
        // What it needs is its own affair here.
        policy: Some(Policy::Observe),
        lifetime: Some(args.timeout),
        grace: Some(GRACE),
        ..UnitSettings::default()
    };
    let mut spec = settings
        .spec()
        .ok_or_else(|| Failure::usage("there is no command").hint("scupper report ID --verify -- COMMAND"))?;
    // Two of one incident may run at once.
    spec.name_is_derived = true;
    let output = output(args);
    let ran = Rc::new(RefCell::new(Ran::default()));
    let sink = Box::new(Quiet(EventSink::new(&output).printed_from(Severity::Error)));
    let stdout = soak::keep_stdout().context("cannot keep stdout for what was recorded")?;
    let followed = engine::follow_into(spec, &output, records, sink, Box::new(Follower(Rc::clone(&ran))));
    rustix::stdio::dup2_stdout(&stdout).context("cannot say what was recorded")?;
    followed?;
    Ok(ran.take())
}

/// What was seen of the command.
#[derive(Debug, Default)]
struct Ran {
    began: Option<Timestamp>,
    ended: Option<(Timestamp, HowEnded)>,
    timed_out: bool,
    /// Somebody wanted it, or scupper, to end.
    interrupted: bool,
    not_started: Option<String>,
    /// Processes that had to be ended after it.
    left: u32,
}

impl Ran {
    fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::UnitStarted { .. } => self.began = Some(event.at),
            EventKind::UnitExited { certificate } => {
                self.ended = Some((event.at, certificate.how));
            }
            EventKind::StartFailed { message, .. } => self.not_started = Some(message.clone()),
            EventKind::UnitExpired { .. } => self.timed_out = true,
            EventKind::SignalReceived { signal, .. } => self.interrupted |= ends(*signal),
            EventKind::ParentExited { .. }
            | EventKind::GuardianLost { .. }
            | EventKind::ClientGone { .. } => {
                self.interrupted = true;
            }
            EventKind::SignalSent { reason, .. } => {
                use SignalReason as Reason;
                self.interrupted |= !matches!(
                    reason,
                    Reason::Forwarded | Reason::LifetimeExceeded | Reason::GraceExpired | Reason::LeftBehind
                );
            }
            EventKind::UnitStopped { ended, .. } => self.left = *ended,
            _ => {}
        }
    }
}

fn ends(signal: i32) -> bool {
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].iter().any(|known| known.as_raw() == signal)
}

struct Follower(Rc<RefCell<Ran>>);

impl Observer for Follower {
    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn look(&mut self, _: Duration, _: &Look) -> Wish {
        Wish::GoOn
    }

    fn event(&mut self, event: &Event) {
        self.0.borrow_mut().note(event);
    }

    fn finish(&mut self) -> (Vec<EventKind>, i32) {
        (Vec::new(), 0)
    }
}

/// Keeps its events, and leaves out what the command says in a sentence of its own.
struct Quiet(EventSink);

impl Sink for Quiet {
    fn record(&mut self, event: &Event) {
        if !matches!(event.kind, EventKind::StartFailed { .. }) {
            self.0.record(event);
        }
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// A test that is named has to be there: its file, and its name in it.
fn find_test(test: &str, directory: &Path) -> Result<(), Failure> {
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
