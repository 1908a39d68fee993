//! `fleet clean`: what a coordinator does about orphans, once, by a person. Whoever is cleaned up after has been listed
//! before, and nobody else is claimed.

mod act;
mod report;

use std::collections::HashSet;

use scupper_fleet::{AgentId, CLAIMS_LIMIT, Orphan, Standing, Store, StoreError};

use self::act::Done;
use super::orphans::Found;
use super::registry::ByHand;
use super::{leaked, orphans, view};
use crate::args::CleanArgs;
use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;

/// What was found, and what was done about it.
struct Cleaning {
    /// The last look; its orphans are all that were listed.
    found: Found,
    /// Named, and no orphans.
    refused: Vec<Refused>,
    done: Done,
}

/// Named, and not to be cleaned up after.
struct Refused {
    id: AgentId,
    because: String,
}

pub(super) fn run(args: &CleanArgs, printer: &mut Printer) -> Result<u8, Failure> {
    let json = args.registry.json;
    if args.agents.len() > CLAIMS_LIMIT {
        return Err(Failure::usage(format!("name at most {CLAIMS_LIMIT} agents at once")));
    }
    if args.leaked {
        return leaked::clean(args, printer);
    }
    let by_hand = ByHand::open(&args.registry, &args.sweep)?;
    let store = &*by_hand.store;
    if args.yes {
        store.check()?;
    }
    let found = orphans::look(&by_hand, &args.agents)?;
    if !json {
        orphans::remarks(&found, printer);
    }
    let refused = refused(store, &args.agents, &found)?;
    let mut cleaning = Cleaning { found, refused, done: Done::default() };
    rounds(&by_hand, args, &mut cleaning, printer)?;
    if json {
        printer.json(&report::report(args.yes, &cleaning))?;
    } else {
        report::say(args.yes, &cleaning, printer)?;
    }
    Ok(if cleaning.refused.is_empty() { code(args.yes, &cleaning) } else { UNUSABLE })
}

/// Lists and cleans up as many at a time as one look shows.
fn rounds(
    by_hand: &ByHand,
    args: &CleanArgs,
    cleaning: &mut Cleaning,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut listed = cleaning.found.orphans.clone();
    loop {
        if !args.registry.json && !listed.is_empty() {
            printer.line(&orphans::table(&listed, cleaning.found.now).to_string())?;
        }
        if !args.yes || listed.is_empty() {
            return Ok(());
        }
        let before = cleaning.done.cleaned.len();
        act::clean(by_hand, &listed, &mut cleaning.done, printer);
        if cleaning.done.outage {
            return Ok(());
        }
        let mut found = orphans::look(by_hand, &args.agents)?;
        let known: HashSet<&AgentId> = cleaning.found.orphans.iter().map(|orphan| &orphan.agent_id).collect();
        let next: Vec<Orphan> =
            found.orphans.drain(..).filter(|orphan| !known.contains(&orphan.agent_id)).collect();
        found.orphans.append(&mut cleaning.found.orphans);
        let had_more = std::mem::replace(&mut cleaning.found, found).more;
        // Who turned up meanwhile was not there to be listed; only what did not fit on the list comes next.
        if !had_more || cleaning.done.cleaned.len() == before {
            return Ok(());
        }
        cleaning.found.orphans.extend(next.iter().cloned());
        listed = next;
    }
}

fn code(yes: bool, cleaning: &Cleaning) -> u8 {
    let Cleaning { found, done, .. } = cleaning;
    let clean = if yes { done.left.is_empty() && !found.more } else { found.orphans.is_empty() };
    if clean { 0 } else { FINDINGS }
}

/// Whoever was named and is no orphan, with the reason.
fn refused(store: &dyn Store, named: &[AgentId], found: &Found) -> Result<Vec<Refused>, StoreError> {
    let is_orphan = |id: &AgentId| found.orphans.iter().any(|orphan| orphan.agent_id == *id);
    let others = named.iter().filter(|id| !is_orphan(id));
    others
        .map(|id| {
            let because = match store.agent(id)? {
                None => "no such agent is registered here".to_owned(),
                Some(agent) => match agent.standing {
                    Standing::Active => agent.deadline.map_or_else(
                        || "it lives".to_owned(),
                        |deadline| format!("it lives: its lease ends {}", view::left(found.now, deadline)),
                    ),
                    Standing::Expired => "it has not been missed for long enough yet".to_owned(),
                    Standing::Reaping => {
                        "somebody cleans up after it: `scupper fleet locks` says who".to_owned()
                    }
                    Standing::Unknown => "what is stored of it is not understood, so it is kept".to_owned(),
                },
            };
            Ok(Refused { id: id.clone(), because })
        })
        .collect()
}
