//! Agents that were written to seed 004: a key with a time limit and a name in a set, no epoch, nothing that fences them.
//!
//! They are judged by the server's clock wherever it tells (how much of a heartbeat's time limit is left), by the same rule in
//! every store (`rules/seed.rs`), and claimed only if what was judged is still there when the claim is made. Whatever is not
//! understood is trouble: told, and left alone.

use std::collections::HashSet;
use std::time::Duration;

use redis::Value;
use scupper_model::{Timestamp, printable};

use super::keys::{SEED_PATTERNS, SEED_SETS};
use super::reply::{Parts, Read, list, text};
use super::scripts::Arguments;
use super::{RedisStore, locked, millis};
use crate::rules::{Judged, SeedHeartbeat, judge_seed};
use crate::{AgentId, CLAIMS_LIMIT, Claim, Reason, StoreError, Sweep, Timing};

/// Members that are looked at with one call: the server does nothing else meanwhile.
const PAGE: u64 = 100;
/// Lines of trouble of one look.
const TROUBLE: usize = 100;
/// Keys that one SCAN looks at (R099), and those that are asked about together.
const SCANNED: u64 = 100;
const ASKED: usize = 200;
/// One pattern for both of [`SEED_PATTERNS`], so that one pass over the keys is enough; what else it finds is left out here.
const PATTERN: &str = "agent:[td][ae][sp][ks]:*";
/// Claims are renewed at least so often, in pages.
const RENEWED: u64 = 1000;

/// What a look at the seed's members found.
#[derive(Default)]
pub(super) struct SeedLook {
    /// How many of them look dead.
    pub(super) dead: u64,
    /// How many there are.
    pub(super) members: u64,
    /// Who looks dead; the first [`CLAIMS_LIMIT`].
    pub(super) orphans: Vec<SeedOrphan>,
    /// What was not understood.
    pub(super) trouble: Vec<String>,
}

/// One that looks dead, and by what.
pub(super) struct SeedOrphan {
    id: AgentId,
    reason: Reason,
    last_seen: Option<Timestamp>,
    idle: Option<Duration>,
    key: String,
    hash: String,
    left: i64,
}

/// One member, as the server holds it.
pub(super) struct SeedMember {
    pub(super) id: AgentId,
    kind: String,
    text: Vec<u8>,
    hash: String,
    left: i64,
    key: String,
    missing_since: Option<u64>,
    is_buried: bool,
}

/// A page of members, and what else is in the set.
pub(super) struct SeedPage {
    pub(super) now: Timestamp,
    pub(super) next: String,
    pub(super) members: Vec<SeedMember>,
    trouble: Vec<String>,
}

impl SeedOrphan {
    /// As the sweep's script wants it.
    pub(super) fn add_to(&self, arguments: &mut Arguments) {
        arguments
            .add(self.id.as_str())
            .add(self.reason.as_str())
            .add(self.last_seen.map(|at| at.0.to_string()).unwrap_or_default())
            .add(self.idle.map(|idle| millis(idle).to_string()).unwrap_or_default())
            .add(&self.key)
            .add(&self.hash)
            .add(self.left.to_string());
    }
}

impl SeedMember {
    /// What its heartbeat says.
    pub(super) fn judge(&self, now: Timestamp, timing: &Timing) -> Judged {
        judge(&self.id, &self.kind, &self.text, self.left, now, timing)
    }
}

/// What a heartbeat says, by the rule of every store.
pub(super) fn judge(
    id: &AgentId,
    kind: &str,
    text: &[u8],
    left: i64,
    now: Timestamp,
    timing: &Timing,
) -> Judged {
    let heartbeat = match kind {
        "none" => SeedHeartbeat::Missing,
        "string" => SeedHeartbeat::Text { text, left: u64::try_from(left).ok().map(Duration::from_millis) },
        other => SeedHeartbeat::WrongType(other),
    };
    judge_seed(id, heartbeat, now, timing)
}

impl RedisStore {
    /// Looks at the seed's members in these sets, page by page.
    pub(super) fn look_at_seed(&self, sets: &[&str], sweep: &Sweep) -> Result<SeedLook, StoreError> {
        let mut look = SeedLook::default();
        let mut seen = HashSet::new();
        for set in sets {
            let mut cursor = "0".to_owned();
            loop {
                let page = self.seed_page(set, &cursor, sweep.dry)?;
                look.trouble.extend(page.trouble);
                for member in page.members {
                    // SCAN may give one twice, and it may be in both sets.
                    if seen.insert(member.id.clone()) {
                        self.look_at(&mut look, &member, page.now, sweep)?;
                    }
                }
                look.trouble.truncate(TROUBLE);
                if page.next == "0" {
                    break;
                }
                cursor = page.next;
            }
        }
        Ok(look)
    }

    fn look_at(
        &self,
        look: &mut SeedLook,
        member: &SeedMember,
        now: Timestamp,
        sweep: &Sweep,
    ) -> Result<(), StoreError> {
        look.members += 1;
        let (reason, last_seen, idle) = match member.judge(now, &sweep.timing) {
            Judged::Alive { .. } => {
                if member.is_buried && !sweep.dry {
                    self.tell_of_a_zombie(&member.id)?;
                }
                return Ok(());
            }
            Judged::Unknown { trouble } => {
                look.trouble.push(trouble);
                return Ok(());
            }
            Judged::Orphan { reason, last_seen, idle } => (reason, last_seen, idle),
        };
        // It may be about to write its first, or its key has run out while the server was away.
        let is_waited_for = reason == Reason::MissingHeartbeat
            && member
                .missing_since
                .is_none_or(|since| now.0 < since.saturating_add(millis(sweep.timing.grace)));
        if is_waited_for {
            return Ok(());
        }
        look.dead += 1;
        let is_meant = sweep.only.is_empty() || sweep.only.contains(&member.id);
        if look.orphans.len() < CLAIMS_LIMIT && is_meant {
            let SeedMember { id, key, hash, left, .. } = member;
            let (id, key, hash, left) = (id.clone(), key.clone(), hash.clone(), *left);
            look.orphans.push(SeedOrphan { id, reason, last_seen, idle, key, hash, left });
        }
        Ok(())
    }

