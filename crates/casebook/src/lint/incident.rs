//! Rules for incidents: what the front matter says of state, evidence, soak, history and time, and whether that goes together.

use super::around::{Linked, Recorded, Surroundings};
use super::finding::{Findings, quoted};
use super::general::{self, Stage};
use super::moment::{Moment, moment};
use super::page::{Kind, Page, marker, ticked};
use super::report::first;
use super::rule::{Rule, Severity};
use super::wording::{Empty, empty, is_hex};
use crate::document::{Document, Value};
use crate::incident::State;

/// The keys of the first such record, in its order.
const KEYS: &[&str] = &[
    "issue_id",
    "title",
    "description",
    "status",
    "priority",
    "assignee",
    "created_date",
    "updated_date",
    "estimated_tokens",
    "actual_tokens",
    "ai_context",
    "sync_status",
    "related_tasks",
    "related_issues",
    "completion_percentage",
    "blocked_by",
    "blocks",
    "content",
    "file_path",
    "state",
    "state_metadata",
];

/// Whether the record says that the work is over, and was done.
pub(super) fn stage(document: &Document) -> Stage {
    if state(document) == Some(State::Done) { Stage::Finished } else { Stage::Open }
}

fn state(document: &Document) -> Option<State> {
    document.text_of(&["state"])?.parse().ok()
}

/// Looks at a record.
pub(super) fn check(
    document: &Document,
    page: &Page<'_>,
    around: &dyn Surroundings,
    findings: &mut Findings,
) {
    let record = Record { document, around };
    record.keys(findings);
    record.words(findings);
    record.numbers(findings);
    record.state(page, findings);
    record.evidence(findings);
    record.times(findings);
    record.links(findings);
    record.texts(findings);
    super::history::check(document, around, findings);
}

struct Record<'a> {
    document: &'a Document,
    around: &'a dyn Surroundings,
}

