//! Agents come, beat and write.

use rusqlite::{Connection, OptionalExtension};
use scupper_model::Timestamp;

use super::error::{Fault, beats, durable};
use super::files::Pulse;
use super::history::{self, Epitaph};
use super::leases::{self, Lease};
use super::rows::{self, Agent, json, millis, signed, unsigned, word};
use super::{EmbeddedStore, look, number, remember_number, write_beats, write_both, write_durable};
use crate::rules::{LostEpochs, NUMBERS_END, TTL_LIMIT};
use crate::{
    AgentId, Answer, Beat, Beaten, CoordinatorId, Directive, Epoch, Happened, Incarnation, Item, ItemKind,
    Reason, Registered, Registration, Written,
};

/// What is done about a registration.
#[derive(Debug, PartialEq)]
enum Decision {
    /// It is the same as before.
    Same,
    /// It is a member; as an earlier incarnation, where that was lost.
    Accept(Option<Epoch>),
    /// It is not.
    Refuse(Registered),
}

/// What is known of the name.
struct Known<'k> {
    agent: Option<(&'k Agent, Lease)>,
    epitaph: Option<Epitaph>,
    lost: &'k LostEpochs,
}

impl EmbeddedStore {
    pub(super) fn registered(
        &self,
        pulse: &mut Pulse,
        writer: &mut Connection,
        registration: &Registration,
    ) -> Result<Registered, Fault> {
        let id = &registration.id;
        let (transaction, registry, _) = write_both(pulse, writer)?;
        let now = self.now();
        let broken = |broken| self.broken(broken);
        let agent = rows::by_id(&registry, id).map_err(durable)?.transpose().map_err(broken)?;
        let epitaph = history::epitaph(&registry, id).map_err(durable)?.transpose().map_err(broken)?;
        let lost = lost_epochs(&registry)?;
        let lease = match &agent {
            // Nobody knows of a lease that it has ended: it has just begun.
            Some(agent) => {
                let fresh = Lease { epoch: agent.epoch, ttl: agent.ttl, renewed: now, seen: None };
                Some((agent, leases::lease(&transaction, agent.epoch).map_err(beats)?.unwrap_or(fresh)))
            }
            None => None,
        };
        let before = agent.as_ref().map(|agent| agent.epoch);
        let resume = match decide(registration, &Known { agent: lease, epitaph, lost: &lost }, now) {
            Decision::Refuse(answer) => return Ok(answer),
            Decision::Accept(resume) => resume,
            Decision::Same => {
                let Some(agent) = &agent else { return Ok(Registered::Busy) };
                leases::renew(&transaction, agent.epoch, agent.ttl, now).map_err(beats)?;
                transaction.commit().map_err(beats)?;
                if (&agent.process, agent.secret) != (&registration.process, registration.secret) {
                    let (host, identity) = process(registration);
                    registry
                        .execute(
                            "UPDATE agents SET host = ?2, identity = ?3, secret = ?4 WHERE id = ?1",
                            (id.as_str(), host, identity, registration.secret.map(|secret| secret.0)),
                        )
                        .map_err(durable)?;
                    registry.commit().map_err(durable)?;
                }
                return Ok(Registered::Accepted { epoch: agent.epoch, now, resumed: agent.resumed });
            }
        };
        let epoch = match resume {
            Some(earlier) => {
                remember_number(&registry, earlier.0)?;
                earlier
            }
            None => Epoch(number(&registry, now)?),
        };
        if let Some(epoch) = before {
            let epitaph = Epitaph { epoch, at: now, reason: Reason::TakenOver, done: None };
            history::bury(&registry, id, epitaph).map_err(durable)?;
        }
        let ttl = registration.ttl.min(TTL_LIMIT).max(std::time::Duration::from_millis(1));
        insert(&registry, registration, epoch, ttl, resume.is_some(), now).map_err(durable)?;
        let host = registration.process.host.clone();
        let came = Happened::AgentRegistered { agent_id: id.clone(), epoch, host };
        history::say(&registry, now, came).map_err(durable)?;
        // A life begins: first its lease.
        leases::renew(&transaction, epoch, ttl, now).map_err(beats)?;
        leases::reached(&transaction, epoch.0).map_err(beats)?;
        transaction.commit().map_err(beats)?;
        registry.commit().map_err(durable)?;
        if let Some(before) = before {
            // The next sweep would remove it as well.
            let _ = leases::forget(&pulse.beats.connection, before);
        }
        Ok(Registered::Accepted { epoch, now, resumed: resume.is_some() })
    }

