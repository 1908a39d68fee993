//! `why`: what may be leaking. Looks up what was recorded of what is asked about, asks its unit where it runs, and has
//! `scupper_casebook::suspects` rank it.

mod draw;
mod holds;
mod incident;
mod known;
mod said;

use scupper_casebook::suspects::{self, Known, Ranking};
use serde::Serialize;

use self::known::Found;
use crate::args::{Asked, WhyArgs};
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;

#[derive(Serialize)]
struct Report<'r> {
    #[serde(flatten)]
    ranking: &'r Ranking,
    /// What was asked about.
    asked: String,
    /// What a process that no unit of Scupper has holds now: one look, which says nothing of growth.
    #[serde(flatten)]
    holds: Option<&'r holds::Holds>,
    /// What could not be looked at, and what else there is to say.
    notes: &'r [String],
}

pub(super) fn run(args: &WhyArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let mut found = known::find(args)?;
    let known = Known { events: &found.events, now: found.now.as_ref(), only: found.only };
    let ranking = suspects::rank(&known);
    if let Some(path) = &args.svg {
        found.notes.extend(draw::svg(path, &found.events, &ranking)?);
    }
    let Found { title, holds, notes, .. } = &found;
    if args.json {
        let asked = asked(&args.asked);
        printer.json(&Report { ranking: &ranking, asked, holds: holds.as_ref(), notes })?;
    } else {
        printer.line(&said::text(title, &ranking, holds.as_ref()))?;
    }
    for note in notes {
        printer.note(&format!("note: {note}"));
    }
    Ok(code(&ranking))
}

fn asked(asked: &Asked) -> String {
    match asked {
        Asked::Process(pid) => pid.to_string(),
        Asked::Incident(id) => id.clone(),
        Asked::Run(run) => run.to_string(),
        Asked::Unit(unit) => unit.to_string(),
    }
}

fn code(ranking: &Ranking) -> u8 {
    match ranking.named().map(|named| named.cause) {
        None => UNUSABLE,
        Some(cause) if cause.is_leak() => FINDINGS,
        Some(_) => 0,
    }
}
