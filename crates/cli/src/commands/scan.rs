//! `scan`: what was left behind, what grows and what is near its limit. Reads alone: signals nobody, makes nothing.

mod entries;
mod explain;
mod groups;
pub(super) mod look;
mod said;
mod watch;

use std::time::Duration;

use scupper_orphan::Findings;

use self::look::{Ask, Looked, look};
use self::watch::{Growing, Watched};
use crate::args::ScanArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;
use crate::wait;

/// A process that ended is a zombie when its parent has not waited for it after this long.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// All that one scan found.
struct Scan {
    looked: Looked,
    watched: Option<Watched>,
    took: Duration,
}

impl Scan {
    const fn findings(&self) -> &Findings {
        &self.looked.findings
    }

    fn growing(&self) -> &[Growing] {
        self.watched.as_ref().map_or(&[], |watched| &watched.growing)
    }

    /// Whether there is nothing that somebody should look at.
    fn is_clean(&self) -> bool {
        let Findings { left_behind, held_idle, zombies, descriptors, .. } = self.findings();
        left_behind.is_empty()
            && held_idle.is_empty()
            && zombies.is_empty()
            && descriptors.is_empty()
            && self.growing().is_empty()
    }
}

pub(super) fn run(args: &ScanArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let start = wait::now();
    let ask = Ask {
        min_age: args.min_age.unwrap_or_default(),
        user: args.user,
        idle_after: args.idle,
        state: args.state.as_deref(),
    };
    let mut looked = look(&ask)?;
    looked.warn(printer);
    if let Some(pid) = args.explain {
        return explain::explain(pid, &looked, args.json, printer);
    }
    let watched = args.watch.map(|time| watch::watch(&looked, time, printer)).transpose()?;
    confirm_zombies(&mut looked);
    let took = wait::now().saturating_duration_since(start);
    let scan = Scan { looked, watched, took };
    if args.json {
        printer.json(&entries::report(&scan))?;
    } else {
        printer.line(&said::said(&scan))?;
    }
    Ok(if scan.is_clean() { 0 } else { FINDINGS })
}

/// Between the end of a process and its parent's `wait` every process is a zombie for a moment.
fn confirm_zombies(looked: &mut Looked) {
    if looked.findings.zombies.is_empty() {
        return;
    }
    let mut found = std::mem::take(&mut looked.findings.zombies);
    wait::until(SECOND_LOOK, |_| {
        // Who cannot be looked at a second time was seen once: not confirmed.
        found.retain(|zombie| looked.still_zombie(&zombie.process.identity));
        found.is_empty()
    });
    looked.findings.zombies = found;
}