    pub(super) fn beaten(&self, pulse: &mut Pulse, all: &[Beat]) -> Result<Beaten, Fault> {
        let transaction = write_beats(&mut pulse.beats.connection)?;
        let (registry, kept) = look(&mut pulse.reader.connection, pulse.generation)?;
        let now = self.now();
        let nth = kept.window.unwrap_or_default().nth(now.0);
        let mut answers = Vec::with_capacity(all.len());
        let mut reported = false;
        for beat in all {
            let answer = match lives(&registry, &beat.who)? {
                Life::Ended { by } => Answer::Fenced { by },
                // Nothing is known, so nothing is done: no sweep ever claims it.
                Life::Unknown => Answer::Accepted { directive: None },
                Life::Lives { ttl, directive } => {
                    leases::renew(&transaction, beat.who.epoch, ttl, now).map_err(beats)?;
                    if let Some(report) = &beat.report {
                        leases::report(&transaction, &beat.who, report, nth).map_err(beats)?;
                        reported = true;
                    }
                    Answer::Accepted { directive }
                }
            };
            answers.push(answer);
        }
        if reported && pulse.trimmed != Some(nth) {
            let is_done = leases::trim_memory(&transaction, nth).map_err(beats)?;
            pulse.trimmed = is_done.then_some(nth);
        }
        transaction.commit().map_err(beats)?;
        Ok(Beaten { now, answers })
    }

    pub(super) fn written(
        &self,
        writer: &mut Connection,
        who: &Incarnation,
        item: &Item,
    ) -> Result<Written, Fault> {
        let registry = write_durable(writer)?;
        match lives(&registry, who)? {
            Life::Ended { by } => return Ok(Written::Fenced { by }),
            Life::Unknown => {
                let what = format!("agent `{}`: it is not what was written there", who.id);
                return Err(self.broken(rows::Broken(what)));
            }
            Life::Lives { .. } => {}
        }
        let key = (who.id.as_str(), kind_name(item.kind), item.name.as_str());
        let done = match &item.value {
            Some(value) => registry
                .prepare_cached(
                    "INSERT OR REPLACE INTO items (agent, kind, name, value) VALUES (?1, ?2, ?3, ?4)",
                )
                .and_then(|mut insert| insert.execute((key.0, key.1, key.2, value))),
            None => registry
                .prepare_cached("DELETE FROM items WHERE agent = ?1 AND kind = ?2 AND name = ?3")
                .and_then(|mut delete| delete.execute(key)),
        };
        done.map_err(durable)?;
        registry.commit().map_err(durable)?;
        Ok(Written::Accepted)
    }
}

/// Whether an incarnation lives: the one comparison that decides about a fence.
enum Life {
    Lives { ttl: std::time::Duration, directive: Option<Directive> },
    Ended { by: Option<Epoch> },
    Unknown,
}

fn lives(registry: &Connection, who: &Incarnation) -> Result<Life, Fault> {
    let mut statement = registry
        .prepare_cached("SELECT epoch, ttl_ms, fence IS NOT NULL, directive FROM agents WHERE id = ?1")
        .map_err(durable)?;
    let mut found = statement.query([who.id.as_str()]).map_err(durable)?;
    let Some(row) = found.next().map_err(durable)? else { return Ok(Life::Ended { by: None }) };
    let (Ok(epoch), Ok(ttl), Ok(is_claimed)) =
        (row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, bool>(2))
    else {
        return Ok(Life::Unknown);
    };
    // Whoever is told that it is over has to be: a number that is no epoch fences nobody.
    let Some(epoch) = u64::try_from(epoch).ok().filter(|epoch| *epoch < NUMBERS_END).map(Epoch) else {
        return Ok(Life::Unknown);
    };
    if is_claimed {
        return Ok(Life::Ended { by: None });
    }
    if epoch != who.epoch {
        return Ok(Life::Ended { by: Some(epoch) });
    }
    let directive: Option<String> = row.get(3).ok().flatten();
    let directive = directive.and_then(|word| serde_json::from_value(serde_json::Value::String(word)).ok());
    Ok(Life::Lives { ttl: std::time::Duration::from_millis(unsigned(ttl).max(1)), directive })
}

