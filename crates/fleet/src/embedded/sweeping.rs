//! One pass: guard, brake, claims. And the claim of whoever leaves by himself.

use std::time::Duration;

use rusqlite::Connection;
use scupper_model::Timestamp;

use super::error::{Fault, beats, durable};
use super::files::{self, Pulse};
use super::leases::{self, Guard, Lease};
use super::rows::{self, Agent, Broken, Cleanup, later, millis, signed, unsigned};
use super::{EmbeddedStore, history, number, write_beats, write_both};
use crate::rules::{Allowance, Leases};
use crate::{
    CLAIMS_LIMIT, Claim, CoordinatorId, Fence, Happened, HostId, Incarnation, Orphan, Phase, Reason, Sweep,
    Swept, Timing,
};

/// Ended leases that one sweep looks at: those it may claim, and as many again that may be nobody's.
const LOOKED_AT: usize = 2 * CLAIMS_LIMIT;
/// Lines of trouble that one sweep tells.
const TROUBLE_LIMIT: usize = 100;

/// Those whose lease has ended and whom nobody has claimed.
#[derive(Default)]
struct Expired {
    /// Some of them, the longest silent first.
    some: Vec<(Agent, Lease)>,
    /// How many there are.
    count: u64,
    /// Leases of nobody: whoever was to come or to go died in between.
    nobodies: Vec<Lease>,
    /// Leases of rows that are not understood.
    broken: Vec<(Lease, Broken)>,
    /// Rows whose epoch is not understood: no lease leads to them.
    astray: Vec<Broken>,
}

/// What guard and brake allow.
enum Ruling {
    Claim(usize),
    Nothing(Phase),
}

/// What is to be said of a ruling.
#[derive(Default)]
struct Sayings(Vec<Happened>);

impl EmbeddedStore {
    /// What a sweep would find. Takes no lock, and changes nothing.
    pub(super) fn looked(&self, pulse: &mut Pulse, sweep: &Sweep) -> Result<Swept, Fault> {
        let snapshot = pulse.beats.connection.transaction().map_err(beats)?;
        // Both files are looked at from here on.
        let mut guard = Guard::read(&snapshot).map_err(beats)?;
        let (transaction, registry) = super::look(&mut pulse.reader.connection, pulse.generation)?;
        let now = self.now();
        let (ended, suspects) = leases::counts(&snapshot, now, sweep.timing.suspect).map_err(beats)?;
        let expired = expired(&snapshot, &transaction, now, ended)?;
        let lengths = lengths(&snapshot, &transaction, guard.restarted)?;
        let ruling =
            rule(&mut guard, now, &expired, registry.members, lengths, sweep, &mut Sayings::default());
        let chosen = chosen(&snapshot, &transaction, now, &expired, sweep)?;
        Ok(Swept {
            now,
            phase: ruling.phase(),
            members: registry.members,
            suspects: suspects.saturating_sub(expired.nobodies.len() as u64),
            expired: expired.count,
            cleanups: registry.claims,
            delegated: delegated(&transaction, &sweep.host).map_err(durable)?,
            claims: Vec::new(),
            unclaimed: orphans(&chosen, now),
            lost: Vec::new(),
            trouble: trouble(&expired),
        })
    }

