//! `fleet orphans`: whom a sweep would claim, without one.

use scupper_fleet::{AgentId, CLAIMS_LIMIT, Orphan, Phase, Store, StoreError, Sweep};
use scupper_model::Timestamp;
use serde::Serialize;

use super::registry::ByHand;
use super::{leaked, view};
use crate::args::OrphansArgs;
use crate::failure::{FINDINGS, Failure};
use crate::output::figures::span;
use crate::output::{Printer, Table};

/// Claims that are looked through for abandoned ones.
const CLAIMS_PAGE: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'s> {
    schema: &'static str,
    now: Timestamp,
    #[serde(flatten)]
    phase: &'s Phase,
    orphans_detected: usize,
    /// As in seed 004: members that are no orphans.
    healthy_agents: u64,
    orphans: &'s [Orphan],
    /// Whether there are more than are listed here.
    more: bool,
    /// Entries of the registry that were not understood.
    trouble: &'s [String],
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Found {
    /// The store's time.
    pub now: Timestamp,
    /// Whether they are claimed by those who coordinate.
    pub phase: Phase,
    /// Those whose lease has ended, and those whose cleanup somebody has begun and abandoned.
    pub orphans: Vec<Orphan>,
    /// Members that are no orphans.
    pub healthy: u64,
    /// Whether there are more orphans than one look shows.
    pub more: bool,
    /// Entries of the registry that were not understood.
    pub trouble: Vec<String>,
}

pub(super) fn run(args: &OrphansArgs, printer: &mut Printer) -> Result<u8, Failure> {
    if args.leaked {
        return leaked::list(args, printer);
    }
    let found = look(&ByHand::open(&args.registry, &args.sweep)?, &[])?;
    if args.registry.json {
        printer.json(&Report {
            schema: "scupper.fleet.orphans/1",
            now: found.now,
            phase: &found.phase,
            orphans_detected: found.orphans.len(),
            healthy_agents: found.healthy,
            orphans: &found.orphans,
            more: found.more,
            trouble: &found.trouble,
        })?;
    } else {
        if found.orphans.is_empty() {
            printer.line(&format!("clean: {} healthy agents, no orphans", found.healthy))?;
        } else {
            printer.line(&table(&found.orphans, found.now).to_string())?;
        }
        remarks(&found, printer);
        if found.more {
            printer.note("there are more orphans than are listed here");
        }
    }
    Ok(if found.orphans.is_empty() { 0 } else { FINDINGS })
}

/// A sweep that claims nobody: of these agents, or of all where none is named.
pub(super) fn look(by_hand: &ByHand, only: &[AgentId]) -> Result<Found, StoreError> {
    let store = &*by_hand.store;
    let swept = store.sweep(&Sweep { dry: true, asked: false, ..by_hand.sweep(only) })?;
    let unclaimed = swept.unclaimed;
    let healthy = swept.members.saturating_sub(unclaimed.len() as u64);
    let mut orphans = unclaimed;
    let room = CLAIMS_LIMIT.saturating_sub(orphans.len());
    let abandoned = abandoned(store, only, swept.now)?;
    let more = orphans.len() >= CLAIMS_LIMIT || abandoned.len() > room;
    orphans.extend(abandoned.into_iter().take(room));
    Ok(Found { now: swept.now, phase: swept.phase, orphans, healthy, more, trouble: swept.trouble })
}

/// Those whose cleanup somebody began whose claim has ended by now.
fn abandoned(store: &dyn Store, only: &[AgentId], now: Timestamp) -> Result<Vec<Orphan>, StoreError> {
    let mut found = Vec::new();
    let mut from = None;
    loop {
        let page = store.claims(from.as_deref(), CLAIMS_PAGE)?;
        let ended = page.entries.into_iter().filter(|claim| claim.until < now);
        let meant = ended.filter(|claim| only.is_empty() || only.contains(&claim.id));
        found.extend(meant.map(|claim| Orphan {
            agent_id: claim.id,
            reason: claim.reason,
            last_seen: None,
            idle_time: None,
        }));
        from = page.next;
        if from.is_none() || found.len() > CLAIMS_LIMIT {
            return Ok(found);
        }
    }
}

/// What else a person should know of a look.
pub(super) fn remarks(found: &Found, printer: &mut Printer) {
    if found.phase != Phase::Open {
        printer.note(&format!("clean-up is {}", view::phase(&found.phase, found.now)));
    }
    for trouble in &found.trouble {
        printer.note(&format!("warning: {}", scupper_model::printable(trouble.as_bytes(), 400)));
    }
}

pub(super) fn table(orphans: &[Orphan], now: Timestamp) -> Table {
    let mut table = Table::new(&["ORPHAN", "REASON", "SEEN", "SILENT FOR"], &[]);
    for orphan in orphans {
        let silent = orphan.idle_time.map(std::time::Duration::from_millis);
        table.row(vec![
            orphan.agent_id.to_string(),
            orphan.reason.as_str().to_owned(),
            orphan.last_seen.map_or_else(view::unknown, |at| view::ago(now, Timestamp(at))),
            silent.map_or_else(view::unknown, span),
        ]);
    }
    table
}
