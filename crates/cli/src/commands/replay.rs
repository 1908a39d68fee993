//! `replay`: a recording is read, the unit's policy is run over it, and what would have happened is told.

mod columns;
mod report;
mod said;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use scupper_model::{Limits, Resource, Size, Timestamp, UnitSpec};
use scupper_supervise::replay::{self, Recorded, Setup};

use super::recorded::{self, is_dash, shown};
use crate::args::ReplayArgs;
use crate::config::UnitSettings;
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

/// A clock that is past this counts since 1970.
const IN_2001: Duration = Duration::from_secs(1_000_000_000);

pub(super) fn run(mut args: ReplayArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let (from_file, _) = match &args.unit {
        Some(name) => super::run::unit_of(name, &args.config)?,
        None => Default::default(),
    };
    let flags = std::mem::take(&mut args.settings).settings(Vec::new());
    let mut settings: UnitSettings = flags.over(from_file);
    if let Some(wrong) = settings.contradiction(|key| format!("--{}", key.replace('_', "-"))) {
        return Err(Failure::usage(wrong.message).hint(wrong.hint));
    }
    if settings.command.is_empty() {
        settings.command = vec![stand_in(&args.file)];
    }
    let spec = settings.spec().ok_or_else(|| Failure::usage("there is no command"))?;
    if args.host_memory.is_none() && has_percentage(&spec.limits) {
        return Err(Failure::usage("a memory limit is a percentage, and no recording says of how much")
            .hint("add --host-memory SIZE, such as --host-memory 4G"));
    }

    let whose = || format!("cannot replay {}", shown(&args.file));
    let recording = recorded::read(&args.file, &args.options()).with_context(whose)?;
    let recorded = columns::choose(&recording).map_err(anyhow::Error::msg).with_context(whose)?;
    recorded::note_rejected(&recording, printer);
    let not_judged = not_judged(&spec, &recorded);
    if !not_judged.is_empty() {
        let flags = not_judged.join(", ");
        printer.note(&format!("not judged, since the recording has no such column: {flags}"));
    }

    let setup = Setup::of(&spec, args.host_memory, args.drains_in, args.after());
    let timeline = replay::replay(&recorded, &setup);
    let clock = Clock { origin: recording.origin.saturating_add(recorded.begins()) };
    if args.json {
        printer.json(&report::report(&recording, &recorded, &timeline, clock, &not_judged))?;
    } else {
        for moment in &timeline.moments {
            printer.line(&said::moment(moment, clock))?;
        }
        printer.line(&said::summary(&timeline, recorded.lasts()))?;
    }
    Ok(if timeline.has_findings() { FINDINGS } else { 0 })
}

/// What is shown as the command of a unit that has none: the recording is what it is known by.
fn stand_in(file: &Path) -> OsString {
    let name = file.file_stem().filter(|_| !is_dash(file));
    name.map_or_else(|| "recording".into(), ToOwned::to_owned)
}

fn has_percentage(limits: &Limits) -> bool {
    [limits.mem_soft, limits.mem_hard].iter().any(|size| matches!(size, Some(Size::Percent(_))))
}

/// The limits and rules that nothing can be said of.
fn not_judged(spec: &UnitSpec, recorded: &Recorded<'_>) -> Vec<&'static str> {
    let limited = |resource| match resource {
        Resource::Memory => spec.limits.mem_soft.is_some() || spec.limits.mem_hard.is_some(),
        other => spec.limits.counts(other) != (None, None),
    };
    let mut flags: Vec<&'static str> = Resource::ALL
        .into_iter()
        .filter(|resource| limited(*resource) && recorded.of(*resource).is_empty())
        .map(|resource| match resource {
            Resource::Memory => "limits of memory",
            Resource::Descriptors => "--max-fds",
            Resource::Threads => "--max-threads",
            Resource::Children => "--max-children",
            Resource::Sockets => "--max-sockets",
        })
        .collect();
    if spec.grow.is_some() && recorded.memory.is_empty() {
        flags.push("--grow");
    }
    flags
}

/// The recording's own clock.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// What it showed at the first sample.
    origin: Duration,
}

impl Clock {
    /// What it showed so long after the first sample.
    fn reading(self, at: Duration) -> Duration {
        self.origin.saturating_add(at)
    }

    /// The same as a moment, where it counts since 1970.
    fn timestamp(self, at: Duration) -> Option<Timestamp> {
        let millis = u64::try_from(self.reading(at).as_millis()).unwrap_or(u64::MAX);
        (self.origin >= IN_2001).then_some(Timestamp(millis))
    }
}
