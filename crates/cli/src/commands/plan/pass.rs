//! One pass over a vault: what changed since the last one is found, planned and written. Plans come first, then what is known
//! of them, then the registry: whoever is killed in between finds its plans again.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use scupper_casebook::document::Document;
use scupper_casebook::incident::Recorded;
use scupper_casebook::plan::{self, Note, RECORDED_KINDS, Surroundings, stem};
use scupper_evidence::Query;
use scupper_model::Timestamp;

use super::books::Books;
use super::index::{Entry, Index, sha256};
use super::merged::together;
use super::said::{Outcome, Told, What};
use super::vault::{self, Listed, Stat, Vault};
use crate::args::{Moment, local};
use crate::casebook::evidence::Evidence;
use crate::documents::{self, Batch, Lock};
use crate::output::Printer;
use scupper_supervise::shell::clock;

/// Notes that are planned before they are written together.
const TOGETHER: usize = 1000;
/// Events that plans are filled in from are no older.
const EVIDENCE_AGE_MS: u64 = 30 * 24 * 3_600_000;
/// The newest so many of them are looked at.
const MOST_EVENTS: usize = 5000;
/// Notes whose state could not be trusted, from which on it is worth writing down anew.
const MANY_FRESH: usize = 64;
/// Second, third ... plan of one name.
const MOST_OF_A_NAME: usize = 1000;

/// How a pass is made.
#[derive(Debug)]
pub(super) struct Options {
    pub compat: bool,
    pub dry_run: bool,
    pub now: Option<Moment>,
    pub state: Option<PathBuf>,
}

/// Makes one pass.
pub(super) fn pass(vault: &Vault, options: &Options, printer: &mut Printer) -> Result<Outcome> {
    let _lock = if options.dry_run { None } else { Some(prepared(vault)?) };
    let now = options.now.clone().unwrap_or_else(|| local(clock::wall()));
    let mut pass = Pass::begin(vault, options, now)?;
    pass.settle();
    let notes = vault::notes(vault)?;
    pass.plan_all(notes, printer)?;
    printer.end_progress();
    pass.finish()
}

fn prepared(vault: &Vault) -> Result<Lock> {
    vault.prepare()?;
    let lock = Lock::take(&vault.ours)?;
    for folder in [&vault.plans, &vault.logs] {
        documents::sweep(folder)?;
    }
    Ok(lock)
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
    fresh: usize,
    evidence: Option<Vec<Recorded>>,
    evidence_file: String,
    evidence_is_new: bool,
    pub books: Books,
    batch: Vec<Making>,
}

