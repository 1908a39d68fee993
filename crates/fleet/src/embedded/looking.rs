//! What can be seen. Takes no write lock.

use std::time::Duration;

use rusqlite::Connection;
use scupper_model::{Bytes, Timestamp};

use super::error::{Fault, beats, durable};
use super::files::Pulse;
use super::leases::{self, Guard};
use super::rows::{self, Agent, unsigned};
use super::{EmbeddedStore, look};
use crate::{AgentId, AgentView, ClaimView, Page, Phase, Standing, Status};

/// Entries of one page at most.
const PAGE: usize = 1000;

impl EmbeddedStore {
    pub(super) fn agents_page(
        &self,
        pulse: &mut Pulse,
        from: Option<&str>,
        limit: usize,
    ) -> Result<Page<AgentView>, Fault> {
        let now = self.now();
        let limit = limit.clamp(1, PAGE);
        // A row whose name is no name is left out: a sweep tells of it.
        let mut agents = rows::after(&pulse.reader.connection, from, false, limit + 1).map_err(durable)?;
        let more = agents.len() > limit;
        agents.truncate(limit);
        let next = agents.iter().rev().find_map(|agent| Some(agent.as_ref().ok()?.id.to_string()));
        let mut entries = Vec::with_capacity(agents.len());
        for agent in agents.into_iter().flatten() {
            entries.push(view(&pulse.beats.connection, agent, now)?);
        }
        Ok(Page { entries, next: next.filter(|_| more) })
    }

    pub(super) fn agent_view(&self, pulse: &mut Pulse, id: &AgentId) -> Result<Option<AgentView>, Fault> {
        let now = self.now();
        match rows::by_id(&pulse.reader.connection, id).map_err(durable)? {
            Some(Ok(agent)) => view(&pulse.beats.connection, agent, now).map(Some),
            Some(Err(_)) => Ok(Some(AgentView::unknown(id.clone()))),
            None => Ok(None),
        }
    }

    pub(super) fn state(&self, pulse: &mut Pulse) -> Result<Status, Fault> {
        let snapshot = pulse.beats.connection.transaction().map_err(beats)?;
        let guard = Guard::read(&snapshot).map_err(beats)?;
        let (transaction, registry) = look(&mut pulse.reader.connection, pulse.generation)?;
        let now = self.now();
        let (expired, _) = leases::counts(&snapshot, now, Duration::ZERO).map_err(beats)?;
        let hold = guard.mass.until.filter(|until| now < *until).zip(guard.held);
        let phase = match (guard.outage.grace(now), hold) {
            (Some(until), _) => Phase::Grace { until },
            (None, Some((until, (dead, members)))) => Phase::Hold { until, dead, members },
            (None, None) => Phase::Open,
        };
        let size = size(&snapshot).map_err(beats)?.saturating_add(size(&transaction).map_err(durable)?);
        Ok(Status {
            store: "embedded".to_owned(),
            now,
            round_trip: Duration::ZERO,
            phase,
            members: registry.members,
            expired: expired.min(registry.members),
            claims: registry.claims,
            coordinators: leases::coordinators(&snapshot).map_err(beats)?,
            memory: Some(Bytes(size)),
        })
    }
}

pub(super) fn claims(
    reader: &Connection,
    from: Option<&str>,
    limit: usize,
) -> Result<Page<ClaimView>, Fault> {
    let limit = limit.clamp(1, PAGE);
    let mut agents = rows::after(reader, from, true, limit + 1).map_err(durable)?;
    let more = agents.len() > limit;
    agents.truncate(limit);
    let next = agents.iter().rev().find_map(|agent| Some(agent.as_ref().ok()?.id.to_string()));
    let view = |agent: Agent| {
        let cleanup = agent.cleanup?;
        Some(ClaimView {
            id: agent.id,
            fence: cleanup.fence,
            coordinator: cleanup.by.map(|(by, _)| by),
            reason: cleanup.reason,
            until: cleanup.until,
        })
    };
    let entries = agents.into_iter().flatten().filter_map(view).collect();
    Ok(Page { entries, next: next.filter(|_| more) })
}

fn view(leases: &Connection, agent: Agent, now: Timestamp) -> Result<AgentView, Fault> {
    let lease = leases::lease(leases, agent.epoch).map_err(beats)?;
    let deadline = lease.map(|lease| lease.deadline());
    let standing = match (&agent.cleanup, deadline) {
        (Some(_), _) => Standing::Reaping,
        (None, Some(deadline)) if deadline < now => Standing::Expired,
        (None, Some(_)) => Standing::Active,
        (None, None) => Standing::Unknown,
    };
    let claimed = agent.cleanup.as_ref().and_then(|cleanup| cleanup.last_seen);
    Ok(AgentView {
        standing,
        last_seen: lease.and_then(|lease| lease.seen).or(claimed),
        deadline,
        report: leases::report_of(leases, agent.epoch).map_err(beats)?,
        epoch: Some(agent.epoch),
        since: Some(agent.since),
        process: Some(agent.process),
        coordinator: agent.coordinator,
        directive: agent.directive,
        secret: agent.secret,
        id: agent.id,
    })
}

fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).map(unsigned);
    Ok(number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?))
}
