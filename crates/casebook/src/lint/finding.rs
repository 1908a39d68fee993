//! What was found in one document, in the order of its lines.

use std::collections::HashSet;

use scupper_model::redact_line;
use serde::Serialize;

use super::rule::{Rule, Severity};

/// Findings that are kept of one document, besides what was not looked at. A document with more is in need of something
/// else than a longer list.
pub const MOST_FINDINGS: usize = 200;
/// What was not looked at has room besides those, so that nothing else hides it: so many findings of each rule.
pub(super) const MOST_NOT_LOOKED: usize = 5;
/// Characters of a document that a message quotes.
const MOST_QUOTED: usize = 80;

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which rule it breaks.
    pub rule: Rule,
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong. What it quotes is redacted.
    pub message: String,
}

/// Collects what is found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// Rules and lines of what was found: only there something may be found twice.
    places: HashSet<(Rule, usize)>,
    /// How many of them are no errors.
    lesser: usize,
    /// What was not looked at.
    not_looked: Vec<Finding>,
    left_out: usize,
}

impl Findings {
    /// Whether there is room for another one so bad; where there is none it counts as left out, and needs no message.
    pub fn has_room(&mut self, severity: Severity) -> bool {
        let has_room = self.found.len() < MOST_FINDINGS || (severity == Severity::Error && self.lesser > 0);
        if !has_room {
            self.left_out += 1;
        }
        has_room
    }

    /// Something that was not looked at, and why. It is told however much else there is.
    pub fn not_looked(&mut self, rule: Rule, line: usize, message: impl Into<String>) {
        let finding = Finding { severity: Severity::Info, rule, line: line.max(1), message: message.into() };
        if self.not_looked.contains(&finding) {
            return;
        }
        if self.not_looked.iter().filter(|kept| kept.rule == rule).count() < MOST_NOT_LOOKED {
            self.not_looked.push(finding);
        } else {
            self.add_as(finding.severity, rule, finding.line, finding.message);
        }
    }

    /// As bad as the rule says.
    pub fn add(&mut self, rule: Rule, line: usize, message: impl Into<String>) {
        self.add_as(rule.severity(), rule, line, message);
    }

    /// As bad as is said here.
    pub fn add_as(&mut self, severity: Severity, rule: Rule, line: usize, message: impl Into<String>) {
        let finding = Finding { severity, rule, line: line.max(1), message: message.into() };
        if self.places.contains(&(rule, finding.line)) && self.found.contains(&finding) {
            return;
        }
        if !self.has_room(severity) {
            return;
        }
        // An error is never left out for the sake of a remark.
        if self.found.len() >= MOST_FINDINGS
            && let Some(index) = self.found.iter().rposition(|kept| kept.severity < Severity::Error)
        {
            self.left_out += 1;
            self.lesser -= 1;
            self.found.swap_remove(index);
        }
        self.lesser += usize::from(severity < Severity::Error);
        self.places.insert((rule, finding.line));
        self.found.push(finding);
    }

    /// In the order of the lines; the worst of a line first.
    pub fn into_list(mut self) -> Vec<Finding> {
        self.found.append(&mut self.not_looked);
        let last = self.found.iter().map(|finding| finding.line).max().unwrap_or(1);
        self.found.sort_by(|a, b| (a.line, b.severity, a.rule).cmp(&(b.line, a.severity, b.rule)));
        if self.left_out > 0 {
            self.found.push(Finding {
                severity: Rule::TooMany.severity(),
                rule: Rule::TooMany,
                line: last,
                message: format!("{} more findings are left out", self.left_out),
            });
        }
        self.found
    }
}

/// A piece of the document in quotation marks: one line, redacted, cut.
pub(super) fn quoted(text: &str) -> String {
    let beginning: String = text.chars().take(4 * MOST_QUOTED).collect();
    let one_line = beginning.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = redact_line(&one_line);
    let cut: String = clean.chars().take(MOST_QUOTED).collect();
    let dots = if cut.len() < clean.len() || beginning.len() < text.len() { "..." } else { "" };
    format!("\"{cut}{dots}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_where_remarks_are_too_many() {
        let mut findings = Findings::default();
        for line in 1..=MOST_FINDINGS + 50 {
            findings.add(Rule::Emoji, line, "a face");
        }
        findings.add(Rule::DuplicateId, 7, "twice");
        let list = findings.into_list();
        assert_eq!(list.len(), MOST_FINDINGS + 1);
        assert!(list.iter().any(|finding| finding.rule == Rule::DuplicateId));
        let end = list.last().map(|finding| (finding.rule, finding.message.as_str()));
        assert_eq!(end, Some((Rule::TooMany, "51 more findings are left out")));
    }

    #[test]
    fn what_is_found_twice_is_told_once_and_errors_leave_no_room_for_more() {
        let mut findings = Findings::default();
        for _ in 0..3 {
            findings.add(Rule::Emoji, 7, "a face");
            findings.add(Rule::Emoji, 7, "another face");
        }
        for line in 1..=MOST_FINDINGS + 1 {
            findings.add(Rule::DuplicateId, line, "twice");
        }
        assert!(!findings.has_room(Severity::Error));
        let list = findings.into_list();
        assert!(list.iter().take(MOST_FINDINGS).all(|finding| finding.rule == Rule::DuplicateId), "{list:?}");
        // Two faces, one error, and the one that was asked for.
        assert_eq!(list.last().unwrap().message, "4 more findings are left out");
    }

    #[test]
    fn what_was_not_looked_at_is_told_among_any_number_of_others() {
        let mut findings = Findings::default();
        for line in 1..=MOST_FINDINGS + 1 {
            findings.add(Rule::DuplicateId, line, "twice");
        }
        for _ in 0..2 {
            findings.not_looked(Rule::EvidenceNotChecked, 3, "no evidence file");
        }
        // One rule does not take the room of another.
        for line in 1..=MOST_NOT_LOOKED + 2 {
            findings.not_looked(Rule::LineTooLong, line, "too long");
        }
        findings.not_looked(Rule::ChangesNotChecked, 900, "no source tree");
        let list = findings.into_list();
        let of = |rule| list.iter().filter(|finding| finding.rule == rule).count();
        assert_eq!(of(Rule::DuplicateId), MOST_FINDINGS);
        assert_eq!((of(Rule::EvidenceNotChecked), of(Rule::ChangesNotChecked)), (1, 1));
        assert_eq!(of(Rule::LineTooLong), MOST_NOT_LOOKED);
        let end = list.last().map(|finding| (finding.line, finding.message.as_str()));
        assert_eq!(end, Some((900, "3 more findings are left out")));
    }

    #[test]
    fn what_is_quoted_is_redacted_and_short() {
        assert_eq!(quoted("started with\n  --token=abcdef"), "\"started with --token=[redacted]\"");
        assert!(quoted(&"x ".repeat(100_000)).len() < 2 * MOST_QUOTED);
    }
}
