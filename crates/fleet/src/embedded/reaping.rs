//! Cleanups: step by step, by whoever holds the claim.

use rusqlite::Connection;
use scupper_model::{Identity, Timestamp};

use super::error::{Fault, beats, durable};
use super::files::Pulse;
use super::history::{self, Epitaph};
use super::leases;
use super::rows::{self, count, json, later, signed, unsigned};
use super::{EmbeddedStore, write_both, write_durable};
use crate::{
    AgentId, Claim, CoordinatorId, Epoch, Happened, HostId, Incarnation, Process, Reaped, Reason, Timing,
};

/// Processes that coordinators are asked to look at, of one host.
const DELEGATED: usize = 10_000;

impl EmbeddedStore {
    pub(super) fn reaped(
        &self,
        writer: &mut Connection,
        claim: &Claim,
        delegate: Option<&Process>,
        timing: &Timing,
    ) -> Result<Reaped, Fault> {
        let transaction = write_durable(writer)?;
        let now = self.now();
        // The answer to the last step may have been lost. What is not understood is remembered by nobody.
        let epitaph = history::epitaph(&transaction, &claim.id).map_err(durable)?;
        let done = epitaph.and_then(Result::ok).and_then(|epitaph| epitaph.done);
        if let Some((_, deleted)) = done.filter(|(fence, _)| *fence == claim.fence) {
            return Ok(Reaped::Completed { deleted });
        }
        let found = rows::by_id(&transaction, &claim.id).map_err(durable)?;
        let Some(agent) = found.transpose().map_err(|broken| self.broken(broken))? else {
            return Ok(Reaped::Stale);
        };
        let Some(cleanup) = agent.cleanup.filter(|cleanup| cleanup.fence == claim.fence) else {
            let is_aborted = agent.aborted == Some(claim.fence);
            return Ok(if is_aborted { Reaped::Aborted } else { Reaped::Stale });
        };
        let who = Incarnation { id: agent.id, epoch: agent.epoch };
        if let Some(process) = delegate {
            let is_new = ask(&transaction, &who, process, now).map_err(durable)?;
            if is_new && cleanup.by.is_none_or(|(_, host)| host != process.host) {
                let (agent_id, host, process) = (who.id.clone(), process.host.clone(), process.identity);
                let asked = Happened::ProcessDelegated { agent_id, host, process };
                history::say(&transaction, now, asked).map_err(durable)?;
            }
        }
        let (deleted, is_left) = delete_some(&transaction, &who.id, self.chunk).map_err(durable)?;
        let keys_deleted = cleanup.deleted.saturating_add(deleted);
        if is_left {
            transaction
                .prepare_cached("UPDATE agents SET begun = 1, until_ms = ?2, deleted = ?3 WHERE id = ?1")
                .and_then(|mut update| {
                    let until = later(now, timing.claim_lease);
                    update.execute((who.id.as_str(), signed(until.0), signed(keys_deleted)))
                })
                .map_err(durable)?;
            transaction.commit().map_err(durable)?;
            return Ok(Reaped::More { deleted });
        }
        transaction.execute("DELETE FROM agents WHERE id = ?1", [who.id.as_str()]).map_err(durable)?;
        let epitaph = Epitaph {
            epoch: who.epoch,
            at: now,
            reason: cleanup.reason,
            done: Some((claim.fence, keys_deleted)),
        };
        history::bury(&transaction, &who.id, epitaph).map_err(durable)?;
        let completed = Happened::CleanupCompleted { agent_id: who.id, keys_deleted };
        history::say(&transaction, now, completed).map_err(durable)?;
        transaction.commit().map_err(durable)?;
        Ok(Reaped::Completed { deleted: keys_deleted })
    }

