//! What the file system and `SQLite` say, in the words of a store.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::StoreError;

/// Characters of what `SQLite` says.
const LONGEST: usize = 300;

/// What went wrong while one of the two files was used, before it is a store's error.
#[derive(Debug)]
pub(super) enum Fault {
    /// `SQLite` said so, of the file with the transitions.
    Durable(rusqlite::Error),
    /// `SQLite` said so, of the file with the heartbeats.
    Beats(rusqlite::Error),
    /// The heartbeats are in another file by now: open it, and ask again.
    Moved,
    /// Something that is already said.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// Whether the heartbeats' file has to be opened again, or made anew.
    pub(super) fn is_about_beats(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Beats(error) => is_damage(error),
            Self::Durable(_) | Self::Store(_) => false,
        }
    }
}

/// Marks an error as one of the durable file.
pub(super) fn durable(error: rusqlite::Error) -> Fault {
    Fault::Durable(error)
}

/// Marks an error as one of the heartbeats' file.
pub(super) fn beats(error: rusqlite::Error) -> Fault {
    Fault::Beats(error)
}

/// Whether the file's content is not what `SQLite` wrote there.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure)
    ) || matches!(
        error,
        rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error { code: ErrorCode::Unknown, extended_code: rusqlite::ffi::SQLITE_ERROR },
            _
        ) | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows
            | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}

/// In the words of a store.
pub(super) fn sqlite(url: &str, path: &Path, doing: &'static str, source: &rusqlite::Error) -> StoreError {
    let url = url.to_owned();
    let said = one_line(&source.to_string());
    let advice = match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let said =
                format!("another process has its file locked for seconds; find it with `fuser -v` ({said})");
            return StoreError::Unreachable { url, doing, source: said.into() };
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            let what = format!(
                "the file is damaged ({said}); move it away to begin a new registry, or try `sqlite3 FILE .recover`"
            );
            return StoreError::Damaged { url, at: path.display().to_string(), what };
        }
        Some(ErrorCode::DiskFull) => "the file system is full: make room, or choose another with --state DIR",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "no permission: check owner and mode of its files and of their directory, or choose another with --state DIR"
        }
        _ => "check its file system, or choose another with --state DIR",
    };
    StoreError::Refused { url, doing, advice, source: said.into() }
}

/// `SQLite` quotes whole statements, and what stands in the file.
pub(super) fn one_line(said: &str) -> String {
    let words: Vec<_> =
        said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// In the words of a store.
pub(super) fn io(url: &str, doing: &'static str, source: io::Error) -> StoreError {
    let url = url.to_owned();
    if source.kind() == io::ErrorKind::TimedOut {
        return StoreError::Unreachable { url, doing, source: Box::new(source) };
    }
    let advice = match source.kind() {
        io::ErrorKind::StorageFull => {
            "the file system is full: make room, or choose another with --state DIR"
        }
        _ => "check owner and mode of its directory, or choose another with --state DIR",
    };
    StoreError::Refused { url, doing, advice, source: Box::new(source) }
}
