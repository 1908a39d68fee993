//! What was verified, and what keeps it from happening again: commands that were run, rules that are on.

use scupper_model::{Event, EventKind, Verification};
use uuid::Uuid;

use super::facts::{Line, Source, Subject};
use super::words;

/// The last run of each command that was run to verify something of this incident.
fn runs<'a>(events: &'a [Event], incident: &str) -> Vec<(&'a Event, &'a Verification)> {
    let mut found: Vec<(&Event, &Verification)> = Vec::new();
    for event in events {
        let EventKind::VerificationRan { verification } = &event.kind else { continue };
        if verification.incident != incident {
            continue;
        }
        found.retain(|(_, earlier)| {
            earlier.command != verification.command
                || earlier.directory != verification.directory
                || earlier.tests != verification.tests
        });
        found.push((event, verification));
    }
    found
}

/// How it ended, in words.
pub(super) fn outcome(verification: &Verification) -> String {
    if let Some(limit) = verification.timed_out_ms {
        return format!("FAILED: it did not end within {} and was ended", words::span_of(limit));
    }
    match (verification.exit_code, verification.signal) {
        (Some(0), _) => "exit code 0".to_owned(),
        (Some(code), _) => format!("FAILED with exit code {code}"),
        (None, Some(signal)) => format!("FAILED, ended by {}", words::signal_name(signal)),
        (None, None) => "how it ended is unknown".to_owned(),
    }
}

fn when(event: &Event, verification: &Verification) -> String {
    let commit = verification.commit.as_deref();
    let commit =
        commit.map(|commit| format!(", commit {}", commit.get(..12).unwrap_or(commit))).unwrap_or_default();
    format!("took {}, at {}{commit}", words::span_of(verification.took_ms), words::utc(event.at))
}

/// Command, exit code and time of each.
pub fn verification(events: &[Event], incident: &str) -> Vec<Line> {
    let of = |(event, verification): (&Event, &Verification)| {
        let text = format!(
            "{}: {}, {}",
            words::code(&verification.command),
            outcome(verification),
            when(event, verification)
        );
        Line::of(text, [event.id])
    };
    runs(events, incident).into_iter().map(of).collect()
}

/// `file::name` of each test that was run, with its result.
pub fn tests(events: &[Event], incident: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (event, verification) in runs(events, incident) {
        for test in &verification.tests {
            let text = format!(
                "{}: {} of {}, {}",
                words::code(test),
                outcome(verification),
                words::code(&verification.command),
                when(event, verification)
            );
            lines.push(Line::of(text, [event.id]));
        }
    }
    lines
}

/// What speaks against an incident that is said to be done: commands that were run for it since, and failed the last time.
pub fn failed_since_done(events: &[Event], subject: &Subject) -> Vec<String> {
    let Some((done, _)) = subject.moves.iter().rev().find(|(_, state)| state == "done") else {
        return Vec::new();
    };
    let failed =
        |(event, verification): &(&Event, &Verification)| event.at >= *done && !verification.passed();
    let said = |(event, verification): (&Event, &Verification)| {
        let command = words::code(&verification.command);
        words::plain(&format!("{command}: {} (event {})", outcome(verification), event.id))
    };
    runs(events, &subject.id).into_iter().filter(failed).map(said).collect()
}

/// Rules that are on; where none is, who has to see to it.
pub fn prevention(source: &Source, events: &[Event]) -> Vec<Line> {
    let changed = |what: &str| -> Vec<Uuid> {
        let limits = what.contains("limit");
        let last =
            events.iter().rev().find(|event| limits && matches!(event.kind, EventKind::LimitsChanged { .. }));
        last.map(|event| event.id).into_iter().collect()
    };
    let mut lines: Vec<Line> = source
        .rules
        .iter()
        .map(|rule| {
            let state = if rule.on { "Rule on" } else { "Rule not on yet" };
            Line::of(format!("{state}: {} ({}).", rule.what, rule.place), changed(&rule.what))
        })
        .collect();
    if !source.rules.iter().any(|rule| rule.on) {
        let owner = source.subject.owner.as_deref().unwrap_or("nobody yet");
        // A rule is known of a running unit alone: its record says what it was started with.
        let known = match source.runs {
            Some(true) => "No rule is on that would contain it the next time.",
            Some(false) => {
                "Whether a rule contains it the next time is unknown: the unit does not run, and what it is started with is not \
                 recorded."
            }
            None => {
                "Whether a rule contains it the next time is unknown: whether the unit runs cannot be told."
            }
        };
        lines.push(Line::plain(format!("{known} Owner: {owner}; date: not set.")));
    }
    lines
}
