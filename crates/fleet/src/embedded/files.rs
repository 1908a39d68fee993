//! Both files, opened, and opened again where they were replaced; the heartbeats' one made anew where it is missing, of
//! another boot, another schema or another registry, or damaged.
//!
//! Which file of heartbeats counts is said by the durable one: its *generation*, a number that both hold. Whoever makes a
//! new one writes both. A heartbeat reads it with the epoch, a sweep with its claims: two processes that have different
//! files of heartbeats open cannot both think theirs is the one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use scupper_model::{BootId, Timestamp};

use super::disk::{self, DirectoryLock, FileId};
use super::error::{self, Fault, beats, durable};
use super::rows::{signed, unsigned};
use super::schema::{self, Found};
use crate::rules::NUMBERS_END;
use crate::{LeakWindow, StoreError, Timing};

/// How long one process waits for another one's transaction.
const PATIENCE: Duration = Duration::from_secs(5);

const DURABLE: &str = "fleet.sqlite";
const BEATS: &str = "fleet-beats.sqlite";

/// Where the files are.
#[derive(Debug)]
pub(super) struct Place {
    pub url: String,
    pub directory: PathBuf,
    pub durable: PathBuf,
    pub beats: PathBuf,
}

/// A connection, and which file it is to.
#[derive(Debug)]
pub(super) struct Open {
    pub connection: Connection,
    file: Option<FileId>,
}

/// What a heartbeat needs: its own file to write, the durable one to read.
#[derive(Debug)]
pub(super) struct Pulse {
    pub beats: Open,
    pub reader: Open,
    /// Of the heartbeats' file.
    pub generation: i64,
    /// The period in which samples of memory that are too old were last removed.
    pub trimmed: Option<u64>,
}

