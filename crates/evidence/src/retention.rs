//! What is old goes, a little at a time: by age, then by size, the oldest first.
//!
//! One call looks at two numbers, and only where something is due does it write: at most 2,000 events and 2 MiB of
//! pages, so that nobody waits long for the lock. Size is brought to 90 % of what is allowed, so that a full file is
//! not trimmed with every event. Pages that become free are cut off the end of the file (incremental vacuum): it
//! really shrinks.
//!
//! What a record cites stays ([`Store::keep`]): a claim must not come undone because a month went by. That is bounded too: where
//! the file is too large, what is kept gets half of it at most, and the oldest of it is let go.

use rusqlite::TransactionBehavior;
use scupper_model::Timestamp;

use crate::store::milliseconds;
use crate::{EvidenceError, Store};

/// Events removed per call at most.
const EVENTS_PER_CALL: u64 = 2_000;
/// Events that are kept at most; of more the ones that were named first are let go.
const MOST_KEPT: u64 = 20_000;
/// What is not kept.
const NOT_KEPT: &str = "uuid NOT IN (SELECT uuid FROM kept)";
/// Pages given back per call at most.
const PAGES_PER_CALL: u64 = 512;

/// What a call removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Events.
    pub events: u64,
    /// Bytes by which the file shrank.
    pub bytes: u64,
    /// Whether there is more to do: call again.
    pub more: bool,
}

impl Store {
    /// Keeps these events beyond their time: a record cites them. One that is not written yet is kept as soon as it is.
    pub fn keep(&mut self, ids: &[uuid::Uuid]) -> Result<(), EvidenceError> {
        let path = &self.path;
        let fail = |source| EvidenceError::sqlite(path, "write", source);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        for id in ids {
            transaction
                .execute(
                    "INSERT INTO kept (uuid) VALUES (?1) ON CONFLICT (uuid) DO NOTHING",
                    [id.to_string()],
                )
                .map_err(fail)?;
        }
        let surplus = format!(
            "DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY id DESC LIMIT -1 OFFSET {MOST_KEPT})"
        );
        transaction.execute(&surplus, []).map_err(fail)?;
        transaction.commit().map_err(fail)
    }

    /// Where what is kept is more than half of what is allowed, the half of it that was named first is let go.
    fn let_go_of_surplus(&mut self) -> Result<(), EvidenceError> {
        let kept = self.number(
            "SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM events WHERE uuid IN (SELECT uuid FROM kept)",
        )?;
        if kept > self.options.max_bytes.0 / 2 {
            self.remove(
                "DELETE FROM kept WHERE id IN
                 (SELECT id FROM kept ORDER BY id LIMIT (SELECT (count(*) + 1) / 2 FROM kept))",
            )?;
        }
        Ok(())
    }

    /// Removes what is older than allowed and not kept, and then the oldest while the file is larger than allowed. Bounded work:
    /// call again while [`Removed::more`].
    pub fn retain(&mut self, now: Timestamp) -> Result<Removed, EvidenceError> {
        let before = self.size()?;
        let age = u64::try_from(self.options.max_age.as_millis()).unwrap_or(u64::MAX);
        let oldest = Timestamp(now.0.saturating_sub(age));
        let mut removed = Removed { events: self.remove_older_than(oldest)?, ..Removed::default() };
        let budget = EVENTS_PER_CALL - removed.events;
        let excess = if budget > 0 { self.events_over_size()? } else { 0 };
        if excess > 0 {
            removed.events += self.remove_oldest(excess.min(budget))?;
        }
        let free = self.number("PRAGMA freelist_count")?;
        // A few free pages are used again soon. Most of a file being free, or much of it, is worth a write.
        let worth_it = free >= PAGES_PER_CALL || (removed.events > 0 && free > 0);
        if worth_it {
            self.give_back_pages()?;
        }
        removed.bytes = before.saturating_sub(self.size()?).0;
        removed.more = removed.events == EVENTS_PER_CALL
            || excess > budget
            || (worth_it && self.number("PRAGMA freelist_count")? >= PAGES_PER_CALL);
        Ok(removed)
    }

    fn remove_older_than(&mut self, oldest: Timestamp) -> Result<u64, EvidenceError> {
        let oldest = milliseconds(oldest.0);
        let due = self
            .number(&format!("SELECT EXISTS (SELECT 1 FROM events WHERE at_ms < {oldest} AND {NOT_KEPT})"))?;
        if due == 0 {
            return Ok(0);
        }
        self.remove(&format!(
            "DELETE FROM events WHERE id IN
             (SELECT id FROM events WHERE at_ms < {oldest} AND {NOT_KEPT} ORDER BY at_ms LIMIT {EVENTS_PER_CALL})"
        ))
    }

    /// How many of the oldest events would have to go, going by the mean size of one. 0 while the file fits.
    fn events_over_size(&mut self) -> Result<u64, EvidenceError> {
        let allowed = self.options.max_bytes.0;
        let page = self.number("PRAGMA page_size")?;
        let used = self
            .number("PRAGMA page_count")?
            .saturating_sub(self.number("PRAGMA freelist_count")?)
            .saturating_mul(page);
        if used <= allowed {
            return Ok(0);
        }
        self.let_go_of_surplus()?;
        let events = self.number(&format!("SELECT count(*) FROM events WHERE {NOT_KEPT}"))?;
        if events == 0 {
            return Ok(0);
        }
        let target = allowed - allowed / 10;
        let mean = (used / events).max(1);
        Ok(((used - target) / mean).clamp(1, events))
    }

    fn remove_oldest(&mut self, count: u64) -> Result<u64, EvidenceError> {
        self.remove(&format!(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {NOT_KEPT} ORDER BY id LIMIT {count})"
        ))
    }

    fn remove(&mut self, sql: &str) -> Result<u64, EvidenceError> {
        let path = &self.path;
        let fail = |source| EvidenceError::sqlite(path, "trim", source);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let count = transaction.execute(sql, []).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        Ok(count as u64)
    }

    fn give_back_pages(&self) -> Result<(), EvidenceError> {
        let fail = |source| EvidenceError::sqlite(&self.path, "trim", source);
        for sql in
            [format!("PRAGMA incremental_vacuum({PAGES_PER_CALL})"), "PRAGMA wal_checkpoint(PASSIVE)".into()]
        {
            // Each step frees one page: it has to be run to its end.
            let mut statement = self.connection.prepare(&sql).map_err(fail)?;
            let mut rows = statement.query([]).map_err(fail)?;
            while rows.next().map_err(fail)?.is_some() {}
        }
        Ok(())
    }
}
