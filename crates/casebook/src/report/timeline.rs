//! What happened, in order: from the first value over the onset and the alarm to containment and recovery.

use scupper_model::{Event, EventKind, LimitLevel, OBSERVED, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::curve::{Curve, died};
use super::onset::{Onset, onset};
use super::{proof, words};

/// Rows of a timeline, at most: the first and the last ones are kept.
pub const MOST_ROWS: usize = 120;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When: `2026-11-22 20:54:38 UTC`.
    pub utc: String,
    /// The same, from the moment that the timeline counts from.
    pub relative: String,
    /// What.
    pub what: String,
    /// The events that say so.
    pub evidence: Vec<Uuid>,
}

/// The rows, and where they count from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// What the relative times count from: `the onset`.
    pub from: &'static str,
    /// In order of time.
    pub rows: Vec<Row>,
    /// Rows that are left out in the middle.
    pub left_out: usize,
}

/// The moments that a report is about; what was not recorded is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// The first value of the series.
    pub first: Option<Timestamp>,
    /// When it began to grow.
    pub onset: Option<Onset>,
    /// When somebody was told: a leak, or a limit.
    pub alarm: Option<(Timestamp, Uuid)>,
    /// When something was done about it.
    pub containment: Option<(Timestamp, Uuid)>,
    /// When it was up again after that.
    pub recovery: Option<(Timestamp, Uuid)>,
}

impl Moments {
    /// Of a series and everything that happened.
    pub fn of(curve: Option<&Curve>, events: &[Event]) -> Self {
        let first_of = |is: &dyn Fn(&EventKind) -> bool, after: Timestamp| {
            events.iter().find(|event| event.at >= after && is(&event.kind)).map(|event| (event.at, event.id))
        };
        let verdict = curve.and_then(|curve| {
            let said = curve.first_alarm()?;
            (said.judged.verdict >= scupper_detect::Verdict::Growing).then_some((said.at, said.event))
        });
        // What was told of an earlier run is in the timeline; these moments are of the series that is shown.
        let start = curve.and_then(Curve::window).map_or(Timestamp(0), |(first, _)| first);
        let told = first_of(
            &|kind| match kind {
                EventKind::LimitCrossed { action, .. } => action != OBSERVED,
                EventKind::LeakFound { .. } => true,
                EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
                    died(certificate)
                }
                _ => false,
            },
            start,
        );
        let alarm = [verdict, told].into_iter().flatten().min_by_key(|(at, _)| *at);
        // A start after a death is recovery; nobody contained anything.
        let containment = alarm.and_then(|(at, _)| {
            first_of(
                &|kind| match kind {
                    EventKind::RecycleStarted { .. } | EventKind::CgroupFrozen { .. } => true,
                    EventKind::LimitCrossed { action, .. } => action != OBSERVED,
                    _ => false,
                },
                at,
            )
        });
        let death = first_of(
            &|kind| match kind {
                EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
                    died(certificate)
                }
                _ => false,
            },
            start,
        );
        let trouble = [containment, death].into_iter().flatten().min_by_key(|(at, _)| *at);
        let recovery = trouble.and_then(|(at, _)| {
            first_of(
                &|kind| {
                    matches!(kind, EventKind::RecycleCompleted { .. })
                        || matches!(kind, EventKind::UnitStarted { start, .. } if *start > 1)
                },
                at,
            )
        });
        let first = curve.and_then(Curve::window).map(|(first, _)| first);
        Self { first, onset: curve.and_then(onset), alarm, containment, recovery }
    }

    /// What relative times count from.
    fn anchor(&self, events: &[Event]) -> (Timestamp, &'static str) {
        if let Some(onset) = self.onset {
            return (onset.at(), "the onset");
        }
        if let Some((at, _)) = self.alarm {
            return (at, "the alarm");
        }
        (events.first().map_or(Timestamp(0), |event| event.at), "the first event")
    }
}

