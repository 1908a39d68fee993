//! Many documents at once: they are brought to the disk together, so that a file system that commits does so for many of them.
//!
//! Each is synced by itself, and not the file system: that would wait for whatever everybody else has written there as well,
//! and tells of a failure without saying whose. One after the other costs a commit for each; so several threads wait, and
//! what is waited for is on its way since it was written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

use super::replace::{self, Prepared, Written};

/// Threads that wait for the disk at once.
const WAITING: usize = 32;
/// Documents for which another thread is worth it.
const WORTH_A_THREAD: usize = 4;

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
        let synced = sync_all(&prepared);
        let mut done = Vec::with_capacity(prepared.len());
        for (prepared, synced) in prepared.into_iter().zip(synced) {
            let path = prepared.path.clone();
            let written = synced
                .and_then(|()| prepared.put_unsynced())
                .with_context(|| format!("cannot write {}", path.display()));
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

/// Each of them on the disk, or why it is not; in their order.
fn sync_all(prepared: &[Prepared]) -> Vec<Result<()>> {
    let synced: Vec<OnceLock<Result<()>>> = prepared.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let (Some(each), Some(place)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            (prepared.get(at), synced.get(at))
        } {
            let _ = place.set(each.sync());
        }
    };
    let threads = (prepared.len() / WORTH_A_THREAD).clamp(1, WAITING);
    thread::scope(|scope| {
        for _ in 1..threads {
            // This one works as well: where no other can be started it does all of it.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let unknown = || Err(anyhow::anyhow!("nobody has waited for the disk"));
    synced.into_iter().map(|place| place.into_inner().unwrap_or_else(unknown)).collect()
}
