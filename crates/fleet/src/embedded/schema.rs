//! Both schemas. The durable one goes step by step: step n takes a file from version n-1 to n; steps are never changed,
//! only added. The heartbeats' file is made anew where its version is another.

use rusqlite::{Connection, TransactionBehavior};

/// "SCFD": the durable file.
const DURABLE_ID: i32 = 0x5343_4644;
/// "SCFB": the heartbeats' file.
const BEATS_ID: i32 = 0x5343_4642;

/// `registry` has one row, counts by triggers so that nobody has to count, and is the first thing that is read:
/// `generation` says which file of heartbeats belongs to this one.
const STEPS: &[&str] = &["
    CREATE TABLE registry (
        one        INTEGER PRIMARY KEY CHECK (one = 1),
        generation INTEGER NOT NULL,
        last       INTEGER NOT NULL,
        members    INTEGER NOT NULL,
        claims     INTEGER NOT NULL,
        events     INTEGER NOT NULL
    );
    INSERT INTO registry VALUES (1, 0, 0, 0, 0, 0);

    CREATE TABLE lost_epochs (
        after INTEGER NOT NULL,
        until INTEGER NOT NULL
    );

    CREATE TABLE agents (
        id          TEXT    PRIMARY KEY,
        epoch       INTEGER NOT NULL UNIQUE,
        nonce       TEXT    NOT NULL,
        resumed     INTEGER NOT NULL DEFAULT 0,
        ttl_ms      INTEGER NOT NULL,
        since_ms    INTEGER NOT NULL,
        coordinator TEXT,
        host        TEXT    NOT NULL,
        identity    TEXT,
        secret      BLOB,
        directive   TEXT,
        fence       INTEGER,
        reason      TEXT,
        claimed_by  TEXT,
        claimed_on  TEXT,
        until_ms    INTEGER,
        last_seen   INTEGER,
        idle_ms     INTEGER,
        taken_on    INTEGER NOT NULL DEFAULT 0,
        begun       INTEGER NOT NULL DEFAULT 0,
        deleted     INTEGER NOT NULL DEFAULT 0,
        aborted     INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX agents_by_coordinator ON agents (coordinator) WHERE coordinator IS NOT NULL;
    CREATE INDEX claims_by_end ON agents (until_ms) WHERE fence IS NOT NULL;

    CREATE TRIGGER agent_came AFTER INSERT ON agents BEGIN
        UPDATE registry SET members = members + (new.fence IS NULL), claims = claims + (new.fence IS NOT NULL);
    END;
    CREATE TRIGGER agent_went AFTER DELETE ON agents BEGIN
        UPDATE registry SET members = members - (old.fence IS NULL), claims = claims - (old.fence IS NOT NULL);
    END;
    CREATE TRIGGER agent_changed AFTER UPDATE OF fence ON agents WHEN (old.fence IS NULL) <> (new.fence IS NULL) BEGIN
        UPDATE registry SET members = members + (new.fence IS NULL) - (old.fence IS NULL),
                            claims = claims + (new.fence IS NOT NULL) - (old.fence IS NOT NULL);
    END;

    CREATE TABLE items (
        agent TEXT NOT NULL,
        kind  TEXT NOT NULL,
        name  TEXT NOT NULL,
        value BLOB NOT NULL,
        UNIQUE (agent, kind, name)
    );

    CREATE TABLE epitaphs (
        id     TEXT    PRIMARY KEY,
        epoch  INTEGER NOT NULL,
        at_ms  INTEGER NOT NULL,
        reason TEXT    NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX epitaphs_by_time ON epitaphs (at_ms);

    CREATE TABLE delegations (
        host     TEXT    NOT NULL,
        id       TEXT    NOT NULL,
        epoch    INTEGER NOT NULL,
        identity TEXT,
        at_ms    INTEGER NOT NULL,
        PRIMARY KEY (host, id, epoch)
    ) WITHOUT ROWID;
    CREATE INDEX delegations_by_time ON delegations (at_ms);

    CREATE TABLE events (
        seq  INTEGER PRIMARY KEY,
        body TEXT NOT NULL
    );
", "
    ALTER TABLE epitaphs ADD COLUMN fence INTEGER;
    ALTER TABLE epitaphs ADD COLUMN deleted INTEGER;
", "
    ALTER TABLE registry ADD COLUMN window_ms INTEGER;
"];

/// One index finds the expired and the silent, however many agents there are: leases differ in `ttl_ms`, and there are few
/// different ones.
const BEATS: &str = "
    CREATE TABLE beats (
        epoch   INTEGER PRIMARY KEY,
        ttl_ms  INTEGER NOT NULL,
        renewed INTEGER NOT NULL,
        seen    INTEGER
    );
    CREATE INDEX beats_by_lease ON beats (ttl_ms, renewed);
    CREATE TABLE reports (
        epoch INTEGER PRIMARY KEY,
        body  TEXT NOT NULL
    );
    CREATE TABLE memory (
        minute INTEGER NOT NULL,
        epoch  INTEGER NOT NULL,
        id     TEXT    NOT NULL,
        bytes  INTEGER NOT NULL,
        PRIMARY KEY (minute, epoch)
    ) WITHOUT ROWID;
    CREATE TABLE coordinators (
        id       TEXT PRIMARY KEY,
        host     TEXT,
        until_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE turns (
        what     TEXT PRIMARY KEY,
        holder   TEXT NOT NULL,
        until_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE guard (
        one            INTEGER PRIMARY KEY CHECK (one = 1),
        generation     INTEGER NOT NULL,
        boot           TEXT    NOT NULL,
        device         INTEGER NOT NULL,
        inode          INTEGER NOT NULL,
        last           INTEGER NOT NULL,
        restarted      INTEGER NOT NULL,
        outage_last    INTEGER,
        outage_until   INTEGER,
        brake_since    INTEGER,
        brake_claimed  INTEGER NOT NULL,
        brake_until    INTEGER,
        brake_dead     INTEGER,
        brake_members  INTEGER
    );
";
/// Changed with [`BEATS`].
const BEATS_VERSION: i32 = 1;

/// The newest durable schema that this program knows.
pub(super) const VERSION: i32 = version_after(STEPS);

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a handful of steps")]
const fn version_after(steps: &[&str]) -> i32 {
    steps.len() as i32
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing in it yet.
    Empty,
    /// Ours, of a version that this program can read.
    Ours(i32),
    /// Ours, of a later one.
    Newer(i32),
    /// A database of somebody else.
    Foreign,
}

/// Whose durable file it is and of which version.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    look_for(connection, DURABLE_ID, VERSION)
}

/// Whether a file of heartbeats is one that this program can use.
pub(super) fn beats_fit(connection: &Connection) -> rusqlite::Result<bool> {
    look_for(connection, BEATS_ID, BEATS_VERSION).map(|found| found == Found::Ours(BEATS_VERSION))
}

/// Makes the tables of an empty file of heartbeats.
pub(super) fn make_beats(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(BEATS)?;
    connection.pragma_update(None, "application_id", BEATS_ID)?;
    connection.pragma_update(None, "user_version", BEATS_VERSION)
}

/// Brings a durable file to the newest schema: all steps in one transaction, by whoever comes first. Gives whether there
/// was nothing in it: whatever was given out before the registry came up now (microseconds since 1970) is lost. A file
/// that is not ours is left as it is.
pub(super) fn migrate(connection: &mut Connection, now: i64) -> rusqlite::Result<bool> {
    migrate_by(connection, STEPS, now)
}

fn look_for(connection: &Connection, ours: i32, known: i32) -> rusqlite::Result<Found> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    let version = number("PRAGMA user_version")?;
    Ok(if tables == 0 && version == 0 {
        Found::Empty
    } else if number("PRAGMA application_id")? != ours || version <= 0 {
        Found::Foreign
    } else if version > known {
        Found::Newer(version)
    } else {
        Found::Ours(version)
    })
}

fn migrate_by(connection: &mut Connection, steps: &[&str], now: i64) -> rusqlite::Result<bool> {
    let known = version_after(steps);
    if look_for(connection, DURABLE_ID, known)? == Found::Ours(known) {
        return Ok(false);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Somebody else may have done it while this one waited for the lock.
    let done = match look_for(&transaction, DURABLE_ID, known)? {
        Found::Empty => 0,
        Found::Ours(version) => usize::try_from(version).unwrap_or(usize::MAX),
        Found::Newer(_) | Found::Foreign => return Ok(false),
    };
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if done == 0 {
        transaction.execute("INSERT INTO lost_epochs VALUES (0, ?1)", [now])?;
    }
    transaction.pragma_update(None, "application_id", DURABLE_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(done == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &[&str] = &[STEPS[0], STEPS[1], STEPS[2], "ALTER TABLE agents ADD COLUMN colour TEXT"];

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    const AGENT: &str =
        "INSERT INTO agents (id, epoch, nonce, ttl_ms, since_ms, host) VALUES ('a', 7, 'n', 1, 1, 'h')";

    #[test]
    fn an_empty_file_gets_the_whole_schema_once() {
        let mut connection = memory();
        assert_eq!(look(&connection).unwrap(), Found::Empty);
        assert!(migrate(&mut connection, 9).unwrap());
        assert_eq!(look(&connection).unwrap(), Found::Ours(VERSION));
        assert!(!migrate(&mut connection, 9).unwrap());
    }

    #[test]
    fn a_later_step_keeps_what_is_there_and_an_older_program_says_so() {
        let mut connection = memory();
        migrate(&mut connection, 9).unwrap();
        connection.execute_batch(AGENT).unwrap();
        assert!(!migrate_by(&mut connection, NEXT, 9).unwrap());
        assert_eq!(number(&connection, "SELECT epoch FROM agents WHERE colour IS NULL"), 7);
        assert_eq!(look(&connection).unwrap(), Found::Newer(VERSION + 1));
        assert!(!migrate(&mut connection, 9).unwrap(), "it is left as it is");
        assert_eq!(number(&connection, "PRAGMA user_version"), i64::from(VERSION) + 1);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version() {
        let mut connection = memory();
        migrate(&mut connection, 9).unwrap();
        let broken = &[STEPS[0], STEPS[1], STEPS[2], "CREATE TABLE extra (x); SELECT no_such_function()"];
        assert!(migrate_by(&mut connection, broken, 9).is_err());
        assert_eq!(look(&connection).unwrap(), Found::Ours(VERSION));
        assert_eq!(number(&connection, "SELECT count(*) FROM sqlite_master WHERE name = 'extra'"), 0);
    }

    #[test]
    fn the_database_of_somebody_else_is_left_alone() {
        let mut connection = memory();
        connection.execute_batch("CREATE TABLE bookmarks (x)").unwrap();
        assert_eq!(look(&connection).unwrap(), Found::Foreign);
        assert!(!migrate(&mut connection, 9).unwrap());
        assert_eq!(number(&connection, "SELECT count(*) FROM sqlite_master"), 1);
        assert!(!beats_fit(&connection).unwrap());
    }

    #[test]
    fn members_and_claims_are_counted_as_they_come_and_go() {
        let mut connection = memory();
        migrate(&mut connection, 9).unwrap();
        let counts = |connection: &Connection| {
            (
                number(connection, "SELECT members FROM registry"),
                number(connection, "SELECT claims FROM registry"),
            )
        };
        connection.execute_batch(AGENT).unwrap();
        assert_eq!(counts(&connection), (1, 0));
        connection.execute_batch("UPDATE agents SET fence = 1").unwrap();
        assert_eq!(counts(&connection), (0, 1));
        connection.execute_batch("UPDATE agents SET fence = 2, deleted = 3").unwrap();
        assert_eq!(counts(&connection), (0, 1));
        connection.execute_batch("UPDATE agents SET fence = NULL").unwrap();
        assert_eq!(counts(&connection), (1, 0));
        connection.execute_batch("UPDATE agents SET fence = 3; DELETE FROM agents").unwrap();
        assert_eq!(counts(&connection), (0, 0));
    }
}
