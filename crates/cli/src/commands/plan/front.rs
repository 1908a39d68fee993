//! What a plan's front matter says, and where a plan goes when it is over.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use scupper_casebook::document::{Document, Value};
use scupper_casebook::plan::{Chosen, Priority, TaskType, stem};

use super::index::Entry;

/// Files of one name, at most.
const MOST_OF_A_NAME: usize = 1000;
/// Bytes of a note's name that its plan has: a file's name has at most 255.
const LONGEST_STEM: usize = 230;

/// The note that a plan says it is from.
pub(super) fn source_of(text: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let source = document.text_of(&["source_file"])?;
    let name = source.rsplit_once("Inbox/").map_or(source, |(_, name)| name);
    (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
}

/// When a plan says that it was made.
pub(super) fn created_at(text: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    document.get(&["created_at"])?.to_word()
}

/// What a plan says of how far it is.
pub(super) fn status_of(text: &str) -> Result<String> {
    let document = Document::parse(text)?;
    let status = document.get(&["status"]).and_then(Value::to_word);
    status.context("has no status: write `status: pending` into its front matter, or remove the plan to have it made anew")
}

/// What a person has set in a plan: what differs from what the rules said when it was made.
pub(super) fn chosen(text: &str, made: &Entry) -> Chosen {
    let Ok(document) = Document::parse(text) else { return Chosen::default() };
    let word = |key| document.get(&[key]).and_then(Value::to_word);
    // Where nobody knows any more what they said, they are asked again.
    let set = |key, made: &str| word(key).filter(|word| !made.is_empty() && word != made);
    Chosen {
        task_type: set("task_type", &made.task_type).and_then(|word| TaskType::of(&word)),
        priority: set("priority", &made.priority).and_then(|word| Priority::of(&word)),
    }
}

/// `Plan_<stem>.md`, or with a number where somebody else has that name. A name that is too long for a file is cut.
pub(super) fn plan_name(note: &str, number: usize) -> String {
    let stem = stem(note);
    let mut end = stem.len().min(LONGEST_STEM);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or(stem);
    if number == 1 { format!("Plan_{stem}.md") } else { format!("Plan_{stem}-{number}.md") }
}

/// Renames, never over something; gives the path it has now. Numbered where that name is taken.
pub(super) fn move_to(from: &Path, folder: &Path) -> Result<PathBuf> {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for number in 1..MOST_OF_A_NAME {
        let to = match number {
            1 => folder.join(&name),
            number => folder.join(format!("{}-{number}.md", stem(&name))),
        };
        match rustix::fs::renameat_with(CWD, from, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => {
                fs::File::open(folder).and_then(|folder| folder.sync_all()).context("cannot be synced")?;
                return Ok(to);
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot move {} to {}", from.display(), to.display()));
            }
        }
    }
    anyhow::bail!("{} cannot be moved: too many of its name are there", from.display())
}
