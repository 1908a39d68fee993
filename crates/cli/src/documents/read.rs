//! Reading: what is no text, or no file, or too much of it, is said in one line.

use std::fs::{self, File, FileType, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

use super::replace::{self, Written};

/// A document as it was read. It is replaced only as long as it is still that.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    metadata: Metadata,
}

impl Source {
    /// Reads a document of at most so many bytes. `None` where there is none. Links are followed, so that a link stays one.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Option<Self>> {
        let context = || format!("cannot read {}", path.display());
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(context),
        };
        let (text, metadata) = contents(&path, limit).with_context(context)?;
        Ok(Some(Self { path, text, metadata }))
    }

    /// Where it really is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Writes another text in its place. Refused where somebody has changed it meanwhile.
    pub(crate) fn write(&self, text: &str) -> Result<Written> {
        replace::replace(&self.path, Some((&self.text, &self.metadata)), text)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The text of a document of at most so many bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String> {
    let read = contents(path, limit).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(read.0)
}

/// Where a path of a folder really is. Refused where a link leads out of the folder.
pub(crate) fn inside(folder: &Path, path: &Path) -> Result<PathBuf> {
    let folder =
        fs::canonicalize(folder).with_context(|| format!("cannot find the folder {}", folder.display()))?;
    let found = fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !found.starts_with(&folder) {
        bail!("cannot read {}: it is a link out of {}", path.display(), folder.display());
    }
    Ok(found)
}

pub(super) fn contents(path: &Path, limit: u64) -> Result<(String, Metadata)> {
    let (bytes, metadata) = bytes(path, limit)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("it is UTF-16: save it as UTF-8");
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        bail!("it is binary: byte {at} is 0");
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!("it is not UTF-8 (byte {}): save it as UTF-8", error.utf8_error().valid_up_to())
    })?;
    Ok((text, metadata))
}

/// The bytes of a regular file of at most so many.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<(Vec<u8>, Metadata)> {
    // Not to wait for the other end of a named pipe, and not to become a terminal's process.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        bail!("it is {}, no regular file", kind(metadata.file_type()));
    }
    if metadata.len() > limit {
        bail!("it has {} bytes, and {limit} are the most", metadata.len());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        bail!("it has more than {limit} bytes, which are the most");
    }
    Ok((bytes, metadata))
}

pub(super) fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device"
    }
}