/// A plan to be written.
struct Making {
    name: String,
    entry: Entry,
    ours: String,
    text: String,
    told: Told,
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
            books: Books::default(),
            batch: Vec::new(),
        };
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
            if self.index.notes.contains_key(&note) {
                continue;
            }
            let status = status_of(&text).unwrap_or_else(|_| "pending".to_owned());
            self.index.notes.insert(note, Entry { plan, status, ..Entry::default() });
            self.changed = true;
        }
    }

    /// Whether something was recorded since plans were last filled in.
    fn look_for_evidence(&mut self) {
        if !self.index.notes.values().any(|entry| entry.wants_evidence) {
            return;
        }
        let newest = Evidence::open(self.options.state.as_deref()).and_then(|evidence| {
            let newest = evidence.gather(&Query { newest: Some(1), ..self.query() })?.events.pop();
            Ok(newest.map(|newest| newest.event.id.to_string()))
        });
        // What cannot be looked at is said where a plan is made.
        if let Ok(Some(newest)) = newest {
            self.evidence_is_new = self.index.evidence.as_ref() != Some(&newest);
        }
    }

    fn query(&self) -> Query {
        Query {
            kinds: RECORDED_KINDS.map(str::to_owned).to_vec(),
            since: Some(Timestamp(self.now.at.0.saturating_sub(EVIDENCE_AGE_MS))),
            newest: Some(MOST_EVENTS),
            ..Query::default()
        }
    }

    /// What was recorded; looked up once.
    fn recorded(&mut self) -> &[Recorded] {
        if self.evidence.is_none() {
            let gathered = Evidence::open(self.options.state.as_deref()).and_then(|evidence| {
                let gathered = evidence.gather(&self.query())?;
                Ok((evidence.file().display().to_string(), gathered.events))
            });
            let events = match gathered {
                Ok((file, events)) => {
                    self.evidence_file = file;
                    events
                }
                Err(error) => {
                    self.outcome.remark(format!("no plan is filled in from evidence: {error:#}"));
                    Vec::new()
                }
            };
            if let Some(newest) = events.last() {
                let newest = newest.event.id.to_string();
                self.changed |= self.index.evidence.as_ref() != Some(&newest);
                self.index.evidence = Some(newest);
            }
            self.evidence = Some(plan::newest_of_each(events));
        }
        self.evidence.as_deref().unwrap_or_default()
    }

    fn plan_all(&mut self, notes: Vec<Listed>, printer: &mut Printer) -> Result<()> {
        let present: HashSet<&str> = notes.iter().map(|note| note.name.as_str()).collect();
        // Notes that are gone, by what they said: one of the same text under another name is the same.
        let mut gone: HashMap<String, String> = self
            .index
            .notes
            .iter()
            .filter(|(name, entry)| !present.contains(name.as_str()) && !entry.sha256.is_empty())
            .map(|(name, entry)| (entry.sha256.clone(), name.clone()))
            .collect();
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
            if let Err(error) = self.note(&note.name, stat, &mut gone) {
                self.outcome.fail(&note.name, &error);
            }
            if self.batch.len() >= TOGETHER {
                self.write(printer, done, total);
            }
        }
        self.write(printer, total, total);
        Ok(())
    }

    fn note(&mut self, name: &str, stat: Stat, gone: &mut HashMap<String, String>) -> Result<()> {
        let known = self.index.notes.get(name);
        let is_due = known.is_some_and(|known| self.evidence_is_new && known.wants_evidence);
        if let Some(known) = known {
            let is_there = self.plans.contains_key(&known.plan);
            if known.stat == Some(stat) && is_there && known.compat == self.options.compat && !is_due {
                self.outcome.unchanged += 1;
                return Ok(());
            }
        }
        let (text, stat) = vault::read_note(&self.vault.inbox.join(name))?;
        let digest = sha256(&text);
        let trusted = Some(stat).filter(|stat| !stat.is_fresh(self.now_ns));
        if let Some(known) = self.index.notes.get_mut(name) {
            let is_there = self.plans.contains_key(&known.plan);
            if known.sha256 == digest && is_there && known.compat == self.options.compat && !is_due {
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
            moved.plan = self.free_name(name);
            if !self.options.dry_run {
                let (from, to) = (self.vault.plans.join(&entry.plan), self.vault.plans.join(&moved.plan));
                rustix::fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE)
                    .with_context(|| format!("cannot rename {}", from.display()))?;
                moved.plan_stat = Stat::at(&to);
            }
            if let Some(stat) = self.plans.remove(&entry.plan) {
                self.taken.remove(&entry.plan.to_lowercase());
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

    /// `Plan_<stem>.md`, or with a number where somebody else has that name.
    fn free_name(&mut self, note: &str) -> String {
        let stem = stem(note);
        let names = (1..MOST_OF_A_NAME).map(|number| match number {
            1 => format!("Plan_{stem}.md"),
            number => format!("Plan_{stem}-{number}.md"),
        });
        let free = names.into_iter().find(|name| !self.taken.contains(&name.to_lowercase()));
        let name = free.unwrap_or_else(|| format!("Plan_{stem}-{}.md", self.now.at.0));
        self.taken.insert(name.to_lowercase());
        name
    }

    /// Makes the plan of a note, together with what people did to the one before.
    fn make(&mut self, name: &str, text: &str, mut entry: Entry) -> Result<()> {
        let note = Note::parse(name, text)?;
        let former = self.index.notes.get(name).cloned();
        let theirs = match &former {
            // Nothing was renamed: the plan still has its former name.
            Some(_) if self.options.dry_run && self.outcome.renamed.contains_key(name) => None,
            Some(former) if self.plans.contains_key(&former.plan) => {
                Some(vault::read_plan(&self.vault.plans.join(&former.plan))?)
            }
            _ => None,
        };
        entry.plan = match &former {
            Some(former) if !former.plan.is_empty() => former.plan.clone(),
            _ => self.free_name(name),
        };
        let created_at =
            theirs.as_ref().and_then(|(text, _)| created_at(text)).unwrap_or_else(|| self.now.text.clone());
        let mut told = Told::new(name, &entry.plan);
        let ours = if self.options.compat {
            let (judged, text) = plan::original_plan(&note, &created_at);
            told.original(judged);
            text
        } else {
            let recorded = self.recorded().to_vec();
            let around = Surroundings {
                created_at: &created_at,
                now: self.now.at,
                recorded: &recorded,
                evidence_file: &self.evidence_file,
            };
            let made = plan::plan(&note, &around);
            entry.wants_evidence = made.wants_evidence();
            let text = made.text.clone();
            told.made(made);
            text
        };
        told.remarks(name, &note, &entry.plan);
        let base = former.as_ref().and_then(|former| former.base.as_ref()?.text(&self.vault.bases()));
        let merged = match &theirs {
            None => None,
            Some((theirs, _)) => Some(together(base.as_deref(), theirs, &ours)?),
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

    /// Writes what was planned: all of it in one wait for the disk.
    fn write(&mut self, printer: &mut Printer, done: usize, total: usize) {
        let making = std::mem::take(&mut self.batch);
        if making.is_empty() {
            return;
        }
        if self.options.dry_run {
            making.into_iter().for_each(|making| self.outcome.tell(making.told));
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
            } else {
                Err(anyhow::anyhow!("{} was changed meanwhile: the next run looks again", path.display()))
            };
            if let Err(error) = added {
                failed.insert(path, error);
            }
        }
        for (path, written) in batch.put() {
            if let Err(error) = written {
                failed.insert(path, error);
            }
        }
        let kept: Vec<Making> = making
            .into_iter()
            .filter_map(|making| match failed.remove(&self.vault.plans.join(&making.entry.plan)) {
                Some(error) => {
                    self.outcome.fail(&making.name, &error);
                    None
                }
                None => Some(making),
            })
            .collect();
        self.keep(kept);
    }

    /// What was written is known from now on.
    fn keep(&mut self, kept: Vec<Making>) {
        if kept.is_empty() {
            return;
        }
        let texts: Vec<&str> = kept.iter().map(|making| making.ours.as_str()).collect();
        let bases = match super::index::Base::append(self.vault, &texts) {
            Ok(bases) => bases.into_iter().map(Some).collect(),
            Err(error) => {
                self.outcome
                    .remark(format!("what people change cannot be told from what was made: {error:#}"));
                vec![None; kept.len()]
            }
        };
        for (making, base) in kept.into_iter().zip(bases) {
            let Making { name, mut entry, told, .. } = making;
            let path = self.vault.plans.join(&entry.plan);
            entry.plan_stat = Stat::at(&path);
            entry.base = base;
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
            self.books.planned(&name, &self.now, &entry.plan);
            self.outcome.tell(told);
            self.index.notes.insert(name, entry);
            self.changed = true;
        }
        if let Err(error) = self.books.write_log(self.vault) {
            self.outcome.trouble(format!("{error:#}"));
        }
    }

    fn finish(mut self) -> Result<Outcome> {
        if self.options.dry_run {
            return Ok(self.outcome);
        }
        if let Err(error) = self.books.write_log(self.vault) {
            self.outcome.trouble(format!("{error:#}"));
        }
        let registry = self.books.write_registry(self.vault, &mut self.index, &self.now);
        match registry {
            Ok(remarks) => {
                for (remark, is_changed) in remarks {
                    self.changed |= is_changed;
                    remark.into_iter().for_each(|remark| self.outcome.remark(remark));
                }
            }
            Err(error) => self.outcome.trouble(format!("{error:#}")),
        }
        if self.changed || self.fresh > MANY_FRESH {
            self.index.write(self.vault)?;
            self.index.tidy(self.vault)?;
        }
        Ok(self.outcome)
    }
}

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
    let status = document.get(&["status"]).and_then(scupper_casebook::document::Value::to_word);
    status.context("has no status")
}

/// Renames, never over something; gives the path it has now. Numbered where that name is taken.
pub(super) fn move_to(from: &std::path::Path, folder: &std::path::Path) -> Result<PathBuf> {
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