impl Timeline {
    /// Everything worth a row.
    pub fn of(curve: Option<&Curve>, moments: &Moments, events: &[Event]) -> Self {
        let (anchor, from) = moments.anchor(events);
        let mut rows: Vec<(Timestamp, String, Vec<Uuid>)> = Vec::new();
        if let (Some(curve), Some(first)) = (curve, moments.first) {
            let value = curve.points.first().map_or(0, |(_, value)| *value);
            let what = format!(
                "First sample of {}: {}",
                curve.title(),
                words::amount(curve.series, words::float(value))
            );
            rows.push((first, what, curve.evidence()));
        }
        match (curve, moments.onset) {
            (Some(curve), Some(Onset::At(at))) => {
                let what =
                    format!("Onset: {} begins to grow (turn of the curve, by least squares)", curve.title());
                rows.push((at, what, curve.evidence()));
            }
            (Some(curve), Some(Onset::FromTheStart(at))) => {
                let what = format!("Onset: {} grows from its first sample on", curve.title());
                rows.push((at, what, curve.evidence()));
            }
            _ => {}
        }
        for event in events {
            if let Some(mut what) = said(&event.kind, curve) {
                let is = |moment: Option<(Timestamp, Uuid)>| moment.is_some_and(|(_, id)| id == event.id);
                let roles = [
                    (is(moments.alarm), "Alarm"),
                    (is(moments.containment), "Containment"),
                    (is(moments.recovery), "Recovery"),
                ];
                let roles: Vec<&str> = roles.iter().filter(|(is, _)| *is).map(|(_, role)| *role).collect();
                if !roles.is_empty() {
                    what = capital(&format!("{}: {}", roles.join(" and ").to_lowercase(), small(&what)));
                }
                rows.push((event.at, what, vec![event.id]));
            }
        }
        rows.sort_by_key(|(at, _, _)| *at);
        let left_out = rows.len().saturating_sub(MOST_ROWS);
        if left_out > 0 {
            let half = MOST_ROWS / 2;
            rows.drain(half..half + left_out);
        }
        let rows = rows
            .into_iter()
            .map(|(at, what, evidence)| Row {
                utc: words::utc(at),
                relative: words::relative(at, anchor),
                what,
                evidence,
            })
            .collect();
        Self { from, rows, left_out }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn small(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// What an event says in a timeline; `None` where it is no news there.
pub(super) fn said(kind: &EventKind, curve: Option<&Curve>) -> Option<String> {
    Some(match kind {
        EventKind::UnitStarted { command, start: 1, .. } => format!("Started: {}", words::code(command)),
        EventKind::UnitStarted { start, .. } => format!("Started again (start {start} of this run)"),
        EventKind::StartFailed { message, .. } => format!("Could not be started: {message}"),
        EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
            let main = matches!(kind, EventKind::UnitExited { .. });
            if !main && !died(certificate) {
                return None;
            }
            let memory = certificate
                .last_rss_bytes
                .map(|bytes| format!(", memory at its last sample {bytes}"))
                .unwrap_or_default();
            let fatal =
                certificate.fatal.as_ref().map(|f| format!(", it said: {}", f.message)).unwrap_or_default();
            format!(
                "{} {} {} {}: {} {}{memory}{fatal}",
                if died(certificate) { "Death of" } else { "End of" },
                certificate.role,
                certificate.name,
                certificate.identity,
                words::ended(certificate.how),
                words::ended_by(&certificate.by),
            )
        }
        EventKind::UnitRestarting { cause, restarts, .. } => {
            format!("Will be started again ({restarts}): {cause}")
        }
        EventKind::UnitGaveUp { cause, .. } => format!("Given up: {cause}"),
        EventKind::UnitStopped { reason, exit_code, ended, .. } => {
            format!(
                "The unit ended: {reason}, exit code {exit_code}, {ended} of its processes ended after it"
            )
        }
        EventKind::LimitCrossed { resource, level, value, limit, action, .. } if action != OBSERVED => {
            let level = match level {
                LimitLevel::Soft => "Soft",
                LimitLevel::Hard => "Hard",
            };
            format!(
                "{level} limit of {resource} crossed: {} of {}; done: {action}",
                resource.show(*value),
                resource.show(*limit)
            )
        }
        EventKind::VerdictChanged { series, target, judged, value, .. }
            if curve.is_some_and(|curve| curve.series == *series && curve.target == *target) =>
        {
            let slope = judged.slope_per_hour.map(|slope| format!(", {}", words::rate(*series, slope)));
            format!(
                "Verdict {} of {} at {}{}",
                judged.verdict.name().replace('_', " "),
                series.name().replace('_', " "),
                words::amount(*series, words::float(*value)),
                slope.unwrap_or_default()
            )
        }
        EventKind::LeakFound { series, value, .. } => {
            format!("Leak found: {} at {}", series.name(), words::amount(*series, words::float(*value)))
        }
        EventKind::HelperOutlives { name, kind, because, .. } => {
            format!("The {kind} {name} is left over: {because}")
        }
        EventKind::SoakFinished { soak } => format!(
            "Soak: {}, after {}{}",
            soak.outcome.word(),
            words::span_of(soak.lasted_ms),
            soak.operations.map(|n| format!(" and {n} operations")).unwrap_or_default()
        ),
        EventKind::VerificationRan { verification } => {
            format!("Verification: {}: {}", words::code(&verification.command), proof::outcome(verification))
        }
        EventKind::RecycleStarted { target, name, role, reason, .. } => {
            format!("{} {name} {target} is replaced: {}", capital(role), reason.describe())
        }
        EventKind::RecycleCompleted { target, name, role, took_ms, forced } => format!(
            "{} {name} {target} is gone after {}{}",
            capital(role),
            words::span_of(*took_ms),
            if *forced { ", by KILL" } else { "" }
        ),
        EventKind::EarlierRunFound { processes, .. } => {
            format!("{processes} processes of an earlier run were still there")
        }
        EventKind::ReapFinished { ended, forced, left, .. } => {
            format!("Reaped: {ended} ended, {forced} of them by KILL, {left} left alone")
        }
        EventKind::HeapLimitTooHigh { message, .. } => capital(message),
        EventKind::LimitsChanged { message } => format!("Limits changed: {message}"),
        EventKind::EvidenceGap { lost, .. } => format!("{lost} events were lost here"),
        EventKind::ClockJumped { seconds } => format!("The clock jumped by {} s", words::number(*seconds)),
        _ => return None,
    })
}
