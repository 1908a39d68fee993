//! The four criteria of an audit, each computed from what was recorded.

use serde::Serialize;

use super::facts::{Line, Source};
use super::timeline::Moments;
use super::uptime::{Met, Uptime};
use super::words;

const DAY_MS: u64 = 24 * 3_600_000;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Criterion {
    /// Its name.
    pub name: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// `met`, `not met`, `unknown`.
    pub met: &'static str,
    /// Why.
    pub line: Line,
}

/// All four.
pub fn criteria(source: &Source, moments: &Moments, uptime: &Uptime) -> Vec<Criterion> {
    let of = |name, asks, met: Met, line| Criterion { name, asks, met: met.word(), line };
    let (visible, visible_line) = visibility(source, moments);
    let (identified, identified_line) = identification(source, moments);
    let (prevented, prevented_line) = prevention(source);
    let evidence = uptime.since.map(|(_, id)| id).into_iter().chain(uptime.ooms.last().copied());
    vec![
        of(
            "Visibility",
            "Memory growth visible in the events within 24 h of deployment",
            visible,
            visible_line,
        ),
        of("Identification", "Leak source identified within 1 week", identified, identified_line),
        of(
            "Remediation",
            "Worker uptime >7 days without OOM",
            uptime.met(),
            Line::of(format!("{}.", uptime.said()), evidence),
        ),
        of("Prevention", "Automated recycling prevents indefinite accumulation", prevented, prevented_line),
    ]
}

fn visibility(source: &Source, moments: &Moments) -> (Met, Line) {
    let first = source.events.iter().find(|recorded| {
        matches!(
            recorded.event.kind,
            scupper_model::EventKind::UnitStarted { .. } | scupper_model::EventKind::Attached { .. }
        )
    });
    match (first, moments.alarm) {
        (Some(first), Some((alarm, id))) => {
            let after = alarm.0.saturating_sub(first.event.at.0);
            let met = if after <= DAY_MS { Met::Yes } else { Met::No };
            (
                met,
                Line::of(
                    format!("Told {} after it was started.", words::span_of(after)),
                    [first.event.id, id],
                ),
            )
        }
        (None, Some((_, id))) => {
            (Met::Unknown, Line::of("It was told; when the unit was started was not recorded.", [id]))
        }
        (_, None) => (Met::Unknown, Line::plain("No growth was told: there was none, or nobody looked.")),
    }
}

fn identification(source: &Source, moments: &Moments) -> (Met, Line) {
    let identified = source.subject.moves.iter().find(|(_, state)| state == "ready_for_engineering");
    match (moments.alarm, identified) {
        (Some((alarm, id)), Some((at, _))) => {
            let after = at.0.saturating_sub(alarm.0);
            let met = if after <= 7 * DAY_MS { Met::Yes } else { Met::No };
            (met, Line::of(format!("Identified {} after the alarm.", words::span_of(after)), [id]))
        }
        (Some((alarm, id)), None) => {
            let since = source.now.0.saturating_sub(alarm.0);
            let met = if since > 7 * DAY_MS { Met::No } else { Met::Unknown };
            (met, Line::of(format!("Not identified yet; the alarm was at {}.", words::utc(alarm)), [id]))
        }
        (None, _) => (Met::Unknown, Line::plain("There was no alarm to count from.")),
    }
}

fn prevention(source: &Source) -> (Met, Line) {
    let on = source.rules.iter().find(|rule| rule.on && rule.recycles);
    match on {
        Some(rule) => (Met::Yes, Line::plain(format!("On: {} ({}).", rule.what, rule.place))),
        None if source.runs == Some(true) => {
            (Met::No, Line::plain("The unit runs, and no rule that replaces what grows is on."))
        }
        None => (Met::Unknown, Line::plain("The unit does not run here, or nobody can say; nothing is on.")),
    }
}
