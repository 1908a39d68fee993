//! What is said of the files: lines for people and editors, JSON, SARIF.

use std::fmt::Write as _;
use std::path::Path;

use scupper_casebook::lint::sarif::{self, Examined};
use scupper_casebook::lint::{Finding, Linted, Name, Paper, Severity};
use scupper_model::printable;
use serde::Serialize;

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub path: String,
    pub paper: Option<Paper>,
    pub findings: Vec<Finding>,
    pub name: Name,
    /// Why it could not be looked at.
    pub problem: Option<String>,
}

impl File {
    pub fn examined(path: &Path, linted: Linted) -> Self {
        let Linted { paper, findings, name } = linted;
        Self { path: shown(path), paper: Some(paper), findings, name, problem: None }
    }

    pub fn unreadable(path: &Path, problem: &str) -> Self {
        let problem = printable(problem.as_bytes(), MOST_OF_PROBLEM);
        Self {
            path: shown(path),
            paper: None,
            findings: Vec::new(),
            name: Name::default(),
            problem: Some(problem),
        }
    }
}

/// Characters that say why a file could not be read; a path may be 4,096 long.
const MOST_OF_PROBLEM: usize = 5_000;

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub files: Vec<File>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    errors: usize,
    warnings: usize,
    infos: usize,
    /// Files that could not be looked at.
    unreadable: usize,
    files: Vec<JsonFile<'a>>,
}

#[derive(Serialize)]
struct JsonFile<'a> {
    path: &'a str,
    /// `plan`, `incident`, `delta`, `audit`, `report`, `other`; null where it could not be read.
    kind: Option<Paper>,
    problem: Option<&'a str>,
    findings: &'a [Finding],
}

impl Report {
    fn count(&self, severity: Severity) -> usize {
        self.files
            .iter()
            .flat_map(|file| &file.findings)
            .filter(|finding| finding.severity == severity)
            .count()
    }

    fn unreadable(&self) -> usize {
        self.files.iter().filter(|file| file.problem.is_some()).count()
    }

    /// A line for each finding, as compilers write them, and one that counts.
    pub fn said(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let path = printable(file.path.as_bytes(), 4096);
            for Finding { severity, rule, line, message } in &file.findings {
                let _ = writeln!(text, "{path}:{line}: {}: {message} ({rule})", severity.word());
            }
        }
        let looked = self.files.len() - self.unreadable();
        let _ = write!(
            text,
            "{}: {}, {}, {}",
            many(looked, "file"),
            many(self.count(Severity::Error), "error"),
            many(self.count(Severity::Warning), "warning"),
            many(self.count(Severity::Info), "info"),
        );
        if self.unreadable() > 0 {
            let _ = write!(text, "; {} could not be looked at", self.unreadable());
        }
        text
    }

    pub fn json(&self) -> impl Serialize {
        Json {
            schema: "scupper.lint/1",
            errors: self.count(Severity::Error),
            warnings: self.count(Severity::Warning),
            infos: self.count(Severity::Info),
            unreadable: self.unreadable(),
            files: self
                .files
                .iter()
                .map(|file| JsonFile {
                    path: &file.path,
                    kind: file.paper,
                    problem: file.problem.as_deref(),
                    findings: &file.findings,
                })
                .collect(),
        }
    }

    pub fn sarif(&self) -> impl Serialize {
        let files: Vec<Examined<'_>> = self
            .files
            .iter()
            .map(|file| Examined {
                path: &file.path,
                findings: &file.findings,
                problem: file.problem.as_deref(),
            })
            .collect();
        sarif::log(env!("CARGO_PKG_VERSION"), &files)
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
