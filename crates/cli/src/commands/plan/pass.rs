//! One pass over a vault: what changed since the last one is found and planned.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use scupper_casebook::incident::Recorded;
use scupper_casebook::merge::{Merged, merge_numbered, step_of};
use scupper_casebook::plan::{self, Note, Surroundings};

use super::books::Books;
use super::coming;
use super::front::{chosen, created_at, plan_name, source_of, status_of};
use super::index::{Entry, Index, sha256};
use super::said::{Outcome, Told, What};
use super::vault::{self, Listed, Stat, Vault};
use crate::args::{Moment, local};
use crate::documents::{self, Lock};
use crate::output::Printer;
use scupper_supervise::shell::clock;

/// Notes that are planned before they are written together.
const TOGETHER: usize = 2500;
/// Second, third ... plan of one name.
const MOST_OF_A_NAME: usize = 1000;

/// How a pass is made.
#[derive(Debug)]
pub(super) struct Options {
    pub compat: bool,
    pub dry_run: bool,
    /// Whether all that a plan was made from will be shown.
    pub json: bool,
    pub now: Option<Moment>,
    pub state: Option<PathBuf>,
}

/// Makes one pass.
pub(super) fn pass(vault: &Vault, options: &Options, printer: &mut Printer) -> Result<Outcome> {
    let (_lock, kept) = if options.dry_run { (None, Vec::new()) } else { prepared(vault)? };
    let now = options.now.clone().unwrap_or_else(|| local(clock::wall()));
    let mut pass = Pass::begin(vault, options, now)?;
    for line in kept {
        pass.outcome.remark(line);
    }
    pass.settle();
    let notes = vault::notes(vault)?;
    pass.plan_all(notes, printer);
    printer.end_progress();
    Ok(pass.finish())
}

/// With the lock, and with texts of others that a scupper that was killed left.
fn prepared(vault: &Vault) -> Result<(Option<Lock>, Vec<String>)> {
    vault.prepare()?;
    let lock = Lock::take(&vault.ours)?;
    let mut kept: Vec<String> = lock.said().collect();
    for folder in [&vault.plans, &vault.logs] {
        kept.extend(documents::sweep(folder)?.iter().map(|path| documents::said_of_kept(path)));
    }
    Ok((Some(lock), kept))
}

pub(super) struct Pass<'a> {
    pub vault: &'a Vault,
    pub options: &'a Options,
    pub now: Moment,
    now_ns: i64,
    pub index: Index,
    /// The plans that are there, by file name.
    pub plans: HashMap<String, Stat>,
    /// Their names in small letters: a vault may be shared with machines that do not tell them apart.
    taken: HashSet<String>,
    pub outcome: Outcome,
    /// Whether the index has to be written.
    pub changed: bool,
    pub fresh: usize,
    pub evidence: Option<Vec<Recorded>>,
    pub evidence_file: String,
    pub evidence_is_new: bool,
    /// Notes whose plans are to be made again although they did not change.
    pub due: HashSet<String>,
    pub books: Books,
    pub batch: Vec<Making>,
    /// Plans of which it was said that nothing can be done with them.
    pub unreadable: HashSet<String>,
}

/// What is wrong with a plan, and not with its note.
#[derive(Debug, thiserror::Error)]
#[error("{plan}: {error:#}")]
struct OfPlan {
    plan: String,
    error: anyhow::Error,
}

fn of_plan(plan: &str, error: anyhow::Error) -> anyhow::Error {
    OfPlan { plan: plan.to_owned(), error }.into()
}

/// A plan to be written.
pub(super) struct Making {
    pub name: String,
    pub entry: Entry,
    /// What was made, before it was merged with theirs.
    pub ours: String,
    pub text: String,
    pub told: Told,
}

