//! `events`: what the evidence file says happened; with `-f` also what happens from now on.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scupper_evidence::{Query, Store, Stored};
use scupper_model::Timestamp;
use scupper_supervise::shell::clock;

use crate::args::{EventsArgs, UnitNames};
use crate::failure::Failure;
use crate::output::{Printer, Unwritten, log_line};
use crate::paths;

/// How many events are shown where nothing is said.
const NEWEST: usize = 100;
/// How often a follower looks for more.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

pub(super) fn run(args: &EventsArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let file = paths::evidence(args.state.as_deref())
        .context("no state directory: HOME is not set; use --state DIR")?;
    let since = args.since.map(|since| before(clock::wall(), since));
    let newest = args.newest.map(|n| n as usize).or(since.is_none().then_some(NEWEST));
    let (unit, unit_pattern) = match &args.unit {
        None => (None, None),
        Some(UnitNames::One(name)) => (Some(name.clone()), None),
        Some(UnitNames::Pattern(pattern)) => (None, Some(pattern.clone())),
    };
    let mut query = Query { unit, unit_pattern, kinds: args.kind.clone(), since, newest, ..Query::default() };

    // A follower goes on behind the last row there is now, whether or not that one is asked for.
    let end = Query { newest: Some(1), after_row: Some(0), ..Query::default() };
    let end = look(&file, &end)?.and_then(|events| Some(events.last()?.row)).unwrap_or(0);
    let found = look(&file, &query)?;
    match &found {
        None if !args.follow => printer.note(&format!("nothing was recorded yet in {}", file.display())),
        Some(events) if events.is_empty() && !args.follow => {
            printer.note(&format!("nothing that was asked for is recorded in {}", file.display()));
        }
        _ => {}
    }
    let mut last = end.max(show(&found.unwrap_or_default(), args.json, printer)?);
    // From here on whatever is written, whenever it happened.
    (query.since, query.newest) = (None, None);
    let mut inode = inode_of(&file);
    while args.follow && listened_to() {
        let now = inode_of(&file);
        if now != inode {
            (inode, last) = (now, 0);
        }
        query.after_row = Some(last);
        last = last.max(show(&look(&file, &query)?.unwrap_or_default(), args.json, printer)?);
    }
    Ok(0)
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

fn look(file: &Path, query: &Query) -> Result<Option<Vec<Stored>>, Failure> {
    let store = Store::open_read_only(file)?;
    Ok(store.map(|store| store.events(query)).transpose()?)
}

/// Prints events; gives the last row.
fn show(events: &[Stored], json: bool, printer: &mut Printer) -> Result<i64, Unwritten> {
    for stored in events {
        match &stored.event {
            Ok(event) if json => printer.line(&serde_json::to_string(event).unwrap_or_default())?,
            Ok(event) => printer.line(log_line(event).trim_start_matches("scupper: "))?,
            Err(unreadable) => {
                let (at, kind) = (unreadable.at, scupper_model::printable(unreadable.kind.as_bytes(), 60));
                printer
                    .note(&format!("warning: an event `{kind}` of {at} cannot be read: {}", unreadable.why));
            }
        }
    }
    Ok(events.iter().map(|stored| stored.row).max().unwrap_or(0))
}

/// Waits until it is time for another look; `false` where nobody reads stdout any more.
pub(super) fn listened_to() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let _ = poll(&mut fds, Some(&LOOK));
    !fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

fn inode_of(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|found| found.ino())
}
