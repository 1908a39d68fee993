//! A report that is kept in a file, together with what people wrote there. What was generated the last time is kept below the
//! state directory: it tells their words from ours.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use scupper_casebook::incident::sha256;
use scupper_casebook::merge;
use scupper_casebook::report::{Kind, changes, templates};

use super::LARGEST_BYTES;
use crate::documents::{self, Lock, Source, Written};
use crate::failure::Failure;
use crate::paths;

/// The file, and what was generated for it the last time.
pub(super) struct Kept {
    path: PathBuf,
    found: Option<Source>,
    base_path: PathBuf,
    base: Option<String>,
    /// What is written to the base: the version of now.
    generated: String,
    lock: Lock,
}

/// The report with what people wrote.
pub(super) struct Together {
    pub text: String,
    /// What somebody has to look at.
    pub findings: Vec<String>,
}

impl Kept {
    pub(super) fn open(path: &Path, state: Option<&Path>) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder =
            fs::canonicalize(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        let name =
            path.file_name().with_context(|| format!("cannot write {}: it names no file", path.display()))?;
        let lock = Lock::take(&folder)?;
        let path = folder.join(name);
        let found = Source::open(&path, LARGEST_BYTES)?;
        let state = paths::state(state).context("no state directory: HOME is not set; use --state DIR")?;
        let digest = sha256(path.as_os_str().as_encoded_bytes());
        let base_path = state.join("reports").join(format!("{}.md", digest.get(..24).unwrap_or(&digest)));
        // A base that cannot be read is none: then everything in the file is theirs.
        let base = found.as_ref().and_then(|_| documents::read(&base_path, LARGEST_BYTES).ok());
        Ok(Self { path, found, base_path, base, generated: String::new(), lock })
    }

    /// What the file says.
    pub(super) fn text(&self) -> &str {
        self.found.as_ref().map_or("", Source::text)
    }

    /// The date and the day of what was generated the last time.
    pub(super) fn date(&self) -> Option<(String, String)> {
        let date = self.base.as_deref()?.lines().find_map(|line| {
            line.strip_prefix("**Date:** ").or_else(|| line.strip_prefix("**Date**: ")).map(str::trim)
        })?;
        Some((date.to_owned(), date.get(..10)?.to_owned()))
    }

    /// Whether this was generated the last time.
    pub(super) fn is_base(&self, text: &str) -> bool {
        self.base.as_deref() == Some(text)
    }

    /// Refuses a file that is somebody else's document: nothing of it is known here, and it has no heading of a report.
    pub(super) fn not_foreign(&self, ours: &str) -> Result<(), Failure> {
        let headings = |text: &str| -> HashSet<String> {
            text.lines()
                .filter(|line| line.starts_with("##"))
                .map(|line| line.trim_end().to_owned())
                .collect()
        };
        let ours = headings(ours);
        let is_known = self.base.is_some() || self.text().trim().is_empty() || ours.is_empty();
        if is_known || !ours.is_disjoint(&headings(self.text())) {
            return Ok(());
        }
        let path = self.path.display();
        Err(Failure::usage(format!("{path} holds something else than a report: it stays as it is"))
            .hint("name another file with --out"))
    }

    /// Refuses a file that holds a report of another kind: of two that are mixed nobody has one.
    pub(super) fn not_another(&self, ours: &str, kind: Kind) -> Result<(), Failure> {
        let theirs = self.base.as_deref().and_then(templates::kind_of);
        let theirs = theirs.or_else(|| templates::kind_of(self.text()));
        // A template of an operator may have the heading of another.
        let ours = templates::kind_of(ours).unwrap_or(kind);
        let Some(theirs) = theirs.filter(|theirs| *theirs != ours) else { return Ok(()) };
        let (path, theirs, kind) = (self.path.display(), theirs.name(), kind.name());
        Err(Failure::usage(format!(
            "{path} holds a report of the kind {theirs}, and {kind} was asked for: it stays as it is"
        ))
        .hint(format!("name another file with --out, or write --kind {theirs}")))
    }

