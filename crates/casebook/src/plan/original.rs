//! Plans as the tool wrote them that made the first ones: its rules by parts of words, and its text, to the byte. For
//! vaults that other programs read, and that must not change. [`crate::plan::plan`] judges better.

use std::fmt::Write as _;

use super::kind::{Effort, Priority, TaskType};
use super::note::Note;
use super::risks::{Risk, Risks};
use super::steps;

/// Characters of the request that are kept.
const MOST_OF_REQUEST: usize = 500;
/// The success criteria of every plan.
pub(super) const CRITERIA: [&str; 5] = [
    "All steps completed successfully",
    "Requirements met and verified",
    "No critical issues or blockers remaining",
    "Documentation updated if applicable",
    "Task reviewed and approved",
];
/// The folder of notes, as plans name it wherever the vault is.
pub(super) const INBOX: &str = "AI_Employee_Vault/Inbox/";

/// What the original rules say of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// By the first part of a word that is in it.
    pub task_type: TaskType,
    /// An explicit one first, then words.
    pub priority: Priority,
    /// By its length and some words.
    pub effort: Effort,
}

/// Classifies a text by the original rules.
pub fn original(text: &str) -> Original {
    let lower = text.to_lowercase();
    Original { task_type: task_type(&lower), priority: priority(&lower), effort: effort(&lower) }
}

fn has(lower: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| lower.contains(part))
}

fn task_type(lower: &str) -> TaskType {
    let rules: [(&[&str], TaskType); 7] = [
        (&["bug", "fix", "error"], TaskType::BugFix),
        (&["feature", "implement", "add"], TaskType::FeatureDevelopment),
        (&["review", "analyze"], TaskType::Review),
        (&["research", "investigate"], TaskType::Research),
        (&["refactor", "improve"], TaskType::Refactoring),
        (&["test"], TaskType::Testing),
        (&["doc"], TaskType::Documentation),
    ];
    let found = rules.into_iter().find(|(parts, _)| has(lower, parts));
    found.map_or(TaskType::GeneralTask, |(_, task_type)| task_type)
}

fn priority(lower: &str) -> Priority {
    let says = |word| lower.split("priority:").skip(1).any(|behind| behind.trim_start().starts_with(word));
    if says("high") {
        Priority::High
    } else if says("low") {
        Priority::Low
    } else if has(lower, &["urgent", "asap", "critical", "emergency", "immediately"]) {
        Priority::High
    } else if has(lower, &["whenever", "eventually", "nice to have", "optional"]) {
        Priority::Low
    } else {
        Priority::Medium
    }
}

fn effort(lower: &str) -> Effort {
    let parts = ["complex", "multiple", "integrate", "system", "architecture"];
    let complex = parts.iter().filter(|part| lower.contains(*part)).count();
    effort_of(lower.split_whitespace().count(), complex)
}

/// How much work so many words are, of which so many kinds speak of much.
pub(super) const fn effort_of(words: usize, complex: usize) -> Effort {
    match (words, complex) {
        (..50, 0) => Effort::Low,
        (201.., _) | (_, 2..) => Effort::High,
        _ => Effort::Medium,
    }
}

fn risks(lower: &str) -> Vec<Risk> {
    Risks {
        depends: has(lower, &["depend", "require"]),
        complex: has(lower, &["complex", "difficult"]),
        integrates: has(lower, &["integrat", "connect"]),
        words: lower.split_whitespace().count(),
    }
    .listed()
}

/// The whole plan. `created_at` is local time, `YYYY-MM-DD HH:MM:SS`.
pub fn original_plan(note: &Note, created_at: &str) -> (Original, String) {
    let (name, text) = (note.name(), note.text());
    let judged = original(text);
    let Original { task_type, priority, effort } = judged;
    let title = note.first_line();
    let mut out = format!(
        "---\ntype: action_plan\nstatus: pending\npriority: {priority}\ntask_type: {task_type}\n\
         created_at: {created_at}\nsource_file: {source}\nrelated_files: []\n---\n\n# Plan: {title}\n\n\
         ## Executive Summary\n{summary}\n\n## Original Request\n```\n",
        source = super::render::scalar(&format!("{INBOX}{name}")),
        summary = summary(name, task_type, priority, effort),
    );
    out.extend(text.chars().take(MOST_OF_REQUEST));
    if text.chars().nth(MOST_OF_REQUEST).is_some() {
        out.push_str("...");
    }
    out.push_str("\n```\n\n## Step-by-Step Plan\n\n");
    for (number, step) in (1..).zip(steps::original(task_type)) {
        let _ = writeln!(out, "{number}. **{}**", step.title);
        for item in step.items {
            let _ = writeln!(out, "   - {item}");
        }
        out.push('\n');
    }
    out.push_str("## Success Criteria\n\n");
    for criterion in CRITERIA {
        let _ = writeln!(out, "- [ ] {criterion}");
    }
    out.push_str("\n## Potential Risks/Blockers\n\n");
    for risk in risks(&text.to_lowercase()) {
        out.push_str(&risk.lines());
    }
    let _ = write!(out, "\n## Effort Estimate\n{effort}\n\n## Notes\n{}", notes(name));
    (judged, out)
}

