//! A configuration file on the disk: read whole, and replaced whole or not at all.
//!
//! The new text is written to a file beside it, which then takes its name: whoever reads sees the old text or the new one,
//! also when the machine goes down in between. Right before, the file is read once more: clients write their files too,
//! and what was written meanwhile is not thrown away.

use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Access, Gid, OFlags, Uid};
use tempfile::{NamedTempFile, PersistError};

/// The largest file that is read. The largest one people have told of is some ten MiB.
const LARGEST_BYTES: u64 = 32 << 20;
const BACKUP: &str = ".scupper-backup";

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where it really is: links are followed, so that a link stays one.
    pub path: PathBuf,
    pub text: String,
    metadata: Metadata,
}

/// What became of the backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Backup {
    /// The text from before is in it.
    Made(PathBuf),
    /// There was one already, and it was left as it is.
    Kept(PathBuf),
    /// There is none, or it was removed because it is what the file holds.
    None,
}

/// Reads a file. `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Stored>> {
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot be found"),
    };
    let (bytes, metadata) = contents(&path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("is not UTF-8 (byte {at}): save it as UTF-8 first")
    })?;
    Ok(Some(Stored { path, text, metadata }))
}

fn contents(path: &Path) -> Result<(Vec<u8>, Metadata)> {
    // Not to wait for the other end of a named pipe.
    let flags = i32::try_from(OFlags::NONBLOCK.bits())?;
    let file = File::options().read(true).custom_flags(flags).open(path).context("cannot be opened")?;
    let metadata = file.metadata().context("cannot be read")?;
    if !metadata.is_file() {
        bail!("is no regular file");
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).context("cannot be read")?;
    if bytes.len() as u64 > LARGEST_BYTES {
        bail!("has more than {} MiB", LARGEST_BYTES >> 20);
    }
    Ok((bytes, metadata))
}

