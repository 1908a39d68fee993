//! What a pass has done, for people and for programs.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use scupper_casebook::merge::Conflict;
use scupper_casebook::plan::{Matched, Note, Original, Plan};
use scupper_model::printable;
use serde::Serialize;
use serde_json::{Value, json};

use super::front::plan_name;
use super::pass::Options;
use super::vault::{self, Vault};
use crate::failure::{FINDINGS, Failure};
use crate::output::Printer;

const SCHEMA: &str = "scupper.plan/1";
/// Lines of what went well that a person is shown.
const MOST_LINES: usize = 40;
/// Lines of trouble.
const MOST_TROUBLE: usize = 200;

/// What became of a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    #[default]
    Created,
    Updated,
    Renamed,
    /// Looked at again, and nothing new.
    #[serde(rename = "unchanged")]
    Same,
    Status,
    Moved,
    /// The plan is there, and its note is not.
    #[serde(rename = "note_gone")]
    Gone,
    Failed,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Renamed => "renamed",
            Self::Same => "unchanged",
            Self::Status => "status",
            Self::Moved => "moved",
            Self::Gone => "kept",
            Self::Failed => "failed",
        }
    }
}

/// One note or plan, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub file: String,
    pub plan: Option<String>,
    pub what: What,
    pub message: Option<String>,
    pub conflicts: Vec<Conflict>,
    /// What somebody should know of it although it was planned.
    warnings: Vec<String>,
    judged: Option<Value>,
    short: String,
}

impl Told {
    pub(super) fn new(file: &str, plan: &str) -> Self {
        Self { file: file.to_owned(), plan: Some(plan.to_owned()), ..Self::default() }
    }

    /// What the original rules say.
    pub(super) fn original(&mut self, judged: Original) {
        let Original { task_type, priority, effort } = judged;
        self.short = format!("{task_type}, {priority}, {effort}");
        self.judged = Some(
            json!({"task_type": task_type.word(), "priority": priority.word(), "effort": effort.word()}),
        );
    }

    /// What the plan was made from.
    pub(super) fn made(&mut self, plan: &Plan, is_shown: bool) {
        let found = &plan.classified;
        self.short = format!("{}, {}, {}", found.task_type, plan.priority, found.effort);
        if let Some(best) = found.matched.first() {
            let _ = write!(self.short, " by {}", matched_text(best));
        }
        if let Some(second) = &found.runner_up {
            let _ = write!(self.short, "; next {}", second.task_type);
        }
        if found.needs_triage {
            self.short.push_str("; needs triage");
        }
        if !is_shown {
            return;
        }
        let uncovered = plan.covered.iter().filter(|each| each.by.is_err());
        let uncovered: Vec<Value> = uncovered
            .map(|each| json!({"line": each.line, "text": each.text, "because": each.by.as_ref().err()}))
            .collect();
        self.judged = Some(json!({
            "task_type": found.task_type.word(),
            "priority": plan.priority.word(),
            "priority_by": found.priority_by.iter().map(matched).collect::<Vec<_>>(),
            "priority_raised": plan.raised,
            "effort": found.effort.word(),
            "score": found.score,
            "matched": found.matched.iter().map(matched).collect::<Vec<_>>(),
            "runner_up": found.runner_up.as_ref().map(|second| json!({
                "task_type": second.task_type.word(),
                "score": second.score,
                "matched": second.matched.iter().map(matched).collect::<Vec<_>>(),
            })),
            "needs_triage": found.needs_triage,
            "facts": {
                "bytes_per_hour": plan.facts.rate(),
                "time_to_failure_seconds": plan.facts.time_to_failure().map(|time| time.as_secs()),
                "said": plan.facts.rates.iter().map(|rate| &rate.said)
                    .chain(plan.facts.failures.iter().map(|failure| &failure.said))
                    .chain(&plan.facts.sizes).chain(&plan.facts.versions)
                    .map(|said| json!({"line": said.line, "text": said.text})).collect::<Vec<_>>(),
            },
            "coverage": {
                "bullets": plan.covered.len(),
                "covered": plan.covered.len() - uncovered.len(),
                "not_covered": uncovered,
                "steps": plan.covered.iter().filter_map(|each| {
                    let step = each.by.as_ref().ok()?;
                    Some(json!({"line": each.line, "text": each.text, "step": step}))
                }).collect::<Vec<_>>(),
            },
            "evidence": plan.evidence.iter().map(|each| json!({
                "id": each.id, "kind": each.kind, "unit": each.unit, "run": each.run, "at": each.at,
                "says": each.says, "fits_by": each.by, "sha256": each.sha256,
            })).collect::<Vec<_>>(),
        }));
    }

