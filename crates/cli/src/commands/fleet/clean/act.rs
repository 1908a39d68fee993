//! Claims and reaps. Every claim is on somebody who was listed; what cannot be finished is left to the next sweep of
//! anybody, as after a coordinator's death.

use std::time::Duration;

use scupper_fleet::{AgentId, Claim, Happened, Orphan, Phase, Reaped, Standing, Store, StoreError, Timing};

use super::super::registry::ByHand;
use super::super::view;
use crate::output::Printer;
use crate::wait;

/// A registry that goes away again and again is not waited for any longer.
const MOST_GRACES: usize = 3;
/// Orphans that one event names.
const NAMED: usize = 100;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// After whom everything is gone, and how many keys that were.
    pub cleaned: Vec<(AgentId, u64)>,
    /// Who turned out to live.
    pub kept: Vec<AgentId>,
    /// After whom something may be left, and why.
    pub left: Vec<(AgentId, String)>,
    /// Whether the registry went away.
    pub outage: bool,
}

/// Cleans up after these.
pub(super) fn clean(by_hand: &ByHand, listed: &[Orphan], done: &mut Done, printer: &mut Printer) {
    let mut open: Vec<AgentId> = listed.iter().map(|orphan| orphan.agent_id.clone()).collect();
    if let Err(error) = work(by_hand, &mut open, done, printer) {
        done.outage = error.is_outage();
        let because = format!("{:#}", anyhow::Error::from(error));
        done.left.extend(open.drain(..).map(|id| (id, because.clone())));
    }
    printer.end_progress();
    for id in open {
        match why_unclaimed(&*by_hand.store, &id) {
            None => done.kept.push(id),
            Some(because) => done.left.push((id, because)),
        }
    }
}

fn work(
    by_hand: &ByHand,
    open: &mut Vec<AgentId>,
    done: &mut Done,
    printer: &mut Printer,
) -> Result<(), StoreError> {
    let store = &*by_hand.store;
    let mut graces = Vec::new();
    while !open.is_empty() {
        let sweep = by_hand.sweep(open);
        let timing = sweep.timing;
        let swept = store.sweep(&sweep)?;
        if let Phase::Grace { until } = swept.phase {
            if graces.is_empty() {
                let phase = view::phase(&swept.phase, swept.now);
                printer.note(&format!("clean-up is {phase}; waiting for its end, ^C changes nothing"));
            }
            if !graces.contains(&until) {
                graces.push(until);
            }
            if graces.len() > MOST_GRACES {
                return Ok(());
            }
            // Swept on the way, so that the registry sees no other gap.
            let rest = view::between(swept.now, until).unwrap_or_default();
            pause(timing.tick.min(rest + Duration::from_millis(10)));
            continue;
        }
        if swept.claims.is_empty() {
            return Ok(());
        }
        tell(store, &swept.claims, printer);
        // Time for others to object.
        pause(timing.objection);
        for claim in &swept.claims {
            open.retain(|id| *id != claim.id);
            printer.progress(&format!("cleaned up after {}, {} to go", done.cleaned.len(), open.len()));
            match reap(store, claim, &timing) {
                Ok(Ok(deleted)) => done.cleaned.push((claim.id.clone(), deleted)),
                Ok(Err(None)) => done.kept.push(claim.id.clone()),
                Ok(Err(Some(because))) => done.left.push((claim.id.clone(), because.to_owned())),
                Err(error) => {
                    let outage = error.is_outage();
                    let because = format!("{:#}", anyhow::Error::from(error));
                    done.left.push((claim.id.clone(), because));
                    done.outage |= outage;
                }
            }
            if done.outage {
                done.left.extend(open.drain(..).map(|id| (id, "the registry went away".to_owned())));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Says whom was found, as a coordinator does (R095). What was begun by somebody else was said by him.
fn tell(store: &dyn Store, claims: &[Claim], printer: &mut Printer) {
    let found = claims.iter().filter(|claim| !claim.taken_on).map(Claim::orphan);
    let orphans: Vec<Orphan> = found.collect();
    let count = orphans.len() as u64;
    if count > 0 {
        let orphans = orphans.into_iter().take(NAMED).collect();
        if let Err(error) = store.announce(&Happened::OrphansDetected { count, orphans }) {
            printer.note(&format!("warning: {:#}", anyhow::Error::from(error)));
        }
    }
}

/// Gives how many keys were deleted; or why not all, or `None` where the agent lives.
fn reap(
    store: &dyn Store,
    claim: &Claim,
    timing: &Timing,
) -> Result<Result<u64, Option<&'static str>>, StoreError> {
    loop {
        match store.reap(claim, claim.process.as_ref(), timing)? {
            Reaped::More { .. } => {}
            Reaped::Completed { deleted } => return Ok(Ok(deleted)),
            Reaped::Aborted => return Ok(Err(None)),
            Reaped::Stale => return Ok(Err(Some("another coordinator has taken it on"))),
        }
    }
}

/// Why nobody was claimed under this name; `None` where it lives, or is gone.
fn why_unclaimed(store: &dyn Store, id: &AgentId) -> Option<String> {
    match store.agent(id) {
        Ok(None) => None,
        Ok(Some(agent)) => match agent.standing {
            Standing::Active => None,
            Standing::Reaping => Some("another coordinator cleans up after it".to_owned()),
            Standing::Expired => Some("the registry did not give it out: try again".to_owned()),
            Standing::Unknown => Some("what is stored of it is not understood, so it is kept".to_owned()),
        },
        Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
    }
}

fn pause(time: Duration) {
    wait::until(time, |_| false);
}