impl Record<'_> {
    fn text(&self, path: &[&str]) -> Option<&str> {
        self.document.text_of(path)
    }

    fn line(&self, path: &[&str]) -> usize {
        (1..=path.len())
            .rev()
            .find_map(|length| self.document.line_of(path.get(..length).unwrap_or_default()))
            .unwrap_or(1)
    }

    /// Whether Scupper keeps this record.
    fn is_ours(&self) -> bool {
        self.document.get(&["scupper"]).is_some()
    }

    fn keys(&self, findings: &mut Findings) {
        let missing: Vec<&str> =
            KEYS.iter().copied().filter(|key| self.document.get(&[key]).is_none()).collect();
        if !missing.is_empty() {
            findings.add(Rule::KeyMissing, 1, format!("there is no key {}", missing.join(", ")));
        }
    }

    fn words(&self, findings: &mut Findings) {
        for (key, known) in [
            ("status", &["planning", "active", "completed", "archived", "in-progress", "closed"][..]),
            ("priority", &["low", "medium", "high", "critical"]),
            ("sync_status", &["local", "synced", "conflict"]),
        ] {
            let Some(value) = self.document.get(&[key]).filter(|value| !is_empty(value)) else { continue };
            if !value.as_text().is_some_and(|value| known.contains(&value)) {
                let said = value.to_word().unwrap_or_else(|| value.kind().to_owned());
                let message = format!("{key} is {}, and not one of {}", quoted(&said), known.join(", "));
                findings.add(Rule::ValueUnknown, self.line(&[key]), message);
            }
        }
        if self.document.get(&["priority"]).is_none_or(is_empty) {
            findings.add(Rule::EffortUnknown, self.line(&["priority"]), "it has no priority");
        }
        let id = self.document.get(&["issue_id"]).and_then(Value::to_word).unwrap_or_default();
        if super::wording::issue_ids(&id).next() != Some(id.as_str()) {
            findings.add(
                Rule::ValueUnknown,
                self.line(&["issue_id"]),
                format!("issue_id is {}, and not ISS-NNNN", quoted(&id)),
            );
        }
        let state = self.text(&["state"]).unwrap_or_default();
        if let Err(error) = state.parse::<State>() {
            findings.add_as(Severity::Error, Rule::ValueUnknown, self.line(&["state"]), error.to_string());
        }
    }

    fn numbers(&self, findings: &mut Findings) {
        for key in ["estimated_tokens", "actual_tokens", "completion_percentage"] {
            let Some(value) = self.document.get(&[key]) else { continue };
            let most = if key == "completion_percentage" { 100 } else { i64::MAX };
            if !value.as_integer().is_some_and(|number| (0..=most).contains(&number)) {
                let said = value.to_word().unwrap_or_else(|| value.kind().to_owned());
                findings.add(
                    Rule::ValueUnknown,
                    self.line(&[key]),
                    format!("{key} is {}, and no whole number in its range", quoted(&said)),
                );
            }
        }
        // 0 stands for nobody knows. What Scupper opened by itself was never estimated, and has measured evidence instead.
        let is_unknown =
            |key: &str| self.document.get(&[key]).is_some_and(|value| value.as_integer() == Some(0));
        if !self.is_ours() && is_unknown("estimated_tokens") && is_unknown("actual_tokens") {
            findings.add(
                Rule::EffortUnknown,
                self.line(&["estimated_tokens"]),
                "neither the estimate nor the effort is known: both are 0",
            );
        }
    }

    /// State, status, percentage and boxes.
    fn state(&self, page: &Page<'_>, findings: &mut Findings) {
        let Some(state) = state(self.document) else { return };
        let status = self.text(&["status"]).unwrap_or_default();
        let is_over = matches!(status, "completed" | "closed" | "archived");
        let fits = match state {
            State::Done => matches!(status, "completed" | "closed"),
            State::WontDo | State::Archived => is_over,
            _ => !is_over,
        };
        if !fits {
            let message = format!("state is {state}, and status is {}", quoted(status));
            findings.add(Rule::StatusContradiction, self.line(&["status"]), message);
        }
        let percentage = self.document.get(&["completion_percentage"]).and_then(Value::as_integer);
        if let Some(percentage) = percentage {
            let line = self.line(&["completion_percentage"]);
            if state == State::Done && percentage != 100 {
                findings.add(
                    Rule::StatusContradiction,
                    line,
                    format!("state is done, and {percentage} % are completed"),
                );
            } else if state.is_open() && percentage == 100 {
                findings.add_as(
                    Severity::Warning,
                    Rule::StatusContradiction,
                    line,
                    format!("100 % are completed, and state is {state}"),
                );
            }
        }
        if state == State::Done {
            open_boxes(page, findings);
        }
        let owner = self.document.get(&["assignee"]).and_then(Value::to_word).unwrap_or_default();
        if matches!(state, State::Active | State::ReadyForQa | State::ReadyForDeployment)
            && matches!(owner.to_lowercase().as_str(), "" | "unassigned" | "nobody" | "none" | "tbd")
        {
            findings.add(
                Rule::NoOwner,
                self.line(&["assignee"]),
                format!("state is {state}, and nobody owns it"),
            );
        }
        self.last_step(state, findings);
    }

    /// The one step that the record of the other tool keeps. Where there is a history, that is looked at instead.
    fn last_step(&self, state: State, findings: &mut Findings) {
        if self.document.get(&["scupper", "history"]).is_some() {
            return;
        }
        let Some(previous) = self.text(&["state_metadata", "previous_state"]).filter(|text| !text.is_empty())
        else {
            return;
        };
        let line = self.line(&["state_metadata", "previous_state"]);
        match previous.parse::<State>() {
            Err(error) => findings.add(Rule::Transition, line, format!("previous_state: {error}")),
            Ok(before) if before.step_to(state).is_none() => {
                findings.add(Rule::Transition, line, format!("{before} -> {state} is not in the table"));
            }
            Ok(_) => {}
        }
    }

    /// Evidence and soak.
    fn evidence(&self, findings: &mut Findings) {
        let is_done = stage(self.document) == Stage::Finished;
        let evidence =
            self.document.get(&["scupper", "evidence"]).and_then(Value::as_list).unwrap_or_default();
        if is_done && evidence.is_empty() {
            findings.add(
                Rule::DoneWithoutEvidence,
                self.line(&["state"]),
                "state is done, and no recorded event is attached",
            );
        }
        let mut not_looked = false;
        for (index, piece) in evidence.iter().enumerate().take(MOST_EVIDENCE) {
            let line = self.line(&["scupper", "evidence"]);
            let id = piece.get("id").and_then(Value::to_word).unwrap_or_default();
            let said = piece.get("sha256").and_then(Value::to_word).unwrap_or_default();
            let name = format!("evidence {} ({})", index + 1, quoted(&id));
            if said.len() != 64 || !is_hex(&said) {
                findings.add(Rule::EvidenceHash, line, format!("{name} has no SHA-256"));
            }
            match self.around.recorded(&id) {
                Recorded::Event(hash) => {
                    if said.len() == 64 && !hash.eq_ignore_ascii_case(&said) {
                        let message = format!(
                            "{name}: the record has the hash {}..., and not {}...",
                            first(&hash),
                            first(&said)
                        );
                        findings.add(Rule::EvidenceHash, line, message);
                    }
                }
                Recorded::Absent | Recorded::Run => {
                    findings.add(Rule::EvidenceMissing, line, format!("{name}: no such event is recorded"));
                }
                Recorded::NotLooked => not_looked = true,
            }
        }
        if not_looked {
            let line = self.line(&["scupper", "evidence"]);
            findings.not_looked(
                Rule::EvidenceNotChecked,
                line,
                "no evidence file to compare the attached events with (--state DIR)",
            );
        }
    }

    fn moment(&self, path: &[&str], findings: &mut Findings) -> Option<Moment> {
        let value = self.document.get(path).filter(|value| !is_empty(value))?;
        let text = value.to_word().unwrap_or_default();
        let line = self.line(path);
        let name = path.last().copied().unwrap_or_default();
        let Some(found) = moment(&text) else {
            findings.add(Rule::TimeUnreadable, line, format!("{name} is {}", quoted(&text)));
            return None;
        };
        if let Some(now) = self.around.now().filter(|now| found.is_after(*now)) {
            findings.add(
                Rule::TimeInFuture,
                line,
                format!("{name} is {}, and it is {now} now", quoted(&text)),
            );
        }
        Some(found)
    }

    fn times(&self, findings: &mut Findings) {
        let created = self.moment(&["created_date"], findings);
        let updated = self.moment(&["updated_date"], findings);
        let moved = self.moment(&["state_metadata", "transitioned_at"], findings);
        for (later, path) in
            [(updated, &["updated_date"][..]), (moved, &["state_metadata", "transitioned_at"])]
        {
            if let (Some(created), Some(later)) = (created, later)
                && later.at < created.at
            {
                let name = path.last().copied().unwrap_or_default();
                let message = format!("{name} is {}, before created_date {}", later.at, created.at);
                findings.add(Rule::TimeBackwards, self.line(path), message);
            }
        }
        let last =
            super::history::last_move(self.document).into_iter().chain(moved.map(|moved| moved.at)).max();
        if let (Some(updated), Some(last)) = (updated, last)
            && updated.at < last
        {
            let message = format!("updated_date is {}, and the last move was at {last}", updated.at);
            findings.add(Rule::UpdatedBeforeHistory, self.line(&["updated_date"]), message);
        }
    }

    fn links(&self, findings: &mut Findings) {
        let own = self.text(&["issue_id"]).unwrap_or_default();
        for key in ["related_issues", "blocked_by", "blocks", "dependencies"] {
            let Some(value) = self.document.get(&[key]).filter(|value| !is_empty(value)) else { continue };
            let line = self.line(&[key]);
            let Some(list) = value.as_list() else {
                findings.add(Rule::ValueUnknown, line, format!("{key} is {}, and no list", value.kind()));
                continue;
            };
            for id in list.iter().take(MOST_LINKS).map(|value| value.to_word().unwrap_or_default()) {
                if id == own {
                    findings.add_as(
                        Severity::Error,
                        Rule::LinkedUnknown,
                        line,
                        format!("{key} names the issue itself"),
                    );
                } else if super::wording::issue_ids(&id).next() == Some(id.as_str())
                    && self.around.incident(&id) == Linked::Absent
                {
                    findings.add(
                        Rule::LinkedUnknown,
                        line,
                        format!("{key} names {id}, and there is no such incident"),
                    );
                }
            }
        }
    }

    /// What is said twice, and claims where nobody expects them.
    fn texts(&self, findings: &mut Findings) {
        let body = self.document.body().trim();
        if let Some(content) = self.text(&["content"])
            && !same(content, body)
        {
            let line = first_difference(content.trim(), body) + self.line(&["content"]);
            findings.add(Rule::BodyDiffers, line, "`content` and the text below differ from here on");
        }
        if let Some(description) = self.text(&["description"]).filter(|text| !text.trim().is_empty())
            && !normal(body).contains(&normal(description))
        {
            findings.add(
                Rule::BodyDiffers,
                self.line(&["description"]),
                "`description` does not stand in the text below",
            );
        }
        if let Some(path) = self.text(&["file_path"]).filter(|path| is_home(path)) {
            findings.add(
                Rule::HomePath,
                self.line(&["file_path"]),
                format!("a path into somebody's home: {}", quoted(path)),
            );
        }
        for path in [&["state_metadata", "transition_reason"][..], &["completion_comment"]] {
            if let Some(text) = self.text(path) {
                general::claims(text, self.line(path), findings);
            }
        }
    }
}

