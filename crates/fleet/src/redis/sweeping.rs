//! One pass: what the script is asked, and what it found.

use std::time::Duration;

use redis::Value;
use scupper_model::Timestamp;

use super::keys::{KNOWN, SEED_SETS};
use super::members::process;
use super::reply::{Odd, Parts, Read, bytes, damaged, list};
use super::scripts::Arguments;
use super::seed::SeedLook;
use super::{RedisStore, locked, millis};
use crate::{AgentId, CLAIMS_LIMIT, Claim, Epoch, Fence, Orphan, Phase, Reason, StoreError, Sweep, Swept};

impl RedisStore {
    pub(super) fn do_sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError> {
        let mut look = None;
        // Once in a while the script asks for a look at seed 004's members first, and is asked again with what was seen.
        for _ in 0..2 {
            let said =
                self.run("sweeping", &self.scripts.sweep, &self.sweep_arguments(sweep, look.as_ref()))?;
            if let Some(sets) = scan(&said) {
                look = Some(self.look_at_seed(sets, sweep)?);
                continue;
            }
            let mut swept = swept(said).map_err(|_| damaged(self.link.url(), "sweeping"))?;
            swept.trouble.extend(look.map(|look| look.trouble).unwrap_or_default());
            let mut unsearched = locked(&self.unsearched);
            for claim in swept.claims.iter().filter(|claim| claim.epoch.is_none()) {
                unsearched.insert(claim.id.clone(), claim.fence);
            }
            return Ok(swept);
        }
        Err(damaged(self.link.url(), "sweeping"))
    }

    fn sweep_arguments(&self, sweep: &Sweep, look: Option<&SeedLook>) -> Arguments {
        let timing = &sweep.timing;
        let mut arguments = self.arguments();
        arguments
            .add(sweep.coordinator.as_str())
            .add(sweep.host.as_str())
            .flag(sweep.dry)
            .flag(sweep.asked)
            .number(timing.batch.clamp(1, CLAIMS_LIMIT) as u64)
            .number(millis(timing.claim_lease))
            .number(millis(timing.max_gap))
            .number(millis(timing.grace.max(timing.interval * 2)))
            .number(millis(timing.interval))
            .number(millis(timing.hold))
            .number(millis(timing.ttl))
            .number(millis(timing.suspect))
            .number(millis(timing.seed_period))
            .number(CLAIMS_LIMIT as u64);
        match look {
            Some(look) => arguments.number(look.dead).number(look.members),
            None => arguments.add("").add(""),
        };
        let only = sweep.only.iter().take(CLAIMS_LIMIT);
        arguments.number(millis(timing.tick)).number(only.len() as u64);
        for id in only {
            arguments.add(id.as_str());
        }
        for orphan in look.map(|look| look.orphans.as_slice()).unwrap_or_default() {
            orphan.add_to(&mut arguments);
        }
        arguments
    }
}

/// Which sets are to be looked at first.
fn scan(said: &Value) -> Option<&'static [&'static str]> {
    let Value::Array(parts) = said else { return None };
    match parts.as_slice() {
        [Value::BulkString(word), Value::BulkString(which)] if word == b"scan" => {
            Some(if which == b"known" { &KNOWN } else { &SEED_SETS })
        }
        _ => None,
    }
}

fn swept(said: Value) -> Read<Swept> {
    let mut parts = Parts::of(said)?;
    let now = Timestamp(parts.number()?);
    let phase = parts.text()?;
    let (until, dead, counted) = (Timestamp(parts.number()?), parts.number()?, parts.number()?);
    let phase = match phase.as_str() {
        "open" => Phase::Open,
        "grace" => Phase::Grace { until },
        "hold" => Phase::Hold { until, dead, members: counted },
        _ => return Err(Odd),
    };
    let (members, suspects) = (parts.number()?, parts.number()?);
    // One that is not understood does not hide the others; it stays claimed, and nothing is deleted.
    let mut trouble = Vec::new();
    let claims = understood(list(parts.next()?)?, claim, &mut trouble);
    let unclaimed = understood(list(parts.next()?)?, orphan, &mut trouble);
    let lost = list(parts.next()?)?.into_iter().map(|who| super::reply::text(&who)?.parse().map_err(|_| Odd));
    let lost = lost.collect::<Read<Vec<_>>>()?;
    let (expired, cleanups, delegated) = (parts.number()?, parts.number()?, parts.number()?);
    Ok(Swept {
        now,
        phase,
        members,
        suspects,
        expired,
        cleanups,
        delegated,
        claims,
        unclaimed,
        lost,
        trouble,
    })
}

fn understood<T>(said: Vec<Value>, read: impl Fn(Value) -> Read<T>, trouble: &mut Vec<String>) -> Vec<T> {
    let mut all = Vec::with_capacity(said.len());
    for one in said {
        let name = match &one {
            Value::Array(parts) => parts.first().and_then(|id| bytes(id).ok()).unwrap_or_default(),
            _ => Vec::new(),
        };
        match read(one) {
            Ok(one) => all.push(one),
            Err(Odd) => trouble.push(format!(
                "the record of `{}` is not understood: nothing is done about it",
                scupper_model::printable(&name, 40)
            )),
        }
    }
    all
}

fn claim(said: Value) -> Read<Claim> {
    let mut parts = Parts::of(said)?;
    let id: AgentId = parts.parse()?;
    let epoch = parts.some::<u64>()?.map(Epoch);
    let fence = Fence(parts.parse()?);
    let reason = reason(&parts.text()?)?;
    let last_seen = parts.some_number()?.map(Timestamp);
    let idle = parts.some_number()?.map(Duration::from_millis);
    let identity = parts.some_text()?;
    let process = process(parts.known()?, identity.as_deref());
    let coordinator = parts.known()?;
    let taken_on = parts.text()? == "1";
    Ok(Claim { id, epoch, fence, reason, last_seen, idle, process, coordinator, taken_on })
}

fn orphan(said: Value) -> Read<Orphan> {
    let mut parts = Parts::of(said)?;
    Ok(Orphan {
        agent_id: parts.parse()?,
        reason: reason(&parts.text()?)?,
        last_seen: parts.some_number()?,
        idle_time: parts.some_number()?,
    })
}

/// A reason by its word.
pub(super) fn reason(word: &str) -> Read<Reason> {
    [Reason::MissingHeartbeat, Reason::StaleHeartbeat, Reason::Shutdown, Reason::TakenOver]
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or(Odd)
}
