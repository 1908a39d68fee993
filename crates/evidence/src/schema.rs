//! The schema, step by step: step n takes a file from version n-1 to n. Steps are never changed, only added.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::EvidenceError;

/// "SCUP": says that a file is ours.
const APPLICATION_ID: i32 = 0x5343_5550;

const STEPS: &[&str] = &[
    "
    CREATE TABLE events (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid     TEXT    NOT NULL UNIQUE,
        at_ms    INTEGER NOT NULL,
        unit     TEXT    NOT NULL,
        run      TEXT    NOT NULL,
        kind     TEXT    NOT NULL,
        severity TEXT    NOT NULL,
        body     TEXT    NOT NULL
    );
    CREATE INDEX events_by_unit ON events (unit, at_ms);
    CREATE INDEX events_by_time ON events (at_ms);
",
    "
    CREATE TABLE kept (
        id   INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL UNIQUE
    );
",
];

/// The newest schema this program knows.
pub const SCHEMA_VERSION: i32 = version_after(STEPS);

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a handful of steps")]
const fn version_after(steps: &[&str]) -> i32 {
    steps.len() as i32
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing in it yet.
    Empty,
    /// Our schema, of a version that this program can read.
    Ours(i32),
}

/// Settings that only an empty file takes: pages that become free can be given back, and WAL.
pub(crate) fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
}

/// Whose file it is and of which version.
pub(crate) fn look(connection: &Connection, path: &Path) -> Result<Found, EvidenceError> {
    look_for(connection, path, SCHEMA_VERSION)
}

/// Brings a file to the newest schema: all steps in one transaction, by whoever comes first.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), EvidenceError> {
    migrate_by(connection, path, STEPS)
}

fn look_for(connection: &Connection, path: &Path, known: i32) -> Result<Found, EvidenceError> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i32>(0))
            .map_err(|source| EvidenceError::sqlite(path, "read", source))
    };
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    let version = number("PRAGMA user_version")?;
    if tables == 0 && version == 0 {
        return Ok(Found::Empty);
    }
    if number("PRAGMA application_id")? != APPLICATION_ID || version <= 0 {
        return Err(EvidenceError::Foreign { path: path.to_owned() });
    }
    if version > known {
        return Err(EvidenceError::Newer { path: path.to_owned(), found: version, known });
    }
    Ok(Found::Ours(version))
}

fn migrate_by(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), EvidenceError> {
    let known = version_after(steps);
    if look_for(connection, path, known)? == Found::Ours(known) {
        return Ok(());
    }
    let fail = |source| EvidenceError::sqlite(path, "migrate", source);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    // Somebody else may have done it while this one waited for the lock.
    let done = match look_for(&transaction, path, known)? {
        Found::Empty => 0,
        Found::Ours(version) => usize::try_from(version).unwrap_or(0),
    };
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step).map_err(fail)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    transaction.pragma_update(None, "user_version", known).map_err(fail)?;
    transaction.commit().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &[&str] = &[STEPS[0], STEPS[1], "ALTER TABLE events ADD COLUMN host TEXT"];

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn an_empty_file_gets_the_whole_schema() {
        let mut connection = memory();
        let path = Path::new("x");
        assert_eq!(look(&connection, path).unwrap(), Found::Empty);
        migrate(&mut connection, path).unwrap();
        assert_eq!(look(&connection, path).unwrap(), Found::Ours(SCHEMA_VERSION));
        migrate(&mut connection, path).unwrap();
    }

    #[test]
    fn a_later_step_keeps_what_is_there() {
        let mut connection = memory();
        let path = Path::new("x");
        migrate(&mut connection, path).unwrap();
        connection
            .execute("INSERT INTO events VALUES (7, 'u', 1, 'web', 'r', 'kept', 'notice', '{}')", [])
            .unwrap();
        migrate_by(&mut connection, path, NEXT).unwrap();
        let row: (i64, Option<String>) =
            connection.query_row("SELECT id, host FROM events", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!(row, (7, None));
        assert!(matches!(look(&connection, path), Err(EvidenceError::Newer { found: 3, known: 2, .. })));
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version() {
        let mut connection = memory();
        let path = Path::new("x");
        migrate(&mut connection, path).unwrap();
        let broken = &[STEPS[0], STEPS[1], "CREATE TABLE extra (x); SELECT no_such_function()"];
        assert!(migrate_by(&mut connection, path, broken).is_err());
        assert_eq!(look(&connection, path).unwrap(), Found::Ours(SCHEMA_VERSION));
        let extra: i32 = connection
            .query_row("SELECT count(*) FROM sqlite_master WHERE name = 'extra'", [], |r| r.get(0))
            .unwrap();
        assert_eq!(extra, 0);
    }

    #[test]
    fn the_database_of_somebody_else_is_refused() {
        let connection = memory();
        connection.execute_batch("CREATE TABLE bookmarks (x)").unwrap();
        assert!(matches!(look(&connection, Path::new("x")), Err(EvidenceError::Foreign { .. })));
    }
}