    /// Puts a new version and what people wrote together.
    pub(super) fn merge(&mut self, ours: &str) -> Together {
        ours.clone_into(&mut self.generated);
        let mut findings: Vec<String> = self.lock.said().collect();
        let Some(found) = &self.found else {
            return Together { text: ours.to_owned(), findings };
        };
        // The changes are read from the file and written anew: here only what else stands there is merged.
        let theirs = changes::with_section_of(found.text(), ours).unwrap_or_else(|| found.text().to_owned());
        let base = self
            .base
            .as_deref()
            .map(|base| changes::with_section_of(base, ours).unwrap_or_else(|| base.to_owned()));
        let text = match merge::merge(base.as_deref(), &theirs, ours) {
            Ok(merged) => {
                findings.extend(merged.conflicts.iter().map(|conflict| {
                    format!(
                        "{}: {}: what people wrote stays, and ours is noted",
                        self.path.display(),
                        conflict.place
                    )
                }));
                merged.text
            }
            Err(error) => {
                findings.push(format!(
                    "{}: it cannot be merged and stays as it is: {error}",
                    self.path.display()
                ));
                found.text().to_owned()
            }
        };
        Together { text, findings }
    }

    /// Writes the file and the base, each where it says something else.
    pub(super) fn write(&self, text: &str) -> Result<Written> {
        let written = match &self.found {
            Some(found) => found.write(text)?,
            None => documents::write(&self.path, text)?,
        };
        if let Some(folder) = self.base_path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        documents::write(&self.base_path, &self.generated)?;
        Ok(written)
    }
}

/// Header lines that are held against the incident.
const MOST_STATUS_LINES: usize = 16;

/// Of an incident that is not done, a report without a status that says so, whoever wrote it: a person, or the template of an
/// operator. `None` where it says nothing of the kind.
pub(super) fn honest(text: &str, ours: &str) -> Option<String> {
    let status = ours.lines().find(|line| line.starts_with("**Status") && !claims(line));
    let status = status.unwrap_or("**Status:** NOT RESOLVED  ");
    let mut changed = None;
    let mut text = text.to_owned();
    for _ in 0..MOST_STATUS_LINES {
        let Some(claimed) = claims_resolved(&text) else { break };
        text = text.replacen(&claimed, status, 1);
        changed = Some(text.clone());
    }
    changed
}

/// The line of the header that says so, as it stands there.
fn claims_resolved(text: &str) -> Option<String> {
    let mut header = text.lines().take_while(|line| !line.starts_with("## "));
    header.find(|line| line.starts_with("**Status") && claims(line)).map(str::to_owned)
}

/// Whether a status says that it is over; `not resolved` and `incomplete` do not.
fn claims(status: &str) -> bool {
    let upper = status.to_uppercase();
    let words: Vec<&str> =
        upper.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let over =
        |word: &str| matches!(word, "RESOLVED" | "COMPLETE" | "COMPLETED" | "FIXED" | "DONE" | "SOLVED");
    let denied = |at: usize| at > 0 && words.get(at - 1).is_some_and(|word| *word == "NOT");
    status.contains('✅') || words.iter().enumerate().any(|(at, word)| over(word) && !denied(at))
}

impl Written {
    /// The word on the screen.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Created => "created",
            Self::Updated => "updated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_line_says_that_it_is_over_whoever_wrote_it() {
        let lie = "# T\n\n**Status:** ✅ RESOLVED\n**Status**: fixed\n\n## S\n**Status:** fixed\n";
        let ours = "# T\n\n**Status:** VERIFYING\n";
        let told = honest(lie, ours).unwrap();
        assert_eq!(told, "# T\n\n**Status:** VERIFYING\n**Status:** VERIFYING\n\n## S\n**Status:** fixed\n");
        assert_eq!(honest(&told, ours), None);
        // A template that always says so.
        let told = honest(lie, lie).unwrap();
        assert!(!told.contains("✅") && told.contains("NOT RESOLVED"), "{told}");
        assert_eq!(honest(&told, lie), None);
    }

    #[test]
    fn a_status_is_read_by_whole_words() {
        for over in [
            "**Status:** ✅ RESOLVED",
            "**Status**: Complete",
            "**Status:** fixed, see below",
            "**Status:** ✅",
        ] {
            assert_eq!(claims_resolved(&format!("# T\n\n{over}\n\n## S\n")).as_deref(), Some(over));
        }
        for open in [
            "**Status:** UNRESOLVED",
            "**Status:** not resolved",
            "**Status:** incomplete",
            "Status: resolved",
        ] {
            assert_eq!(
                claims_resolved(&format!("# T\n\n{open}\n\n## S\n**Status:** RESOLVED\n")),
                None,
                "{open}"
            );
        }
    }
}
