//! Rows of the durable file as the words they stand for. Whoever wrote them may have been another program: a row that is
//! not understood is *broken*, which is said, and nothing is done about it.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use scupper_model::{Identity, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rules::NUMBERS_END;
use crate::{
    AgentId, Claim, CoordinatorId, Directive, Epoch, Fence, HostId, Nonce, Process, Reason, SecretHash,
};

/// What [`read`] reads, in this order.
const COLUMNS: &str = "id, epoch, nonce, resumed, ttl_ms, since_ms, coordinator, host, identity, secret, directive, fence, \
    reason, claimed_by, claimed_on, until_ms, last_seen, idle_ms, taken_on, begun, deleted, aborted";

/// The longest text of a column that is read: an identity, the longest of them, has less than 200 characters.
const TEXT_LIMIT: usize = 1024;

/// One agent, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Agent {
    pub id: AgentId,
    pub epoch: Epoch,
    pub nonce: Nonce,
    pub resumed: bool,
    pub ttl: Duration,
    pub since: Timestamp,
    pub process: Process,
    pub coordinator: Option<CoordinatorId>,
    pub directive: Option<Directive>,
    pub secret: Option<SecretHash>,
    /// It is no member any more while this is there.
    pub cleanup: Option<Cleanup>,
    /// The claim that an objection ended.
    pub aborted: Option<Fence>,
}

/// A cleanup in progress.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cleanup {
    pub fence: Fence,
    pub reason: Reason,
    /// Who claimed, from which host; nobody where the agent left by itself.
    pub by: Option<(CoordinatorId, HostId)>,
    pub until: Timestamp,
    pub last_seen: Option<Timestamp>,
    pub idle: Option<Duration>,
    pub taken_on: bool,
    /// Whether anything was deleted, or was about to be.
    pub begun: bool,
    pub deleted: u64,
}

/// What is wrong with a row, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub String);

impl Agent {
    /// The claim on it, if there is one.
    pub(super) fn claim(&self) -> Option<Claim> {
        let cleanup = self.cleanup.as_ref()?;
        Some(Claim {
            id: self.id.clone(),
            epoch: Some(self.epoch),
            fence: cleanup.fence,
            reason: cleanup.reason,
            last_seen: cleanup.last_seen,
            idle: cleanup.idle,
            process: Some(self.process.clone()),
            coordinator: self.coordinator.clone(),
            taken_on: cleanup.taken_on,
        })
    }
}

/// The agent of this name.
pub(super) fn by_id(
    connection: &Connection,
    id: &AgentId,
) -> rusqlite::Result<Option<Result<Agent, Broken>>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM agents WHERE id = ?1"))?
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()
}

/// The agent whose incarnation this is.
pub(super) fn by_epoch(
    connection: &Connection,
    epoch: Epoch,
) -> rusqlite::Result<Option<Result<Agent, Broken>>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM agents WHERE epoch = ?1"))?
        .query_row([signed(epoch.0)], |row| Ok(read(row)))
        .optional()
}