    /// The other form was asked for.
    pub(super) fn keeps_form(&mut self) {
        let plan = self.plan.as_deref().unwrap_or_default();
        self.warnings.push(format!(
            "has a plan that somebody wrote into: {plan} keeps its form (with or without --compat)"
        ));
    }

    /// What is odd about a note that was planned all the same.
    pub(super) fn remarks(&mut self, name: &str, note: &Note, plan: &str) {
        if let Some(hidden) = note.hidden() {
            self.warnings.push(format!(
                "has {} characters that are not shown or turn text around, the first in line {}: replaced in its plan",
                hidden.count, hidden.line
            ));
        }
        if vault::is_reserved(name) {
            self.warnings
                .push("has a name that Windows cannot hold: a vault shared with one loses it".to_owned());
        }
        if plan != plan_name(name, 1) {
            self.warnings.push(format!("shares its name with another: its plan is {plan}"));
        }
    }
}

fn matched(matched: &Matched) -> Value {
    json!({"word": matched.word, "lines": matched.lines, "weight": matched.weight})
}

fn matched_text(matched: &Matched) -> String {
    let line = matched.lines.first().copied().unwrap_or_default();
    format!("\"{}\" (line {line})", matched.word)
}

/// What a pass has done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    vault: String,
    is_dry: bool,
    told: Vec<Told>,
    pub unchanged: usize,
    /// What failed as it did the last time, and was said then.
    failed_as_before: usize,
    /// Notes that had another name.
    pub renamed: HashMap<String, String>,
    remarks: Vec<String>,
    asides: Vec<String>,
    trouble: Vec<String>,
}

impl Outcome {
    pub(super) fn new(vault: &Vault, options: &Options) -> Self {
        Self { vault: vault.root.display().to_string(), is_dry: options.dry_run, ..Self::default() }
    }

    pub(super) fn tell(&mut self, told: Told) {
        if told.what == What::Same && told.warnings.is_empty() {
            self.unchanged += 1;
        } else {
            self.told.push(told);
        }
    }

    /// One file that nothing could be done with.
    pub(super) fn fail(&mut self, name: &str, error: &anyhow::Error) {
        // Its name is said already.
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        let skip = usize::from(
            chain.len() > 1 && chain.first().is_some_and(|first| first.starts_with("cannot read ")),
        );
        let message = chain.get(skip..).unwrap_or_default().join(": ");
        self.told.push(Told {
            file: name.to_owned(),
            what: What::Failed,
            message: Some(message),
            ..Told::default()
        });
    }

    /// Something that was put right.
    pub(super) fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// Something to know that is nobody's mistake.
    pub(super) fn aside(&mut self, text: String) {
        self.asides.push(text);
    }

    /// Something that could not be done, and is no note's.
    pub(super) fn trouble(&mut self, text: String) {
        self.trouble.push(text);
    }

    /// Takes out what failed and was said before, and keeps what failed now: who watches says it once.
    pub(super) fn without_said(&mut self, said: &mut HashSet<(String, Option<String>)>) {
        let failed = |told: &Told| (told.file.clone(), told.message.clone());
        let now = self.told.iter().filter(|told| told.what == What::Failed).map(failed).collect();
        let before = std::mem::replace(said, now);
        let all = self.told.len();
        self.told.retain(|told| told.what != What::Failed || !before.contains(&failed(told)));
        self.failed_as_before += all - self.told.len();
    }

    /// Whether there is something to say.
    pub(super) const fn is_quiet(&self) -> bool {
        self.told.is_empty() && self.trouble.is_empty() && self.remarks.is_empty()
    }

    pub(super) fn code(&self) -> u8 {
        let bad = |told: &Told| {
            told.what == What::Failed || !told.warnings.is_empty() || !told.conflicts.is_empty()
        };
        if self.trouble.is_empty() && self.remarks.is_empty() && !self.told.iter().any(bad) {
            0
        } else {
            FINDINGS
        }
    }

