//! What happened, in the durable file, and what is forgotten of it again: a little with each new event, so that nobody
//! waits long.

use std::time::Duration;

use rusqlite::Connection;
use scupper_model::Timestamp;

use super::rows::{Broken, count, json, signed, unsigned};
use crate::rules::NUMBERS_END;
use crate::{AgentId, Epoch, Event, EventId, Fence, Happened, Reason};

/// Events that are kept, and for how long.
const EVENTS: u64 = 100_000;
const EVENTS_KEPT: Duration = Duration::from_hours(7 * 24);
/// Every so many events the old ones go, so many in one call at most.
const TRIM_EVERY: u64 = 256;
const TRIM_AT_ONCE: usize = 2 * 256;
/// How long it is remembered why an incarnation ended.
const EPITAPHS_KEPT: Duration = Duration::from_hours(24);
/// Ended incarnations that go with every new one: two, so that there are never more than came in a day.
const EPITAPHS_AT_ONCE: usize = 2;
/// The longest event that is read; what is longer was not written by us.
const BODY_LIMIT: usize = 1 << 20;

type Sql<T> = rusqlite::Result<T>;

/// Records an event. Heartbeats are only published, and here nobody listens.
pub(super) fn say(transaction: &Connection, now: Timestamp, what: Happened) -> Sql<()> {
    if matches!(what, Happened::HeartbeatSent { .. }) {
        return Ok(());
    }
    let event = Event { at: now, what };
    let Some(body) = json(&event) else { return Ok(()) };
    // Hybrid-logical as an epoch: whoever follows misses nothing where the file was lost and made anew.
    let last: Option<i64> =
        transaction.prepare_cached("SELECT max(seq) FROM events")?.query_row([], |row| row.get(0))?;
    let number = next(last.map(unsigned), now);
    transaction
        .prepare_cached("INSERT INTO events (seq, body) VALUES (?1, ?2)")?
        .execute((signed(number), body))?;
    let events = transaction
        .prepare_cached("UPDATE registry SET events = events + 1 RETURNING events")?
        .query_row([], |row| row.get(0))
        .map(unsigned)?;
    if events.is_multiple_of(TRIM_EVERY) { trim(transaction, now, events) } else { Ok(()) }
}

fn next(last: Option<u64>, now: Timestamp) -> u64 {
    crate::rules::next_epoch(last.map(Epoch), now).0
}

fn trim(transaction: &Connection, now: Timestamp, events: u64) -> Sql<()> {
    let kept = u64::try_from(EVENTS_KEPT.as_millis()).unwrap_or(u64::MAX);
    let oldest = now.0.saturating_sub(kept).saturating_mul(1000);
    let surplus = usize::try_from(events.saturating_sub(EVENTS)).unwrap_or(usize::MAX).min(TRIM_AT_ONCE);
    let mut removed = transaction.execute(
        "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?1)",
        [count(surplus)],
    )?;
    // The number is the time, in microseconds.
    removed += transaction.execute(
        "DELETE FROM events WHERE seq < ?1 AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?2)",
        (signed(oldest), count(TRIM_AT_ONCE - surplus)),
    )?;
    transaction.execute("UPDATE registry SET events = max(events - ?1, 0)", [count(removed)]).map(|_| ())
}

/// Events, the oldest first. Those that are not understood are left out: another version may have written them.
pub(super) fn after(
    reader: &Connection,
    after: Option<&EventId>,
    limit: usize,
) -> Sql<Vec<(EventId, Event)>> {
    // An id that is none is one of another store: all that is kept comes after it.
    let after = after.and_then(|id| id.0.parse::<u64>().ok()).unwrap_or(0);
    let mut statement =
        reader.prepare_cached("SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut found = Vec::new();
    let mut last = signed(after);
    loop {
        let wanted = limit.saturating_sub(found.len());
        let mut rows = statement.query((last, count(wanted)))?;
        let mut some = false;
        while let Some(row) = rows.next()? {
            some = true;
            last = row.get(0)?;
            let body = row.get_ref(1)?.as_str().ok().filter(|body| body.len() <= BODY_LIMIT);
            if let Some(event) = body.and_then(|body| serde_json::from_str(body).ok()) {
                found.push((EventId(format!("{:020}", unsigned(last))), event));
            }
        }
        if !some || found.len() >= limit {
            return Ok(found);
        }
    }
}

/// Why and when an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epitaph {
    pub epoch: Epoch,
    pub at: Timestamp,
    pub reason: Reason,
    /// The claim that ended with it, and how many keys were deleted; none where it was taken over.
    pub done: Option<(Fence, u64)>,
}

pub(super) fn bury(transaction: &Connection, id: &AgentId, epitaph: Epitaph) -> Sql<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO epitaphs (id, epoch, at_ms, reason, fence, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((id.as_str(), signed(epitaph.epoch.0), signed(epitaph.at.0), epitaph.reason.as_str(),
            epitaph.done.map(|(fence, _)| signed(fence.0)), epitaph.done.map(|(_, deleted)| signed(deleted))))?;
    let kept = u64::try_from(EPITAPHS_KEPT.as_millis()).unwrap_or(u64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM epitaphs WHERE id IN (SELECT id FROM epitaphs WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
        )?
        .execute((signed(epitaph.at.0.saturating_sub(kept)), count(EPITAPHS_AT_ONCE)))
        .map(|_| ())
}

pub(super) fn epitaph(connection: &Connection, id: &AgentId) -> Sql<Option<Result<Epitaph, Broken>>> {
    let mut statement = connection
        .prepare_cached("SELECT epoch, at_ms, reason, fence, deleted FROM epitaphs WHERE id = ?1")?;
    let mut rows = statement.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let read = || -> Option<Epitaph> {
        let number = |at: usize| row.get::<_, i64>(at).ok().and_then(|number| u64::try_from(number).ok());
        let reason: String = row.get(2).ok()?;
        Some(Epitaph {
            epoch: Epoch(number(0).filter(|epoch| *epoch < NUMBERS_END)?),
            at: Timestamp(number(1)?),
            reason: serde_json::from_value(serde_json::Value::String(reason)).ok()?,
            done: number(3).map(Fence).zip(number(4)),
        })
    };
    Ok(Some(read().ok_or_else(|| Broken(format!("epitaph of `{id}`: it is not what was written there")))))
}
