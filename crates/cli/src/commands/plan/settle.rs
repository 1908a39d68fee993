//! What people did to the status of their plans: it is noted, and what is over moves to `Done/` with its note. A plan whose note
//! was removed is theirs to end: that is said once, and it stays.

use std::collections::HashSet;

use anyhow::Result;
use scupper_casebook::document::Document;
use scupper_casebook::plan::{Chosen, Status};

use super::front::{chosen, move_to, status_of};
use super::index::Entry;
use super::pass::Pass;
use super::said::{Told, What};
use super::vault;
use crate::documents::Source;

const LARGEST: u64 = 4 << 20;

impl Pass<'_> {
    /// Looks at each plan that changed since it was last seen.
    pub(super) fn settle(&mut self) {
        let touched: Vec<(String, Entry)> = self
            .index
            .notes
            .iter()
            .filter(|(_, entry)| {
                self.plans.get(&entry.plan).is_some_and(|stat| entry.plan_stat.as_ref() != Some(stat))
            })
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        for (name, entry) in touched {
            let plan = entry.plan.clone();
            if let Err(error) = self.settle_one(&name, entry) {
                self.fail_plan(plan, &error);
            }
        }
    }

    /// The notes that are known and not in the inbox. One that is back may be missed again.
    pub(super) fn missing(&mut self, present: &HashSet<&str>) -> Vec<String> {
        let said = self.index.said_gone.len();
        let notes = &self.index.notes;
        self.index.said_gone.retain(|name| notes.contains_key(name) && !present.contains(name.as_str()));
        self.changed |= self.index.said_gone.len() != said;
        notes.keys().filter(|name| !present.contains(name.as_str())).cloned().collect()
    }

    /// Says of each plan that is there that its note is not, once. Those that got another name are known under that one.
    pub(super) fn say_gone(&mut self, missing: Vec<String>) {
        for name in missing {
            let Some(entry) = self.index.notes.get(&name) else { continue };
            if !self.plans.contains_key(&entry.plan) || self.index.said_gone.contains(&name) {
                continue;
            }
            let mut told = Told::new(&name, &entry.plan);
            told.what = What::Gone;
            told.message = Some(format!(
                "its note {name} is not in Inbox/ any more: set its status to done or cancelled, or remove it"
            ));
            self.outcome.tell(told);
            self.index.said_gone.insert(name);
            self.changed = true;
        }
    }

    fn settle_one(&mut self, name: &str, mut entry: Entry) -> Result<()> {
        let path = self.vault.plans.join(&entry.plan);
        let (text, stat) = vault::read_plan(&path)?;
        let word = status_of(&text)?;
        let Some(status) = Status::of(&word) else {
            let known: Vec<&str> = Status::ALL.iter().map(|status| status.word()).collect();
            let word = scupper_model::printable(word.as_bytes(), 40);
            anyhow::bail!("its status `{word}` is none of {}", known.join(", "));
        };
        let before = std::mem::replace(&mut entry.status, word);
        entry.plan_stat = Some(stat);
        if status.is_over() {
            return self.file_away(name, &entry, &before);
        }
        if before != entry.status {
            let mut told = Told::new(name, &entry.plan);
            told.what = What::Status;
            told.message = Some(format!("{before} -> {}", entry.status));
            self.outcome.tell(told);
            self.books.log(&self.now, &format!("'{}': {before} -> {}", entry.plan, entry.status));
        }
        // A plan of another kind has other steps.
        if !entry.compat && chosen(&text, &entry) != Chosen::default() {
            self.due.insert(name.to_owned());
        }
        self.index.notes.insert(name.to_owned(), entry);
        self.changed = true;
        Ok(())
    }

    /// The line of history first, then the note, then the plan: wherever that ends, the next run goes on.
    fn file_away(&mut self, name: &str, entry: &Entry, before: &str) -> Result<()> {
        let mut told = Told::new(name, &entry.plan);
        told.what = What::Moved;
        let path = self.vault.plans.join(&entry.plan);
        let (text, _) = vault::read_plan(&path)?;
        let open = if entry.status == Status::Done.word() { open_boxes(&text) } else { String::new() };
        told.message = Some(format!("{before} -> {}{open}, now in Done/", entry.status));
        if !self.options.dry_run {
            let end = format!(" -> {}{open}, moved to Done/ with its note", entry.status);
            // Its last line says so already where a scupper was killed behind it; an earlier one is of an earlier time.
            let says_so = |text: &str| text.trim_end().ends_with(&end);
            if let Some(source) = Source::open(&path, LARGEST)?
                && !says_so(source.text())
            {
                let line = format!("- [{}] {before}{end}", self.now.text);
                source.write(&with_history(source.text(), &line))?;
            }
            let note = self.vault.inbox.join(name);
            if note.symlink_metadata().is_ok() {
                move_to(&note, &self.vault.done)?;
            }
            move_to(&path, &self.vault.done)?;
            self.plans.remove(&entry.plan);
            self.books.log(
                &self.now,
                &format!("'{}': {before} -> {}{open}, moved to Done", entry.plan, entry.status),
            );
        }
        self.outcome.tell(told);
        self.index.notes.remove(name);
        self.changed = true;
        Ok(())
    }
}

/// What somebody calls done may be so; what is open in it is said wherever that is.
fn open_boxes(text: &str) -> String {
    let boxes = Document::parse(text).map(|document| document.outline().boxes).unwrap_or_default();
    match boxes.iter().filter(|each| !each.ticked).count() {
        0 => String::new(),
        1 => " with 1 open box".to_owned(),
        open => format!(" with {open} open boxes"),
    }
}

/// The text with a line at the end of its notes; a plan without notes gets them.
fn with_history(text: &str, line: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let has_notes = text.lines().any(|line| line.trim_end() == "## Notes");
    let gap = if text.ends_with('\n') { "" } else { end };
    let heading = if has_notes { String::new() } else { format!("{end}## Notes{end}") };
    format!("{text}{gap}{heading}{line}{end}")
}