impl Stored {
    /// Writes a wrapped text, and keeps the one from before beside it unless there is one already.
    pub(super) fn wrap(&self, text: &str) -> Result<Backup> {
        let new = self.prepare(text)?;
        let path = self.backup_path();
        let kept = self.prepare(&self.text)?.persist_noclobber(&path);
        let backup = match kept {
            Ok(_) => Backup::Made(path),
            Err(PersistError { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Backup::Kept(path)
            }
            Err(PersistError { error, .. }) => {
                return Err(error).with_context(|| format!("cannot make the backup {}", path.display()));
            }
        };
        let written = self.put(new);
        if written.is_err()
            && let Backup::Made(path) = &backup
        {
            // Nothing was changed: there is nothing to go back to.
            let _ = fs::remove_file(path);
        }
        written.map(|()| backup)
    }

    /// Writes an unwrapped text. A backup of just this text has done its work.
    pub(super) fn unwrap(&self, text: &str) -> Result<Backup> {
        self.put(self.prepare(text)?)?;
        let path = self.backup_path();
        match contents(&path) {
            Ok((bytes, _)) if bytes == text.as_bytes() => {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                Ok(Backup::None)
            }
            Ok(_) => Ok(Backup::Kept(path)),
            Err(_) => Ok(Backup::None),
        }
    }

    fn backup_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(BACKUP);
        PathBuf::from(name)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// A file beside this one, with its owner and its mode, on the disk.
    fn prepare(&self, text: &str) -> Result<NamedTempFile> {
        if rustix::fs::access(&self.path, Access::WRITE_OK).is_err() {
            bail!("is read-only");
        }
        if self.metadata.nlink() > 1 {
            bail!("has {} names (hard links), of which only one would change", self.metadata.nlink());
        }
        let directory = self.directory();
        let mut new = tempfile::Builder::new()
            .prefix(".scupper-")
            .tempfile_in(directory)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
        new.write_all(text.as_bytes()).context("cannot be written")?;
        let own = new.as_file().metadata().context("cannot be written")?;
        let (uid, gid) = (self.metadata.uid(), self.metadata.gid());
        if (own.uid(), own.gid()) != (uid, gid) {
            rustix::fs::fchown(new.as_file(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .with_context(|| format!("cannot stay with its owner {uid}:{gid}"))?;
        }
        let mode = fs::Permissions::from_mode(self.metadata.permissions().mode() & 0o7777);
        new.as_file().set_permissions(mode).context("cannot keep its mode")?;
        new.as_file().sync_all().context("cannot be written")?;
        Ok(new)
    }

    fn put(&self, new: NamedTempFile) -> Result<()> {
        let (bytes, metadata) = contents(&self.path)?;
        let is_same = (metadata.dev(), metadata.ino()) == (self.metadata.dev(), self.metadata.ino());
        if !is_same || bytes != self.text.as_bytes() {
            bail!("was changed by somebody else meanwhile: nothing is written, try again");
        }
        new.persist(&self.path).map_err(|error| error.error).context("cannot be replaced")?;
        // The name is on the disk when its directory is.
        File::open(self.directory()).and_then(|directory| directory.sync_all()).context("cannot be synced")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(directory: &Path, text: &str) -> Stored {
        let path = directory.join("mcp.json");
        fs::write(&path, text).unwrap();
        read(&path).unwrap().unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        let directory = tempfile::tempdir().unwrap();
        let file = stored(directory.path(), "before");
        fs::write(&file.path, "theirs").unwrap();
        let error = file.wrap("ours").unwrap_err();
        assert!(error.to_string().contains("meanwhile"), "{error}");
        // Also when it says the same, but is another file.
        let file = stored(directory.path(), "before");
        fs::rename(&file.path, directory.path().join("aside")).unwrap();
        fs::write(&file.path, "before").unwrap();
        assert!(file.unwrap("ours").is_err());
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "before");
        assert_eq!(names(directory.path()), ["aside", "mcp.json"]);
    }

    #[test]
    fn the_first_text_is_the_one_that_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let backup = directory.path().canonicalize().unwrap().join("mcp.json.scupper-backup");
        assert_eq!(stored(directory.path(), "first").wrap("second").unwrap(), Backup::Made(backup.clone()));
        let file = read(&directory.path().join("mcp.json")).unwrap().unwrap();
        assert_eq!(file.wrap("third").unwrap(), Backup::Kept(backup.clone()));
        assert_eq!(fs::read_to_string(&backup).unwrap(), "first");
        // Something else than the backup is written: it stays.
        let file = read(&file.path).unwrap().unwrap();
        assert_eq!(file.unwrap("first, edited").unwrap(), Backup::Kept(backup));
        let file = read(&file.path).unwrap().unwrap();
        assert_eq!(file.unwrap("first").unwrap(), Backup::None);
        assert_eq!(names(directory.path()), ["mcp.json"]);
    }

    #[test]
    fn what_is_no_text_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |path: &Path| read(path).unwrap_err().to_string();
        assert!(refused(directory.path()).contains("regular file"));
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(refused(&pipe).contains("regular file"));
        let bytes = directory.path().join("bytes");
        fs::write(&bytes, b"\xff\xfe{\0}\0").unwrap();
        assert!(refused(&bytes).contains("is not UTF-8 (byte 0)"));
        let large = directory.path().join("large");
        File::create(&large).unwrap().set_len(LARGEST_BYTES + 1).unwrap();
        assert!(refused(&large).contains("more than 32 MiB"));
        assert!(read(&directory.path().join("nothing")).unwrap().is_none());
    }

    #[test]
    fn a_file_with_another_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = stored(directory.path(), "before");
        fs::hard_link(&file.path, directory.path().join("other")).unwrap();
        let file = read(&file.path).unwrap().unwrap();
        assert!(file.wrap("after").unwrap_err().to_string().contains("2 names"));
        assert_eq!(names(directory.path()), ["mcp.json", "other"]);
    }
}
