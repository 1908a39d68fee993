//! Rules for action plans: keys, what of the request no step takes up, criteria that cannot be measured.

use super::around::Surroundings;
use super::finding::{Findings, quoted};
use super::general::Stage;
use super::moment::moment;
use super::page::{Kind, Line, Page, items, marker, ticked};
use super::rule::{Rule, Severity};
use super::wording::{Empty, empty, has_digit, says_unknown, words};
use crate::document::{Document, Value};

const STATUSES: &[&str] = &["pending", "in_progress", "blocked", "done", "cancelled"];
const PRIORITIES: &[&str] = &["high", "medium", "low"];
const KEYS: &[&str] =
    &["type", "status", "priority", "task_type", "created_at", "source_file", "related_files"];
const SECTIONS: &[&str] = &[
    "executive summary",
    "original request",
    "step-by-step plan",
    "success criteria",
    "potential risks/blockers",
    "effort estimate",
    "notes",
];

/// Whether the plan says that it is done.
pub(super) fn stage(document: &Document) -> Stage {
    if text(document, "status").is_some_and(|status| status == "done") {
        Stage::Finished
    } else {
        Stage::Open
    }
}

fn text<'a>(document: &'a Document, key: &str) -> Option<&'a str> {
    match document.get(&[key]) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// Looks at a plan.
pub(super) fn check(
    document: &Document,
    page: &Page<'_>,
    around: &dyn Surroundings,
    findings: &mut Findings,
) {
    keys(document, around, findings);
    let title_line = page.title().map_or(1, |(_, line)| line);
    let missing: Vec<&str> = SECTIONS.iter().copied().filter(|title| page.section(title).is_none()).collect();
    if !missing.is_empty() {
        findings.add(Rule::SectionMissing, title_line, format!("there is no section {}", missing.join(", ")));
    }
    if stage(document) == Stage::Finished {
        for line in &page.lines {
            if line.kind == Kind::Prose
                && marker(line.raw.trim()).is_some_and(|(_, rest)| ticked(rest).0 == Some(false))
                && findings.has_room(Severity::Error)
            {
                findings.add(
                    Rule::DoneWithOpenBox,
                    line.number,
                    format!("done, and this is open: {}", quoted(line.raw.trim())),
                );
            }
        }
    }
    criteria(page, findings);
    coverage(page, findings);
    super::report::recorded(page, around, findings);
}

fn keys(document: &Document, around: &dyn Surroundings, findings: &mut Findings) {
    let missing: Vec<&str> = KEYS.iter().copied().filter(|key| document.get(&[key]).is_none()).collect();
    if !missing.is_empty() {
        findings.add(Rule::KeyMissing, 1, format!("there is no key {}", missing.join(", ")));
    }
    for (key, known) in [("status", STATUSES), ("priority", PRIORITIES)] {
        if let Some(value) = text(document, key).filter(|value| !known.contains(value)) {
            findings.add(
                Rule::ValueUnknown,
                document.line_of(&[key]).unwrap_or(1),
                format!("{key} is {}, and not one of {}", quoted(value), known.join(", ")),
            );
        }
    }
    if let Some(created) = text(document, "created_at") {
        let line = document.line_of(&["created_at"]).unwrap_or(1);
        match (moment(created), around.now()) {
            (None, _) => {
                findings.add(Rule::TimeUnreadable, line, format!("created_at is {}", quoted(created)));
            }
            (Some(at), Some(now)) if at.is_after(now) => {
                findings.add(
                    Rule::TimeInFuture,
                    line,
                    format!("created_at is {}, and it is {now} now", quoted(created)),
                );
            }
            _ => {}
        }
    }
}

/// One criterion with a number is enough: the others may be what every task asks for.
fn criteria(page: &Page<'_>, findings: &mut Findings) {
    let Some((line, lines)) = page.section("success criteria") else { return };
    let criteria = items(lines);
    if !criteria.is_empty() && !criteria.iter().any(|item| has_digit(&item.text) || says_unknown(&item.text))
    {
        findings.add(
            Rule::CriterionWithoutNumber,
            line,
            format!(
                "none of the {} criteria has a number: nobody can tell when they are met",
                criteria.len()
            ),
        );
    }
}

