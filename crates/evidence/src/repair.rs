//! A damaged file is moved aside, so that recording goes on in a new one and an operator can look at the old.
//!
//! Several processes notice damage at the same time, and a new file must not be moved aside for the fault of the old
//! one: under a lock, whoever comes looks again first. The WAL goes before the file it belongs to, because a new file
//! beside an old WAL would be read as one with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scupper_model::Timestamp;

use crate::disk::{self, DirectoryLock};
use crate::{EvidenceError, Options, Store};

/// Damaged files that are kept; the oldest of more goes, so that a bad disk does not fill itself.
const KEPT: usize = 3;

/// Where the damaged file is now. `None` where there was no damage any more: somebody else has done it, or the file
/// recovered. With `certain`, the file is moved even where a check finds nothing wrong.
pub(crate) fn move_aside(
    path: &Path,
    options: &Options,
    patience: Duration,
    now: Timestamp,
    certain: bool,
) -> Result<Option<PathBuf>, EvidenceError> {
    let _lock = DirectoryLock::take(path)?;
    if disk::is_missing_or_empty(path)? || (!certain && !is_damaged(path, options, patience)?) {
        return Ok(None);
    }
    let aside = free_name(path, now);
    for suffix in ["-wal", "-shm", ""] {
        let from = disk::with_suffix(path, suffix);
        match fs::rename(&from, disk::with_suffix(&aside, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(EvidenceError::File { path: from, doing: "move aside", source }),
        }
    }
    forget_oldest(path);
    Ok(Some(aside))
}

fn is_damaged(path: &Path, options: &Options, patience: Duration) -> Result<bool, EvidenceError> {
    // Not through `Store::open`: that would make directories and take the lock that is held here.
    match Store::open_existing(path, options, patience).and_then(|store| store.check()) {
        Ok(sound) => Ok(!sound),
        Err(error) if error.is_damage() => Ok(true),
        Err(error) => Err(error),
    }
}

/// `evidence.sqlite.corrupt-20261122T074900Z`, numbered where that is taken.
fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let text = now.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    let stamp: String = seconds.chars().filter(char::is_ascii_alphanumeric).collect();
    let first = disk::with_suffix(path, &format!(".corrupt-{stamp}Z"));
    (2..100)
        .map(|n| disk::with_suffix(&first, &format!("-{n}")))
        .fold(first.clone(), |name, next| if name.exists() { next } else { name })
}

/// Best effort: what cannot be listed or removed stays.
fn forget_oldest(path: &Path) {
    let Some(prefix) = path.file_name().map(|name| format!("{}.corrupt-", name.to_string_lossy())) else {
        return;
    };
    let Ok(entries) = fs::read_dir(disk::directory_of(path)) else { return };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix) && !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    names.sort();
    let surplus = names.len().saturating_sub(KEPT);
    for name in names.iter().take(surplus) {
        let old = path.with_file_name(name);
        for suffix in ["-wal", "-shm", ""] {
            let _ = fs::remove_file(disk::with_suffix(&old, suffix));
        }
    }
}
