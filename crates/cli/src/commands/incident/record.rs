//! `incident record`: an event on stdin becomes an incident, or part of one. Started by a supervisor, which goes on meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use anyhow::Context;
use scupper_casebook::incident::{Recorded, sha256};
use scupper_model::Event;
use scupper_supervise::shell::clock;

use crate::args::RecordArgs;
use crate::casebook::evidence::Evidence;
use crate::casebook::folder::Folder;
use crate::casebook::recorder::{self, Did};
use crate::failure::Failure;
use crate::output::{Printer, remark};
use crate::wait;

/// How long the supervisor has to write an event down.
const PATIENCE: Duration = Duration::from_secs(3);
/// More is not read.
const MOST_BYTES: u64 = 4 << 20;

pub(super) fn run(args: &RecordArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let folder = Folder::new(args.places.incidents.as_deref(), args.places.state.as_deref())?;
    let lines = BufReader::new(std::io::stdin().take(MOST_BYTES)).lines();
    for line in lines {
        let line = line.context("cannot read an event from stdin")?;
        let event: Event = serde_json::from_str(&line).context("what is on stdin is no event")?;
        let recorded = Recorded { event, sha256: sha256(line.as_bytes()) };
        let evidence = evidence(args, &recorded)?;
        let done = recorder::record(&folder, &evidence, &recorded, clock::wall());
        let Some(done) = done.context("an incident cannot be written")? else { continue };
        for why in done.unkept.iter().chain(&done.found) {
            printer.log(&remark(args.log_format, "incident_trouble", why));
        }
        let event = match done.did {
            Did::Opened => "incident_opened",
            Did::Reopened => "incident_reopened",
            Did::Added | Did::Counted => continue,
        };
        let message = format!("{} {}: {}", done.id, done.title, done.path.display());
        printer.log(&remark(args.log_format, event, &message));
    }
    Ok(0)
}

/// What was recorded; with what came before the event where somebody is about to write it.
fn evidence(args: &RecordArgs, recorded: &Recorded) -> anyhow::Result<Evidence> {
    let state = args.places.state.as_deref();
    let mut opened = Evidence::open(state);
    if args.wait {
        let id = recorded.event.id.to_string();
        wait::until(PATIENCE, |_| {
            let is_there = |evidence: &Evidence| evidence.digest(&id).is_ok_and(|digest| digest.is_some());
            if opened.as_ref().is_ok_and(is_there) {
                return true;
            }
            opened = Evidence::open(state);
            false
        });
    }
    opened
}
