//! One document in place of another, in one step.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Access, Advice, CWD, Gid, RenameFlags, Uid};
use rustix::io::Errno;

use super::{leftovers, read};

/// What became of a document that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It says this already: nothing was written.
    Unchanged,
    /// There was none.
    Created,
    /// There was another.
    Updated,
}

/// Larger documents are not replaced: they were not made by this program.
pub(super) const LARGEST_REPLACED: u64 = 64 << 20;

/// Writes a document: on the disk, whole, when this returns. Nothing is written where it says this already. A link is not
/// followed: what is written for a folder stays in it.
pub(crate) fn write(path: &Path, text: &str) -> Result<Written> {
    let prepared = prepare(path, text)?;
    let Some(prepared) = prepared else { return Ok(Written::Unchanged) };
    prepared.put().with_context(|| format!("cannot write {}", path.display()))
}

/// What is to be written at a path, beside it but not yet on the disk. `None` where the path says this already.
pub(super) fn prepare(path: &Path, text: &str) -> Result<Option<Prepared>> {
    let context = || format!("cannot write {}", path.display());
    let old = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Some(read::contents(path, LARGEST_REPLACED).with_context(context)?),
        Ok(found) => {
            return Err(anyhow::anyhow!("it is {}, no regular file", read::kind(found.file_type())))
                .with_context(context);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(context),
    };
    if old.as_ref().is_some_and(|(old, _)| old == text) {
        return Ok(None);
    }
    let old = old.as_ref().map(|(text, metadata)| (text.as_str(), metadata));
    Prepared::new(path, old, text).map(Some).with_context(context)
}

/// Replaces what was read by another text.
pub(super) fn replace(path: &Path, old: Option<(&str, &Metadata)>, text: &str) -> Result<Written> {
    if old.is_some_and(|(old, _)| old == text) {
        return Ok(Written::Unchanged);
    }
    Prepared::new(path, old, text)?.put()
}

/// A new text in a file of its own beside the document. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Prepared {
    new: Temporary,
    pub path: PathBuf,
    old: Option<String>,
}

/// A file that is removed as long as it holds nothing but ours.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    is_ours: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Where it became the document, there is none under this name.
        if self.is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Prepared {
    fn new(path: &Path, old: Option<(&str, &Metadata)>, text: &str) -> Result<Self> {
        if let Some((_, metadata)) = old {
            if rustix::fs::access(path, Access::WRITE_OK).is_err() {
                bail!("it is read-only");
            }
            if metadata.nlink() > 1 {
                bail!("it has {} names (hard links), of which only one would change", metadata.nlink());
            }
        }
        let folder = folder(path);
        let mode = old.map_or(0o666, |(_, metadata)| metadata.permissions().mode() & 0o7777);
        let file = tempfile::Builder::new()
            .prefix(leftovers::PREFIX)
            .suffix(leftovers::UNFINISHED)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)
            .with_context(|| format!("nothing can be written to {}", folder.display()))?;
        let (mut file, path_of_new) = file.into_parts();
        file.write_all(text.as_bytes())?;
        // Its way to the disk begins now, and not when it is waited for. Where that cannot be asked for, it begins then.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        let new = Temporary { path: path_of_new.keep().map_err(|error| error.error)?, is_ours: true };
        if let Some((_, metadata)) = old {
            keep_owner(&file, metadata, mode)?;
        }
        Ok(Self { new, path: path.to_owned(), old: old.map(|(old, _)| old.to_owned()) })
    }

    /// On the disk, and in place.
    fn put(self) -> Result<Written> {
        self.sync()?;
        let path = self.path.clone();
        let written = self.put_unsynced()?;
        sync_folder(folder(&path))?;
        Ok(written)
    }

    /// Its bytes on the disk. Its name is not yet.
    pub(super) fn sync(&self) -> Result<()> {
        File::open(&self.new.path)?.sync_all()?;
        Ok(())
    }

    /// In place, without waiting for the disk.
    pub(super) fn put_unsynced(self) -> Result<Written> {
        let Self { mut new, path, old } = self;
        let Some(old) = old else {
            return match rename(&new.path, &path, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    new.is_ours = false;
                    Ok(Written::Created)
                }
                Err(Errno::EXIST) => {
                    bail!("somebody else has made it meanwhile: nothing was written, try again")
                }
                // A file system that has no such rename.
                Err(Errno::INVAL | Errno::NOSYS) if !path.exists() => {
                    fs::rename(&new.path, &path)?;
                    new.is_ours = false;
                    Ok(Written::Created)
                }
                Err(error) => Err(error.into()),
            };
        };
        // From here on the file beside the document may hold what people wrote: its name says whose text it is not.
        let text = fs::read_to_string(&new.path)?;
        let swap = leftovers::swap_name(&path, &old, &text);
        fs::rename(&new.path, &swap)?;
        new.path.clone_from(&swap);
        match rename(&swap, &path, RenameFlags::EXCHANGE) {
            Ok(()) => new.is_ours = false,
            Err(Errno::INVAL | Errno::NOSYS) => return over(&swap, &path, &old),
            Err(Errno::NOENT) => bail!("somebody else has removed it meanwhile: nothing was written"),
            Err(error) => return Err(error.into()),
        }
        if says(&swap, &old) {
            new.is_ours = true;
            return Ok(Written::Updated);
        }
        // What was read is not what was replaced: it gets its place back.
        let is_back = match rename(&swap, &path, RenameFlags::EXCHANGE) {
            Ok(()) => says(&swap, &text),
            Err(_) => false,
        };
        if is_back {
            new.is_ours = true;
            bail!("somebody else has changed it meanwhile: nothing was written, try again")
        }
        // It was changed once more in between: that text is kept as well.
        let kept = leftovers::keep(&swap, &path)?;
        bail!("somebody else is writing it: one of their texts is in {}", kept.display())
    }
}

/// Whether a file says this. What somebody has put in its place may be anything: a named pipe is not waited for.
fn says(path: &Path, text: &str) -> bool {
    read::bytes(path, LARGEST_REPLACED).is_ok_and(|(bytes, _)| bytes == text.as_bytes())
}

/// For file systems that cannot exchange: looked at once more, right before.
fn over(new: &Path, path: &Path, old: &str) -> Result<Written> {
    if !says(path, old) {
        bail!("somebody else has changed it meanwhile: nothing was written, try again");
    }
    fs::rename(new, path)?;
    Ok(Written::Updated)
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(CWD, from, CWD, to, flags)
}

/// A new file stays its owner's, and no more people may read it than before.
fn keep_owner(file: &File, old: &Metadata, mode: u32) -> Result<()> {
    let own = file.metadata()?;
    let (uid, gid) = (old.uid(), old.gid());
    if (own.uid(), own.gid()) != (uid, gid) {
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .with_context(|| format!("it cannot stay with its owner {uid}:{gid}"))?;
    }
    file.set_permissions(Permissions::from_mode(mode)).context("it cannot keep its mode")
}

/// A name is on the disk when its folder is.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all().with_context(|| format!("{} cannot be synced", folder.display()))
}

/// The folder of a document.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