impl<'a> Pass<'a> {
    fn begin(vault: &'a Vault, options: &'a Options, now: Moment) -> Result<Self> {
        let mut outcome = Outcome::new(vault, options);
        let index = match Index::read(vault) {
            Ok(index) => index.unwrap_or_default(),
            Err(error) => {
                outcome.remark(format!(
                    "{}: {error:#}: it is made again from the plans",
                    vault.index().display()
                ));
                Index::default()
            }
        };
        let plans = vault::files(&vault.plans)?;
        let taken = plans.keys().map(|name| name.to_lowercase()).collect();
        let now_ns = i64::try_from(clock::wall().0.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        let mut pass = Self {
            vault,
            options,
            now,
            now_ns,
            index,
            plans,
            taken,
            outcome,
            changed: false,
            fresh: 0,
            evidence: None,
            evidence_file: String::new(),
            evidence_is_new: false,
            due: HashSet::new(),
            books: Books::default(),
            batch: Vec::new(),
            unreadable: HashSet::new(),
        };
        pass.changed |= coming::take_over(vault, &mut pass.index);
        pass.adopt();
        pass.look_for_evidence();
        Ok(pass)
    }

    /// Plans that nobody knows of, and that name the note they are from: the index was lost, or a scupper was killed.
    fn adopt(&mut self) {
        let known: HashSet<&str> = self.index.notes.values().map(|entry| entry.plan.as_str()).collect();
        let mut unknown: Vec<String> = self
            .plans
            .keys()
            .filter(|name| name.starts_with("Plan_") && !known.contains(name.as_str()))
            .cloned()
            .collect();
        unknown.sort();
        for plan in unknown {
            let Ok((text, _)) = vault::read_plan(&self.vault.plans.join(&plan)) else { continue };
            let Some(note) = source_of(&text) else { continue };
            if let Some(entry) = self.index.notes.get_mut(&note) {
                // Somebody gave it another name, or a scupper was killed while it did.
                if !self.plans.contains_key(&entry.plan) {
                    entry.plan = plan;
                    self.changed = true;
                }
                continue;
            }
            let status = status_of(&text).unwrap_or_else(|_| "pending".to_owned());
            self.index.notes.insert(note, Entry { plan, status, ..Entry::default() });
            self.changed = true;
        }
    }

    /// Nothing can be done with a plan. Said once, however often it is come across.
    pub(super) fn fail_plan(&mut self, plan: String, error: &anyhow::Error) {
        if !self.unreadable.contains(&plan) {
            self.outcome.fail(&plan, error);
            self.unreadable.insert(plan);
        }
    }

    fn plan_all(&mut self, notes: Vec<Listed>, printer: &mut Printer) {
        let present: HashSet<&str> = notes.iter().map(|note| note.name.as_str()).collect();
        // Notes that are gone, by what they said: one of the same text under another name is the same.
        let mut gone: HashMap<String, String> = self
            .index
            .notes
            .iter()
            .filter(|(name, entry)| !present.contains(name.as_str()) && !entry.sha256.is_empty())
            .map(|(name, entry)| (entry.sha256.clone(), name.clone()))
            .collect();
        let missing = self.missing(&present);
        let total = notes.len();
        for (done, note) in notes.into_iter().enumerate() {
            if done % 200 == 0 && total >= 200 {
                printer.progress(&format!("{done} of {total} notes"));
            }
            let stat = match note.found {
                Ok(stat) => stat,
                Err(error) => {
                    self.outcome.fail(&note.name, &error);
                    continue;
                }
            };
            match self.note(&note.name, stat, &mut gone) {
                Ok(()) => {}
                // It is the plan's mistake, and is said once, under its name.
                Err(error) => match error.downcast::<OfPlan>() {
                    Ok(OfPlan { plan, error }) => self.fail_plan(plan, &error),
                    Err(error) => self.outcome.fail(&note.name, &error),
                },
            }
            if self.batch.len() >= TOGETHER {
                self.write(printer, done, total);
            }
        }
        self.write(printer, total, total);
        self.say_gone(missing);
    }

    fn note(&mut self, name: &str, stat: Stat, gone: &mut HashMap<String, String>) -> Result<()> {
        let known = self.index.notes.get(name);
        let is_due = self.due.contains(name)
            || known.is_some_and(|known| self.evidence_is_new && known.wants_evidence);
        if let Some(known) = known {
            let is_there = self.plans.contains_key(&known.plan);
            if known.stat == Some(stat) && is_there && known.has_form(self.options.compat) && !is_due {
                self.outcome.unchanged += 1;
                return Ok(());
            }
        }
        let (text, stat) = vault::read_note(&self.vault.inbox.join(name))?;
        let digest = sha256(&text);
        let trusted = Some(stat).filter(|stat| !stat.is_fresh(self.now_ns));
        if let Some(known) = self.index.notes.get_mut(name) {
            let is_there = self.plans.contains_key(&known.plan);
            if known.sha256 == digest && is_there && known.has_form(self.options.compat) && !is_due {
                self.fresh += usize::from(trusted.is_some() && known.stat != trusted);
                known.stat = trusted;
                self.outcome.unchanged += 1;
                return Ok(());
            }
        } else if let Some(former) = gone.remove(&digest) {
            self.rename(&former, name)?;
        }
        let entry = Entry { stat: trusted, sha256: digest, compat: self.options.compat, ..Entry::default() };
        self.make(name, &text, entry)
    }

    /// A note has another name: its plan goes with it.
    fn rename(&mut self, former: &str, name: &str) -> Result<()> {
        let Some(entry) = self.index.notes.get(former).cloned() else { return Ok(()) };
        let mut moved = entry.clone();
        if self.plans.contains_key(&entry.plan) {
            self.taken.remove(&entry.plan.to_lowercase());
            moved.plan = self.free_name(name);
            if self.unreadable.contains(&entry.plan) {
                self.unreadable.insert(moved.plan.clone());
            }
            if !self.options.dry_run && moved.plan != entry.plan {
                let (from, to) = (self.vault.plans.join(&entry.plan), self.vault.plans.join(&moved.plan));
                rustix::fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE)
                    .with_context(|| format!("cannot rename {}", from.display()))?;
                moved.plan_stat = Stat::at(&to);
            }
            if let Some(stat) = self.plans.remove(&entry.plan) {
                self.plans.insert(moved.plan.clone(), moved.plan_stat.unwrap_or(stat));
            }
            self.books.log(
                &self.now,
                &format!("Renamed '{former}' to '{name}': '{}' -> '{}'", entry.plan, moved.plan),
            );
        }
        self.books.renamed(former, name);
        self.outcome.renamed.insert(name.to_owned(), former.to_owned());
        self.index.notes.remove(former);
        self.index.notes.insert(name.to_owned(), moved);
        self.changed = true;
        Ok(())
    }