/// Rows whose epoch is none: by the index of epochs, in which all that is no number comes last. What lies in between and is
/// no whole number costs a look at every row, so only where `whole` asks for it.
pub(super) fn astray(connection: &Connection, whole: bool, limit: usize) -> rusqlite::Result<Vec<Broken>> {
    let between = if whole { " UNION SELECT id FROM agents WHERE typeof(epoch) <> 'integer'" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM agents WHERE id IN (SELECT id FROM agents WHERE epoch < 0
             UNION SELECT id FROM agents WHERE epoch >= ?1{between} LIMIT ?2)"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((signed(NUMBERS_END), count(limit)), |row| Ok(read(row).err()))?;
    rows.filter_map(Result::transpose).collect()
}

/// Agents whose names come after this one, in the order of their names; all of them, or those that are being cleaned up.
pub(super) fn after(
    connection: &Connection,
    from: Option<&str>,
    cleanups: bool,
    limit: usize,
) -> rusqlite::Result<Vec<Result<Agent, Broken>>> {
    let filter = if cleanups { " AND fence IS NOT NULL" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE id > ?1{filter} ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((from.unwrap_or_default(), count(limit)), |row| Ok(read(row)))?;
    rows.collect()
}

/// Agents whose cleanup nobody goes on with, the longest waiting first.
pub(super) fn ended_claims(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<Result<Agent, Broken>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM agents WHERE fence IS NOT NULL AND until_ms < ?1 ORDER BY until_ms LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((signed(now.0), count(limit)), |row| Ok(read(row)))?;
    rows.collect()
}

fn read(row: &Row<'_>) -> Result<Agent, Broken> {
    let columns = Columns(row);
    columns.agent().map_err(|column| {
        let name = columns.text(0).ok().flatten().unwrap_or_else(|| "?".to_owned());
        let name: String = name.chars().take(64).flat_map(char::escape_default).collect();
        Broken(format!("agent `{name}`: column `{column}` is not what was written there"))
    })
}

/// Columns by their place in [`COLUMNS`]. The error is the column's name.
struct Columns<'r, 's>(&'r Row<'s>);

type Column<T> = Result<T, &'static str>;

impl Columns<'_, '_> {
    fn agent(&self) -> Column<Agent> {
        Ok(Agent {
            id: self.must(0, "id")?,
            epoch: Epoch(self.mark(1)?.ok_or("epoch")?),
            nonce: self.must(2, "nonce")?,
            resumed: self.flag(3, "resumed")?,
            ttl: self.millis(4, "ttl_ms")?.filter(|ttl| !ttl.is_zero()).ok_or("ttl_ms")?,
            since: self.time(5, "since_ms")?.ok_or("since_ms")?,
            coordinator: self.name(6, "coordinator")?,
            process: Process { host: self.must(7, "host")?, identity: self.json::<Identity>(8, "identity")? },
            secret: self.secret()?,
            directive: self.word(10, "directive")?,
            cleanup: self.cleanup()?,
            aborted: self.mark(21)?.map(Fence),
        })
    }

    fn cleanup(&self) -> Column<Option<Cleanup>> {
        let Some(fence) = self.mark(11)? else { return Ok(None) };
        let by = match (self.name(13, "claimed_by")?, self.name(14, "claimed_on")?) {
            (Some(who), Some(host)) => Some((who, host)),
            (None, None) => None,
            _ => return Err("claimed_on"),
        };
        Ok(Some(Cleanup {
            fence: Fence(fence),
            reason: self.word(12, "reason")?.ok_or("reason")?,
            by,
            until: self.time(15, "until_ms")?.ok_or("until_ms")?,
            last_seen: self.time(16, "last_seen")?,
            idle: self.millis(17, "idle_ms")?,
            taken_on: self.flag(18, "taken_on")?,
            begun: self.flag(19, "begun")?,
            deleted: self.number(20, "deleted")?.ok_or("deleted")?,
        }))
    }

    fn text(&self, at: usize) -> Result<Option<String>, ()> {
        match self.0.get_ref(at) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Text(bytes)) if bytes.len() <= TEXT_LIMIT => {
                std::str::from_utf8(bytes).map(|text| Some(text.to_owned())).map_err(|_| ())
            }
            _ => Err(()),
        }
    }

    fn name<T: TryFrom<String>>(&self, at: usize, column: &'static str) -> Column<Option<T>> {
        let text = self.text(at).map_err(|()| column)?;
        text.map(T::try_from).transpose().map_err(|_| column)
    }

    fn must<T: TryFrom<String>>(&self, at: usize, column: &'static str) -> Column<T> {
        self.name(at, column)?.ok_or(column)
    }

    fn json<T: DeserializeOwned>(&self, at: usize, column: &'static str) -> Column<Option<T>> {
        let text = self.text(at).map_err(|()| column)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| column)
    }

    fn word<T: DeserializeOwned>(&self, at: usize, column: &'static str) -> Column<Option<T>> {
        let text = self.text(at).map_err(|()| column)?;
        let word = |text: String| serde_json::from_value(serde_json::Value::String(text));
        text.map(word).transpose().map_err(|_| column)
    }

    fn number(&self, at: usize, column: &'static str) -> Column<Option<u64>> {
        match self.0.get_ref(at) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Integer(number)) => u64::try_from(number).map(Some).map_err(|_| column),
            _ => Err(column),
        }
    }

    /// An epoch or a fence.
    fn mark(&self, at: usize) -> Column<Option<u64>> {
        let column = match at {
            1 => "epoch",
            11 => "fence",
            _ => "aborted",
        };
        let number = self.number(at, column)?;
        if number.is_some_and(|number| number >= NUMBERS_END) { Err(column) } else { Ok(number) }
    }

    fn time(&self, at: usize, column: &'static str) -> Column<Option<Timestamp>> {
        Ok(self.number(at, column)?.map(Timestamp))
    }

    fn millis(&self, at: usize, column: &'static str) -> Column<Option<Duration>> {
        Ok(self.number(at, column)?.map(Duration::from_millis))
    }

    fn flag(&self, at: usize, column: &'static str) -> Column<bool> {
        match self.number(at, column)? {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(column),
        }
    }

    fn secret(&self) -> Column<Option<SecretHash>> {
        match self.0.get_ref(9) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Blob(bytes)) => {
                bytes.try_into().map(|hash| Some(SecretHash(hash))).map_err(|_| "secret")
            }
            _ => Err("secret"),
        }
    }
}