/// What is asked for and no step takes up.
fn coverage(page: &Page<'_>, findings: &mut Findings) {
    let Some((_, request)) = page.section("original request") else { return };
    let Some((_, steps)) = page.section("step-by-step plan") else { return };
    let steps: Vec<Vec<String>> = items(steps).iter().map(|step| significant(&step.text)).collect();
    // What is listed as not covered has been seen.
    let told: String = page
        .sections_where(|title| !title.to_lowercase().starts_with("original request"))
        .filter(|(line, _)| page.title().is_none_or(|(_, title)| title != *line))
        .flat_map(|(_, lines)| lines)
        .filter(|line| line.kind == Kind::Prose)
        .take(MOST_TOLD)
        .map(|line| line.raw.to_lowercase())
        .collect::<Vec<_>>()
        .join("\n");
    for (line, asked) in asked(request).into_iter().take(MOST_ASKED) {
        let wanted = significant(asked);
        let is_listed = told.contains(&asked.to_lowercase());
        if wanted.is_empty() || is_listed || steps.iter().any(|step| covers(step, &wanted)) {
            continue;
        }
        findings.add_as(
            Severity::Info,
            Rule::NotCovered,
            line,
            format!("no step takes up {}", quoted(asked)),
        );
    }
}

/// Bullets of a request that are looked for.
const MOST_ASKED: usize = 300;
/// Lines of a plan among which they may be listed.
const MOST_TOLD: usize = 5_000;

/// Headings whose bullets say what is the case.
const FACTS: &[&str] = &[
    "symptom",
    "context",
    "background",
    "environment",
    "observed",
    "impact",
    "log",
    "evidence",
    "issue",
    "problem",
    "description",
    "current",
    "version",
];
/// Headings whose bullets say what is wanted.
const WANTED: &[&str] = &[
    "needed",
    "investigat",
    "task",
    "todo",
    "to do",
    "require",
    "acceptance",
    "step",
    "goal",
    "deliverable",
    "criteria",
    "question",
    "action",
    "next",
    "please",
    "want",
    "should",
    "check",
];
/// A bullet that begins with one of these asks for something, wherever it stands.
const VERBS: &[&str] = &[
    "add",
    "analyse",
    "analyze",
    "audit",
    "check",
    "clean",
    "compare",
    "configure",
    "document",
    "ensure",
    "find",
    "fix",
    "identify",
    "implement",
    "improve",
    "investigate",
    "limit",
    "measure",
    "migrate",
    "monitor",
    "profile",
    "reduce",
    "refactor",
    "remove",
    "replace",
    "report",
    "review",
    "test",
    "trace",
    "update",
    "upgrade",
    "verify",
    "write",
];

/// The bullets of the request that ask for something, with their lines.
fn asked<'a>(request: &[Line<'a>]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut heading = String::new();
    for line in request.iter().filter(|line| matches!(line.kind, Kind::Code | Kind::Prose)) {
        let text = line.raw.trim();
        if text.starts_with('#') || (text.ends_with(':') && marker(text).is_none()) {
            heading = text.to_lowercase();
            continue;
        }
        let Some((_, rest)) = marker(text) else { continue };
        let (_, entry) = ticked(rest);
        let first = words(entry).into_iter().next().unwrap_or_default();
        let is_wanted = WANTED.iter().any(|word| heading.contains(word));
        let is_fact = !is_wanted && FACTS.iter().any(|word| heading.contains(word));
        if empty(entry) != Some(Empty::Placeholder)
            && (is_wanted || (!is_fact && VERBS.contains(&first.as_str())))
        {
            found.push((line.number, entry));
        }
    }
    found
}