    /// A name that no other plan has.
    fn free_name(&mut self, note: &str) -> String {
        let mut names = (1..MOST_OF_A_NAME).map(|number| plan_name(note, number));
        let free = names.find(|name| !self.taken.contains(&name.to_lowercase()));
        let last = usize::try_from(self.now.at.0).unwrap_or(usize::MAX);
        let name = free.unwrap_or_else(|| plan_name(note, last));
        self.taken.insert(name.to_lowercase());
        name
    }

    /// Whether a plan was there before we knew its note, and is not one of ours.
    fn is_foreign(&self, former: Option<&Entry>, plan: &str) -> bool {
        !self.options.compat
            && former.is_some_and(|former| former.sha256.is_empty())
            && !plan.lines().any(|line| step_of(line).is_some())
    }

    /// Whether a plan has the form of the tool that made the first ones. One that somebody wrote into keeps the form that
    /// it has: in another one their words would stand in the wrong places.
    fn form(&self, former: Option<&Entry>, theirs: Option<&str>, base: Option<&str>) -> bool {
        let wanted = self.options.compat;
        let (Some(former), Some(theirs)) = (former, theirs) else { return wanted };
        if former.sha256.is_empty() {
            // Nothing is known but what the plan says.
            wanted && !theirs.lines().any(|line| step_of(line).is_some())
        } else if base == Some(theirs) {
            wanted
        } else {
            former.compat
        }
    }

