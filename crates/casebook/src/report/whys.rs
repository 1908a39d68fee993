//! Five whys, each with the events that answer it. What nothing recorded answers is marked as an assumption, and never
//! stands last.

use scupper_detect::Verdict;
use scupper_model::{Comparison, Event, EventKind, LimitLevel, OBSERVED, Resource, ResourceKind, Watched};
use serde::Serialize;
use uuid::Uuid;

use super::curve::Curve;
use super::facts::Line;
use super::timeline::Moments;
use super::uptime::Uptime;
use super::words::{self, float};
use crate::suspects::{Ranking, Strength};

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The question, with its question mark.
    pub question: String,
    /// The answer.
    pub answer: Line,
}

fn why(question: impl Into<String>, answer: Line) -> Why {
    Why { question: question.into(), answer }
}

/// The whys, the symptom first. Empty where nothing recorded answers any.
pub fn whys(
    curve: Option<&Curve>,
    moments: &Moments,
    uptime: &Uptime,
    ranking: &Ranking,
    events: &[Event],
) -> Vec<Why> {
    let mut whys = Vec::new();
    whys.extend(symptom(uptime, events));
    if let Some(curve) = curve.filter(|curve| curve.worst() >= Verdict::Growing) {
        whys.extend(growth(curve));
        let comparison = comparison(curve, events);
        whys.push(held(curve, comparison));
        whys.push(why(
            "Why is what it holds not given back?",
            match ranking.named() {
                Some(suspect) => Line::assumed(format!(
                    "The likeliest suspect: {} ({}). Which code keeps it was not seen from outside; a heap profile would \
                     prove or refute it.",
                    suspect.name,
                    suspect.strength.map_or("unknown", Strength::name)
                )),
                None => Line::assumed("Not known: nothing that was recorded from outside says which code keeps it."),
            },
        ));
        whys.push(containment(moments, uptime, events));
    }
    // What is not proved may not be what it all comes down to.
    while whys.last().is_some_and(|why| why.answer.assumption) {
        whys.pop();
    }
    if whys.iter().all(|why| why.answer.assumption) { Vec::new() } else { whys }
}

fn symptom(uptime: &Uptime, events: &[Event]) -> Option<Why> {
    if let Some(oom) = uptime.ooms.last().and_then(|id| events.iter().find(|event| event.id == *id)) {
        let (EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }) = &oom.kind
        else {
            return None;
        };
        let memory = certificate.last_rss_bytes.map_or("unknown".to_owned(), |bytes| bytes.to_string());
        let answer = format!(
            "It ran out of memory: {} {}; memory at its last sample: {memory}; deaths of this kind: {}.",
            words::ended(certificate.how),
            words::ended_by(&certificate.by),
            uptime.ooms.len()
        );
        return Some(why(format!("Why did {} die?", certificate.name), Line::of(answer, [oom.id])));
    }
    events.iter().find_map(|event| match &event.kind {
        EventKind::LimitCrossed { resource, level, value, limit, action, .. } if action != OBSERVED => {
            let level = match level {
                LimitLevel::Soft => "soft",
                LimitLevel::Hard => "hard",
            };
            let answer = format!(
                "It crossed its {level} limit of {resource}: {} of {}.",
                resource.show(*value),
                resource.show(*limit)
            );
            Some(why(format!("Why was {} interrupted?", event.unit), Line::of(answer, [event.id])))
        }
        _ => None,
    })
}

fn growth(curve: &Curve) -> Option<Why> {
    let said = curve.alarm()?;
    let judged = &said.judged;
    let rate = judged
        .slope_per_hour
        .map_or("at an unknown rate".to_owned(), |slope| words::rate(curve.series, slope));
    let because = judged.reasons.first().map(|reason| format!("; {}", reason.text)).unwrap_or_default();
    let answer = format!(
        "The {} was judged {} ({rate}){because}.",
        curve.title(),
        judged.verdict.name().replace('_', " ")
    );
    let what = if curve.series == Watched::Memory { "memory" } else { curve.series.name() };
    let evidence = std::iter::once(said.event).chain(curve.recorded.last().copied());
    Some(why(format!("Why did it need ever more {}?", what.replace('_', " ")), Line::of(answer, evidence)))
}

