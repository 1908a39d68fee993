//! The body of an issue: root causes in the groups of the seed's, and fixes that fit what was recorded.

use scupper_model::{Event, EventKind, ResourceKind as Is, Watched};
use serde::Serialize;
use uuid::Uuid;

use super::curve::Curve;
use super::facts::{Line, Rule};
use super::uptime::is_oom;
use super::whys::{comparison, resource_name};
use super::words::{self, float};

/// Causes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What kind.
    pub name: &'static str,
    /// What was recorded of it.
    pub lines: Vec<Line>,
}

/// A fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What kind.
    pub name: &'static str,
    /// What to do.
    pub line: Line,
}

/// The groups of the seed, each with what was recorded of it.
pub fn groups(curve: Option<&Curve>, events: &[Event]) -> Vec<Group> {
    let none = |lines: Vec<Line>, what: &str| {
        if lines.is_empty() {
            vec![Line::plain(format!("Nothing was recorded about {what}."))]
        } else {
            lines
        }
    };
    let grown = curve.and_then(|curve| comparison(curve, events));
    let resources = |is: &dyn Fn(Is) -> bool| -> Vec<Line> {
        let Some((comparison, id)) = grown else { return Vec::new() };
        let changes =
            comparison.resources.iter().filter(|change| is(change.kind) && change.after > change.before);
        changes
            .map(|change| {
                let text = format!(
                    "{} {}: {} to {}",
                    resource_name(change.kind),
                    change.what,
                    change.before,
                    change.after
                );
                Line::of(text, [id])
            })
            .collect()
    };
    let helpers = events.iter().filter_map(|event| match &event.kind {
        EventKind::HelperOutlives { name, kind, because, .. } => {
            Some(Line::of(format!("The {kind} {name} is left over: {because}"), [event.id]))
        }
        _ => None,
    });
    let subprocesses: Vec<Line> = resources(&|kind| matches!(kind, Is::Child | Is::Zombie | Is::Pipe))
        .into_iter()
        .chain(helpers)
        .collect();
    let connections = resources(&|kind| {
        matches!(kind, Is::Socket | Is::File | Is::DeletedFile | Is::Kernel | Is::InotifyWatch | Is::Thread)
    });
    vec![
        Group {
            name: "Memory Configuration Issues",
            lines: none(configuration(events), "its memory configuration"),
        },
        Group { name: "Cache Accumulation", lines: none(memory(curve, events), "memory that it keeps") },
        Group { name: "Subprocess Memory Leaks", lines: none(subprocesses, "processes that it starts") },
        Group { name: "Connection Management", lines: none(connections, "connections, files and threads") },
    ]
}

fn configuration(events: &[Event]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut hard = None;
    for event in events {
        let text = match &event.kind {
            EventKind::HeapLimitTooHigh { message, .. } => message.clone(),
            EventKind::LimitCrossed { resource, level, .. } => {
                if *level == scupper_model::LimitLevel::Hard {
                    hard = Some(*resource);
                }
                continue;
            }
            EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate }
                if is_oom(certificate, hard) =>
            {
                let heap = certificate.heap_limit_bytes.map_or_else(
                    || "no heap limit of its own is known".to_owned(),
                    |heap| format!("heap limit {heap}"),
                );
                format!(
                    "{} ran out of memory after {}: {heap}",
                    certificate.name,
                    words::span(certificate.lived)
                )
            }
            _ => continue,
        };
        // One line for each kind of thing; the first stands for all of them.
        if !lines.iter().any(|line| line.text == text) && lines.len() < 5 {
            lines.push(Line::of(text, [event.id]));
        }
    }
    lines
}

fn memory(curve: Option<&Curve>, events: &[Event]) -> Vec<Line> {
    let Some(curve) = curve else { return Vec::new() };
    let mut lines = Vec::new();
    if curve.series == Watched::Memory
        && let Some(said) = curve.alarm()
        && let Some(slope) = said.judged.slope_per_hour
    {
        let text = format!(
            "{}: {}, judged {}",
            curve.title(),
            words::rate(curve.series, slope),
            said.judged.verdict.name().replace('_', " ")
        );
        lines.push(Line::of(text, [said.event]));
    }
    if let Some((comparison, id)) = comparison(curve, events) {
        for change in &comparison.memory {
            if let (Some(before), Some(after)) = (change.before, change.after)
                && after > before
            {
                let text = format!(
                    "{} of {}: {} to {} within {}",
                    change.kind.describe(),
                    comparison.name,
                    words::bytes(float(before)),
                    words::bytes(float(after)),
                    words::span_of(comparison.after_ms)
                );
                lines.push(Line::of(text, [id]));
            }
        }
    }
    lines
}

/// Four fixes in the words of the seed, as commands where Scupper has one.
pub fn fixes(curve: Option<&Curve>, rules: &[Rule], groups: &[Group]) -> Vec<Fix> {
    let recorded = |name: &str| {
        let group = groups.iter().find(|group| group.name == name);
        group.map_or(Vec::new(), |group| {
            group.lines.iter().flat_map(|line| line.evidence.iter().copied()).take(2).collect::<Vec<Uuid>>()
        })
    };
    let fix = |name, text: String, of: &str| Fix { name, line: Line::of(text, recorded(of)) };
    let peak = curve
        .filter(|curve| curve.series == Watched::Memory)
        .and_then(|curve| curve.points.iter().map(|(_, value)| *value).max());
    let limit = peak.map_or("SIZE".to_owned(), |peak| format!("{}M", (peak >> 20).max(1)));
    let on = rules.iter().find(|rule| rule.on);
    let breaker = on.map_or_else(
        || {
            format!(
                "No limit is on. Set one: {}",
                words::code(&format!("scupper run --mem-soft {limit} --recycle on-leak -- COMMAND"))
            )
        },
        |rule| format!("On: {}", rule.what),
    );
    vec![
        fix(
            "Immediate",
            format!("Replace it before it dies: {}", words::code("scupper recycle UNIT")),
            "Memory Configuration Issues",
        ),
        fix(
            "Cache Management",
            "Bound what is kept by number or size; prove it with a soak of three times the time to failure"
                .to_owned(),
            "Cache Accumulation",
        ),
        fix(
            "Subprocess Lifecycle",
            format!(
                "End helpers with what started them: {}",
                words::code("scupper run --child-lifetime '*=5m' -- COMMAND")
            ),
            "Subprocess Memory Leaks",
        ),
        fix("Memory Circuit Breaker", breaker, "Memory Configuration Issues"),
    ]
}

/// The last fatal message, with the uptime that it names: `JavaScript heap out of memory after 386615ms runtime`.
pub fn error_stack(events: &[Event]) -> Option<Line> {
    events.iter().rev().find_map(|event| {
        let (fatal, lived) = match &event.kind {
            EventKind::FatalMessage { fatal } => (fatal.as_ref(), None),
            EventKind::UnitExited { certificate } | EventKind::ProcessDied { certificate } => {
                (certificate.fatal.as_ref()?, Some(certificate.lived))
            }
            _ => return None,
        };
        let after = fatal
            .uptime_ms
            .or_else(|| lived.map(|lived| u64::try_from(lived.as_millis()).unwrap_or(u64::MAX)));
        let after = after.map(|millis| format!(" after {millis}ms runtime")).unwrap_or_default();
        Some(Line::of(format!("{}{after}", fatal.message), [event.id]))
    })
}
