//! The file: opened, migrated, written in transactions.
//!
//! A scupper that only wraps a command must stay small, so a connection has a page cache of 128 KiB, no memory map
//! of the file, and a WAL that is folded back every 256 pages (1 MiB) and cut to that size.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use scupper_model::{Bytes, Event, Severity};

use crate::schema::{self, Found};
use crate::{EvidenceError, Options, disk};

/// How long a reader or a command of a person waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open evidence file. Every process opens its own; `SQLite` keeps them apart.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    file: Option<(u64, u64)>,
}

impl Store {
    /// Opens the file to read and write. Makes it (0600) and its directory (0700) where they are missing, and brings
    /// an older schema up to date. Waits up to 5 s for other processes.
    pub fn open(path: &Path, options: &Options) -> Result<Self, EvidenceError> {
        Self::open_with_patience(path, options, PATIENCE)
    }

    pub(crate) fn open_with_patience(
        path: &Path,
        options: &Options,
        patience: Duration,
    ) -> Result<Self, EvidenceError> {
        let fail = |source| EvidenceError::sqlite(path, "open", source);
        disk::make_directory(path)?;
        if disk::is_missing_or_empty(path)? {
            let _lock = disk::DirectoryLock::take(path)?;
            if disk::is_missing_or_empty(path)? {
                disk::make_file(path)?;
                let fresh = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, patience).map_err(fail)?;
                schema::prepare(&fresh).map_err(fail)?;
            }
        }
        Self::open_existing(path, options, patience)
    }

    pub(crate) fn open_existing(
        path: &Path,
        options: &Options,
        patience: Duration,
    ) -> Result<Self, EvidenceError> {
        let file = disk::file_id(path);
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, patience)
            .map_err(|source| EvidenceError::sqlite(path, "open", source))?;
        schema::migrate(&mut connection, path)?;
        Ok(Self { connection, path: path.to_owned(), options: *options, file })
    }

    /// Opens the file to read. `None` when there is no file, or nothing in it yet. Makes no file and changes none: one
    /// that nobody has open is read as it lies there, without the index of the WAL that `SQLite` would make for it.
    pub fn open_read_only(path: &Path) -> Result<Option<Self>, EvidenceError> {
        if disk::is_missing_or_empty(path)? {
            return Ok(None);
        }
        let file = disk::file_id(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let open = |how| connect(Path::new(&uri(path, how)), flags, PATIENCE).and_then(probe);
        let wal_is_empty = disk::is_missing_or_empty(&disk::with_suffix(path, "-wal"))?;
        let has_wal = disk::exists(&disk::with_suffix(path, "-wal"));
        let has_index = disk::exists(&disk::with_suffix(path, "-shm"));
        let opened = if has_wal && has_index {
            // Somebody writes, or was killed: both files are there, and the index is not written to. Where it has no
            // mark for a reader yet, one has to be set.
            match open("readonly_shm=1") {
                Err(error) if is_refusal(&error) => open("mode=ro"),
                opened => opened,
            }
        } else if wal_is_empty {
            open("immutable=1")
        } else {
            open("mode=ro")
        };
        let connection = opened.map_err(|source| EvidenceError::sqlite(path, "open", source))?;
        match schema::look(&connection, path)? {
            Found::Empty => Ok(None),
            Found::Ours(_) => {
                Ok(Some(Self { connection, path: path.to_owned(), options: Options::default(), file }))
            }
        }
    }

    /// Writes events in one transaction: all or none, on disk when this returns. An event that is there already is
    /// left as it is.
    pub fn insert(&mut self, events: &[Event]) -> Result<(), EvidenceError> {
        let path = &self.path;
        let fail = |source| EvidenceError::sqlite(path, "write", source);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        {
            let mut statement = transaction
                .prepare(
                    "INSERT INTO events (uuid, at_ms, unit, run, kind, severity, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (uuid) DO NOTHING",
                )
                .map_err(fail)?;
            for event in events {
                let kind = event.kind.name();
                let body =
                    serde_json::to_string(event).map_err(|source| EvidenceError::Encode { kind, source })?;
                statement
                    .execute((
                        event.id.to_string(),
                        milliseconds(event.at.0),
                        event.unit.as_str(),
                        event.run.to_string(),
                        kind,
                        severity_name(event.kind.severity()),
                        body,
                    ))
                    .map_err(fail)?;
            }
        }
        transaction.commit().map_err(fail)
    }

    /// Size of the file, without its WAL.
    pub fn size(&self) -> Result<Bytes, EvidenceError> {
        let pages = self.number("PRAGMA page_count")?;
        Ok(Bytes(pages.saturating_mul(self.number("PRAGMA page_size")?)))
    }

    /// Whether the file that is open is still the one under its name.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_some() && self.file == disk::file_id(&self.path)
    }

    /// Reads every page and every index. Slow on a large file: for when damage is suspected.
    pub(crate) fn check(&self) -> Result<bool, EvidenceError> {
        self.connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
            .map(|answer| answer == "ok")
            .map_err(|source| EvidenceError::sqlite(&self.path, "check", source))
    }

    pub(crate) fn number(&self, sql: &str) -> Result<u64, EvidenceError> {
        self.connection
            .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
            .map(|n| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
            .map_err(|source| EvidenceError::sqlite(&self.path, "read", source))
    }
}

fn connect(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(
        path,
        flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE,
    )?;
    connection.busy_timeout(patience)?;
    connection.execute_batch(
        "PRAGMA cache_size = -128; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576;
         PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
    )?;
    Ok(connection)
}

/// Opening is lazy in `SQLite`: only reading says whether it worked.
fn probe(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |_| Ok(()))?;
    Ok(connection)
}

fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

/// The file as an address, opened in this way (<https://sqlite.org/uri.html>).
fn uri(path: &Path, how: &str) -> OsString {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            for nibble in [byte >> 4, byte & 0xf] {
                uri.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
    }
    uri.push('?');
    uri.push_str(how);
    uri.into()
}

/// As `SQLite` keeps numbers; the end of time is far enough.
pub(crate) fn milliseconds(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Routine => "routine",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
