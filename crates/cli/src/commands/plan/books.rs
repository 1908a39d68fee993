//! `logs/`: which notes have plans, and what was done, in the form of the tool that made the first ones.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use scupper_casebook::plan::registry::Registry;

use super::front::{created_at, source_of};
use super::index::Index;
use super::vault::{self, Stat, Vault};
use crate::args::Moment;
use crate::documents;

/// The largest registry that is read.
const LARGEST: u64 = 256 << 20;

/// What is to be written into the books.
#[derive(Debug, Default)]
pub(super) struct Books {
    lines: String,
    planned: Vec<(String, String, String)>,
    renamed: Vec<(String, String)>,
}

/// What was done to the registry: something to say, and whether the index has changed for it.
type Remarks = Vec<(Option<String>, bool)>;

impl Books {
    /// A line of the log.
    pub(super) fn log(&mut self, now: &Moment, message: &str) {
        // A name is data: it makes no line of its own.
        let message: String = message.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let _ = writeln!(self.lines, "[{}] {message}", now.text);
    }

    pub(super) fn planned(&mut self, name: &str, now: &Moment, plan: &str) {
        self.planned.push((name.to_owned(), now.text.clone(), plan.to_owned()));
    }

    pub(super) fn renamed(&mut self, from: &str, to: &str) {
        self.renamed.push((from.to_owned(), to.to_owned()));
    }

    /// Adds the lines to the log.
    pub(super) fn write_log(&mut self, vault: &Vault) -> Result<()> {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return Ok(());
        }
        let path = vault.log();
        let written = vault::append_to(&path).and_then(|mut file| {
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        });
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Brings the registry up to date. One that cannot be read is put aside and made again from the plans.
    pub(super) fn write_registry(
        &mut self,
        vault: &Vault,
        index: &mut Index,
        now: &Moment,
    ) -> Result<Remarks> {
        let path = vault.registry();
        let stat = Stat::at(&path);
        let is_known = stat.is_some() && stat == index.registry;
        if self.planned.is_empty() && self.renamed.is_empty() && is_known {
            return Ok(Vec::new());
        }
        let mut remarks = Remarks::new();
        let (mut registry, before) = match read(&path) {
            Ok(Some(registry)) => (registry.clone(), Some(registry).filter(|registry| !registry.migrated())),
            Ok(None) if index.notes.is_empty() && self.planned.is_empty() => return Ok(remarks),
            // Of a vault that never had one there is nothing to make again.
            Ok(None) if index.registry.is_none() => (Registry::default(), None),
            Ok(None) => (rebuilt(vault), None),
            Err(error) => {
                let aside = aside(&path)?;
                let said =
                    format!("{}: {error:#}: kept as {aside}, made again from the plans", path.display());
                remarks.push((Some(said.clone()), true));
                self.log(
                    now,
                    &format!("Registry could not be read: kept as '{aside}', made again from the plans"),
                );
                (rebuilt(vault), None)
            }
        };
        if registry.migrated() {
            self.log(now, &format!("Migrated {} entries from legacy format", registry.len()));
        }
        for (from, to) in &self.renamed {
            registry.rename(from, to);
        }
        let have: std::collections::HashSet<String> = registry.names().map(str::to_owned).collect();
        let missing = index.notes.iter().filter(|(name, _)| !have.contains(*name));
        let missing: Vec<_> =
            missing.map(|(name, entry)| (name.clone(), now.text.clone(), entry.plan.clone())).collect();
        let all = missing.iter().chain(&self.planned);
        registry.set_all(all.map(|(name, at, plan)| (name.as_str(), at.as_str(), plan.as_str())));
        if before.as_ref() != Some(&registry) {
            documents::write(&path, &registry.text())?;
        }
        self.planned.clear();
        self.renamed.clear();
        self.write_log(vault)?;
        let stat = Stat::at(&path);
        remarks.push((None, index.registry != stat));
        index.registry = stat;
        Ok(remarks)
    }
}

fn read(path: &Path) -> Result<Option<Registry>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let text = documents::read(path, LARGEST)?;
    Ok(Some(Registry::parse(&text)?))
}

/// Puts a file aside under a name that nothing has; gives that name.
fn aside(path: &Path) -> Result<String> {
    for number in 1..1000 {
        let name = format!("processed.json.corrupt-{number}");
        let to = path.with_file_name(&name);
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(rustix::fs::CWD, path, rustix::fs::CWD, &to, flags) {
            Ok(()) => return Ok(name),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot put {} aside", path.display())),
        }
    }
    anyhow::bail!("{} cannot be put aside: too many were before it", path.display())
}

/// What the plans say of the notes they are from.
fn rebuilt(vault: &Vault) -> Registry {
    let mut found = Vec::new();
    for folder in [&vault.done, &vault.plans] {
        let mut names: Vec<String> = vault::files(folder).unwrap_or_default().into_keys().collect();
        names.sort();
        for plan in names.into_iter().filter(|name| name.starts_with("Plan_")) {
            let Ok((text, _)) = vault::read_plan(&folder.join(&plan)) else { continue };
            if let Some(note) = source_of(&text) {
                found.push((note, created_at(&text).unwrap_or_else(|| "unknown".to_owned()), plan));
            }
        }
    }
    let mut registry = Registry::default();
    registry.set_all(found.iter().map(|(note, at, plan)| (note.as_str(), at.as_str(), plan.as_str())));
    registry
}
