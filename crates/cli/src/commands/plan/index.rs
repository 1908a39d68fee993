//! What is known of a vault's notes from the last time, so that an unchanged one costs a look at its state and no more. Lost
//! or damaged, it is made again from the plans.
//!
//! The text that was made last of each plan is kept beside it, one behind the other in one file: what people changed since is
//! found by comparing with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::vault::{self, Stat, Vault};
use crate::documents;

const SCHEMA: &str = "scupper.plan.index/2";
/// The largest index that is read: a million notes.
const LARGEST: u64 = 512 << 20;
/// Bases that are no longer needed may take so much before the file is written anew.
const MOST_WASTE: u64 = 8 << 20;

/// What is known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    schema: String,
    /// The newest event that plans were filled in from.
    pub evidence: Option<String>,
    /// The registry as we left it.
    pub registry: Option<Stat>,
    /// Which file holds the bases.
    #[serde(default)]
    pub bases: u64,
    /// Notes of which it was said that they are not there any more.
    #[serde(default)]
    pub said_gone: BTreeSet<String>,
    pub notes: BTreeMap<String, Entry>,
}

/// What is known of a note.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The state of the note when it was read; none where it may have changed in the same moment.
    pub stat: Option<Stat>,
    pub sha256: String,
    /// The plan's file name.
    pub plan: String,
    pub plan_stat: Option<Stat>,
    pub status: String,
    /// What the rules say; what the plan says instead was set by a person.
    pub task_type: String,
    pub priority: String,
    pub compat: bool,
    /// Whether it is to stay in the form that it has, since somebody wrote there.
    #[serde(default)]
    pub keeps_form: bool,
    pub wants_evidence: bool,
    pub base: Option<Base>,
}

/// Where the text that was made last lies among the bases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    offset: u64,
    length: u64,
    sha256: String,
}

impl Entry {
    /// Whether it has the form that is asked for, or has to keep its own.
    pub(super) const fn has_form(&self, compat: bool) -> bool {
        self.compat == compat || self.keeps_form
    }
}

impl Index {
    /// `Err` where there is one and it cannot be used.
    pub(super) fn read(vault: &Vault) -> Result<Option<Self>> {
        let path = vault.index();
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.context("cannot be read")?,
        };
        if !metadata.is_file() {
            anyhow::bail!("is no regular file");
        }
        if metadata.len() > LARGEST {
            anyhow::bail!("is too large");
        }
        let index: Self = serde_json::from_slice(&fs::read(&path).context("cannot be read")?)?;
        if index.schema != SCHEMA {
            anyhow::bail!("is of another version");
        }
        Ok(Some(index))
    }

    pub(super) fn write(&mut self, vault: &Vault) -> Result<()> {
        SCHEMA.clone_into(&mut self.schema);
        documents::write(&vault.index(), &serde_json::to_string(self)?).map(drop)
    }

    /// Writes the bases anew where most of them are of no use any more.
    pub(super) fn tidy(&mut self, vault: &Vault) -> Result<()> {
        // The index is a file that others can write: its numbers may be any.
        let bases = self.notes.values().filter_map(|entry| entry.base.as_ref());
        let used = bases.fold(0_u64, |sum, base| sum.saturating_add(base.length));
        let former = vault.bases(self.bases);
        let size = fs::metadata(&former).map_or(0, |metadata| metadata.len());
        if size.saturating_sub(used) <= MOST_WASTE.max(used) {
            return Ok(());
        }
        let mut all = Vec::new();
        for entry in self.notes.values_mut() {
            let text = entry.base.as_ref().and_then(|base| base.text(&former));
            entry.base = text.map(|text| Base::placed(&mut all, &text));
        }
        // Whoever is killed on the way still has the former index and the former bases.
        self.bases = self.bases.wrapping_add(1);
        documents::write(&vault.bases(self.bases), &String::from_utf8(all)?)?;
        self.write(vault)?;
        fs::remove_file(&former).with_context(|| format!("cannot remove {}", former.display()))?;
        // One that a killed scupper left.
        let _ = self.bases.checked_sub(2).map(|number| fs::remove_file(vault.bases(number)));
        Ok(())
    }
}

impl Base {
    /// Puts a text at the end of others.
    fn placed(all: &mut Vec<u8>, text: &str) -> Self {
        let offset = all.len() as u64;
        all.extend_from_slice(text.as_bytes());
        Self { offset, length: text.len() as u64, sha256: sha256(text) }
    }

    /// Adds texts to the file, on the disk when this returns.
    pub(super) fn append(path: &Path, texts: &[&str]) -> Result<Vec<Self>> {
        let trouble = || format!("cannot write {}", path.display());
        let mut file = vault::append_to(path).with_context(trouble)?;
        let start = file.metadata().with_context(trouble)?.len();
        let mut all = Vec::new();
        let mut bases: Vec<Self> = texts.iter().map(|text| Self::placed(&mut all, text)).collect();
        file.write_all(&all).and_then(|()| file.sync_data()).with_context(trouble)?;
        for base in &mut bases {
            base.offset += start;
        }
        Ok(bases)
    }

    /// Of its text.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The text, where it is still what it was.
    pub(super) fn text(&self, file: &Path) -> Option<String> {
        if !fs::metadata(file).ok()?.is_file() {
            return None;
        }
        let file = File::open(file).ok()?;
        let length = self.length.min(LARGEST);
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, self.offset).ok()?;
        String::from_utf8(bytes).ok().filter(|text| sha256(text) == self.sha256)
    }
}

/// In hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    scupper_casebook::incident::sha256(text.as_bytes())
}
