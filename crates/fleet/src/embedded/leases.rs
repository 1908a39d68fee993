//! The heartbeats' file: who was heard of when, what the guard remembers, and what else may be forgotten.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};
use scupper_model::{Bytes, Timestamp};

use super::rows::{count, json, later, millis, signed, unsigned};
use crate::rules::{MassBrake, Outage, clipped_state};
use crate::words::PERIODS_KEPT;
use crate::{AgentId, CoordinatorId, CoordinatorView, Epoch, HostId, Incarnation, Report};

/// Samples of memory that one call removes at most.
const SAMPLES_PER_CALL: usize = 1000;
/// Coordinators and turns that are known at most.
const NAMES_LIMIT: usize = 1000;

type Sql<T> = rusqlite::Result<T>;

/// One lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub epoch: Epoch,
    pub ttl: Duration,
    /// When it was renewed.
    pub renewed: Timestamp,
    /// The last heartbeat; `None` where the file was made anew since.
    pub seen: Option<Timestamp>,
}

impl Lease {
    pub(super) fn deadline(&self) -> Timestamp {
        later(self.renewed, self.ttl)
    }
}

/// Renews a lease, or begins it.
pub(super) fn renew(beats: &Connection, epoch: Epoch, ttl: Duration, now: Timestamp) -> Sql<()> {
    let now = signed(now.0);
    let renewed = beats
        .prepare_cached("UPDATE beats SET renewed = ?2, seen = ?2 WHERE epoch = ?1")?
        .execute((signed(epoch.0), now))?;
    if renewed == 0 {
        beats
            .prepare_cached("INSERT INTO beats (epoch, ttl_ms, renewed, seen) VALUES (?1, ?2, ?3, ?3)")?
            .execute((signed(epoch.0), millis(ttl), now))?;
    }
    Ok(())
}

/// The durable file knows this epoch or fence, or will soon: one that knows less is an older copy.
pub(super) fn reached(beats: &Connection, number: u64) -> Sql<()> {
    beats.prepare_cached("UPDATE guard SET last = max(last, ?1)")?.execute([signed(number)]).map(|_| ())
}

/// One lease more from now on for whom nothing can be told, so that he does not stand before the others.
pub(super) fn push_back(beats: &Connection, epoch: Epoch, now: Timestamp) -> Sql<()> {
    beats
        .prepare_cached("UPDATE beats SET renewed = ?2 WHERE epoch = ?1")?
        .execute((signed(epoch.0), signed(now.0)))
        .map(|_| ())
}

/// Everything of an incarnation goes.
pub(super) fn forget(beats: &Connection, epoch: Epoch) -> Sql<()> {
    let epoch = signed(epoch.0);
    beats.prepare_cached("DELETE FROM beats WHERE epoch = ?1")?.execute([epoch])?;
    beats.prepare_cached("DELETE FROM reports WHERE epoch = ?1")?.execute([epoch])?;
    Ok(())
}