    pub(super) fn swept(
        &self,
        pulse: &mut Pulse,
        writer: &mut Connection,
        sweep: &Sweep,
    ) -> Result<Swept, Fault> {
        if let Some(swept) = self.idly_swept(pulse, sweep)? {
            return Ok(swept);
        }
        let (leases, transaction, registry) = write_both(pulse, writer)?;
        let now = self.now();
        let mut guard = Guard::read(&leases).map_err(beats)?;
        let (ended, _) = leases::counts(&leases, now, sweep.timing.suspect).map_err(beats)?;
        let expired = expired(&leases, &transaction, now, ended)?;
        let lengths = lengths(&leases, &transaction, guard.restarted)?;
        let mut sayings = Sayings::default();
        let ruling = rule(&mut guard, now, &expired, registry.members, lengths, sweep, &mut sayings);
        if sayings.begins_grace() {
            leases::nothing_from_the_future(&leases, now, sweep.timing.claim_lease).map_err(beats)?;
        }
        if !sweep.asked {
            let until = later(now, sweep.timing.claim_lease);
            leases::coordinates(&leases, &sweep.coordinator, &sweep.host, until).map_err(beats)?;
        }
        let mut lost = Vec::new();
        if !matches!(ruling, Ruling::Nothing(Phase::Grace { .. })) {
            let until = later(now, sweep.timing.claim_lease);
            for (who, is_first) in leases::silent_coordinators(&leases, now).map_err(beats)? {
                leases::told_of_the_lost(&leases, &who, &sweep.coordinator, until).map_err(beats)?;
                if is_first {
                    sayings.0.push(Happened::CoordinatorLost { coordinator: who.clone() });
                }
                lost.push(who);
            }
        }
        for what in sayings.0 {
            history::say(&transaction, now, what).map_err(durable)?;
        }
        let chosen = chosen(&leases, &transaction, now, &expired, sweep)?;
        let mut claims = Vec::new();
        if let Ruling::Claim(most) = ruling {
            let most = if sweep.only.is_empty() { most } else { CLAIMS_LIMIT };
            for (agent, lease) in chosen.iter().take(most) {
                claims.push(claim(&transaction, agent, *lease, now, sweep)?);
                leases::forget(&leases, agent.epoch).map_err(beats)?;
            }
            if !sweep.asked {
                guard.mass.claimed(now, claims.len() as u64);
            }
            let room = most.min(CLAIMS_LIMIT - claims.len());
            claims.extend(take_on(&transaction, now, sweep, room)?);
        }
        for lease in &expired.nobodies {
            leases::forget(&leases, lease.epoch).map_err(beats)?;
        }
        for (lease, _) in &expired.broken {
            leases::push_back(&leases, lease.epoch, now).map_err(beats)?;
        }
        guard.write(&leases).map_err(beats)?;
        let phase = ruling.phase();
        let (expired_now, suspects) = leases::counts(&leases, now, sweep.timing.suspect).map_err(beats)?;
        let delegated = delegated(&transaction, &sweep.host).map_err(durable)?;
        let registry = files::registry(&transaction).map_err(durable)?;
        leases::reached(&leases, registry.last).map_err(beats)?;
        let members = registry.members;
        transaction.commit().map_err(durable)?;
        // The claims stand. What is lost here, the next sweep finds again: leases of nobody.
        let _ = leases.commit();
        Ok(Swept {
            now,
            phase,
            members,
            suspects,
            expired: expired_now,
            cleanups: registry.claims,
            delegated,
            claims,
            unclaimed: if phase == Phase::Open { Vec::new() } else { orphans(&chosen, now) },
            lost,
            trouble: trouble(&expired),
        })
    }

