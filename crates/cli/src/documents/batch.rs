//! Many documents at once: one wait for the disk instead of two for each.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::replace::{self, Prepared, Written};

/// From so many on, the file system is synced instead of each file.
const MANY: usize = 8;

/// Documents that are beside their places, and not yet in them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    prepared: Vec<Prepared>,
}

impl Batch {
    /// Writes a document beside its place. `false` where its place says this already.
    pub(crate) fn add(&mut self, path: &Path, text: &str) -> Result<bool> {
        let prepared = replace::prepare(path, text)?;
        let is_new = prepared.is_some();
        self.prepared.extend(prepared);
        Ok(is_new)
    }

    /// All of them on the disk, then in their places: whole, or as before. What became of each, in the order of adding.
    pub(crate) fn put(&mut self) -> Vec<(PathBuf, Result<Written>)> {
        let prepared = std::mem::take(&mut self.prepared);
        let folders: BTreeSet<PathBuf> =
            prepared.iter().map(|prepared| replace::folder(&prepared.path).to_owned()).collect();
        let synced = if prepared.len() >= MANY {
            folders.iter().try_for_each(|folder| sync_all(folder))
        } else {
            Ok(())
        };
        let failed = synced.err().map(|error| format!("{error:#}"));
        let is_many = prepared.len() >= MANY;
        let mut done = Vec::with_capacity(prepared.len());
        for prepared in prepared {
            let path = prepared.path.clone();
            let written = match &failed {
                Some(failure) => Err(anyhow::anyhow!("{failure}")),
                None if is_many => prepared.put_unsynced(),
                None => prepared.sync().and_then(|()| prepared.put_unsynced()),
            };
            let written = written.with_context(|| format!("cannot write {}", path.display()));
            done.push((path, written));
        }
        for folder in &folders {
            if let Err(error) = replace::sync_folder(folder) {
                let failure = format!("{error:#}");
                for (path, written) in &mut done {
                    if replace::folder(path) == folder && written.is_ok() {
                        *written = Err(anyhow::anyhow!("cannot write {}: {failure}", path.display()));
                    }
                }
            }
        }
        done
    }
}

/// Everything of the file system that a folder is on.
fn sync_all(folder: &Path) -> Result<()> {
    let opened = File::open(folder).with_context(|| format!("{} cannot be opened", folder.display()))?;
    rustix::fs::syncfs(&opened).with_context(|| format!("{} cannot be synced", folder.display()))
}
