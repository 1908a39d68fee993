//! One writer at a time in a folder. The lock is the kernel's, on the folder itself: no file is left behind, and whoever dies
//! lets go of it.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::leftovers;
use crate::wait;

/// How long a writer waits for another.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody else writes to the folder while this is held.
#[derive(Debug)]
pub(crate) struct Lock {
    _folder: File,
    kept: Vec<PathBuf>,
}

/// What is said of a text of somebody else that a writer that was killed left, under the name that it got.
pub(crate) fn said_of_kept(path: &Path) -> String {
    format!("{}: somebody wrote it while a scupper was killed: it is kept there", path.display())
}

impl Lock {
    /// Waits some seconds for whoever writes there, and says who it is where that takes longer. What killed writers left
    /// in the folder is removed; a text of somebody else that is found there gets a name beside its document.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        Self::take_within(folder, PATIENCE)
    }

    /// A line for each text of somebody else that a writer that was killed left there. Whoever takes the lock says them: nobody
    /// finds them a second time.
    pub(crate) fn said(&self) -> impl Iterator<Item = String> {
        self.kept.iter().map(|path| said_of_kept(path))
    }

    /// Waits this long.
    pub(crate) fn take_within(folder: &Path, patience: Duration) -> Result<Self> {
        let context = || format!("cannot write to {}", folder.display());
        let opened = File::open(folder).with_context(context)?;
        if !opened.metadata().with_context(context)?.is_dir() {
            bail!("cannot write to {}: it is no folder", folder.display());
        }
        let mut failure = None;
        let is_locked = wait::until(patience, |_| match opened.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => {
                failure = Some(error);
                true
            }
        });
        if let Some(error) = failure {
            return Err(error).with_context(|| format!("cannot lock {}", folder.display()));
        }
        if !is_locked {
            let who = holder(&opened).unwrap_or_else(|| "another process".to_owned());
            bail!(
                "cannot write to {}: {who} has been writing there for {} s",
                folder.display(),
                patience.as_secs()
            );
        }
        let kept = leftovers::sweep(folder)?;
        Ok(Self { _folder: opened, kept })
    }
}

/// Who has the lock, as far as the kernel tells: `scupper (pid 4711)`.
fn holder(folder: &File) -> Option<String> {
    let inode = folder.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(&"FLOCK"), Some(pid), Some(file)) = (fields.get(1), fields.get(4), fields.get(5)) else {
            return None;
        };
        let found: u64 = file.rsplit(':').next()?.parse().ok()?;
        (found == inode).then(|| pid.parse::<u32>().ok())?
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (pid {pid})", scupper_model::printable(name.trim().as_bytes(), 64)))
}