    /// The agent lives, says somebody who knows. Believed until something of it is deleted, and never about one that has
    /// left by itself.
    pub(super) fn objected(
        &self,
        pulse: &mut Pulse,
        writer: &mut Connection,
        id: &AgentId,
        by: &CoordinatorId,
        why: &str,
    ) -> Result<bool, Fault> {
        let (leases, transaction, _) = write_both(pulse, writer)?;
        let now = self.now();
        let found = rows::by_id(&transaction, id).map_err(durable)?;
        let found = found.transpose().map_err(|broken| self.broken(broken))?;
        let Some((agent, cleanup)) = found.and_then(|mut agent| {
            let cleanup = agent.cleanup.take()?;
            Some((agent, cleanup))
        }) else {
            return Ok(false);
        };
        if cleanup.reason == Reason::Shutdown || cleanup.begun {
            return Ok(false);
        }
        transaction
            .execute(
                "UPDATE agents SET fence = NULL, reason = NULL, claimed_by = NULL, claimed_on = NULL, until_ms = NULL,
                        last_seen = NULL, idle_ms = NULL, taken_on = 0, begun = 0, deleted = 0, aborted = ?2
                 WHERE id = ?1",
                (id.as_str(), signed(cleanup.fence.0)),
            )
            .map_err(durable)?;
        let why = format!("{by} objected: {why}");
        let aborted = Happened::CleanupAborted { agent_id: id.clone(), why };
        history::say(&transaction, now, aborted).map_err(durable)?;
        // It goes on living: first its lease.
        leases::renew(&leases, agent.epoch, agent.ttl, now).map_err(beats)?;
        leases.commit().map_err(beats)?;
        transaction.commit().map_err(durable)?;
        Ok(true)
    }
}

/// Deletes some of what an agent keeps: how many, and whether there is more.
fn delete_some(transaction: &Connection, id: &AgentId, most: usize) -> rusqlite::Result<(u64, bool)> {
    let deleted = transaction
        .prepare_cached(
            "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE agent = ?1 LIMIT ?2)",
        )?
        .execute((id.as_str(), count(most)))?;
    let is_left = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM items WHERE agent = ?1)")?
        .query_row([id.as_str()], |row| row.get(0))?;
    Ok((deleted as u64, is_left))
}

/// Asks a host's coordinator to look at a process; gives whether nobody had asked yet.
fn ask(
    transaction: &Connection,
    who: &Incarnation,
    process: &Process,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let host = process.host.as_str();
    let asked: i64 = transaction
        .prepare_cached("SELECT count(*) FROM delegations WHERE host = ?1")?
        .query_row([host], |row| row.get(0))?;
    if asked >= count(DELEGATED) {
        return Ok(false);
    }
    let new = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO delegations (host, id, epoch, identity, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            host,
            who.id.as_str(),
            signed(who.epoch.0),
            process.identity.as_ref().and_then(json),
            signed(now.0),
        ))?;
    Ok(new > 0)
}

/// Processes of this host that somebody is to look at. What is not understood is left out.
pub(super) fn delegated(reader: &Connection, host: &HostId) -> Result<Vec<(Incarnation, Process)>, Fault> {
    let mut statement = reader
        .prepare_cached("SELECT id, epoch, identity FROM delegations WHERE host = ?1 LIMIT ?2")
        .map_err(durable)?;
    let mut rows = statement.query((host.as_str(), count(DELEGATED))).map_err(durable)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(durable)? {
        let (Ok(id), Ok(epoch), Ok(identity)) =
            (row.get::<_, String>(0), row.get::<_, i64>(1), row.get::<_, Option<String>>(2))
        else {
            continue;
        };
        let Ok(id) = id.parse::<AgentId>() else { continue };
        let Ok(identity) = identity.map(|text| serde_json::from_str::<Identity>(&text)).transpose() else {
            continue;
        };
        let who = Incarnation { id, epoch: Epoch(unsigned(epoch)) };
        found.push((who, Process { host: host.clone(), identity }));
    }
    Ok(found)
}

pub(super) fn settle(writer: &mut Connection, host: &HostId, who: &Incarnation) -> Result<(), Fault> {
    writer
        .execute(
            "DELETE FROM delegations WHERE host = ?1 AND id = ?2 AND epoch = ?3",
            (host.as_str(), who.id.as_str(), signed(who.epoch.0)),
        )
        .map(|_| ())
        .map_err(durable)
}
