//! Suspects for a person: the first in full, the next ones short, all on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use scupper_casebook::suspects::{Cause, Evidence, Ranking, Suspect};
use scupper_detect::Quantity;
use scupper_model::{Grows, MemoryKind, printable};

use super::holds::Holds;
use crate::output::figures;

/// Suspects that are told at all.
const TOLD: usize = 3;
/// Lines of each kind of the first.
const LINES: usize = 4;
/// Characters of a line.
const WIDTH: usize = 150;
/// Kinds of things that a process holds, of each of which there may be many.
const HELD: usize = 10;

/// The whole answer.
pub(super) fn text(title: &str, ranking: &Ranking, holds: Option<&Holds>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{title}: {}", rests_on(ranking));
    for (number, suspect) in ranking.suspects.iter().take(TOLD).enumerate() {
        text.push('\n');
        one(&mut text, number + 1, suspect);
    }
    let more = ranking.suspects.len().saturating_sub(TOLD);
    if more > 0 {
        let _ = writeln!(text, "\n{more} more with less evidence: --json shows them");
    }
    for unknown in ranking.unknown.iter().take(3) {
        let _ = writeln!(text, "\nunknown: {}", line(unknown));
    }
    if let Some(holds) = holds {
        held(&mut text, holds);
    }
    text
}

/// What a process holds now.
fn held(text: &mut String, holds: &Holds) {
    let _ = writeln!(text, "\nholds now (one look says nothing of growth):");
    for holding in holds.things.iter().take(HELD) {
        let kind = serde_json::to_value(holding.kind).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
        let _ = writeln!(text, "{:>7}  {kind:<13} {}", holding.count, line(&holding.what));
    }
    let (listed, beyond) = (holds.things.len(), holds.more);
    let more = listed.saturating_sub(HELD) + beyond;
    if more > 0 {
        let all = if beyond == 0 { "them".to_owned() } else { format!("the first {listed}") };
        let _ = writeln!(text, "         {more} more kinds of things are not shown: --json shows {all}");
    }
    let bytes = |bytes: u64| {
        #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
        figures::amount(Quantity::Bytes, bytes as f64)
    };
    let known = holds.memory.iter().filter(|memory| memory.bytes > 0);
    let mut memory: Vec<String> =
        known.map(|memory| format!("{} {}", memory.kind.describe(), bytes(memory.bytes))).collect();
    let unknown = MemoryKind::ALL
        .into_iter()
        .filter(|kind| holds.memory.iter().all(|memory| memory.kind != *kind))
        .map(MemoryKind::describe);
    let unknown: Vec<&str> = unknown.collect();
    if !unknown.is_empty() {
        memory.push(format!("not known: {}", unknown.join(", ")));
    }
    let _ = writeln!(text, " memory  {}", memory.join("; "));
    for unread in &holds.unread {
        let _ = writeln!(text, "unknown  {}", line(unread));
    }
}

fn rests_on(ranking: &Ranking) -> String {
    let seen = &ranking.seen;
    let plural = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    let mut text = plural(seen.events, "event");
    if let (Some(since), Some(until)) = (seen.since, seen.until) {
        let lasted = Duration::from_millis(until.0.saturating_sub(since.0));
        let _ = write!(text, " of {} in {}", plural(seen.runs.len(), "run"), figures::span(lasted));
    }
    text.push_str(if seen.live { "; it runs" } else { "" });
    text
}

fn one(text: &mut String, number: usize, suspect: &Suspect) {
    let Suspect { name, score, strength, evidence_for, evidence_against, .. } = suspect;
    // A conclusion is no suspicion: its score orders it, and says nothing.
    let worth = match (suspect.cause, score, strength) {
        (Cause::NotALeak, ..) | (_, None, _) | (_, _, None) => String::new(),
        (_, Some(score), Some(strength)) => format!(", score {score}: {}", strength.name()),
    };
    let _ = writeln!(text, "{number}. {}  [{}{worth}]", line(name), suspect.cause.name());
    let mut row = |label: &str, said: &str| {
        // A command that is cut short cannot be run; it is bounded where it is made.
        let said = if label == "check" { said.to_owned() } else { line(said) };
        let _ = writeln!(text, "   {label:<8} {said}");
    };
    if let Some(what) = &suspect.what {
        row("what", what);
    }
    if let Some(grows) = grows(suspect) {
        row("grows", &grows);
    }
    let lines = if number == 1 { LINES } else { 1 };
    for evidence in evidence_for.iter().take(lines) {
        row("for", &cited(evidence));
    }
    for evidence in evidence_against.iter().take(lines.div_ceil(2)) {
        row("against", &cited(evidence));
    }
    if number == 1 {
        for check in suspect.checks.iter().take(2) {
            row("check", &check.command);
            row("", &format!("  {}", check.means));
        }
        for unknown in suspect.unknown.iter().take(3) {
            row("unknown", unknown);
        }
    }
}

