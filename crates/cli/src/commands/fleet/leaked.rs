//! `fleet orphans --leaked` and `fleet clean --leaked`: keys in Redis whose agents are in no registry any more. Seed 004's code
//! leaves them when its coordinator dies half-way, or when its agents shut down. To find them every key of the server is
//! looked at, so only a person who asks for it does that.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use scupper_fleet::{AgentId, Happened, Kept, Leaked, LeakedKey, Store, may_be_of};
use scupper_model::printable;
use serde::Serialize;

use super::registry::{self, ByHand};
use crate::args::{CleanArgs, OrphansArgs};
use crate::failure::{FINDINGS, Failure};
use crate::output::figures::span;
use crate::output::{Printer, Table};

/// The longest key in a column.
const WIDE: usize = 100;

#[derive(Serialize)]
struct Report<'l> {
    schema: &'static str,
    /// `dry_run` or `person`.
    mode: &'static str,
    keys: &'l [LeakedKey],
    /// Whether there are more than are listed here.
    more: bool,
    deleted: &'l [String],
    /// How many others there are, and why they stay.
    kept: &'l BTreeMap<Kept, u64>,
}

pub(super) fn list(args: &OrphansArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let leaked = look(&*registry::open(&args.registry)?, &[])?;
    if args.registry.json {
        printer.json(&report(false, &leaked, &[]))?;
    } else {
        table(&leaked.keys, printer)?;
        remarks(&leaked, printer);
    }
    Ok(if leaked.keys.is_empty() { 0 } else { FINDINGS })
}

/// Lists and deletes as many at a time as one look shows; only what was listed is deleted.
pub(super) fn clean(args: &CleanArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let by_hand = ByHand::open(&args.registry, &args.sweep)?;
    let store = &*by_hand.store;
    if args.yes {
        store.check()?;
    }
    let (mut all, mut deleted, mut listed) = (Leaked::default(), Vec::new(), HashSet::new());
    loop {
        let mut leaked = look(store, &args.agents)?;
        leaked.keys.retain(|key| listed.insert(key.key.clone()));
        if !args.registry.json {
            table(&leaked.keys, printer)?;
        }
        let names: Vec<String> = leaked.keys.iter().map(|key| key.key.clone()).collect();
        let gone = if args.yes { store.delete_leaked(&names)? } else { Vec::new() };
        let go_on = leaked.more && !gone.is_empty();
        all.keys.append(&mut leaked.keys);
        (all.more, all.kept) = (leaked.more, leaked.kept);
        if !gone.is_empty() {
            let count = u64::try_from(gone.len()).unwrap_or(u64::MAX);
            store.announce(&Happened::LeakedKeysDeleted { count, by: by_hand.coordinator.clone() })?;
        }
        deleted.extend(gone);
        if !go_on {
            break;
        }
    }
    if args.registry.json {
        printer.json(&report(args.yes, &all, &deleted))?;
    } else {
        remarks(&all, printer);
        if args.yes {
            printer.line(&format!("{} of {} keys deleted", deleted.len(), all.keys.len()))?;
        } else if !all.keys.is_empty() {
            printer.note("nothing was deleted: --yes does it");
        }
    }
    let is_clean = if args.yes { deleted.len() == all.keys.len() && !all.more } else { all.keys.is_empty() };
    Ok(if is_clean { 0 } else { FINDINGS })
}

/// Those that may be of these agents, or all where none is named.
fn look(store: &dyn Store, only: &[AgentId]) -> Result<Leaked, Failure> {
    let Some(mut leaked) = store.leaked()? else {
        let why = "the plain keys of other programs are left alone here (seed=off in the registry's address, or a cluster): nobody looked for leaked ones";
        return Err(Failure::usage(why));
    };
    if !only.is_empty() {
        leaked.keys.retain(|key| only.iter().any(|id| may_be_of(&key.key, id)));
    }
    Ok(leaked)
}

fn report<'l>(yes: bool, leaked: &'l Leaked, deleted: &'l [String]) -> Report<'l> {
    Report {
        schema: "scupper.fleet.leaked/1",
        mode: if yes { "person" } else { "dry_run" },
        keys: &leaked.keys,
        more: leaked.more,
        deleted,
        kept: &leaked.kept,
    }
}

fn table(keys: &[LeakedKey], printer: &mut Printer) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["LEAKED KEY", "UNTOUCHED FOR"], &[]);
    for key in keys {
        table.row(vec![printable(key.key.as_bytes(), WIDE), span(Duration::from_secs(key.untouched_secs))]);
    }
    Ok(printer.line(&table.to_string())?)
}

fn remarks(leaked: &Leaked, printer: &mut Printer) {
    if leaked.keys.is_empty() {
        printer.note("clean: no leaked keys");
    }
    for (why, count) in &leaked.kept {
        let why = match why {
            Kept::Member => "their agents are members or beat",
            Kept::Busy => "somebody has the lock of a clean-up",
            Kept::Touched => "they were touched in the last ten minutes",
            Kept::Limited => "they have a time limit and go by themselves",
            _ => "nothing can be told of them",
        };
        printer.note(&format!("{count} others stay: {why}"));
    }
    if leaked.more {
        printer.note("there are more than are listed here");
    }
}