fn decide(registration: &Registration, known: &Known<'_>, now: Timestamp) -> Decision {
    let Some((agent, lease)) = &known.agent else { return come_or_resume(registration, known) };
    if let Some(cleanup) = &agent.cleanup {
        return Decision::Refuse(match registration.earlier {
            Some(earlier) if earlier <= agent.epoch => Registered::dead(cleanup.reason),
            _ => Registered::Busy,
        });
    }
    if agent.nonce == registration.nonce {
        return Decision::Same;
    }
    if let Some(earlier) = registration.earlier {
        if earlier <= agent.epoch || !known.lost.contains(earlier) {
            let why = "somebody else has its name by now".to_owned();
            return Decision::Refuse(Registered::Dead { why });
        }
        return Decision::Accept(Some(earlier));
    }
    if registration.takeover {
        return Decision::Accept(None);
    }
    let deadline = lease.deadline();
    Decision::Refuse(if now <= deadline {
        Registered::Taken { remaining: std::time::Duration::from_millis(deadline.0 - now.0) }
    } else {
        Registered::Busy
    })
}

/// Nobody has the name.
fn come_or_resume(registration: &Registration, known: &Known<'_>) -> Decision {
    let Some(earlier) = registration.earlier else { return Decision::Accept(None) };
    match known.epitaph {
        Some(epitaph) if earlier <= epitaph.epoch => Decision::Refuse(Registered::dead(epitaph.reason)),
        _ if known.lost.contains(earlier) => Decision::Accept(Some(earlier)),
        _ => {
            let why = "it was cleaned up, and that is long ago".to_owned();
            Decision::Refuse(Registered::Dead { why })
        }
    }
}

fn lost_epochs(registry: &Connection) -> Result<LostEpochs, Fault> {
    let mut statement = registry
        .prepare_cached("SELECT after, until FROM lost_epochs ORDER BY rowid DESC LIMIT 16")
        .map_err(durable)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(durable)?;
    let mut lost = LostEpochs::default();
    for (after, until) in rows.into_iter().rev() {
        lost.came_up(Some(Epoch(unsigned(after))), Timestamp(unsigned(until) / 1000));
    }
    Ok(lost)
}

fn process(registration: &Registration) -> (&str, Option<String>) {
    let process = &registration.process;
    (process.host.as_str(), process.identity.as_ref().and_then(json))
}

fn insert(
    registry: &Connection,
    registration: &Registration,
    epoch: Epoch,
    ttl: std::time::Duration,
    resumed: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let (host, identity) = process(registration);
    registry.prepare_cached("DELETE FROM agents WHERE id = ?1")?.execute([registration.id.as_str()])?;
    registry
        .prepare_cached(
            "INSERT INTO agents (id, epoch, nonce, resumed, ttl_ms, since_ms, coordinator, host, identity, secret)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            registration.id.as_str(),
            signed(epoch.0),
            registration.nonce.as_str(),
            resumed,
            millis(ttl),
            signed(now.0),
            registration.coordinator.as_ref().map(CoordinatorId::as_str),
            host,
            identity,
            registration.secret.map(|secret| secret.0),
        ))
        .map(|_| ())
}

fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::State => "state",
        ItemKind::Task => "task",
        ItemKind::Deps => "deps",
    }
}

pub(super) fn kept(
    reader: &Connection,
    id: &AgentId,
    kind: ItemKind,
    name: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    reader
        .prepare_cached("SELECT value FROM items WHERE agent = ?1 AND kind = ?2 AND name = ?3")
        .and_then(|mut select| {
            select.query_row((id.as_str(), kind_name(kind), name), |row| row.get(0)).optional()
        })
        .map_err(durable)
}

pub(super) fn direct(
    writer: &mut Connection,
    now: Timestamp,
    id: &AgentId,
    directive: Option<Directive>,
) -> Result<bool, Fault> {
    let registry = write_durable(writer)?;
    let told = registry
        .execute(
            "UPDATE agents SET directive = ?2 WHERE id = ?1 AND fence IS NULL",
            (id.as_str(), directive.as_ref().and_then(word)),
        )
        .map_err(durable)?;
    if told == 0 {
        return Ok(false);
    }
    if let Some(directive) = directive {
        history::say(&registry, now, Happened::Directed { agent_id: id.clone(), directive })
            .map_err(durable)?;
    }
    registry.commit().map_err(durable)?;
    Ok(true)
}

pub(super) fn adopt(
    writer: &mut Connection,
    from: &CoordinatorId,
    to: Option<&CoordinatorId>,
) -> Result<u64, Fault> {
    let registry = write_durable(writer)?;
    let adopted = registry
        .execute(
            "UPDATE agents SET coordinator = ?2 WHERE coordinator = ?1",
            (from.as_str(), to.map(CoordinatorId::as_str)),
        )
        .map_err(durable)?;
    if adopted > 0 {
        registry.commit().map_err(durable)?;
    }
    Ok(adopted as u64)
}
