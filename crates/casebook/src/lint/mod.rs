//! What is wrong with a document: claims without evidence, contradictions, what is not there.
//!
//! A document is read twice: as a [`Document`], for what its front matter says, and as a page of lines, for its text. Rules that
//! hold for every document are in `general`, those for plans, incidents, reports and audits in files of their own; what a document
//! speaks of and does not hold itself (the time, the source tree, recorded events) is handed in as [`Surroundings`]. A rule says
//! nothing where it could not look.

mod around;
mod audit;
mod changes;
mod finding;
mod general;
mod history;
mod incident;
mod moment;
mod page;
mod plan;
mod report;
mod rule;
pub mod sarif;
mod set;
mod snippet;
#[cfg(test)]
mod tests;
mod wording;

pub use around::{Known, Linked, Nowhere, Recorded, Source, Surroundings};
pub use finding::{Finding, MOST_FINDINGS};
pub use rule::{Rule, Severity};
pub use set::{Name, across};

use serde::Serialize;

use self::finding::Findings;
use self::general::Stage;
use self::page::Page;
use crate::document::{Document, DocumentError};

/// What kind of document it is, as far as rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Paper {
    /// An action plan.
    Plan,
    /// A record with a state.
    Incident,
    /// A Delta report.
    Delta,
    /// A readiness audit.
    Audit,
    /// Any other report.
    Report,
    /// Something else: the rules for every document hold.
    Other,
}

/// What was found in one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linted {
    /// What it was taken for.
    pub paper: Paper,
    /// What is wrong with it, in the order of its lines.
    pub findings: Vec<Finding>,
    /// What has to be known of it where several are looked at together.
    pub name: Name,
}

/// Looks at a document.
pub fn lint(text: &str, around: &dyn Surroundings) -> Linted {
    let page = Page::of(text);
    let mut findings = Findings::default();
    let document = match Document::parse(text) {
        Ok(document) => Some(document),
        Err(error) => {
            findings.add(Rule::FrontMatter, line_of(&error), error.to_string());
            None
        }
    };
    let paper = paper(document.as_ref(), &page);
    let stage = match (paper, &document) {
        (Paper::Plan, Some(document)) => plan::stage(document),
        (Paper::Incident, Some(document)) => incident::stage(document),
        (Paper::Delta | Paper::Audit | Paper::Report, _) => report::stage(&page),
        _ => Stage::Open,
    };
    general::check(&page, stage, around, &mut findings);
    match (paper, &document) {
        (Paper::Plan, Some(document)) => plan::check(document, &page, around, &mut findings),
        (Paper::Incident, Some(document)) => incident::check(document, &page, around, &mut findings),
        (Paper::Audit, _) => {
            audit::check(&page, &mut findings);
            report::check(&page, stage, around, &mut findings);
        }
        (Paper::Delta, _) => {
            report::delta(&page, &mut findings);
            report::check(&page, stage, around, &mut findings);
        }
        (Paper::Report, _) => report::check(&page, stage, around, &mut findings),
        _ => {}
    }
    let name = document.as_ref().filter(|_| paper == Paper::Incident).map(Name::of).unwrap_or_default();
    Linted { paper, findings: findings.into_list(), name }
}

fn paper(document: Option<&Document>, page: &Page<'_>) -> Paper {
    if let Some(document) = document {
        if document.get(&["issue_id"]).is_some() {
            return Paper::Incident;
        }
        if document.text_of(&["type"]) == Some("action_plan") {
            return Paper::Plan;
        }
    }
    let title = page.title().map(|(title, _)| title.to_lowercase()).unwrap_or_default();
    let has = |section: &str| page.section(section).is_some();
    if title.starts_with("\u{3b4}-report")
        || title.starts_with("delta-report")
        || title.starts_with("delta report")
    {
        Paper::Delta
    } else if title.contains("audit") && has("problem statement") {
        Paper::Audit
    } else if page.header("status").is_some()
        && (has("root cause analysis") || has("changes made") || has("timeline"))
    {
        Paper::Report
    } else {
        Paper::Other
    }
}

fn line_of(error: &DocumentError) -> usize {
    match error {
        DocumentError::FrontMatter { line, .. }
        | DocumentError::Tab { line }
        | DocumentError::LongValue { line, .. }
        | DocumentError::NoMap { line, .. }
        | DocumentError::Uneditable { line, .. }
        | DocumentError::NoBox { line } => *line,
        _ => 1,
    }
}