/// A word of JSON without its quotes, as it stands in a column: `drain`.
pub(super) fn word<T: Serialize>(value: &T) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Some(text),
        _ => None,
    }
}

/// As it stands in a column.
pub(super) fn json<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// As `SQLite` keeps numbers; the end of time is far enough.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is negative was not written by us.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A moment so much later.
pub(super) fn later(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::Value;

    use super::super::{history, leases, schema};
    use super::*;
    use crate::EventId;

    fn registry() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, 9).unwrap();
        connection
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            2 => Just(Value::Null),
            3 => any::<i64>().prop_map(Value::Integer),
            3 => (0..3_i64).prop_map(Value::Integer),
            1 => any::<f64>().prop_map(Value::Real),
            2 => ".{0,40}".prop_map(Value::Text),
            3 => prop_oneof![Just("drain"), Just("shutdown"), Just("host-1"), Just("{}"), Just("*")]
                .prop_map(|text| Value::Text(text.to_owned())),
            1 => prop::collection::vec(any::<u8>(), 30..34).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn a_row_of_a_stranger_is_understood_or_broken(
            values in prop::collection::vec((0..22_usize, value()), 0..12),
            event in ".{0,60}",
        ) {
            let connection = registry();
            connection.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON").unwrap();
            connection.execute(
                "INSERT INTO agents (id, epoch, nonce, ttl_ms, since_ms, host) VALUES ('a', 7, 'n', 1000, 1, 'h')",
                [],
            ).unwrap();
            let names: Vec<_> = COLUMNS.split(',').map(str::trim).collect();
            for (column, value) in values {
                // What the schema itself refuses was never there.
                let _ = connection.execute(&format!("UPDATE agents SET {} = ?1", names[column]), [value]);
            }
            let all = after(&connection, None, false, 10).unwrap();
            for agent in &all {
                match agent {
                    Ok(agent) => {
                        prop_assert!(agent.epoch.0 < NUMBERS_END && !agent.ttl.is_zero());
                        prop_assert_eq!(by_id(&connection, &agent.id).unwrap(), Some(Ok(agent.clone())));
                        prop_assert_eq!(by_epoch(&connection, agent.epoch).unwrap(), Some(Ok(agent.clone())));
                        prop_assert_eq!(agent.claim().is_some(), agent.cleanup.is_some());
                    }
                    Err(Broken(said)) => prop_assert!(said.len() < 300 && !said.contains(char::is_control), "{}", said),
                }
            }
            ended_claims(&connection, Timestamp(u64::MAX), 10).unwrap();
            connection.execute("INSERT INTO events VALUES (5, ?1)", [&event]).unwrap();
            history::after(&connection, Some(&EventId(event.clone())), 10).unwrap();
            connection.execute("INSERT INTO epitaphs (id, epoch, at_ms, reason) VALUES ('a', 3, 4, ?1)", [&event]).unwrap();
            prop_assert!(history::epitaph(&connection, &"a".parse().unwrap()).unwrap().unwrap().is_err());
            prop_assert_eq!(leases::counts(&beats(), Timestamp(u64::MAX), Duration::ZERO).unwrap(), (1, 1));
        }
    }

    fn beats() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        schema::make_beats(&connection).unwrap();
        leases::renew(&connection, Epoch(7), Duration::from_secs(1), Timestamp(5)).unwrap();
        connection
    }
}