/// What an incarnation said of itself, in this period.
pub(super) fn report(beats: &Connection, who: &Incarnation, report: &Report, nth: u64) -> Sql<()> {
    let kept = Report { state: clipped_state(&report.state).to_owned(), ..report.clone() };
    if let Some(body) = json(&kept) {
        beats
            .prepare_cached("INSERT OR REPLACE INTO reports (epoch, body) VALUES (?1, ?2)")?
            .execute((signed(who.epoch.0), body))?;
    }
    if let Some(rss) = report.memory.rss {
        beats
            .prepare_cached(
                "INSERT OR REPLACE INTO memory (minute, epoch, id, bytes) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((signed(nth), signed(who.epoch.0), who.id.as_str(), signed(rss.0)))?;
    }
    Ok(())
}

/// Removes some of the samples that are too old, or of a time that is yet to come. Gives whether none is left.
pub(super) fn trim_memory(beats: &Connection, nth: u64) -> Sql<bool> {
    let mut removed = 0;
    for (range, bound) in
        [("minute <= ?1", nth.saturating_sub(PERIODS_KEPT)), ("minute > ?1", nth.saturating_add(1))]
    {
        let sql = format!(
            "DELETE FROM memory WHERE (minute, epoch) IN (SELECT minute, epoch FROM memory WHERE {range} LIMIT ?2)"
        );
        removed += beats.prepare_cached(&sql)?.execute((signed(bound), count(SAMPLES_PER_CALL)))?;
    }
    Ok(removed < SAMPLES_PER_CALL)
}

/// All of them: they are of another window's periods.
pub(super) fn forget_memory(beats: &Connection) -> Sql<()> {
    beats.execute("DELETE FROM memory", []).map(|_| ())
}

/// What every incarnation took in one period.
pub(super) fn memory(beats: &Connection, nth: u64) -> Sql<HashMap<Incarnation, Bytes>> {
    let mut statement = beats.prepare_cached("SELECT epoch, id, bytes FROM memory WHERE minute = ?1")?;
    let rows = statement.query_map([signed(nth)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut found = HashMap::new();
    for row in rows {
        let (epoch, id, bytes) = row?;
        // Written by us from an id that was checked; what is none is left out.
        let Ok(id) = id.parse::<AgentId>() else { continue };
        found.insert(Incarnation { id, epoch: Epoch(unsigned(epoch)) }, Bytes(unsigned(bytes)));
    }
    Ok(found)
}

pub(super) fn lease(beats: &Connection, epoch: Epoch) -> Sql<Option<Lease>> {
    beats
        .prepare_cached("SELECT epoch, ttl_ms, renewed, seen FROM beats WHERE epoch = ?1")?
        .query_row([signed(epoch.0)], read_lease)
        .optional()
}

pub(super) fn report_of(beats: &Connection, epoch: Epoch) -> Sql<Option<Report>> {
    let body: Option<String> = beats
        .prepare_cached("SELECT body FROM reports WHERE epoch = ?1")?
        .query_row([signed(epoch.0)], |row| row.get(0))
        .optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

fn read_lease(row: &Row<'_>) -> Sql<Lease> {
    Ok(Lease {
        epoch: Epoch(unsigned(row.get(0)?)),
        ttl: Duration::from_millis(unsigned(row.get(1)?)),
        renewed: Timestamp(unsigned(row.get(2)?)),
        seen: row.get::<_, Option<i64>>(3)?.map(|at| Timestamp(unsigned(at))),
    })
}

/// The lengths of all leases: few, so that one index answers for everybody.
fn lengths(beats: &Connection) -> Sql<Vec<i64>> {
    beats
        .prepare_cached(
            "WITH RECURSIVE lengths (ttl) AS (
                 SELECT min(ttl_ms) FROM beats
                 UNION ALL
                 SELECT (SELECT min(ttl_ms) FROM beats WHERE ttl_ms > ttl) FROM lengths WHERE ttl IS NOT NULL
             ) SELECT ttl FROM lengths WHERE ttl IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The shortest lease of anybody.
pub(super) fn shortest(beats: &Connection) -> Sql<Option<Duration>> {
    beats
        .prepare_cached("SELECT min(ttl_ms) FROM beats")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))
        .map(|shortest| shortest.map(|ttl| Duration::from_millis(unsigned(ttl))))
}

/// How many leases have ended, and how many agents have been silent for longer than this.
pub(super) fn counts(beats: &Connection, now: Timestamp, suspect: Duration) -> Sql<(u64, u64)> {
    let now = signed(now.0);
    let mut statement =
        beats.prepare_cached("SELECT count(*) FROM beats WHERE ttl_ms = ?1 AND renewed < ?2")?;
    let (mut ended, mut silent) = (0, 0);
    for ttl in lengths(beats)? {
        let mut older =
            |than: i64| statement.query_row((ttl, now.saturating_sub(than)), |row| row.get(0)).map(unsigned);
        ended += older(ttl)?;
        silent += older(millis(suspect))?;
    }
    Ok((ended, silent))
}

/// Leases that have ended, those first that ended first.
pub(super) fn ended(beats: &Connection, now: Timestamp, limit: usize) -> Sql<Vec<Lease>> {
    let mut statement = beats.prepare_cached(
        "SELECT epoch, ttl_ms, renewed, seen FROM beats WHERE ttl_ms = ?1 AND renewed < ?2 ORDER BY renewed LIMIT ?3",
    )?;
    let mut all = Vec::new();
    for ttl in lengths(beats)? {
        let rows = statement.query_map((ttl, signed(now.0).saturating_sub(ttl), count(limit)), read_lease)?;
        for row in rows {
            all.push(row?);
        }
    }
    all.sort_by_key(|lease| (lease.deadline(), lease.epoch));
    all.truncate(limit);
    Ok(all)
}

/// The clock may have gone back: what was to be in the future begins now.
pub(super) fn nothing_from_the_future(beats: &Connection, now: Timestamp, lease: Duration) -> Sql<()> {
    let (now, until) = (signed(now.0), signed(later(now, lease).0));
    beats.execute("UPDATE beats SET renewed = ?1, seen = min(seen, ?1) WHERE renewed > ?1", [now])?;
    beats.execute("UPDATE coordinators SET until_ms = ?1 WHERE until_ms > ?1", [until])?;
    beats.execute("UPDATE turns SET until_ms = ?1 WHERE until_ms > ?1", [now])?;
    Ok(())
}

/// What is remembered from one sweep to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    /// The file was made anew, and nobody has swept since.
    pub restarted: bool,
    pub outage: Outage,
    pub mass: MassBrake,
    /// How many looked dead of how many at the last sweep that was held.
    pub held: Option<(u64, u64)>,
}

impl Guard {
    pub(super) fn read(beats: &Connection) -> Sql<Self> {
        let moment = |at: Option<i64>| at.map(|at| Timestamp(unsigned(at)));
        beats
            .prepare_cached(
                "SELECT restarted, outage_last, outage_until, brake_since, brake_claimed, brake_until, brake_dead,
                        brake_members FROM guard WHERE one = 1",
            )?
            .query_row([], |row| {
                let held: (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
                Ok(Self {
                    restarted: row.get(0)?,
                    outage: Outage { last: moment(row.get(1)?), until: moment(row.get(2)?) },
                    mass: MassBrake {
                        since: moment(row.get(3)?),
                        claimed: unsigned(row.get(4)?),
                        until: moment(row.get(5)?),
                    },
                    held: held.0.map(unsigned).zip(held.1.map(unsigned)),
                })
            })
    }

    pub(super) fn write(&self, beats: &Connection) -> Sql<()> {
        let moment = |at: Option<Timestamp>| at.map(|at| signed(at.0));
        beats
            .prepare_cached(
                "UPDATE guard SET restarted = ?1, outage_last = ?2, outage_until = ?3, brake_since = ?4,
                        brake_claimed = ?5, brake_until = ?6, brake_dead = ?7, brake_members = ?8 WHERE one = 1",
            )?
            .execute((
                self.restarted,
                moment(self.outage.last),
                moment(self.outage.until),
                moment(self.mass.since),
                signed(self.mass.claimed),
                moment(self.mass.until),
                self.held.map(|(dead, _)| signed(dead)),
                self.held.map(|(_, members)| signed(members)),
            ))
            .map(|_| ())
    }
}

/// A coordinator lives until then.
pub(super) fn coordinates(
    beats: &Connection,
    who: &CoordinatorId,
    host: &HostId,
    until: Timestamp,
) -> Sql<()> {
    beats
        .prepare_cached("INSERT OR REPLACE INTO coordinators (id, host, until_ms) VALUES (?1, ?2, ?3)")?
        .execute((who.as_str(), host.as_str(), signed(until.0)))
        .map(|_| ())
}

/// Coordinators whose lease has ended and of whom nobody is told now; and whether it is the first time that somebody is.
pub(super) fn silent_coordinators(beats: &Connection, now: Timestamp) -> Sql<Vec<(CoordinatorId, bool)>> {
    let mut statement = beats.prepare_cached(
        "SELECT id, host IS NOT '' FROM coordinators WHERE until_ms < ?1
             AND NOT EXISTS (SELECT 1 FROM turns WHERE what = 'lost:' || coordinators.id AND turns.until_ms >= ?1)
         ORDER BY id LIMIT ?2",
    )?;
    let rows = statement.query_map((signed(now.0), count(NAMES_LIMIT)), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
    })?;
    let names: Sql<Vec<_>> = rows.collect();
    Ok(names?.into_iter().filter_map(|(name, is_first)| Some((name.parse().ok()?, is_first))).collect())
}

/// Somebody is told of it, and has until then to settle it. That it was said is kept in the place of its host.
pub(super) fn told_of_the_lost(
    beats: &Connection,
    who: &CoordinatorId,
    by: &CoordinatorId,
    until: Timestamp,
) -> Sql<()> {
    beats
        .prepare_cached(
            "INSERT OR REPLACE INTO turns (what, holder, until_ms) VALUES ('lost:' || ?1, ?2, ?3)",
        )?
        .execute((who.as_str(), by.as_str(), signed(until.0)))?;
    beats
        .prepare_cached("UPDATE coordinators SET host = '' WHERE id = ?1")?
        .execute([who.as_str()])
        .map(|_| ())
}

/// It is settled; one that is back stays.
pub(super) fn lost_settled(beats: &Connection, who: &CoordinatorId, now: Timestamp) -> Sql<()> {
    beats.execute("DELETE FROM turns WHERE what = 'lost:' || ?1", [who.as_str()])?;
    beats
        .execute("DELETE FROM coordinators WHERE id = ?1 AND until_ms < ?2", (who.as_str(), signed(now.0)))
        .map(|_| ())
}

pub(super) fn forget_coordinator(beats: &Connection, who: &CoordinatorId) -> Sql<()> {
    beats.prepare_cached("DELETE FROM coordinators WHERE id = ?1")?.execute([who.as_str()]).map(|_| ())
}

pub(super) fn coordinators(beats: &Connection) -> Sql<Vec<CoordinatorView>> {
    let mut statement =
        beats.prepare_cached("SELECT id, host, until_ms FROM coordinators ORDER BY id LIMIT ?1")?;
    let rows = statement.query_map([count(NAMES_LIMIT)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut views = Vec::new();
    for row in rows {
        let (id, host, until) = row?;
        let Ok(id) = id.parse() else { continue };
        let host = host.and_then(|host| host.parse().ok());
        views.push(CoordinatorView { id, host, until: Timestamp(unsigned(until)) });
    }
    Ok(views)
}

/// Takes a turn, unless somebody else has it.
pub(super) fn take_turn(
    beats: &Connection,
    what: &str,
    by: &CoordinatorId,
    now: Timestamp,
    until: Timestamp,
) -> Sql<bool> {
    let holder: Option<(String, i64)> = beats
        .prepare_cached("SELECT holder, until_ms FROM turns WHERE what = ?1")?
        .query_row([what], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if holder.is_some_and(|(holder, until)| holder != by.as_str() && signed(now.0) <= until) {
        return Ok(false);
    }
    beats.execute("DELETE FROM turns WHERE until_ms < ?1", [signed(now.0)])?;
    beats
        .prepare_cached("INSERT OR REPLACE INTO turns (what, holder, until_ms) VALUES (?1, ?2, ?3)")?
        .execute((what, by.as_str(), signed(until.0)))?;
    Ok(true)
}