/// Words that join others, and words for doing that fit any task.
const WEAK: &[&str] = &[
    "after",
    "all",
    "and",
    "any",
    "are",
    "before",
    "but",
    "can",
    "due",
    "for",
    "from",
    "get",
    "has",
    "have",
    "how",
    "into",
    "its",
    "may",
    "not",
    "our",
    "out",
    "over",
    "per",
    "see",
    "should",
    "that",
    "the",
    "their",
    "then",
    "there",
    "this",
    "those",
    "too",
    "use",
    "using",
    "via",
    "was",
    "when",
    "where",
    "which",
    "while",
    "who",
    "why",
    "will",
    "with",
    "without",
    "you",
    "your",
    "issue",
    "issues",
    "each",
    "time",
    "system",
    "production",
    "experiencing",
];

/// The words of a text that say what it is about, as stems.
pub(super) fn significant(text: &str) -> Vec<String> {
    let mut found: Vec<String> = words(text)
        .into_iter()
        .filter(|word| word.chars().count() >= 3 && !has_digit(word))
        .filter(|word| !WEAK.contains(&word.as_str()) && !VERBS.contains(&word.as_str()))
        .map(|word| stem(&word))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Without the endings that change from sentence to sentence.
fn stem(word: &str) -> String {
    for ending in ["ations", "ation", "ings", "ing", "ies", "ed", "es", "s"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.chars().count() >= 4) {
            return stem.trim_end_matches('e').to_owned();
        }
    }
    word.trim_end_matches('e').to_owned()
}

/// Whether something is about at least half of what is wanted. Both as [`significant`] gives them.
pub(super) fn covers(there: &[String], wanted: &[String]) -> bool {
    let met = met(there, wanted);
    met > 0 && met * 2 >= wanted.len()
}

/// Whether it is about at least two things, or half, of what is wanted: enough where what is met is no request.
pub(super) fn touches(there: &[String], wanted: &[String]) -> bool {
    met(there, wanted) >= 2 || covers(there, wanted)
}

fn met(there: &[String], wanted: &[String]) -> usize {
    wanted.iter().filter(|word| there.binary_search(word).is_ok()).count()
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R020.

    use super::*;

    fn not_covered(request: &str, steps: &str) -> usize {
        let text = format!(
            "# Plan: x\n\n## Original Request\n````\n{request}\n````\n\n## Step-by-Step Plan\n\n{steps}\n\n## Notes\n- n\n"
        );
        let page = Page::of(&text);
        let mut findings = Findings::default();
        coverage(&page, &mut findings);
        findings.into_list().len()
    }

    #[test]
    fn r020_what_is_asked_for_is_taken_up() {
        let request = "## Symptoms\n- Memory grows\n## Investigation Needed\n- Check for unclosed connections\n- Review event listeners";
        assert_eq!(not_covered(request, "1. **Reproduce it**\n   - Review relevant code"), 2);
        assert_eq!(
            not_covered(
                request,
                "1. **Connections**\n   - Look for connections that are unclosed\n2. Event listeners"
            ),
            0
        );
        assert_eq!(
            not_covered(
                request,
                "1. **Reproduce it**\n\nNot covered:\n- check for unclosed connections\n- Review event listeners"
            ),
            0
        );
    }

    #[test]
    fn facts_ask_for_nothing() {
        assert_eq!(not_covered("## Symptoms\n- Check engine light is on", "1. Nothing"), 0);
        assert_eq!(not_covered("- The sky is blue", "1. Nothing"), 0);
        assert_eq!(not_covered("- Measure descriptors", "1. Nothing"), 1);
    }

    #[test]
    fn one_criterion_with_a_number_is_enough() {
        let found = |criteria: &str| {
            let text = format!("## Success Criteria\n{criteria}");
            let mut findings = Findings::default();
            super::criteria(&Page::of(&text), &mut findings);
            findings.into_list().len()
        };
        assert_eq!(found("- [ ] All steps done\n- [ ] Reviewed\n"), 1);
        assert_eq!(found("- [ ] All steps done\n- [ ] Slope below 1 MB/h for 30 h\n"), 0);
    }
}