/// The one row of the durable file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registry {
    pub generation: i64,
    /// The last epoch or fence.
    pub last: u64,
    pub members: u64,
    pub claims: u64,
    /// How far back growth is measured, where somebody has said so.
    pub window: Option<LeakWindow>,
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            url: format!("embedded:{}", directory.display()),
            directory: directory.to_owned(),
            durable: directory.join(DURABLE),
            beats: directory.join(BEATS),
        }
    }

    fn io(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
        move |source| error::io(&self.url, doing, source)
    }

    /// Which of both files are in place.
    pub(super) fn is_durable(&self, open: &Open) -> bool {
        open.file.is_some() && open.file == disk::file_id(&self.durable)
    }

    pub(super) fn is_pulse(&self, pulse: &Pulse) -> bool {
        let file = pulse.beats.file;
        file.is_some() && file == disk::file_id(&self.beats) && self.is_durable(&pulse.reader)
    }

    /// Opens the durable file; makes it (0600), and its directory (0700), where they are missing.
    pub(super) fn open_durable(&self, now: Timestamp) -> Result<Open, StoreError> {
        let path = &self.durable;
        disk::make_directory(&self.directory).map_err(self.io("making its directory"))?;
        let is_missing = || disk::is_missing_or_empty(path).map_err(self.io("opening it"));
        let fail = |source| error::sqlite(&self.url, path, "opening it", &source);
        if is_missing()? {
            let _lock = DirectoryLock::take(&self.directory).map_err(self.io("making it"))?;
            if is_missing()? {
                disk::make_file(path).map_err(self.io("making it"))?;
                let fresh = connect(path, Kind::Durable).map_err(fail)?;
                fresh.execute_batch("PRAGMA journal_mode = WAL").map_err(fail)?;
            }
        }
        let file = disk::file_id(path);
        let mut connection = connect(path, Kind::Durable).map_err(fail)?;
        let unfit = |why: String| Err(StoreError::Unfit { url: self.url.clone(), why });
        match schema::look(&connection).map_err(fail)? {
            Found::Foreign => {
                return unfit(format!(
                    "`{}` is another program's database; choose another directory with --state DIR",
                    path.display()
                ));
            }
            Found::Newer(version) => {
                return unfit(format!(
                    "it was made by a newer scupper (schema {version}, this one knows up to {}); upgrade this one",
                    schema::VERSION
                ));
            }
            Found::Empty | Found::Ours(_) => {}
        }
        schema::migrate(&mut connection, signed(now.0.saturating_mul(1000))).map_err(fail)?;
        Ok(Open { connection, file })
    }

    /// Opens the heartbeats' file, or makes a new one; always where the one that is there is the `damaged` one.
    pub(super) fn open_pulse(
        &self,
        now: Timestamp,
        boot: &BootId,
        damaged: Option<&Pulse>,
    ) -> Result<Pulse, StoreError> {
        let mut reader = self.open_durable(now)?;
        let _lock = DirectoryLock::take(&self.directory).map_err(self.io("opening its heartbeats"))?;
        let file = disk::file_id(&self.beats);
        let is_damaged = damaged.is_some_and(|damaged| damaged.beats.file == file);
        let registry = registry(&reader.connection);
        let registry = registry.map_err(|source| self.fault("opening it", durable(source)))?;
        let sound =
            if is_damaged || file.is_none() { None } else { self.sound_beats(boot, bits(&reader), registry) };
        let (beats, generation) = match sound {
            Some(beats) => (Open { connection: beats, file }, registry.generation),
            None => self.make_pulse(now, boot, &mut reader)?,
        };
        let fail = |source| self.fault("opening it", durable(source));
        reader.connection.execute_batch("PRAGMA query_only = ON").map_err(fail)?;
        Ok(Pulse { beats, reader, generation, trimmed: None })
    }

    /// The heartbeats' file, if it is the one that belongs to this registry and this boot. Whatever goes wrong says that it
    /// is not.
    fn sound_beats(&self, boot: &BootId, durable: (i64, i64), registry: Registry) -> Option<Connection> {
        if disk::is_missing_or_empty(&self.beats).unwrap_or(true) {
            return None;
        }
        let beats = connect(&self.beats, Kind::Beats).ok()?;
        if !schema::beats_fit(&beats).ok()? {
            return None;
        }
        let found: (i64, String, i64, i64, i64) = beats
            .query_row("SELECT generation, boot, device, inode, last FROM guard", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .ok()?;
        let (generation, of_boot, device, inode, last) = found;
        let fits = (generation, of_boot, (device, inode)) == (registry.generation, boot.to_string(), durable)
            // A durable file that knows less than its heartbeats was restored from somewhere.
            && unsigned(last) <= registry.last;
        let whole = || beats.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        (fits && whole().is_ok_and(|said| said == "ok")).then_some(beats)
    }

    /// Everybody who lives has a whole lease from now on, and the next sweep begins with a grace.
    fn make_pulse(
        &self,
        now: Timestamp,
        boot: &BootId,
        reader: &mut Open,
    ) -> Result<(Open, i64), StoreError> {
        let doing = "making its file of heartbeats";
        let lost = self.last_of_beats();
        let (device, inode) = bits(reader);
        disk::put_aside(&self.beats).and_then(|()| disk::make_file(&self.beats)).map_err(self.io(doing))?;
        let file = disk::file_id(&self.beats);
        let mut made = || -> Result<(Connection, i64), Fault> {
            let mut connection = connect(&self.beats, Kind::Beats).map_err(beats)?;
            connection.execute_batch("PRAGMA journal_mode = WAL").map_err(beats)?;
            let new = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(beats)?;
            schema::make_beats(&new).map_err(beats)?;
            let old = reader
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(durable)?;
            let before = registry(&old).map_err(durable)?;
            let generation = before.generation.saturating_add(1).max(signed(now.0.saturating_mul(1000)));
            give_leases(&old, &new, now)?;
            let is_first = before.generation == 0;
            new.execute(
                "INSERT INTO guard (one, generation, boot, device, inode, last, restarted, outage_last, brake_claimed)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
                (
                    generation,
                    boot.to_string(),
                    device,
                    inode,
                    signed(before.last),
                    !is_first,
                    (!is_first).then_some(signed(now.0)),
                ),
            )
            .map_err(beats)?;
            if lost.is_some_and(|lost| lost > before.last) {
                old.execute(
                    "INSERT INTO lost_epochs VALUES (?1, ?2)",
                    (signed(before.last), signed(now.0.saturating_mul(1000))),
                )
                .map_err(durable)?;
            }
            old.execute("UPDATE registry SET generation = ?1", [generation]).map_err(durable)?;
            new.commit().map_err(beats)?;
            old.commit().map_err(durable)?;
            Ok((connection, generation))
        };
        let (connection, generation) = made().map_err(|fault| self.fault(doing, fault))?;
        Ok((Open { connection, file }, generation))
    }

    /// The last epoch or fence that the old heartbeats know, as far as they can be read.
    fn last_of_beats(&self) -> Option<u64> {
        if disk::is_missing_or_empty(&self.beats).unwrap_or(true) {
            return None;
        }
        let old = connect(&self.beats, Kind::Beats).ok()?;
        if !schema::beats_fit(&old).ok()? {
            return None;
        }
        let last: Option<i64> = old.query_row("SELECT last FROM guard", [], |row| row.get(0)).ok()?;
        last.map(unsigned)
    }

    /// In the words of a store.
    pub(super) fn fault(&self, doing: &'static str, fault: Fault) -> StoreError {
        match fault {
            Fault::Store(error) => error,
            Fault::Durable(source) => error::sqlite(&self.url, &self.durable, doing, &source),
            Fault::Beats(source) => error::sqlite(&self.url, &self.beats, doing, &source),
            Fault::Moved => StoreError::Unreachable {
                url: self.url.clone(),
                doing,
                source: "its file of heartbeats was made anew several times in a row".into(),
            },
        }
    }
}