    /// One page of a set of members, without those that are ours.
    pub(super) fn seed_page(&self, set: &str, cursor: &str, dry: bool) -> Result<SeedPage, StoreError> {
        let mut arguments = self.arguments();
        arguments.add(set).add(cursor).number(PAGE).flag(dry);
        self.call("reading seed 004's members", &self.scripts.legacy, &arguments, |said| {
            page(if set.is_empty() { SEED_SETS[0] } else { set }, said)
        })
    }

    fn tell_of_a_zombie(&self, id: &AgentId) -> Result<(), StoreError> {
        let mut arguments = self.arguments();
        arguments.add(id.as_str());
        self.run("recording an event", &self.scripts.zombie, &arguments).map(drop)
    }

    /// Finds the keys of all agents of the seed that this process has claimed and not searched for, in one pass over all keys.
    pub(super) fn search_for(&self, claim: &Claim, timing: &Timing) -> Result<(), StoreError> {
        let mut wanted = locked(&self.unsearched).clone();
        wanted.insert(claim.id.clone(), claim.fence);
        let names: HashSet<&str> = wanted.keys().map(AgentId::as_str).collect();
        let ask = |keys: &[String], is_last: bool| {
            let mut arguments = self.arguments();
            arguments.number(millis(timing.claim_lease)).flag(is_last).number(wanted.len() as u64);
            for (id, fence) in &wanted {
                arguments.add(id.as_str()).add(super::members::padded(fence.0));
            }
            for key in keys {
                arguments.add(key);
            }
            self.run("searching for keys", &self.scripts.index, &arguments).map(drop)
        };
        let (mut cursor, mut keys, mut pages) = ("0".to_owned(), Vec::new(), 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(PATTERN).arg("COUNT").arg(SCANNED);
            let (next, found) = self.command("searching for keys", &scan, |said| {
                let mut parts = Parts::of(said)?;
                let next = parts.text()?;
                // A key that is no text is not the seed's.
                let found = list(parts.next()?)?;
                Ok((next, found.iter().filter_map(|key| text(key).ok()).collect::<Vec<_>>()))
            })?;
            keys.extend(found.into_iter().filter(|key| is_of_one_of(key, |id| names.contains(id))));
            pages += 1;
            if keys.len() >= ASKED || pages.is_multiple_of(RENEWED) {
                ask(&keys, false)?;
                keys.clear();
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        ask(&keys, true)?;
        let mut unsearched = locked(&self.unsearched);
        unsearched.retain(|id, fence| wanted.get(id) != Some(fence));
        Ok(())
    }
}

/// Whether a key may be a task or a dependency of somebody: its rest begins with his name, followed by nothing or `:`.
fn is_of_one_of(key: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
    let rest = SEED_PATTERNS.iter().find_map(|pattern| key.strip_prefix(pattern.trim_end_matches('*')));
    let Some(rest) = rest else { return false };
    let ends = rest.match_indices(':').map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|end| rest.get(..end).is_some_and(&is_wanted))
}

fn page(set: &str, said: Value) -> Read<SeedPage> {
    let mut parts = Parts::of(said)?;
    let (now, next) = (Timestamp(parts.number()?), parts.text()?);
    let (mut members, mut trouble) = (Vec::new(), Vec::new());
    for entry in parts.rest() {
        let mut entry = entry?;
        match entry.text()?.as_str() {
            "seed" => members.push(SeedMember {
                id: entry.parse()?,
                kind: entry.text()?,
                text: entry.bytes()?,
                hash: entry.text()?,
                left: entry.parse()?,
                key: entry.text()?,
                missing_since: entry.some_number()?,
                is_buried: entry.text()? == "1",
            }),
            "bad" => {
                let name = printable(&entry.bytes()?, 40);
                trouble.push(format!("`{name}` in {set} is no agent id: nothing is done about it"));
            }
            _ => {
                let error = printable(&entry.bytes()?, 100);
                trouble.push(format!("{set} cannot be read ({error}): nothing is known of its members"));
            }
        }
    }
    Ok(SeedPage { now, next, members, trouble })
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R098.

    use super::*;

    #[test]
    fn r098_a_key_is_of_whom_it_names_and_not_of_whom_it_begins_like() {
        let of = |key: &str, id: &str| is_of_one_of(key, |it| it == id);
        assert!(of("agent:task:agent-1", "agent-1") && of("agent:task:agent-1:7", "agent-1"));
        assert!(
            of("agent:deps:a:b:c", "a") && of("agent:deps:a:b:c", "a:b") && of("agent:deps:a:b:c", "a:b:c")
        );
        assert!(!of("agent:task:agent-10", "agent-1") && !of("agent:task:agent-1-x", "agent-1"));
        assert!(!of("agent:state:agent-1", "agent-1") && !of("agent:taps:agent-1", "agent-1"));
    }
}