/// Pieces of evidence, and links, of one record that are looked up.
const MOST_EVIDENCE: usize = 500;
const MOST_LINKS: usize = 200;

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(list) => list.is_empty(),
        _ => false,
    }
}

/// Boxes that are open. Placeholders are told by the rule for them.
fn open_boxes(page: &Page<'_>, findings: &mut Findings) {
    for line in page.lines.iter().filter(|line| line.kind == Kind::Prose) {
        let Some((_, rest)) = marker(line.raw.trim()) else { continue };
        if let (Some(false), text) = ticked(rest)
            && empty(text) != Some(Empty::Placeholder)
            && findings.has_room(Severity::Error)
        {
            findings.add(
                Rule::DoneWithOpenBox,
                line.number,
                format!("state is done, and this is open: {}", quoted(text)),
            );
        }
    }
}

fn normal(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn same(a: &str, b: &str) -> bool {
    a.trim().lines().map(str::trim_end).eq(b.trim().lines().map(str::trim_end))
}

/// The first line that differs, from 1.
fn first_difference(a: &str, b: &str) -> usize {
    a.lines().zip(b.lines()).take_while(|(a, b)| a.trim_end() == b.trim_end()).count() + 1
}

fn is_home(path: &str) -> bool {
    let unix = ["/home/", "/Users/", "/root/", "~/"].iter().any(|home| path.starts_with(home));
    unix || path.get(1..).is_some_and(|rest| rest.starts_with(":\\Users\\") || rest.starts_with(":/Users/"))
}