/// Which file it is, as two numbers of a row.
#[expect(clippy::cast_possible_wrap, reason = "compared alone")]
fn bits(open: &Open) -> (i64, i64) {
    open.file.map_or((0, 0), |(device, inode)| (device as i64, inode as i64))
}

/// The one row; an error where there is none.
pub(super) fn registry(connection: &Connection) -> rusqlite::Result<Registry> {
    connection
        .prepare_cached("SELECT generation, last, members, claims, window_ms FROM registry WHERE one = 1")?
        .query_row([], |row| {
            Ok(Registry {
                generation: row.get(0)?,
                last: unsigned(row.get(1)?),
                members: unsigned(row.get(2)?),
                claims: unsigned(row.get(3)?),
                // What is none counts as not said.
                window: row.get::<_, i64>(4).ok().map(|millis| LeakWindow::kept(Some(unsigned(millis)))),
            })
        })
}

fn give_leases(old: &Connection, new: &Connection, now: Timestamp) -> Result<(), Fault> {
    {
        let mut living =
            old.prepare("SELECT epoch, ttl_ms FROM agents WHERE fence IS NULL").map_err(durable)?;
        let mut give = new
            .prepare("INSERT OR IGNORE INTO beats (epoch, ttl_ms, renewed) VALUES (?1, ?2, ?3)")
            .map_err(beats)?;
        // Whoever beat into the file that was lost did so before now: a lease and a grace end together.
        let before = signed(now.0.saturating_sub(1));
        let mut rows = living.query([]).map_err(durable)?;
        while let Some(row) = rows.next().map_err(durable)? {
            // A row that is not understood has no lease, and is told as trouble where somebody asks for it.
            let (Ok(epoch), Ok(ttl)) = (row.get::<_, i64>(0), row.get::<_, i64>(1)) else { continue };
            if !(0..signed(NUMBERS_END)).contains(&epoch) {
                continue;
            }
            give.execute((epoch, ttl, before)).map_err(beats)?;
        }
    }
    // Who coordinates has said so only there; those who are gone are found out.
    let until = super::rows::later(now, Timing::DEFAULT.claim_lease);
    let mut known = old
        .prepare(
            "SELECT DISTINCT coordinator FROM agents WHERE coordinator IS NOT NULL AND fence IS NULL LIMIT 10000",
        )
        .map_err(durable)?;
    let mut rows = known.query([]).map_err(durable)?;
    while let Some(row) = rows.next().map_err(durable)? {
        let Ok(id) = row.get::<_, String>(0) else { continue };
        new.execute(
            "INSERT OR IGNORE INTO coordinators (id, until_ms) VALUES (?1, ?2)",
            (id, signed(until.0)),
        )
        .map_err(beats)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Durable,
    Beats,
}

fn connect(path: &Path, kind: Kind) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(match kind {
        Kind::Durable => {
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256; PRAGMA cache_size = -2048;"
        }
        Kind::Beats => {
            "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -4096;"
        }
    })?;
    // Closing removes the WAL by its name, which may be another file's by then.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, kind == Kind::Beats)?;
    connection.execute_batch(
        "PRAGMA mmap_size = 0; PRAGMA journal_size_limit = 4194304; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )?;
    Ok(connection)
}