    fn count(&self, what: What) -> usize {
        let before = if what == What::Failed { self.failed_as_before } else { 0 };
        self.told.iter().filter(|told| told.what == what).count() + before
    }

    fn json(&self) -> Value {
        let notes: Vec<Value> = self
            .told
            .iter()
            .map(|told| {
                let mut note = json!({
                    "file": told.file,
                    "plan": told.plan,
                    "outcome": told.what,
                    "message": told.message,
                    "renamed_from": self.renamed.get(&told.file),
                    "warnings": told.warnings,
                    "conflicts": told.conflicts.iter().map(|each| {
                        json!({"place": each.place, "theirs": each.theirs, "ours": each.ours})
                    }).collect::<Vec<_>>(),
                });
                if let (Some(Value::Object(judged)), Some(note)) = (&told.judged, note.as_object_mut()) {
                    note.extend(judged.clone());
                }
                note
            })
            .collect();
        json!({
            "schema": SCHEMA,
            "vault": self.vault,
            "dry_run": self.is_dry,
            "counts": {
                "created": self.count(What::Created),
                "updated": self.count(What::Updated),
                "renamed": self.count(What::Renamed),
                "moved": self.count(What::Moved),
                "unchanged": self.unchanged,
                "failed": self.count(What::Failed),
            },
            "notes": notes,
            "remarks": self.remarks,
            "notes_on_evidence": self.asides,
            "trouble": self.trouble,
        })
    }

    /// Says it; as one line of JSON where more follow.
    pub(super) fn say(&self, json: bool, is_one_of_many: bool, printer: &mut Printer) -> Result<(), Failure> {
        if json {
            if is_one_of_many {
                printer.line(&self.json().to_string())?;
            } else {
                printer.json(&self.json())?;
            }
            return Ok(());
        }
        let (bad, good): (Vec<&Told>, Vec<&Told>) =
            self.told.iter().partition(|told| told.what == What::Failed);
        let mut text = String::new();
        for told in good.iter().take(MOST_LINES) {
            let plan = told.plan.as_deref().unwrap_or_default();
            let about = told.message.as_deref().unwrap_or(&told.short);
            let line = format!("{:<9} {plan}  {about}", told.what.word());
            let _ = writeln!(text, "{}", printable(line.as_bytes(), 300));
        }
        if good.len() > MOST_LINES {
            let _ = writeln!(text, "and {} more", good.len() - MOST_LINES);
        }
        let mut lines: Vec<String> = Vec::new();
        for told in &good {
            lines.extend(told.warnings.iter().map(|warning| format!("warning: {} {warning}", told.file)));
            lines.extend(told.conflicts.iter().map(|each| {
                let plan = told.plan.as_deref().unwrap_or_default();
                format!(
                    "warning: {plan}: not taken over ({}), since somebody wrote there: {}",
                    each.place,
                    each.ours.trim().replace('\n', " / ")
                )
            }));
        }
        lines
            .extend(bad.iter().map(|told| {
                format!("error: {}: {}", told.file, told.message.as_deref().unwrap_or_default())
            }));
        lines.extend(self.remarks.iter().map(|remark| format!("warning: {remark}")));
        lines.extend(self.asides.iter().map(|aside| format!("note: {aside}")));
        lines.extend(self.trouble.iter().map(|trouble| format!("error: {trouble}")));
        let would = if self.is_dry { " (dry run: nothing is written)" } else { "" };
        let _ = writeln!(
            text,
            "{} created, {} updated, {} renamed, {} moved to Done, {} unchanged, {} failed{would}",
            self.count(What::Created),
            self.count(What::Updated),
            self.count(What::Renamed),
            self.count(What::Moved),
            self.unchanged,
            self.count(What::Failed),
        );
        printer.line(&text)?;
        for line in lines.iter().take(MOST_TROUBLE) {
            printer.note(&printable(line.as_bytes(), 600));
        }
        if lines.len() > MOST_TROUBLE {
            printer.note(&format!("and {} more", lines.len() - MOST_TROUBLE));
        }
        Ok(())
    }
}
