//! `incident record`: an event on stdin becomes an incident, or part of one. Started by a supervisor, which goes on meanwhile.

use std::io::{BufRead, BufReader, Read};

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

/// More is not read.
const MOST_BYTES: u64 = 4 << 20;

pub(super) fn run(args: &RecordArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let folder = Folder::new(args.places.incidents.as_deref(), args.places.state.as_deref())?;
    let lines = BufReader::new(std::io::stdin().take(MOST_BYTES)).lines();
    for line in lines {
        let line = line.context("cannot read an event from stdin")?;
        let event: Event = serde_json::from_str(&line).context("what is on stdin is no event")?;
        let recorded = Recorded { event, sha256: sha256(line.as_bytes()) };
        let evidence = Evidence::open(args.places.state.as_deref())?;
        let done = recorder::record(&folder, &evidence, &recorded, clock::wall());
        let Some(done) = done.context("an incident cannot be written")? else { continue };
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
