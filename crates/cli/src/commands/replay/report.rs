//! What would have happened as JSON: `summary` and `events`.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_model::{EventKind, Resource, Timestamp, Watched};
use scupper_recording::Recording;
use scupper_supervise::replay::{Heights, Moment, Recorded, ResourceFigures, Stopped, Timeline};
use serde::Serialize;

use super::Clock;

/// Grows when a field is added.
const SCHEMA: &str = "scupper.replay/1";

#[derive(Serialize)]
pub(super) struct Report<'r> {
    schema: &'static str,
    format: &'static str,
    /// The first sample on the recording's own clock.
    started_at_seconds: f64,
    summary: Summary,
    events: Vec<Entry<'r>>,
    /// Events that are not listed.
    more_events: u64,
    /// Limits and rules whose column is not there.
    not_judged: &'r [&'static str],
    rejected_samples: usize,
}

/// Times count from the first sample.
#[derive(Serialize)]
struct Summary {
    /// Whether a signal would have been sent, or something leaks.
    findings: bool,
    /// `recording`, `unit`, `first_signal` or `too_much`: what the replay ended with.
    ended_by: &'static str,
    /// Of the unit, where it would have ended.
    exit_code: Option<i32>,
    recorded_seconds: f64,
    replayed_seconds: f64,
    down_seconds: f64,
    restarts: u64,
    recycle_restarts: u64,
    limit_restarts: u64,
    gave_up: u64,
    terms: u64,
    kills: u64,
    first_warning_seconds: Option<f64>,
    first_urgent_seconds: Option<f64>,
    first_leaking_seconds: Option<f64>,
    first_leaking_series: Option<Watched>,
    /// What is thought of it in the end.
    verdict: Option<Verdict>,
    time_to_limit_seconds: Option<u64>,
    /// The highest memory.
    peak_bytes_recorded: Option<u64>,
    peak_bytes_replayed: Option<u64>,
    hard_limit_crossed: bool,
    resources: Vec<Height>,
}

#[derive(Serialize)]
struct Height {
    resource: Resource,
    soft: Option<u64>,
    hard: Option<u64>,
    recorded: Reached,
    replayed: Reached,
}

#[derive(Serialize)]
struct Reached {
    peak: Option<u64>,
    above_soft_seconds: f64,
    soft_crossed_at_seconds: Option<f64>,
    hard_crossed_at_seconds: Option<f64>,
}

/// An event, and when.
#[derive(Serialize)]
struct Entry<'r> {
    after_seconds: f64,
    /// On the recording's own clock.
    at_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(flatten)]
    kind: &'r EventKind,
}

pub(super) fn report<'r>(
    recording: &Recording,
    recorded: &Recorded<'_>,
    timeline: &'r Timeline,
    clock: Clock,
    not_judged: &'r [&'static str],
) -> Report<'r> {
    Report {
        schema: SCHEMA,
        format: recording.format.name(),
        started_at_seconds: clock.reading(Duration::ZERO).as_secs_f64(),
        summary: summary(timeline, recorded.lasts()),
        events: timeline.moments.iter().map(|moment| entry(moment, clock)).collect(),
        more_events: timeline.more,
        not_judged,
        rejected_samples: recording.rejected.count,
    }
}

fn summary(timeline: &Timeline, lasts: Duration) -> Summary {
    let figures = &timeline.figures;
    let (ended_by, exit_code) = match timeline.stopped {
        Stopped::Recording => ("recording", None),
        Stopped::Unit(code) => ("unit", Some(code)),
        Stopped::FirstSignal => ("first_signal", None),
        Stopped::TooMuch => ("too_much", None),
    };
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let memory = figures.resources.iter().find(|of| of.resource == Resource::Memory);
    Summary {
        findings: timeline.has_findings(),
        ended_by,
        exit_code,
        recorded_seconds: lasts.as_secs_f64(),
        replayed_seconds: figures.replayed.as_secs_f64(),
        down_seconds: figures.down.as_secs_f64(),
        restarts: figures.recycle_restarts + figures.limit_restarts,
        recycle_restarts: figures.recycle_restarts,
        limit_restarts: figures.limit_restarts,
        gave_up: figures.gave_up,
        terms: figures.terms,
        kills: figures.kills,
        first_warning_seconds: seconds(figures.first_warning),
        first_urgent_seconds: seconds(figures.first_urgent),
        first_leaking_seconds: seconds(figures.first_leaking.map(|(at, _)| at)),
        first_leaking_series: figures.first_leaking.map(|(_, series)| series),
        verdict: figures.standing.verdict,
        time_to_limit_seconds: figures.standing.time_to_limit_seconds,
        peak_bytes_recorded: memory.and_then(|of| of.recorded.peak),
        peak_bytes_replayed: memory.and_then(|of| of.replayed.peak),
        hard_limit_crossed: figures.resources.iter().any(|of| of.replayed.hard_crossed_at.is_some()),
        resources: figures.resources.iter().map(height).collect(),
    }
}

fn height(figures: &ResourceFigures) -> Height {
    Height {
        resource: figures.resource,
        soft: figures.bound.soft,
        hard: figures.bound.hard,
        recorded: reached(&figures.recorded),
        replayed: reached(&figures.replayed),
    }
}

fn reached(of: &Heights) -> Reached {
    Reached {
        peak: of.peak,
        above_soft_seconds: of.above_soft.as_secs_f64(),
        soft_crossed_at_seconds: of.soft_crossed_at.map(|at| at.as_secs_f64()),
        hard_crossed_at_seconds: of.hard_crossed_at.map(|at| at.as_secs_f64()),
    }
}

fn entry(moment: &Moment, clock: Clock) -> Entry<'_> {
    Entry {
        after_seconds: moment.at.as_secs_f64(),
        at_seconds: clock.reading(moment.at).as_secs_f64(),
        at: clock.timestamp(moment.at),
        kind: &moment.kind,
    }
}
