//! What it cost, as far as that was recorded.

use scupper_model::{Event, EventKind, SignalReason, Timestamp};
use uuid::Uuid;

use super::curve::{Curve, died};
use super::facts::Line;
use super::onset::gib_hours_above_base;
use super::uptime::Uptime;
use super::words;

/// Evidence of one line, at most: the first ones.
const MOST_CITED: usize = 3;

fn cited(ids: &[Uuid]) -> Vec<Uuid> {
    ids.iter().take(MOST_CITED).copied().collect()
}

fn ids(events: &[Event], is: impl Fn(&EventKind) -> bool) -> Vec<Uuid> {
    events.iter().filter(|event| is(&event.kind)).map(|event| event.id).collect()
}

/// Restarts, deaths, time without service, memory held for nothing, requests.
pub fn impact(curve: Option<&Curve>, uptime: &Uptime, events: &[Event]) -> Vec<Line> {
    if events.is_empty() {
        return vec![Line::plain("Unknown: nothing was recorded of the unit.")];
    }
    let mut lines = Vec::new();
    let restarts = ids(events, |kind| matches!(kind, EventKind::UnitRestarting { .. }));
    lines.push(Line::of(format!("Restarts of the unit: {}.", restarts.len()), cited(&restarts)));
    let replaced = ids(events, |kind| matches!(kind, EventKind::RecycleStarted { .. }));
    lines.push(Line::of(
        format!("Workers and helpers replaced on purpose: {}.", replaced.len()),
        cited(&replaced),
    ));
    let deaths = ids(events, |kind| match kind {
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => died(certificate),
        _ => false,
    });
    lines.push(Line::of(
        format!("Deaths that nobody asked for: {}; for want of memory: {}.", deaths.len(), uptime.ooms.len()),
        cited(if uptime.ooms.is_empty() { &deaths } else { &uptime.ooms }),
    ));
    lines.push(without_service(events));
    lines.push(memory_held(curve));
    let forced = ids(events, |kind| {
        matches!(kind, EventKind::RecycleCompleted { forced: true, .. })
            || matches!(kind, EventKind::SignalSent { signal: 9, reason: SignalReason::HardLimit, .. })
    });
    let abrupt = deaths.len() + forced.len();
    lines.push(Line::of(
        format!(
            "Requests lost: unknown; nothing counts the requests of this unit. Processes that ended without having been \
             drained: {abrupt}."
        ),
        cited(if forced.is_empty() { &deaths } else { &forced }),
    ));
    lines
}

/// Between an end and the next start.
fn without_service(events: &[Event]) -> Line {
    let mut down: Option<Timestamp> = None;
    let (mut sum, mut times, mut evidence) = (0_u64, 0_usize, Vec::new());
    for event in events {
        match &event.kind {
            EventKind::UnitExited { .. } => down = Some(event.at),
            // A run that ended as it should leaves nobody waiting.
            EventKind::UnitStopped { .. } => down = None,
            EventKind::UnitStarted { .. } => {
                if let Some(since) = down.take() {
                    sum = sum.saturating_add(event.at.0.saturating_sub(since.0));
                    times += 1;
                    evidence.push(event.id);
                }
            }
            _ => {}
        }
    }
    match times {
        0 => Line::plain("Time between the end of its command and the next start: none recorded."),
        _ => Line::of(
            format!(
                "Time between the end of its command and the next start: {} in {times} {}.",
                words::span_of(sum),
                if times == 1 { "gap" } else { "gaps" }
            ),
            cited(&evidence),
        ),
    }
}

fn memory_held(curve: Option<&Curve>) -> Line {
    let held = curve.and_then(|curve| Some((curve, gib_hours_above_base(curve)?, curve.window()?)));
    match held {
        Some((curve, held, (from, to))) => Line::of(
            format!(
                "Memory held above the level it began with: {} GiB-hours, from {} to {}.",
                words::number(held),
                words::utc(from),
                words::utc(to)
            ),
            curve.evidence(),
        ),
        None => Line::plain(
            "Memory held above the level it began with: unknown; no series of memory was recorded.",
        ),
    }
}