    /// Makes the plan of a note, together with what people did to the one before.
    fn make(&mut self, name: &str, text: &str, mut entry: Entry) -> Result<()> {
        let note = Note::parse(name, text)?;
        let former = self.index.notes.get(name).cloned();
        // It is said already, and stays as it is until somebody has mended it.
        if former.as_ref().is_some_and(|former| self.unreadable.contains(&former.plan)) {
            return Ok(());
        }
        let theirs = match &former {
            // Nothing was renamed: the plan still has its former name.
            Some(_) if self.options.dry_run && self.outcome.renamed.contains_key(name) => None,
            Some(former) if self.plans.contains_key(&former.plan) => Some(
                vault::read_plan(&self.vault.plans.join(&former.plan))
                    .map_err(|error| of_plan(&former.plan, error))?,
            ),
            _ => None,
        };
        entry.plan = match &former {
            Some(former) if !former.plan.is_empty() => former.plan.clone(),
            _ => self.free_name(name),
        };
        let base = former
            .as_ref()
            .and_then(|former| former.base.as_ref()?.text(&self.vault.bases(self.index.bases)));
        let theirs_text = theirs.as_ref().map(|(text, _)| text.as_str());
        entry.compat = self.form(former.as_ref(), theirs_text, base.as_deref());
        entry.keeps_form = entry.compat != self.options.compat;
        let created_at =
            theirs.as_ref().and_then(|(text, _)| created_at(text)).unwrap_or_else(|| self.now.text.clone());
        let mut told = Told::new(name, &entry.plan);
        if entry.keeps_form {
            told.keeps_form();
        }
        let ours = if entry.compat {
            let (judged, text) = plan::original_plan(&note, &created_at);
            told.original(judged);
            text
        } else {
            let chosen = match (&theirs, &former) {
                (Some((theirs, _)), Some(former)) if !former.compat => chosen(theirs, former),
                _ => plan::Chosen::default(),
            };
            self.look_up_evidence();
            let around = Surroundings {
                created_at: &created_at,
                now: self.now.at,
                recorded: self.evidence.as_deref().unwrap_or_default(),
                evidence_file: &self.evidence_file,
                chosen,
            };
            let made = plan::plan(&note, &around);
            entry.wants_evidence = made.wants_evidence();
            let (task_type, priority) = made.by_rule();
            (entry.task_type, entry.priority) = (task_type.word().to_owned(), priority.word().to_owned());
            told.made(&made, self.options.json);
            made.text
        };
        told.remarks(name, &note, &entry.plan);
        let merged = match &theirs {
            None => None,
            // Another tool's plan, or a person's own: it is left as it is, and only what is new in the note comes into it.
            Some((theirs, _)) if self.is_foreign(former.as_ref(), theirs) => {
                Some(Merged { text: theirs.clone(), conflicts: Vec::new() })
            }
            Some((theirs, _)) => {
                let plan = &entry.plan;
                Some(
                    merge_numbered(base.as_deref(), theirs, &ours)
                        .map_err(|error| of_plan(plan, error.into()))?,
                )
            }
        };
        entry.status = former.as_ref().map_or_else(|| "pending".to_owned(), |former| former.status.clone());
        let text = match merged {
            Some(merged) => {
                told.conflicts = merged.conflicts;
                merged.text
            }
            None => ours.clone(),
        };
        told.what = match (&theirs, self.outcome.renamed.get(name)) {
            (_, Some(_)) => What::Renamed,
            (None, _) => What::Created,
            (Some((theirs, _)), _) if *theirs == text => What::Same,
            _ => What::Updated,
        };
        entry.plan_stat = theirs.map(|(_, stat)| stat);
        self.batch.push(Making { name: name.to_owned(), entry, ours, text, told });
        Ok(())
    }
}