/// The two sentences on top.
pub(super) fn summary(name: &str, task_type: TaskType, priority: Priority, effort: Effort) -> String {
    format!(
        "This plan outlines the approach for completing the task described in `{name}`. The task has been classified as \
         **{task_type}** with **{priority}** priority and an estimated effort level of **{effort}**."
    )
}

/// The four notes at the end.
pub(super) fn notes(name: &str) -> String {
    format!(
        "- This plan was automatically generated by the Task Planner Agent\n\
         - Review and adjust steps as needed based on actual requirements\n\
         - Update status and priority if circumstances change\n\
         - Source file: `{INBOX}{name}`\n"
    )
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R003, R004, R008, R011, R012.

    use super::*;

    const SEED: &str = include_str!("../../tests/seeds/000-action-plan.md");

    /// The inbox text of the seed, as its plan quotes it: the blank line before the fence is the note's last newline.
    fn seed_note() -> String {
        let (_, behind) = SEED.split_once("## Original Request\n```\n").unwrap();
        behind.split_once("\n```\n").unwrap().0.to_owned()
    }

    fn plan(name: &str, text: &str) -> String {
        original_plan(&Note::parse(name, text).unwrap(), "2026-02-27 10:45:30").1
    }

    /// R005, R007, R009, R013 and R014: the time and the source, the summary, the five steps with their bullets and the notes are
    /// those of the seed, to the byte.
    #[test]
    fn r014_the_seed_is_made_again_byte_for_byte() {
        let note = seed_note();
        assert!(note.ends_with("object retention\n"), "{note}");
        assert_eq!(plan("fix_memory_leak.md", &note), SEED);
        // Also from a note that Windows saved.
        assert_eq!(plan("fix_memory_leak.md", &note.replace('\n', "\r\n")), SEED);
    }

    #[test]
    fn r003_r004_the_original_rules_go_by_parts_of_words() {
        use {Priority as P, TaskType as T};
        for (text, task_type, priority) in [
            ("Priority: URGENT - a bug", T::BugFix, P::High),
            ("Priority: low, but urgent", T::GeneralTask, P::Low),
            ("priority:\n high whenever", T::GeneralTask, P::High),
            ("the address", T::FeatureDevelopment, P::Medium),
            ("docker", T::Documentation, P::Medium),
            ("latest", T::Testing, P::Medium),
            ("prefix", T::BugFix, P::Medium),
            ("not urgent", T::GeneralTask, P::High),
            ("nice to have: analyze it", T::Review, P::Low),
            ("investigate, then improve", T::Research, P::Medium),
            ("improve it", T::Refactoring, P::Medium),
            ("buy milk", T::GeneralTask, P::Medium),
        ] {
            let found = original(text);
            assert_eq!((found.task_type, found.priority), (task_type, priority), "{text}");
        }
    }

    #[test]
    fn r012_effort_turns_at_50_and_200_words() {
        let words = |count: usize| "word ".repeat(count);
        for (text, effort) in [
            (words(49), Effort::Low),
            (words(50), Effort::Medium),
            (words(200), Effort::Medium),
            (words(201), Effort::High),
            ("a system".to_owned(), Effort::Medium),
            ("a complex system".to_owned(), Effort::High),
        ] {
            assert_eq!(original(&text).effort, effort, "{} words", text.split_whitespace().count());
        }
    }

    #[test]
    fn r008_the_request_is_cut_after_500_characters() {
        let whole = plan("a.md", &"\u{e9}".repeat(500));
        assert!(whole.contains(&format!("```\n{}\n```\n", "\u{e9}".repeat(500))));
        let cut = plan("a.md", &"\u{e9}".repeat(501));
        assert!(cut.contains(&format!("```\n{}...\n```\n", "\u{e9}".repeat(500))));
    }

    #[test]
    fn r011_each_risk_has_its_words() {
        let long = "word ".repeat(30);
        for (text, names) in [
            (format!("{long} depends"), &["Dependencies"][..]),
            (format!("{long} required, difficult"), &["Dependencies", "Complexity"]),
            (format!("{long} reconnect"), &["Integration Challenges"]),
            (long.clone(), &["Scope Creep"]),
            ("word ".repeat(29), &["Unclear Requirements"]),
        ] {
            let found: Vec<&str> = risks(&text).iter().map(|risk| risk.name).collect();
            assert_eq!(found, names, "{text}");
        }
    }

    #[test]
    fn r006_headings_stand_in_order() {
        let text = plan("a.md", "Add a page\n");
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            found,
            [
                "# Plan: Add a page",
                "## Executive Summary",
                "## Original Request",
                "## Step-by-Step Plan",
                "## Success Criteria",
                "## Potential Risks/Blockers",
                "## Effort Estimate",
                "## Notes"
            ]
        );
    }
}
