//! Record files: where the units of this user are written down, one file each, replaced atomically.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use scupper_model::{UnitName, UnitRecord};

/// A record larger than this is no record of ours.
const MAX_RECORD: u64 = 1 << 20;
/// More records than this in one directory were not written by units.
const MAX_RECORDS: usize = 10_000;
/// Units whose names differ in the number behind them alone.
const MOST_OF_A_NAME: u32 = 10_000;

/// The runtime directory: `$XDG_RUNTIME_DIR/scupper`, else `/run/scupper` for root, else a directory of the user's
/// own in the temporary directory. Not created here.
pub fn runtime_directory(uid: u32, xdg_runtime_dir: Option<&Path>, temporary_dir: &Path) -> PathBuf {
    match xdg_runtime_dir {
        Some(dir) if dir.is_absolute() => dir.join("scupper"),
        _ if uid == 0 => PathBuf::from("/run/scupper"),
        _ => temporary_dir.join(format!("scupper-{uid}")),
    }
}

/// The records of one runtime directory.
#[derive(Clone, Debug)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    /// Opens the directory, making it with mode 0700 where it is missing. One that belongs to somebody else, or that
    /// others may write to, is refused: a record decides who is signalled.
    pub fn open(directory: &Path, uid: u32) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Directory { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let found = fs::symlink_metadata(directory).map_err(failed)?;
        Self::checked(directory, uid, &found)
    }

    /// Opens the directory of this user to read, and makes nothing. `None` where there is none.
    pub fn open_existing(directory: &Path, uid: u32) -> Result<Option<Self>, RecordError> {
        match fs::symlink_metadata(directory) {
            Ok(found) => Self::checked(directory, uid, &found).map(Some),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(RecordError::Directory { path: directory.to_owned(), source }),
        }
    }

    fn checked(directory: &Path, uid: u32, found: &fs::Metadata) -> Result<Self, RecordError> {
        if !found.is_dir() || found.uid() != uid || found.mode() & 0o022 != 0 {
            return Err(RecordError::NotOurs { path: directory.to_owned() });
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The directory of the user who runs this process, by its environment.
    pub fn for_this_user() -> Result<Self, RecordError> {
        let (directory, uid) = directory_of_this_user();
        Self::open(&directory, uid)
    }

    /// The same, to read: makes nothing. `None` where no unit has ever run.
    pub fn existing_for_this_user() -> Result<Option<Self>, RecordError> {
        let (directory, uid) = directory_of_this_user();
        Self::open_existing(&directory, uid)
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of one unit.
    pub fn path(&self, unit: &UnitName) -> PathBuf {
        self.directory.join(format!("{unit}.json"))
    }

    /// Takes a unit's name for as long as the answer is kept: two scuppers never supervise one name. `None` where
    /// another one has it.
    pub fn claim(&self, unit: &UnitName) -> Result<Option<NameClaim>, RecordError> {
        let path = self.directory.join(format!("{unit}.lock"));
        let failed = |source| RecordError::Write { path: path.clone(), source };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(NameClaim { _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Takes a name, or the first free one with a number behind it. `None` where none is free.
    pub fn claim_numbered(&self, name: &UnitName) -> Result<Option<(UnitName, NameClaim)>, RecordError> {
        if let Some(claim) = self.claim(name)? {
            return Ok(Some((name.clone(), claim)));
        }
        for number in 2..MOST_OF_A_NAME {
            let numbered = name.numbered(number);
            if let Some(claim) = self.claim(&numbered)? {
                return Ok(Some((numbered, claim)));
            }
        }
        Ok(None)
    }

    /// Replaces a unit's record atomically (temporary file, rename). Not synced: it means nothing after a reboot.
    pub fn write(&self, record: &UnitRecord) -> Result<(), RecordError> {
        let path = self.path(&record.unit);
        let failed = |source: io::Error| RecordError::Write { path: path.clone(), source };
        let temporary = self.directory.join(format!("{}.json.new", record.unit));
        let text = serde_json::to_vec_pretty(record).map_err(|e| failed(e.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        fs::rename(&temporary, &path).map_err(failed)
    }

    /// Removes a unit's record and its sockets. One that is gone already is no error.
    pub fn remove(&self, unit: &UnitName) {
        let path = self.path(unit);
        for file in [crate::control::beside(&path, "sock"), crate::control::beside(&path, "notify"), path] {
            let _ = fs::remove_file(file);
        }
    }

    /// One unit's record; `None` where there is none.
    pub fn read(&self, unit: &UnitName) -> Result<Option<UnitRecord>, RecordError> {
        read_record(&self.path(unit))
    }

    /// All records, and the files that are none with the reason, so that one bad file hides nothing.
    pub fn list(&self) -> Result<(Vec<UnitRecord>, Vec<RecordError>), RecordError> {
        let failed = |source| RecordError::Directory { path: self.directory.clone(), source };
        let (mut records, mut bad) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            if records.len() + bad.len() >= MAX_RECORDS {
                bad.push(RecordError::TooMany { path: self.directory.clone() });
                break;
            }
            match read_record(&path) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(error) => bad.push(error),
            }
        }
        records.sort_by(|a, b| a.unit.cmp(&b.unit));
        Ok((records, bad))
    }
}

/// A unit's name, held for as long as this lives. The lock file itself stays: removing it would let two scuppers lock
/// two files of one name.
#[derive(Debug)]
pub struct NameClaim {
    _lock: File,
}

fn directory_of_this_user() -> (PathBuf, u32) {
    let uid = rustix::process::geteuid().as_raw();
    let xdg = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    (runtime_directory(uid, xdg.as_deref(), &std::env::temp_dir()), uid)
}

fn read_record(path: &Path) -> Result<Option<UnitRecord>, RecordError> {
    let failed = |source| RecordError::Read { path: path.to_owned(), source };
    // A named pipe in its place must not make anybody wait, and root reads no device that a user links to.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits()).unwrap_or(0);
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_RECORD).read_to_end(&mut text).map_err(failed)?;
    let record: UnitRecord = serde_json::from_slice(&text)
        .map_err(|source| RecordError::Parse { path: path.to_owned(), source })?;
    if path.file_stem().is_none_or(|stem| stem != record.unit.as_str()) {
        return Err(RecordError::Misnamed { path: path.to_owned(), unit: record.unit });
    }
    Ok(Some(record))
}

/// A record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The directory cannot be used.
    #[error("cannot use the runtime directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is somebody else's.
    #[error(
        "the runtime directory {} belongs to another user or others may write to it: remove it, or set XDG_RUNTIME_DIR",
        path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds the record of another unit: a copy, which decides nothing.
    #[error("{} holds the record of the unit {unit}", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// The unit that it says it is of.
        unit: UnitName,
    },
    /// There are more files than units can have written.
    #[error("{} holds more than {MAX_RECORDS} records; the rest was not read", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// A file is no record.
    #[error("{} is no record of a unit", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
