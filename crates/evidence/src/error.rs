//! What can go wrong with the evidence file, and what to do about it. The text never repeats its source: whoever
//! shows an error walks the chain, or asks for [`EvidenceError::chain`].

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why evidence could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The directory of the file cannot be made or used.
    #[error("cannot use the directory `{}` for evidence: make it writable, or choose another with --state DIR", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be made, read or moved.
    #[error("cannot {doing} the evidence file `{}`: check its owner and mode, or choose another with --state DIR", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the file's lock.
    #[error("cannot {doing} the evidence file `{}`: another process has locked it; try again, or find it with `fuser -v`", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// No room on the file system.
    #[error("cannot {doing} the evidence file `{}`: the file system is full; make room, or choose another with --state DIR", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("cannot {doing} the evidence file `{}`: it is damaged; move it away (the next run starts a new one) and try `sqlite3 FILE .recover` on it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file or its directory is read-only, or belongs to somebody else.
    #[error("cannot {doing} the evidence file `{}`: no permission; check owner and mode of it and of its directory, or choose another with --state DIR", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// Anything else that `SQLite` says.
    #[error("cannot {doing} the evidence file `{}`: check its file system, or choose another with --state DIR", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file's schema is newer than this program.
    #[error(
        "the evidence file `{}` was made by a newer scupper (schema {found}, this one knows up to {known}): upgrade this one, or choose another with --state DIR",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// A `SQLite` file of another program.
    #[error("`{}` is a database, but not scupper's evidence: choose another place with --state DIR", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// An event that has no JSON.
    #[error("cannot write an event of kind `{kind}` as JSON: this is a defect of scupper, please report it")]
    Encode {
        /// The event's kind.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl EvidenceError {
    /// Puts what `SQLite` said under what was tried and what can be done about it.
    pub(crate) fn sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, doing, source },
            Some(ErrorCode::DiskFull) => Self::Full { path, doing, source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, doing, source }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::Denied { path, doing, source }
            }
            _ => Self::Sqlite { path, doing, source },
        }
    }

    /// Whether the file is damaged, so that a new one has to be started.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the file is only in use, so that the same connection may try again soon.
    pub const fn is_lock(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// The error and all its sources on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        text
    }
}