/// The last comparison of what a process held, of the process that grew or of any in its run.
pub fn comparison<'a>(curve: &Curve, events: &'a [Event]) -> Option<(&'a Comparison, Uuid)> {
    let all = || {
        events.iter().rev().filter(|event| event.run == curve.run).filter_map(|event| match &event.kind {
            EventKind::ResourcesCompared { comparison } => Some((comparison.as_ref(), event.id)),
            _ => None,
        })
    };
    all().find(|(comparison, _)| Some(comparison.target) == curve.target).or_else(|| all().next())
}

fn held(curve: &Curve, comparison: Option<(&Comparison, Uuid)>) -> Why {
    let question = "Why did it grow: what does it hold more of?";
    let Some((comparison, id)) = comparison else {
        return why(
            question,
            Line::assumed("Not known: what the process held was not compared while it grew."),
        );
    };
    let mut found: Vec<String> = comparison
        .memory
        .iter()
        .filter_map(|change| {
            let (before, after) = (change.before?, change.after?);
            (after > before)
                .then(|| format!("{} +{}", change.kind.describe(), words::bytes(float(after - before))))
        })
        .take(3)
        .collect();
    found.extend(comparison.resources.iter().filter(|change| change.after > change.before).take(4).map(
        |change| {
            format!("{} {} {} to {}", resource_name(change.kind), change.what, change.before, change.after)
        },
    ));
    if found.is_empty() {
        let answer =
            format!("Nothing that can be told apart from outside: {} was looked at twice.", comparison.name);
        return why(question, Line::of(answer, [id]));
    }
    let operations = comparison.operations.map(|n| format!(" and {n} operations")).unwrap_or_default();
    let answer = format!(
        "Within {}{operations}, {} {}: {}.",
        words::span_of(comparison.after_ms),
        comparison.name,
        if Some(comparison.target) == curve.target {
            comparison.target.to_string()
        } else {
            "of the tree".to_owned()
        },
        found.join("; ")
    );
    why(question, Line::of(answer, [id]))
}

fn containment(moments: &Moments, uptime: &Uptime, events: &[Event]) -> Why {
    if let (Some((alarm, alarm_id)), Some((contained, id))) = (moments.alarm, moments.containment) {
        let since = moments.onset.map_or(String::new(), |onset| {
            format!(", {} after it began to grow", words::span_of(alarm.0.saturating_sub(onset.at().0)))
        });
        let answer = format!(
            "It was told at {}{since}, and acted upon {} later.",
            words::utc(alarm),
            words::span_of(contained.0.saturating_sub(alarm.0))
        );
        return why("Why was it not contained earlier?", Line::of(answer, [alarm_id, id]));
    }
    let question = "Why was it not contained?";
    let crossed = events.iter().find_map(|event| match &event.kind {
        EventKind::LimitCrossed { resource: Resource::Memory, action, .. } => Some((action, event.id)),
        _ => None,
    });
    match (crossed, uptime.ooms.last(), moments.alarm) {
        (Some((action, id)), _, _) => {
            why(question, Line::of(format!("A limit was crossed, and what was done is: {action}."), [id]))
        }
        (None, Some(oom), _) => why(
            question,
            Line::of(
                "It died before any limit of the unit acted: no crossed limit was recorded before that.",
                [*oom],
            ),
        ),
        (None, None, Some((at, id))) => why(
            question,
            Line::of(
                format!(
                    "It was told at {}; no limit was crossed, and nothing was replaced, since.",
                    words::utc(at)
                ),
                [id],
            ),
        ),
        (None, None, None) => why(question, Line::assumed("Not known.")),
    }
}

/// A kind of resource, for a person.
pub const fn resource_name(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Socket => "sockets",
        ResourceKind::File => "open files",
        ResourceKind::DeletedFile => "deleted files held open",
        ResourceKind::Pipe => "pipes",
        ResourceKind::Kernel => "descriptors of the kernel",
        ResourceKind::InotifyWatch => "inotify watches",
        ResourceKind::Thread => "threads",
        ResourceKind::Child => "children",
        ResourceKind::Zombie => "zombies",
    }
}
