//! Which events to read, and what comes back: also of a file in which a newer scupper wrote kinds that this one
//! does not know.

use std::ops::ControlFlow;

use rusqlite::Row;
use rusqlite::types::Value;
use scupper_model::{Event, Pid, RunId, Timestamp, UnitName};

use crate::store::milliseconds;
use crate::{EvidenceError, Store};

/// The longest body that is read; what is longer was not written by a scupper.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Which events. Everything that is set must hold; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The one with this id.
    pub id: Option<uuid::Uuid>,
    /// Of this unit.
    pub unit: Option<UnitName>,
    /// Of units whose names fit this pattern: `*` is any characters, `?` is one.
    pub unit_pattern: Option<String>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Of one of these kinds (`unit_exited`); of any kind where empty.
    pub kinds: Vec<String>,
    /// That tell of a process with this number: in the identity of somebody, whoever it was.
    pub pid: Option<Pid>,
    /// That happened then or later.
    pub since: Option<Timestamp>,
    /// That happened before then.
    pub until: Option<Timestamp>,
    /// That were written after this row: to go on where an earlier answer ended.
    pub after_row: Option<i64>,
    /// At most so many, and of those that fit the newest.
    pub newest: Option<usize>,
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its place in the order of writing.
    pub row: i64,
    /// The event, or what is known of it where this scupper cannot read it.
    pub event: Result<Event, Unreadable>,
}

/// A row that is no event to this scupper: of a newer kind, or damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// When it happened.
    pub at: Timestamp,
    /// Name of the unit.
    pub unit: String,
    /// Its kind.
    pub kind: String,
    /// The JSON as it was written, at most 1 MiB.
    pub body: String,
    /// Why it could not be read.
    pub why: String,
}

impl Store {
    /// The events that fit, from oldest to newest by the time they happened; where `after_row` is set, in the order
    /// they were written.
    pub fn events(&self, query: &Query) -> Result<Vec<Stored>, EvidenceError> {
        let mut found = Vec::new();
        self.visit(query, |stored| {
            found.push(stored);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Shows the same events one by one, without holding them all in memory, until told to stop.
    pub fn visit(
        &self,
        query: &Query,
        mut look: impl FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), EvidenceError> {
        self.visit_rows(query, |row| Ok(look(read(row)?)))
    }

    /// Shows them with the line as it was written, byte for byte: for whoever has to say later that it is still the same.
    pub fn visit_lines(
        &self,
        query: &Query,
        mut look: impl FnMut(Stored, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EvidenceError> {
        self.visit_rows(query, |row| Ok(look(read(row)?, row.get_ref(4)?.as_bytes().unwrap_or_default())))
    }

    fn visit_rows(
        &self,
        query: &Query,
        mut look: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, rusqlite::Error>,
    ) -> Result<(), EvidenceError> {
        let fail = |source| EvidenceError::sqlite(&self.path, "read", source);
        let (sql, values) = query.to_sql();
        let mut statement = self.connection.prepare(&sql).map_err(fail)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            if look(row).map_err(fail)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Query {
    fn to_sql(&self) -> (String, Vec<Value>) {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let mut add = |condition: &str, value: Value| {
            conditions.push(condition.to_owned());
            values.push(value);
        };
        if let Some(id) = self.id {
            add("uuid = ?", Value::Text(id.to_string()));
        }
        if let Some(unit) = &self.unit {
            add("unit = ?", Value::Text(unit.to_string()));
        }
        if let Some(pattern) = &self.unit_pattern {
            // `[` begins a class for SQLite, and is in no name.
            add("unit GLOB ?", Value::Text(pattern.replace('[', "[[]")));
        }
        if let Some(run) = self.run {
            add("run = ?", Value::Text(run.to_string()));
        }
        if let Some(since) = self.since {
            add("at_ms >= ?", Value::Integer(milliseconds(since.0)));
        }
        if let Some(until) = self.until {
            add("at_ms < ?", Value::Integer(milliseconds(until.0)));
        }
        if let Some(row) = self.after_row {
            add("id > ?", Value::Integer(row));
        }
        if let Some(pid) = self.pid {
            // Lines are JSON without white space, in which a field's name cannot be part of a text: its quotes are escaped there.
            conditions.push("(instr(body, ?) > 0 OR instr(body, ?) > 0)".to_owned());
            values.extend([',', '}'].map(|end| Value::Text(format!("\"pid\":{pid}{end}"))));
        }
        if !self.kinds.is_empty() {
            conditions.push(format!("kind IN ({})", vec!["?"; self.kinds.len()].join(", ")));
            values.extend(self.kinds.iter().cloned().map(Value::Text));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let (forward, backward) = match self.after_row {
            Some(_) => ("id", "id DESC"),
            None => ("at_ms, id", "at_ms DESC, id DESC"),
        };
        let select = format!("SELECT id, at_ms, unit, kind, body FROM events{filter}");
        match self.newest {
            None => (format!("{select} ORDER BY {forward}"), values),
            Some(count) => {
                values.push(Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
                (format!("SELECT * FROM ({select} ORDER BY {backward} LIMIT ?) ORDER BY {forward}"), values)
            }
        }
    }
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    // Columns are read leniently: whoever wrote the file may have been another program.
    let text = |column| {
        row.get_ref(column).map(|value| {
            value.as_bytes().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default()
        })
    };
    let body = row.get_ref(4)?.as_bytes().unwrap_or_default();
    let kind = text(3)?;
    let parsed = if body.len() > MAX_BODY_BYTES {
        Err(format!("{} bytes are too long for an event", body.len()))
    } else {
        serde_json::from_slice::<Event>(body).map_err(|error| format!("`{kind}`: {error}"))
    };
    let event = match parsed {
        Ok(event) => Ok(event),
        Err(why) => Err(Unreadable {
            at: Timestamp(row.get_ref(1)?.as_i64().ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)),
            unit: text(2)?,
            kind,
            body: String::from_utf8_lossy(&body[..body.len().min(MAX_BODY_BYTES)]).into_owned(),
            why,
        }),
    };
    Ok(Stored { row: row.get(0)?, event })
}
