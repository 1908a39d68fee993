//! A vault's folders, and what lies in them. Names are data: one that would lead out of the vault, or that cannot be shown, is
//! refused.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;
use scupper_casebook::plan::LARGEST_NOTE;
use serde::{Deserialize, Serialize};

use crate::documents;

/// What belongs to us in a vault, out of sight of editors.
const OURS: &str = ".scupper";
/// The largest plan that is read; people write into them.
const LARGEST_PLAN: u64 = 4 << 20;

/// A vault.
#[derive(Debug)]
pub(super) struct Vault {
    pub root: PathBuf,
    pub inbox: PathBuf,
    pub plans: PathBuf,
    pub done: PathBuf,
    pub logs: PathBuf,
    pub ours: PathBuf,
}

impl Vault {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let root = fs::canonicalize(path).with_context(|| format!("cannot open the vault {shown}"))?;
        let inbox = root.join("Inbox");
        if !inbox.is_dir() {
            bail!("{shown} is no vault: it has no folder Inbox");
        }
        let folder = |name| root.join(name);
        let (plans, done, logs, ours) =
            (folder("Needs_Action"), folder("Done"), folder("logs"), folder(OURS));
        for folder in [&inbox, &plans, &done, &logs, &ours] {
            let is_outside = fs::canonicalize(folder).is_ok_and(|real| !real.starts_with(&root));
            if is_outside {
                bail!("{} is a link that leads out of the vault", folder.display());
            }
        }
        Ok(Self { root, inbox, plans, done, logs, ours })
    }

    /// Makes the folders that are missing.
    pub(super) fn prepare(&self) -> Result<()> {
        for folder in [&self.plans, &self.done, &self.logs, &self.ours] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(())
    }

    pub(super) fn index(&self) -> PathBuf {
        self.ours.join("plans.json")
    }

    /// Bases are written anew under another number, so that an index never names those of another one.
    pub(super) fn bases(&self, number: u64) -> PathBuf {
        self.ours.join(if number == 0 { "bases".to_owned() } else { format!("bases-{number}") })
    }

    pub(super) fn coming(&self) -> PathBuf {
        self.ours.join("coming")
    }

    pub(super) fn registry(&self) -> PathBuf {
        self.logs.join("processed.json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.logs.join("actions.log")
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stat(u64, i64, i64, u64);

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self(
            metadata.size(),
            nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            metadata.ino(),
        )
    }

    /// `None` where there is no such file.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// Whether it changed so shortly before `now_ns` that another change may have the same time.
    pub(super) const fn is_fresh(&self, now_ns: i64) -> bool {
        now_ns.saturating_sub(self.2) < 20_000_000
    }
}

/// A note of the inbox: its state, or why it is none.
pub(super) struct Listed {
    pub name: String,
    pub found: Result<Stat>,
}

/// The notes of the inbox by name, in order. What is no `.md` is somebody else's.
pub(super) fn notes(vault: &Vault) -> Result<Vec<Listed>> {
    let trouble = || format!("cannot list {}", vault.inbox.display());
    let mut notes = Vec::new();
    for entry in fs::read_dir(&vault.inbox).with_context(trouble)? {
        let entry = entry.with_context(trouble)?;
        let raw = entry.file_name();
        let name = raw.to_string_lossy().into_owned();
        if !is_note(&name) {
            continue;
        }
        let found = match raw.to_str() {
            None => Err(anyhow::anyhow!("its name is no UTF-8: rename it")),
            Some(name) => check_name(name).and_then(|()| look(vault, &entry)),
        };
        // A file that was there a moment ago is no trouble.
        if found.as_ref().is_err_and(is_gone) && !entry.path().is_symlink() {
            continue;
        }
        notes.push(Listed { name, found });
    }
    notes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(notes)
}

/// Whether a name is one of a note: not of a hidden file, an editor's copy, or what is being written.
pub(super) fn is_note(name: &str) -> bool {
    let is_markdown =
        name.len() > 3 && name.get(name.len() - 3..).is_some_and(|ending| ending.eq_ignore_ascii_case(".md"));
    is_markdown && !name.starts_with(['.', '~', '#']) && !name.contains(".tmp.")
}

fn check_name(name: &str) -> Result<()> {
    if name.chars().any(|c| c == '\\' || c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)) {
        bail!("its name has characters that lead elsewhere or are not shown: rename it");
    }
    Ok(())
}

/// Names that a Windows machine cannot hold: a vault that is shared with one loses them.
pub(super) fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|rest| matches!(rest.as_bytes(), [b'1'..=b'9']))
        || name.contains(['<', '>', ':', '"', '|', '?', '*'])
}

fn look(vault: &Vault, entry: &fs::DirEntry) -> Result<Stat> {
    let kind = entry.file_type().context("cannot be looked at")?;
    // A link may lead anywhere: what it leads to has to lie in the vault.
    let metadata = if kind.is_symlink() {
        let real = fs::canonicalize(entry.path()).context("is a link that leads nowhere")?;
        if !real.starts_with(&vault.root) {
            bail!("is a link that leads out of the vault: not followed");
        }
        fs::metadata(&real).context("cannot be looked at")?
    } else {
        entry.metadata().context("cannot be looked at")?
    };
    if !metadata.is_file() {
        bail!("is no regular file");
    }
    if metadata.len() > LARGEST_NOTE {
        bail!("is too large: {} bytes, a note has at most {} KiB", metadata.len(), LARGEST_NOTE >> 10);
    }
    Ok(Stat::of(&metadata))
}

/// Opens a file of ours for adding to it. A link is not followed: it may lead out of the vault, whoever put it there.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().append(true).create(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

pub(super) fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The files of a folder by name, with their state.
pub(super) fn files(folder: &Path) -> Result<HashMap<String, Stat>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut files = HashMap::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if let Ok(metadata) =
            entry.metadata().map_err(drop).and_then(|found| found.is_file().then_some(found).ok_or(()))
        {
            files.insert(name, Stat::of(&metadata));
        }
    }
    Ok(files)
}

/// A note's text, and its state as it was read.
pub(super) fn read_note(path: &Path) -> Result<(String, Stat)> {
    let (text, stat) = read(path, LARGEST_NOTE)?;
    if Stat::at(path) != Some(stat) {
        bail!("is being written: it is left for the next time");
    }
    Ok((text, stat))
}

/// A plan's text, and its state.
pub(super) fn read_plan(path: &Path) -> Result<(String, Stat)> {
    read(path, LARGEST_PLAN)
}

fn read(path: &Path, most: u64) -> Result<(String, Stat)> {
    let stat = Stat::of(&fs::metadata(path)?);
    Ok((documents::read(path, most)?, stat))
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R019.

    use super::*;

    #[test]
    fn r015_a_note_ends_in_md_and_is_nobodys_draft() {
        for name in ["a.md", "B.MD", "c.d.Md"] {
            assert!(is_note(name), "{name}");
        }
        for name in
            [".md", ".a.md", "a.md~", "a.txt", "~$a.md", "#a.md", ".a.md.swp", "a.tmp.md", "a.md.part"]
        {
            assert!(!is_note(name), "{name}");
        }
    }

    #[test]
    fn r019_names_that_windows_cannot_hold_are_known() {
        for name in ["CON.md", "aux.md", "com1.md", "Lpt9.x.md", "a:b.md", "what?.md"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["console.md", "com10.md", "com.md", "plan.md"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
