//! Agents, orphans and times of a registry, in JSON and in tables.

use std::time::Duration;

use scupper_detect::Verdict;
use scupper_fleet::{AgentId, AgentView, CoordinatorId, Directive, Epoch, HostId, Phase, Standing};
use scupper_model::{BootId, Bytes, Pid, StartTime, Timestamp, printable};
use serde::Serialize;

use crate::output::figures::span;

/// Longest text in a column. Ids are at most twice that.
const WIDE: usize = 64;

/// An agent in JSON: every key is there, `null` where nothing is known.
#[derive(Debug, Serialize)]
pub(super) struct Agent<'v> {
    id: &'v AgentId,
    /// `null` for an agent that was written to seed 004.
    epoch: Option<Epoch>,
    standing: Standing,
    last_seen: Option<Timestamp>,
    deadline: Option<Timestamp>,
    since: Option<Timestamp>,
    host: Option<&'v HostId>,
    pid: Option<Pid>,
    start_time: Option<StartTime>,
    boot_id: Option<BootId>,
    coordinator: Option<&'v CoordinatorId>,
    directive: Option<Directive>,
    state: Option<&'v str>,
    verdict: Option<Verdict>,
    rss_bytes: Option<Bytes>,
    heap_used_bytes: Option<Bytes>,
    heap_total_bytes: Option<Bytes>,
    external_bytes: Option<Bytes>,
}

impl<'v> From<&'v AgentView> for Agent<'v> {
    fn from(view: &'v AgentView) -> Self {
        let identity = view.process.as_ref().and_then(|process| process.identity);
        let report = view.report.as_ref();
        let memory = report.map(|report| report.memory).unwrap_or_default();
        Self {
            id: &view.id,
            epoch: view.epoch,
            standing: view.standing,
            last_seen: view.last_seen,
            deadline: view.deadline,
            since: view.since,
            host: view.process.as_ref().map(|process| &process.host),
            pid: identity.map(|identity| identity.pid),
            start_time: identity.map(|identity| identity.start_time),
            boot_id: identity.map(|identity| identity.boot_id),
            coordinator: view.coordinator.as_ref(),
            directive: view.directive,
            state: report.map(|report| report.state.as_str()),
            verdict: report.and_then(|report| report.verdict),
            rss_bytes: memory.rss,
            heap_used_bytes: memory.heap_used,
            heap_total_bytes: memory.heap_total,
            external_bytes: memory.external,
        }
    }
}

/// How an agent stands, in a word.
pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Expired => "expired",
        Standing::Reaping => "reaping",
        Standing::Unknown => "unknown",
    }
}

/// What an agent is asked to do, in a word.
pub(super) const fn directive(directive: Directive) -> &'static str {
    match directive {
        Directive::Drain => "drain",
        Directive::Stop => "stop",
    }
}

/// Text of somebody else's in a column.
pub(super) fn text(text: &str) -> String {
    if text.is_empty() { unknown() } else { printable(text.as_bytes(), WIDE) }
}

/// What is not known, in a table.
pub(super) fn unknown() -> String {
    "-".to_owned()
}

/// From one moment to another, if it comes after it.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    to.0.checked_sub(from.0).map(Duration::from_millis)
}

/// How long ago something was.
pub(super) fn ago(now: Timestamp, at: Timestamp) -> String {
    between(at, now).map_or_else(|| "just now".to_owned(), |time| format!("{} ago", span(time)))
}

/// How long something still holds, or for how long it does not any more.
pub(super) fn left(now: Timestamp, until: Timestamp) -> String {
    match between(now, until) {
        Some(time) => format!("in {}", span(time)),
        None => ago(now, until),
    }
}

/// Whether orphans are claimed, as a sentence without its period.
pub(super) fn phase(phase: &Phase, now: Timestamp) -> String {
    match phase {
        Phase::Open => "open".to_owned(),
        Phase::Grace { until } => {
            format!(
                "in grace, ends {}: the registry was away, or nobody swept; everybody gets time to beat",
                left(now, *until)
            )
        }
        Phase::Hold { until, dead, members } => format!(
            "held, ends {}: {dead} of {members} members look dead at once, so that the observer is the suspect",
            left(now, *until)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp(100_000);
        assert_eq!(ago(now, Timestamp(88_000)), "12 s ago");
        assert_eq!(ago(now, Timestamp(200_000)), "just now");
        assert_eq!(left(now, Timestamp(190_000)), "in 1 min 30 s");
        assert_eq!(left(now, Timestamp(70_000)), "30 s ago");
        let held = Phase::Hold { until: Timestamp(140_000), dead: 5, members: 12 };
        assert!(phase(&held, now).starts_with("held, ends in 40 s: 5 of 12 members"));
    }

    #[test]
    fn foreign_text_is_one_line_of_a_table() {
        assert_eq!(text("busy\n\u{1b}[2J\u{202e}x"), "busy\u{fffd}\u{fffd}[2J\u{fffd}x");
        assert_eq!(text(&"x".repeat(100)).len(), WIDE + 3);
        assert_eq!(text(""), "-");
    }
}
