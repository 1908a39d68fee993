//! What a pass writes: plans, then what is known of them, then the registry. Whoever is killed in between finds its plans again.

use std::collections::HashMap;
use std::path::PathBuf;

use super::coming;
use super::pass::{Making, Pass};
use super::said::{Outcome, What};
use super::vault::Stat;
use crate::documents::Batch;
use crate::output::Printer;

/// Notes whose state could not be trusted, from which on it is worth writing down anew.
const MANY_FRESH: usize = 64;

impl Pass<'_> {
    /// Writes what was planned: all of it in one wait for the disk.
    pub(super) fn write(&mut self, printer: &mut Printer, done: usize, total: usize) {
        let making = std::mem::take(&mut self.batch);
        if making.is_empty() {
            return;
        }
        if self.options.dry_run {
            for making in making {
                self.outcome.tell(making.told);
            }
            return;
        }
        if total >= 200 {
            printer.progress(&format!("{done} of {total} notes, writing"));
        }
        let mut batch = Batch::default();
        let mut failed: HashMap<PathBuf, anyhow::Error> = HashMap::new();
        for making in &making {
            let path = self.vault.plans.join(&making.entry.plan);
            let is_as_read = Stat::at(&path) == making.entry.plan_stat;
            let added = if is_as_read {
                batch.add(&path, &making.text).map(drop)
            } else if path.is_symlink() {
                Err(anyhow::anyhow!("{} is a link: put the plan itself in its place", path.display()))
            } else {
                Err(anyhow::anyhow!("{} was changed meanwhile: the next run looks again", path.display()))
            };
            if let Err(error) = added {
                failed.insert(path, error);
            }
        }
        // What cannot be told from a person's later is not written.
        let mut making = self.without(making, &mut failed);
        if let Err(error) = coming::announce(self.vault, &self.index, &mut making) {
            for making in making {
                self.outcome.fail(&making.name, &anyhow::anyhow!("{error:#}"));
            }
            return;
        }
        for (path, written) in batch.put() {
            if let Err(error) = written {
                failed.insert(path, error);
            }
        }
        let kept = self.without(making, &mut failed);
        self.keep(kept);
    }

    /// Those that did not fail; the others are told.
    fn without(&mut self, making: Vec<Making>, failed: &mut HashMap<PathBuf, anyhow::Error>) -> Vec<Making> {
        let mut kept = Vec::with_capacity(making.len());
        for making in making {
            match failed.remove(&self.vault.plans.join(&making.entry.plan)) {
                Some(error) => self.outcome.fail(&making.name, &error),
                None => kept.push(making),
            }
        }
        kept
    }

    /// What was written is known from now on.
    fn keep(&mut self, kept: Vec<Making>) {
        for making in kept {
            let Making { name, mut entry, told, .. } = making;
            let path = self.vault.plans.join(&entry.plan);
            entry.plan_stat = Stat::at(&path);
            if let Some(stat) = entry.plan_stat {
                self.plans.insert(entry.plan.clone(), stat);
            }
            match told.what {
                What::Created => {
                    self.books.log(&self.now, &format!("Created plan for '{name}' -> '{}'", entry.plan));
                }
                What::Updated => {
                    self.books.log(&self.now, &format!("Updated plan for '{name}' -> '{}'", entry.plan));
                }
                _ => {}
            }
            // What has no new plan keeps its date.
            if told.what != What::Same {
                self.books.planned(&name, &self.now, &entry.plan);
            }
            self.outcome.tell(told);
            self.index.notes.insert(name, entry);
            self.changed = true;
        }
        if let Err(error) = self.books.write_log(self.vault) {
            self.outcome.trouble(format!("{error:#}"));
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
        if self.options.dry_run {
            return self.outcome;
        }
        if let Err(error) = self.books.write_log(self.vault) {
            self.outcome.trouble(format!("{error:#}"));
        }
        let registry = self.books.write_registry(self.vault, &mut self.index, &self.now);
        match registry {
            Ok(remarks) => {
                for (remark, is_changed) in remarks {
                    self.changed |= is_changed;
                    if let Some(remark) = remark {
                        self.outcome.remark(remark);
                    }
                }
            }
            Err(error) => self.outcome.trouble(format!("{error:#}")),
        }
        if self.changed || self.fresh > MANY_FRESH {
            let index = &mut self.index;
            let written = index.write(self.vault).and_then(|()| coming::forget(self.vault));
            if let Err(error) = written.and_then(|()| index.tidy(self.vault)) {
                self.outcome.trouble(format!("{error:#}"));
            }
        }
        self.outcome
    }
}