    /// A sweep that finds nothing to do only says that it was made: the durable file is not written to. `None` where there
    /// is something to do.
    fn idly_swept(&self, pulse: &mut Pulse, sweep: &Sweep) -> Result<Option<Swept>, Fault> {
        let leases = write_beats(&mut pulse.beats.connection)?;
        let (transaction, registry) = super::look(&mut pulse.reader.connection, pulse.generation)?;
        let now = self.now();
        let mut guard = Guard::read(&leases).map_err(beats)?;
        let (ended, suspects) = leases::counts(&leases, now, sweep.timing.suspect).map_err(beats)?;
        let is_waiting = |transaction: &Connection| {
            transaction
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM agents WHERE fence IS NOT NULL AND until_ms < ?1)",
                )?
                .query_row([signed(now.0)], |row| row.get::<_, bool>(0))
        };
        if ended > 0 || guard.restarted || is_waiting(&transaction).map_err(durable)? {
            return Ok(None);
        }
        if !sweep.asked {
            let until = later(now, sweep.timing.claim_lease);
            leases::coordinates(&leases, &sweep.coordinator, &sweep.host, until).map_err(beats)?;
        }
        let mut sayings = Sayings::default();
        let astray = rows::astray(&transaction, false, TROUBLE_LIMIT).map_err(durable)?;
        let none = Expired { astray, ..Expired::default() };
        let lengths = lengths(&leases, &transaction, false)?;
        let ruling = rule(&mut guard, now, &none, registry.members, lengths, sweep, &mut sayings);
        let in_grace = matches!(ruling, Ruling::Nothing(Phase::Grace { .. }));
        let is_lost = || leases::silent_coordinators(&leases, now).map(|lost| !lost.is_empty());
        if !sayings.0.is_empty() || (!in_grace && is_lost().map_err(beats)?) {
            return Ok(None);
        }
        guard.write(&leases).map_err(beats)?;
        leases.commit().map_err(beats)?;
        Ok(Some(Swept {
            now,
            phase: ruling.phase(),
            members: registry.members,
            suspects,
            expired: 0,
            cleanups: registry.claims,
            delegated: delegated(&transaction, &sweep.host).map_err(durable)?,
            claims: Vec::new(),
            unclaimed: Vec::new(),
            lost: Vec::new(),
            trouble: trouble(&none),
        }))
    }

    /// The claim of a member that leaves by itself.
    pub(super) fn left(
        &self,
        pulse: &mut Pulse,
        writer: &mut Connection,
        who: &Incarnation,
        why: &str,
        timing: &Timing,
    ) -> Result<Option<Claim>, Fault> {
        let (leases, transaction, _) = write_both(pulse, writer)?;
        let now = self.now();
        let found = rows::by_id(&transaction, &who.id).map_err(durable)?;
        let found = found.transpose().map_err(|broken| self.broken(broken))?;
        let Some(mut agent) = found.filter(|agent| agent.epoch == who.epoch) else { return Ok(None) };
        if let Some(cleanup) = &agent.cleanup {
            // Asked again, because the answer was lost. Once a sweep has taken it on it is over for the agent.
            let is_own = cleanup.by.is_none() && cleanup.reason == Reason::Shutdown;
            return Ok(agent.claim().filter(|_| is_own));
        }
        let last_seen = leases::lease(&leases, agent.epoch).map_err(beats)?.and_then(|lease| lease.seen);
        agent.cleanup = Some(Cleanup {
            fence: Fence(number(&transaction, now)?),
            reason: Reason::Shutdown,
            by: None,
            until: later(now, timing.claim_lease),
            last_seen,
            idle: last_seen.map(|at| Duration::from_millis(now.0.saturating_sub(at.0))),
            taken_on: false,
            begun: false,
            deleted: 0,
        });
        write_cleanup(&transaction, &agent).map_err(durable)?;
        let agent_id = who.id.clone();
        let left = Happened::AgentShutdown { agent_id: agent_id.clone(), reason: why.to_owned() };
        history::say(&transaction, now, left).map_err(durable)?;
        let started = Happened::CleanupStarted { agent_id, reason: Reason::Shutdown, taken_on: false };
        history::say(&transaction, now, started).map_err(durable)?;
        leases::forget(&leases, agent.epoch).map_err(beats)?;
        leases::reached(&leases, files::registry(&transaction).map_err(durable)?.last).map_err(beats)?;
        transaction.commit().map_err(durable)?;
        let _ = leases.commit();
        Ok(agent.claim())
    }
}

impl Ruling {
    fn phase(&self) -> Phase {
        match self {
            Self::Claim(_) => Phase::Open,
            Self::Nothing(phase) => *phase,
        }
    }
}

impl Sayings {
    /// Whether a grace begins: where the clock went back, leases end far in the future.
    fn begins_grace(&self) -> bool {
        self.0.iter().any(|what| matches!(what, Happened::GraceStarted { .. }))
    }
}