fn line(text: &str) -> String {
    printable(text.as_bytes(), WIDTH)
}

/// The end of the id of the event that says it, and what it says: the sentence may be cut, the id may not.
fn cited(evidence: &Evidence) -> String {
    let id = evidence.id.as_deref();
    let end = id
        .and_then(|id| id.get(id.len().saturating_sub(8)..))
        .map_or_else(|| "now".to_owned(), |end| format!("event ..{end}"));
    format!("({end}) {}", evidence.text)
}

fn grows(suspect: &Suspect) -> Option<String> {
    let quantity = if suspect.unit == Some("bytes") { Quantity::Bytes } else { Quantity::Count };
    let amount = |value: f64| {
        let sign = if value >= 0.0 { "+" } else { "" };
        format!("{sign}{}", figures::amount(quantity, value))
    };
    let mut parts = Vec::new();
    let least = if suspect.grown_at_least { "at least " } else { "" };
    parts.extend(suspect.grown.map(|grown| format!("{least}{} while it was watched", amount(grown))));
    parts.extend(suspect.per_hour.map(|rate| format!("{} an hour", amount(rate))));
    parts.extend(suspect.per_operation.map(|rate| format!("{} with each operation", amount(rate))));
    let left = suspect.time_to_limit_seconds.map(Duration::from_secs);
    parts.extend(left.map(|left| format!("at its limit in {}", figures::span(left))));
    match suspect.grows {
        Grows::WithLoad => parts.push("with work".to_owned()),
        Grows::WhileIdle => parts.push("also at rest".to_owned()),
        Grows::Both => parts.push("at work and at rest".to_owned()),
        Grows::Undetermined => {}
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use scupper_model::ResourceKind;

    use super::super::holds::{Holding, Memory};
    use super::*;

    #[test]
    fn what_is_not_shown_and_what_is_not_known_is_said() {
        let kinds = ('a'..='z').map(|name| Holding {
            kind: ResourceKind::File,
            what: format!("/srv/{name}"),
            count: 2,
            bytes: None,
        });
        let mut holds = Holds {
            things: kinds.collect(),
            more: 0,
            memory: vec![
                Memory { kind: MemoryKind::File, bytes: 3 << 20 },
                Memory { kind: MemoryKind::Swap, bytes: 0 },
            ],
            unread: vec!["memory by kind: not allowed to read /proc/7/smaps".to_owned()],
        };
        let of = |holds: &Holds| {
            let mut text = String::new();
            held(&mut text, holds);
            text
        };
        let text = of(&holds);
        let has = |text: &str, line: &str| text.lines().any(|seen| seen == line);
        assert!(has(&text, "         16 more kinds of things are not shown: --json shows them"), "{text}");
        assert!(
            has(
                &text,
                " memory  pages of files 3 MiB; not known: heap, arenas of malloc, anonymous mappings, stacks of threads, \
                 shared memory"
            ),
            "{text}"
        );
        assert!(has(&text, "unknown  memory by kind: not allowed to read /proc/7/smaps"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("/srv/")).count(), HELD);
        holds.more = 5;
        let text = of(&holds);
        assert!(
            has(&text, "         21 more kinds of things are not shown: --json shows the first 26"),
            "{text}"
        );
    }
    #[test]
    fn a_long_sentence_keeps_its_event_and_two_looks_say_the_least() {
        let mut suspect = Suspect {
            cause: Cause::RetainedHeap,
            class: Cause::RetainedHeap.class(),
            name: "memory that is kept: python3".into(),
            what: None,
            processes: vec![],
            score: Some(70),
            strength: None,
            unit: Some("bytes"),
            grown: Some(1_048_576.0),
            grown_at_least: true,
            per_hour: None,
            per_operation: None,
            time_to_limit_seconds: None,
            grows: Grows::Undetermined,
            evidence_for: vec![Evidence {
                id: Some("0199c0de-0000-7000-8000-0000abcdef01".into()),
                at: None,
                text: "x".repeat(2 * WIDTH),
                points: 1,
            }],
            evidence_against: vec![],
            checks: vec![],
            unknown: vec![],
        };
        let told = |suspect: &Suspect| {
            let mut text = String::new();
            one(&mut text, 1, suspect);
            text
        };
        let text = told(&suspect);
        assert!(text.contains("   for      (event ..abcdef01) xxx") && text.contains("xxx..."), "{text}");
        assert!(text.contains("   grows    at least +1 MiB while it was watched"), "{text}");
        suspect.grown_at_least = false;
        assert!(told(&suspect).contains("   grows    +1 MiB while it was watched"));
    }
}
