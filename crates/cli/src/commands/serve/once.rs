//! `--once`: one sweep and what came of it, for cron and for tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scupper_fleet::coordinator::{Coordinator, Facts, SharedView, Stop};
use scupper_fleet::{Phase, Reason};
use scupper_model::FleetFact;
use serde::Serialize;

use crate::failure::{FINDINGS, Failure, UNUSABLE};
use crate::output::Printer;

/// What one sweep came to, in the words of seed 004 (R094).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sweeping<'a> {
    schema: &'static str,
    #[serde(flatten)]
    phase: Option<Phase>,
    orphans_detected: u64,
    orphans_cleaned: u64,
    healthy_agents: Option<u64>,
    orphans: &'a [Found],
}

/// One orphan that was claimed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    agent_id: String,
    reason: String,
    last_seen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_time: Option<u64>,
}

/// Whom a coordinator has claimed, as it tells it.
#[derive(Clone, Default)]
pub(super) struct Claimed(Arc<Mutex<Vec<Found>>>);

impl Claimed {
    /// Listens to what is told, and passes it on.
    pub(super) fn listening(&self, facts: Facts) -> Facts {
        let claimed = self.clone();
        Arc::new(move |fact| {
            if let FleetFact::CleanupStarted { agent, reason, last_seen_ms, idle_ms, .. } = &fact
                && *reason != Reason::Shutdown.as_str()
            {
                let found = Found {
                    agent_id: agent.clone(),
                    reason: reason.clone(),
                    last_seen: *last_seen_ms,
                    idle_time: *idle_ms,
                };
                claimed.0.lock().unwrap_or_else(PoisonError::into_inner).push(found);
            }
            facts(fact);
        })
    }
}

/// Takes turns until one sweep has claimed what it may and all of that is over, or it is told to end. A registry that nobody
/// has swept lately gives everybody time to beat first: that is waited for. A hold of the brake is not.
pub(super) fn run(
    mut coordinator: Coordinator,
    view: &SharedView,
    claimed: &Claimed,
    stop: &Stop,
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let mut said = false;
    loop {
        let wait = coordinator.turn(&|| stop.is_stopped());
        let seen = view.read();
        let is_ruled = matches!(seen.phase, Some(Phase::Open | Phase::Hold { .. }));
        if stop.is_stopped() || seen.lost_since.is_some() || (is_ruled && coordinator.cleanups() == 0) {
            break;
        }
        if let (Some(Phase::Grace { .. }), false) = (seen.phase, std::mem::replace(&mut said, true)) {
            printer.note("nobody has swept this registry lately: agents are given time to beat first");
        }
        stop.wait(wait.max(Duration::from_millis(1)));
    }
    coordinator.resign("one sweep was asked for");
    let seen = view.read();
    let found = claimed.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let cleaned = seen.done.cleaned.iter().filter(|(reason, _)| **reason != Reason::Shutdown);
    let cleaned: u64 = cleaned.map(|(_, count)| count).sum();
    let detected = u64::try_from(found.len()).unwrap_or(u64::MAX);
    printer.json(&Sweeping {
        schema: "scupper.sweep/1",
        phase: seen.phase,
        orphans_detected: detected,
        orphans_cleaned: cleaned,
        healthy_agents: seen.members,
        orphans: &found,
    })?;
    Ok(match seen.phase {
        _ if seen.lost_since.is_some() => UNUSABLE,
        Some(Phase::Open) if cleaned + seen.done.aborted + seen.done.stale >= detected => 0,
        _ => FINDINGS,
    })
}