fn expired(
    leases: &Connection,
    transaction: &Connection,
    now: Timestamp,
    ended: u64,
) -> Result<Expired, Fault> {
    let mut expired = Expired { count: ended, ..Expired::default() };
    if ended == 0 {
        expired.astray = rows::astray(transaction, false, TROUBLE_LIMIT).map_err(durable)?;
        return Ok(expired);
    }
    for lease in leases::ended(leases, now, LOOKED_AT).map_err(beats)? {
        match rows::by_epoch(transaction, lease.epoch).map_err(durable)? {
            Some(Ok(agent)) if agent.cleanup.is_none() => expired.some.push((agent, lease)),
            Some(Ok(_)) | None => expired.nobodies.push(lease),
            Some(Err(broken)) => expired.broken.push((lease, broken)),
        }
    }
    // A lease of nobody may be that of a row that lies in between.
    expired.astray =
        rows::astray(transaction, !expired.nobodies.is_empty(), TROUBLE_LIMIT).map_err(durable)?;
    let others = expired.nobodies.len() + expired.broken.len();
    expired.count = ended.saturating_sub(others as u64);
    Ok(expired)
}

/// The shortest lease of anybody; the longest as well, where somebody has to wait for it.
fn lengths(leases: &Connection, transaction: &Connection, restarted: bool) -> Result<Leases, Fault> {
    let shortest = leases::shortest(leases).map_err(beats)?;
    if !restarted {
        return Ok(Leases { shortest, ..Leases::default() });
    }
    transaction
        .query_row(
            "SELECT max(ttl_ms) FROM agents WHERE fence IS NULL AND typeof(ttl_ms) = 'integer'",
            [],
            |row| row.get::<_, Option<i64>>(0),
        )
        .map(|longest| Leases { shortest, longest: Duration::from_millis(unsigned(longest.unwrap_or(0))) })
        .map_err(durable)
}

fn rule(
    guard: &mut Guard,
    now: Timestamp,
    expired: &Expired,
    members: u64,
    lengths: Leases,
    sweep: &Sweep,
    sayings: &mut Sayings,
) -> Ruling {
    let why = guard.outage.sweep(now, guard.restarted, lengths, &sweep.timing);
    guard.restarted = false;
    if let (Some(why), Some(until)) = (why, guard.outage.until) {
        sayings.0.push(Happened::GraceStarted { why: why.to_string(), until: until.0 });
    }
    if let Some(until) = guard.outage.grace(now) {
        return Ruling::Nothing(Phase::Grace { until });
    }
    match guard.mass.sweep(now, expired.count, members, &sweep.timing, sweep.asked) {
        Allowance::Claim(most) => {
            guard.held = None;
            Ruling::Claim(most)
        }
        Allowance::Hold { until, begins, dead, members } => {
            guard.held = Some((dead, members));
            if begins {
                sayings.0.push(Happened::HoldStarted { dead, members, until: until.0 });
            }
            Ruling::Nothing(Phase::Hold { until, dead, members })
        }
    }
}

/// Whom the sweep is about: the expired, or those of them that it names.
fn chosen(
    leases: &Connection,
    transaction: &Connection,
    now: Timestamp,
    expired: &Expired,
    sweep: &Sweep,
) -> Result<Vec<(Agent, Lease)>, Fault> {
    if sweep.only.is_empty() {
        return Ok(expired.some.clone());
    }
    let mut chosen = Vec::new();
    for id in sweep.only.iter().take(CLAIMS_LIMIT) {
        let Some(Ok(agent)) = rows::by_id(transaction, id).map_err(durable)? else { continue };
        let lease = leases::lease(leases, agent.epoch).map_err(beats)?;
        let Some(lease) = lease.filter(|lease| lease.deadline() < now) else { continue };
        let is_new = chosen.iter().all(|(known, _): &(Agent, Lease)| known.id != agent.id);
        if agent.cleanup.is_none() && is_new {
            chosen.push((agent, lease));
        }
    }
    chosen.sort_by_key(|(_, lease)| (lease.deadline(), lease.epoch));
    Ok(chosen)
}

fn claim(
    transaction: &Connection,
    agent: &Agent,
    lease: Lease,
    now: Timestamp,
    sweep: &Sweep,
) -> Result<Claim, Fault> {
    let mut agent = agent.clone();
    let reason = reason(lease);
    agent.cleanup = Some(Cleanup {
        fence: Fence(number(transaction, now)?),
        reason,
        by: Some((sweep.coordinator.clone(), sweep.host.clone())),
        until: later(now, sweep.timing.claim_lease),
        last_seen: lease.seen,
        idle: lease.seen.map(|at| Duration::from_millis(now.0.saturating_sub(at.0))),
        taken_on: false,
        begun: false,
        deleted: 0,
    });
    write_cleanup(transaction, &agent).map_err(durable)?;
    let started = Happened::CleanupStarted { agent_id: agent.id.clone(), reason, taken_on: false };
    history::say(transaction, now, started).map_err(durable)?;
    // It has one: it was written just now.
    agent.claim().ok_or(Fault::Moved)
}

