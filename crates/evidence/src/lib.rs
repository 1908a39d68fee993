//! What was seen and done, in one `SQLite` file that many scupper processes share.
//!
//! Events are few and precious, and the process that records them is often about to lose its machine. So: the file
//! is in WAL mode with `synchronous=FULL` (an acknowledged batch survives `kill -9` and a power cut), whatever is
//! queued goes in as one transaction, and a service never waits for its evidence. [`Writer`] is the way in from a
//! running unit; [`Store`] is the file itself, for those who read.
//!
//! # The file
//!
//! `PRAGMA application_id` is 0x53435550 ("SCUP"), `PRAGMA user_version` the version of the schema. Two tables:
//!
//! | column of `events` | what it holds |
//! |---|---|
//! | `id` integer primary key | order in which events were written; never used twice |
//! | `uuid` text, unique | the event's own id, so that a repeated write changes nothing |
//! | `at_ms` integer | when it happened: milliseconds since 1970, UTC |
//! | `unit` text | name of the unit |
//! | `run` text | id of the run, 32 hexadecimal digits |
//! | `kind` text | what happened: `unit_exited`, `limit_crossed`, … |
//! | `severity` text | `routine`, `notice`, `warning` or `error` |
//! | `body` text | the whole event as one line of JSON |
//!
//! `kept` has the `uuid` of each event that a record cites: those stay when their time has come (`Store::keep`).
//!
//! Indexes: `(unit, at_ms)` and `(at_ms)`. Operators have the `sqlite3` tool:
//!
//! ```text
//! sqlite3 -readonly evidence.sqlite \
//!   "select datetime(at_ms / 1000, 'unixepoch'), unit, kind, body ->> 'message' from events order by at_ms desc limit 20"
//! ```
//!
//! # What is absent
//!
//! No clock: whoever calls says what time it is. No redaction: the maker of an event redacts it
//! (`scupper_model::redact_command` and its sisters) before anybody else sees it. No row per sample.

#![forbid(unsafe_code)]

mod disk;
mod error;
mod keeper;
mod query;
mod repair;
mod retention;
mod schema;
mod store;
mod writer;

use std::time::Duration;

use scupper_model::Bytes;

pub use error::EvidenceError;
pub use query::{Query, Stored, Unreadable};
pub use retention::Removed;
pub use schema::SCHEMA_VERSION;
pub use store::Store;
pub use writer::{CloseReport, Writer};

/// How much evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Events older than this go first, but for those that are kept. 30 days unless told otherwise.
    pub max_age: Duration,
    /// Above this size of the file the oldest events go, whatever their age. 256 MiB unless told otherwise.
    pub max_bytes: Bytes,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_age: Duration::from_hours(30 * 24), max_bytes: Bytes::mib(256) }
    }
}
