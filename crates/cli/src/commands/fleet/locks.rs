//! `fleet locks`: the clean-ups in progress.

use scupper_fleet::{AgentId, ClaimView, CoordinatorId, Fence, Reason};
use scupper_model::Timestamp;
use serde::Serialize;

use super::{registry, view};
use crate::args::LocksArgs;
use crate::failure::Failure;
use crate::output::{Printer, Table};

/// Claims that are asked for at once.
const PAGE: usize = 500;
/// Claims that are shown; a fleet in which more are in progress at once has another trouble.
const MOST: usize = 10_000;

#[derive(Serialize)]
struct Report<'s> {
    schema: &'static str,
    now: Timestamp,
    claims: Vec<Claim<'s>>,
    /// Whether there are more.
    more: bool,
}

#[derive(Serialize)]
struct Claim<'s> {
    agent: &'s AgentId,
    fence: Fence,
    /// Whose; `null` where it cannot be told.
    coordinator: Option<&'s CoordinatorId>,
    reason: Reason,
    until: Timestamp,
}

pub(super) fn run(args: &LocksArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let store = registry::open(&args.registry)?;
    let now = store.status()?.now;
    let mut claims: Vec<ClaimView> = Vec::new();
    let mut from = None;
    loop {
        let page = store.claims(from.as_deref(), PAGE)?;
        claims.extend(page.entries);
        from = page.next;
        if from.is_none() || claims.len() >= MOST {
            break;
        }
    }
    claims.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
    if args.registry.json {
        let more = from.is_some();
        printer.json(&Report {
            schema: "scupper.fleet.locks/1",
            now,
            claims: claims.iter().map(Claim::from).collect(),
            more,
        })?;
    } else if claims.is_empty() {
        printer.note("no clean-ups are in progress");
    } else {
        printer.line(&table(&claims, now).to_string())?;
        if from.is_some() {
            printer.note("there are more");
        }
    }
    Ok(0)
}

impl<'s> From<&'s ClaimView> for Claim<'s> {
    fn from(view: &'s ClaimView) -> Self {
        Self {
            agent: &view.id,
            fence: view.fence,
            coordinator: view.coordinator.as_ref(),
            reason: view.reason,
            until: view.until,
        }
    }
}

fn table(claims: &[ClaimView], now: Timestamp) -> Table {
    let mut table = Table::new(&["AGENT", "REASON", "COORDINATOR", "LEASE ENDS", "FENCE"], &["FENCE"]);
    for claim in claims {
        table.row(vec![
            claim.id.to_string(),
            claim.reason.as_str().to_owned(),
            claim.coordinator.as_ref().map_or_else(view::unknown, ToString::to_string),
            view::left(now, claim.until),
            claim.fence.0.to_string(),
        ]);
    }
    table
}
