//! How it went: what set it off and who noticed, what went well and wrong, how sure all of it is, and what is not known.

use scupper_model::Event;

use super::curve::Curve;
use super::facts::{Line, Source};
use super::measured::Measured;
use super::timeline::Moments;
use super::uptime::Uptime;
use super::words;
use crate::suspects::Ranking;

pub(super) fn trigger(moments: &Moments, curve: Option<&Curve>) -> Line {
    match (moments.onset, curve) {
        (Some(super::onset::Onset::At(at)), Some(curve)) => Line::of(
            format!("It began to grow at {}. What happened at that moment is not recorded.", words::utc(at)),
            curve.evidence(),
        ),
        (Some(super::onset::Onset::FromTheStart(at)), Some(curve)) => Line::of(
            format!(
                "It grew from its first sample on, at {}: whatever begins it begins with the process.",
                words::utc(at)
            ),
            curve.evidence(),
        ),
        _ => Line::plain("Unknown: no series was recorded that shows when it began."),
    }
}

pub(super) fn detection(moments: &Moments) -> Line {
    match (moments.alarm, moments.onset) {
        (Some((at, id)), Some(onset)) => Line::of(
            format!("Told {} after it began to grow.", words::span_of(at.0.saturating_sub(onset.at().0))),
            [id],
        ),
        (Some((at, id)), None) => Line::of(format!("Told at {}.", words::utc(at)), [id]),
        (None, _) => Line::plain("Unknown: no alarm was recorded."),
    }
}

/// What went well, wrong, and by luck: only what events say.
pub(super) fn judged_well(
    moments: &Moments,
    uptime: &Uptime,
    measured: &Measured,
    events: &[Event],
) -> (Vec<Line>, Vec<Line>, Vec<Line>) {
    let (mut well, mut wrong, mut lucky) = (Vec::new(), Vec::new(), Vec::new());
    match (moments.alarm, uptime.last_oom) {
        (Some((at, id)), None) => {
            well.push(Line::of(
                format!("It was told at {}, before anything died for want of memory.", words::utc(at)),
                [id],
            ));
        }
        (Some((at, id)), Some(oom)) if at < oom => {
            well.push(Line::of(
                format!("It was told {} before it died.", words::span_of(oom.0 - at.0)),
                [id],
            ));
        }
        (_, Some(_)) => {
            wrong.push(Line::of(
                "It died for want of memory before it was told.",
                uptime.ooms.first().copied(),
            ));
        }
        (None, None) => {}
    }
    match (moments.containment, uptime.ooms.first()) {
        (Some((at, id)), _) => well.push(Line::of(format!("It was acted upon at {}.", words::utc(at)), [id])),
        (None, Some(oom)) => wrong.push(Line::of("Nothing acted upon it before it died.", [*oom])),
        (None, None) => {}
    }
    if measured.holds {
        well.push(Line::of(
            "The fix was proved by a soak.",
            measured.after.iter().filter_map(|line| line.evidence.first().copied()),
        ));
    }
    let forced = events
        .iter()
        .find(|event| matches!(event.kind, scupper_model::EventKind::RecycleCompleted { forced: true, .. }));
    if let Some(event) = forced {
        wrong.push(Line::of("A process had to be ended by KILL: it did not drain.", [event.id]));
    }
    let left = events.iter().find_map(|event| match &event.kind {
        scupper_model::EventKind::VerdictChanged { judged, .. } => {
            judged.time_to_limit_seconds.filter(|left| *left < 3600).map(|left| (left, event.id))
        }
        _ => None,
    });
    if let (Some((left, id)), None) = (left, uptime.last_oom) {
        lucky.push(Line::of(
            format!("At the time it was told, {} were left to the limit.", words::span_of(left * 1000)),
            [id],
        ));
    }
    (well, wrong, lucky)
}

pub(super) fn confidence(curve: Option<&Curve>, ranking: &Ranking, source: &Source) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(said) = curve.and_then(Curve::alarm) {
        let text = said.judged.confidence.map_or_else(
            || "No confidence was recorded with the verdict.".to_owned(),
            |confidence| {
                format!(
                    "Verdicts like this one were right in {} % of the cases that could be checked.",
                    words::number(confidence * 100.0)
                )
            },
        );
        lines.push(Line::of(text, [said.event]));
    }
    lines.push(match ranking.named().and_then(|first| first.strength.zip(first.score)) {
        Some((strength, score)) => {
            Line::plain(format!("The first suspect is {}: {score} points of 99.", strength.name()))
        }
        None => Line::plain("The cause is unknown: too little speaks for any suspect to name it."),
    });
    if source.unreadable > 0 {
        lines.push(Line::plain(format!(
            "{} recorded events cannot be read by this version.",
            source.unreadable
        )));
    }
    lines
}

/// What is not known because it was not recorded.
pub(super) fn gaps(source: &Source, curve: Option<&Curve>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |is: bool, text: &str| {
        if is {
            lines.push(Line::plain(text));
        }
    };
    add(source.events.is_empty(), "Everything: no event of this unit was found.");
    add(
        curve.is_none_or(|curve| curve.points.len() < 2),
        "How memory went: no values of any series were recorded.",
    );
    add(source.runs.is_none(), "Whether the unit runs now.");
    let unnamed = source.changes.is_empty() && source.named.is_empty();
    add(unnamed, "What was changed: no change is named, so none is checked.");
    add(
        !source.named.is_empty(),
        "Whether what is named as changed without lines was changed: nothing compares it.",
    );
    add(
        !source.elsewhere.is_empty(),
        "The same of the other units in which it was seen: figures, curve and timeline are of the first one alone.",
    );
    lines
}
