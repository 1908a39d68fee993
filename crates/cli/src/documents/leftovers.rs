//! What a writer that was killed leaves beside a document, and what becomes of it.
//!
//! An unfinished text is removed. A file that was about to change places with a document is removed when it is one of the two
//! texts that its name tells of; anything else is what somebody wrote at that very moment, and gets a name that is seen.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use sha2::{Digest, Sha256};

use super::{read, replace};

/// How the name of a file begins that is not a document yet.
pub(super) const PREFIX: &str = ".scupper-";
/// How it ends while it is written.
pub(super) const UNFINISHED: &str = ".tmp";
/// How it ends when it is about to change places.
const SWAP: &str = ".swap";
/// Hexadecimal digits of a digest in a name.
const DIGITS: usize = 16;
/// Longest part of a document's name in that of another file.
const LONGEST_NAME: usize = 120;

/// The name under which a text changes places with a document.
pub(super) fn swap_name(path: &Path, old: &str, new: &str) -> PathBuf {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    // Of the whole name, so that two documents never share one.
    let whole = short_digest(name);
    let (old, new) = (short_digest(old.as_bytes()), short_digest(new.as_bytes()));
    path.with_file_name(format!("{PREFIX}{old}-{new}-{whole}{SWAP}"))
}

/// Gives a text that nobody has read a name beside its document.
pub(super) fn keep(found: &Path, document: &Path) -> Result<PathBuf> {
    let stem = document.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let stem: String = stem.chars().take(LONGEST_NAME / 4).collect();
    for number in 1..1000 {
        let kept = document.with_file_name(format!("{stem}.kept-{number}.md"));
        match rustix::fs::renameat_with(CWD, found, CWD, &kept, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(kept),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error).context("a text that somebody wrote meanwhile cannot be kept"),
        }
    }
    anyhow::bail!("{} holds a text that somebody wrote meanwhile", found.display())
}

/// Removes what killed writers left in a folder, and returns the texts of others that were found and kept. Call it with the
/// folder's lock held.
pub(crate) fn sweep(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot look through {}", folder.display());
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        let is_ours = name.ends_with(UNFINISHED) || name.ends_with(SWAP) && is_known(name, &path);
        let done = if is_ours {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            }
        } else if name.ends_with(SWAP) {
            keep(&path, &named_by(name, folder)).map(|path| kept.push(path))
        } else {
            Ok(())
        };
        // In a folder that is read-only nothing can be written either, and that is said where it is tried.
        if done.is_err() {
            break;
        }
    }
    if !kept.is_empty() {
        replace::sync_folder(folder)?;
    }
    Ok(kept)
}

/// Whether a file holds one of the two texts that its name tells of.
fn is_known(name: &str, path: &Path) -> bool {
    let mut digests = name.trim_start_matches(PREFIX).split('-');
    let (Some(old), Some(new)) = (digests.next(), digests.next()) else { return false };
    let read = read::bytes(path, replace::LARGEST_REPLACED);
    read.is_ok_and(|(bytes, _)| [old, new].contains(&short_digest(&bytes).as_str()))
}

/// The document that a file was to change places with.
fn named_by(name: &str, folder: &Path) -> PathBuf {
    let whole = name.trim_end_matches(SWAP).rsplit('-').next().unwrap_or_default();
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let found = names.into_iter().find(|name| short_digest(name.as_bytes()) == whole);
    folder.join(found.unwrap_or_else(|| "document.md".into()))
}

fn short_digest(bytes: &[u8]) -> String {
    let mut text = format!("{:x}", Sha256::digest(bytes));
    text.truncate(DIGITS);
    text
}