fn reason(lease: Lease) -> Reason {
    if lease.seen.is_some() { Reason::StaleHeartbeat } else { Reason::MissingHeartbeat }
}

/// From here on the incarnation is fenced, or its claim is this one.
fn write_cleanup(transaction: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    let Some(cleanup) = &agent.cleanup else { return Ok(()) };
    let by = cleanup.by.as_ref();
    transaction
        .prepare_cached(
            "UPDATE agents SET fence = ?2, reason = ?3, claimed_by = ?4, claimed_on = ?5, until_ms = ?6, last_seen = ?7,
                    idle_ms = ?8, taken_on = ?9, begun = ?10, deleted = ?11 WHERE id = ?1",
        )?
        .execute((
            agent.id.as_str(),
            signed(cleanup.fence.0),
            cleanup.reason.as_str(),
            by.map(|(who, _): &(CoordinatorId, _)| who.as_str()),
            by.map(|(_, host)| host.as_str()),
            signed(cleanup.until.0),
            cleanup.last_seen.map(|at| signed(at.0)),
            cleanup.idle.map(millis),
            cleanup.taken_on,
            cleanup.begun,
            signed(cleanup.deleted),
        ))
        .map(|_| ())
}

/// How many processes of a host somebody is to look at.
fn delegated(registry: &Connection, host: &HostId) -> rusqlite::Result<u64> {
    registry
        .prepare_cached("SELECT count(*) FROM delegations WHERE host = ?1")?
        .query_row([host.as_str()], |row| row.get(0))
        .map(unsigned)
}

/// Cleanups with which nobody goes on, under new claims: whoever began may still live, and must find that it is not his
/// any more.
fn take_on(
    transaction: &Connection,
    now: Timestamp,
    sweep: &Sweep,
    room: usize,
) -> Result<Vec<Claim>, Fault> {
    let mut claims = Vec::new();
    for agent in rows::ended_claims(transaction, now, LOOKED_AT).map_err(durable)? {
        if claims.len() >= room {
            break;
        }
        // A row that is not understood is not cleaned up; `trouble` tells of it where its lease has ended.
        let Ok(mut agent) = agent else { continue };
        if !sweep.only.is_empty() && !sweep.only.contains(&agent.id) {
            continue;
        }
        let Some(cleanup) = &mut agent.cleanup else { continue };
        cleanup.fence = Fence(number(transaction, now)?);
        cleanup.taken_on = true;
        cleanup.by = Some((sweep.coordinator.clone(), sweep.host.clone()));
        cleanup.until = later(now, sweep.timing.claim_lease);
        let (agent_id, reason) = (agent.id.clone(), cleanup.reason);
        write_cleanup(transaction, &agent).map_err(durable)?;
        let started = Happened::CleanupStarted { agent_id, reason, taken_on: true };
        history::say(transaction, now, started).map_err(durable)?;
        claims.extend(agent.claim());
    }
    Ok(claims)
}

fn orphans(chosen: &[(Agent, Lease)], now: Timestamp) -> Vec<Orphan> {
    let orphan = |(agent, lease): &(Agent, Lease)| Orphan {
        agent_id: agent.id.clone(),
        reason: reason(*lease),
        last_seen: lease.seen.map(|at| at.0),
        idle_time: lease.seen.map(|at| now.0.saturating_sub(at.0)),
    };
    chosen.iter().take(CLAIMS_LIMIT).map(orphan).collect()
}

fn trouble(expired: &Expired) -> Vec<String> {
    let all = expired.astray.iter().chain(expired.broken.iter().map(|(_, broken)| broken));
    all.take(TROUBLE_LIMIT).map(|broken| broken.0.clone()).collect()
}
