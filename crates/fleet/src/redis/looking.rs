//! What can be seen: agents, cleanups, events, the registry itself.

use std::time::Duration;

use redis::Value;
use scupper_model::{Bytes, Timestamp};

use super::RedisStore;
use super::check::{field, name, verdict};
use super::keys::{SEED_SETS, ours};
use super::link::info;
use super::reply::{Odd, Parts, Read, bytes, damaged, list, number, text, whole};
use super::seed::judge;
use super::shown::{Stored, seed_view, stored};
use super::sweeping::reason;
use crate::{
    AgentId, AgentView, ClaimView, Clock, CoordinatorView, Event, EventId, Fence, Happened, Page, Phase,
    Reason, Status, StoreError, SystemClock, Timing,
};

/// Entries of one page at most.
const PAGE: usize = 1000;
/// Agents that are read in one call.
const VIEWED: usize = 100;
/// Cleanups that are listed at most.
const CLAIMS: usize = 10_000;

impl RedisStore {
    pub(super) fn do_check(&self) -> Result<(), StoreError> {
        let info = self.link.ask("reading its settings", |connection, _| {
            let mut all = String::new();
            for section in ["server", "memory", "replication", "cluster"] {
                all.push_str(&info(connection, section, self.link.is_cluster())?);
            }
            Ok(all)
        })?;
        verdict(self.link.url(), &info, self.link.is_cluster())?;
        let mut arguments = self.arguments();
        arguments.add("scupper-check");
        self.run("trying what it is to do", &self.scripts.probe, &arguments).map(drop)
    }

    fn stored(&self, ids: &[AgentId]) -> Result<(Timestamp, Vec<Stored>), StoreError> {
        let mut arguments = self.arguments();
        for id in ids {
            arguments.add(id.as_str());
        }
        self.call("reading its agents", &self.scripts.view, &arguments, |said| {
            let mut parts = Parts::of(said)?;
            let now = Timestamp(parts.number()?);
            // Of a record that is not understood nothing is known but whose it is.
            let found = parts
                .rest()
                .zip(ids)
                .map(|(entry, id)| entry.and_then(stored).unwrap_or_else(|_| Stored::odd(id.clone())));
            Ok((now, found.collect()))
        })
    }

    pub(super) fn do_agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError> {
        let (now, mut found) = self.stored(std::slice::from_ref(id))?;
        if let Some(view) = found.pop().and_then(|stored| stored.view(now)) {
            return Ok(Some(view));
        }
        if !self.seed {
            return Ok(None);
        }
        let mut arguments = self.arguments();
        arguments.add(id.as_str());
        self.call("reading an agent", &self.scripts.seen, &arguments, |said| {
            if said == Value::Nil {
                return Ok(None);
            }
            let mut parts = Parts::of(said)?;
            let (now, kind, text) = (Timestamp(parts.number()?), parts.text()?, parts.bytes()?);
            let judged = judge(id, &kind, &text, parts.parse()?, now, &Timing::DEFAULT);
            Ok(Some(seed_view(id.clone(), &judged)))
        })
    }

    /// Ours by their names; then the seed's, page by page of its sets: `~set:cursor:how many of that page were given`.
    pub(super) fn do_agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let mut entries = Vec::new();
        if !from.is_some_and(|from| from.starts_with('~')) {
            let mut range = redis::cmd("ZRANGEBYLEX");
            let begin = from.map_or_else(|| "-".to_owned(), |from| format!("({from}"));
            range.arg(ours("ids")).arg(begin).arg("+").arg("LIMIT").arg(0).arg(limit + 1);
            let names = self.command("listing its agents", &range, list)?;
            let page = &names[..names.len().min(limit)];
            // What is no id is nobody's, and hides nobody.
            let ids: Vec<AgentId> = page.iter().filter_map(|name| text(name).ok()?.parse().ok()).collect();
            for some in ids.chunks(VIEWED) {
                let (now, found) = self.stored(some)?;
                entries.extend(found.into_iter().filter_map(|stored| stored.view(now)));
            }
            if names.len() > limit {
                let last = page.iter().rev().find_map(|name| text(name).ok());
                let last = last.ok_or_else(|| damaged(self.link.url(), "listing its agents"))?;
                return Ok(Page { entries, next: Some(last) });
            }
        }
        if !self.seed {
            return Ok(Page { entries, next: None });
        }
        let (mut set, mut cursor, mut given) = from.and_then(place).unwrap_or((0, "0".to_owned(), 0));
        while let Some(name) = SEED_SETS.get(set) {
            let page = self.seed_page(name, &cursor, true)?;
            for member in page.members.into_iter().skip(given) {
                if entries.len() == limit {
                    return Ok(Page { entries, next: Some(format!("~{set}:{cursor}:{given}")) });
                }
                let judged = member.judge(page.now, &Timing::DEFAULT);
                entries.push(seed_view(member.id, &judged));
                given += 1;
            }
            (cursor, given) = (page.next, 0);
            if cursor == "0" {
                set += 1;
            }
        }
        Ok(Page { entries, next: None })
    }

    pub(super) fn do_claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let mut range = redis::cmd("ZRANGE");
        range.arg(ours("claims")).arg(0).arg(CLAIMS - 1).arg("WITHSCORES");
        let mut found = self.command("listing its cleanups", &range, |said| {
            list(said)?
                .chunks_exact(2)
                .map(|pair| match pair {
                    [id, until] => {
                        Ok((text(id)?.parse::<AgentId>().map_err(|_| Odd)?, whole(&text(until)?)?))
                    }
                    _ => Err(Odd),
                })
                .collect::<Read<Vec<_>>>()
        })?;
        found.retain(|(id, _)| from.is_none_or(|from| id.as_str() > from));
        found.sort();
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| is_more).map(|(id, _)| id.to_string());
        let mut entries = Vec::new();
        for some in found.chunks(VIEWED) {
            let ids: Vec<_> = some.iter().map(|(id, _)| id.clone()).collect();
            let (_, stored) = self.stored(&ids)?;
            // One that ended in between is gone from the records.
            entries.extend(some.iter().zip(stored).filter_map(|((id, until), stored)| {
                Some(ClaimView {
                    id: id.clone(),
                    fence: Fence(stored.fence?),
                    coordinator: stored.by,
                    reason: stored.reason?,
                    until: Timestamp(*until),
                })
            }));
        }
        Ok(Page { entries, next })
    }

    pub(super) fn do_status(&self) -> Result<Status, StoreError> {
        let before = SystemClock.since_boot();
        let arguments = self.arguments();
        let mut status = self.call("reading its state", &self.scripts.status, &arguments, status)?;
        status.round_trip = SystemClock.since_boot().saturating_sub(before);
        let info = self.link.ask("reading its state", |connection, _| {
            let of = |section, connection: &mut dyn redis::ConnectionLike| {
                info(connection, section, self.link.is_cluster())
            };
            Ok(of("server", connection)? + &of("memory", connection)?)
        })?;
        status.store = name(&info);
        status.memory = field(&info, "used_memory").and_then(|bytes| bytes.parse().ok()).map(Bytes);
        Ok(status)
    }

    pub(super) fn do_epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        let mut get = redis::cmd("HMGET");
        get.arg(ours(&format!("tomb:{id}"))).arg("at").arg("reason");
        self.command("reading why an agent ended", &get, |said| {
            let said = list(said)?;
            match said.as_slice() {
                [Value::Nil, _] | [_, Value::Nil] => Ok(None),
                [at, why] => Ok(Some((Timestamp(number(at)?), reason(&text(why)?)?))),
                _ => Err(Odd),
            }
        })
    }

    pub(super) fn do_events(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<(EventId, Event)>, StoreError> {
        // An id that is none is one of another store: all that is kept comes after it.
        let mut begin =
            after.and_then(|id| stream_id(&id.0)).map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let limit = limit.clamp(1, PAGE);
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(ours("ev")).arg(&begin).arg("+").arg("COUNT").arg(limit);
            let (events, last) = self.command("reading its events", &range, |said| {
                let (mut events, mut last) = (Vec::new(), None);
                for entry in list(said)? {
                    let mut parts = Parts::of(entry)?;
                    let place = parts.text()?;
                    let id = event_id(&place)?;
                    let fields = list(parts.next()?)?;
                    let body = fields.get(1).ok_or(Odd).and_then(bytes)?;
                    // An event of a later version is none that we could tell of.
                    if let Ok(event) = serde_json::from_slice(&body) {
                        events.push((id, event));
                    }
                    last = Some(place);
                }
                Ok((events, last))
            })?;
            // A page of nothing that is understood is not the end: what is behind it is looked at too.
            match last {
                Some(last) if events.is_empty() => begin = format!("({last}"),
                _ => return Ok(events),
            }
        }
    }

    pub(super) fn do_announce(&self, what: &Happened) -> Result<(), StoreError> {
        let json = serde_json::to_string(what)
            .map_err(|_| self.refused("recording an event", "it holds a number that JSON does not have"))?;
        let is_alert =
            matches!(what, Happened::MemoryLeakDetected { .. } | Happened::MemoryLeakCleared { .. });
        let mut arguments = self.arguments();
        arguments
            .add(json)
            .add(if is_alert { "system:alerts" } else { "agent:lifecycle" })
            .flag(matches!(what, Happened::HeartbeatSent { .. }));
        self.run("recording an event", &self.scripts.announce, &arguments).map(drop)
    }
}

fn status(said: Value) -> Read<Status> {
    let mut parts = Parts::of(said)?;
    let now = Timestamp(parts.number()?);
    let (grace, hold) = (Timestamp(parts.number()?), Timestamp(parts.number()?));
    let (dead, counted) = (parts.number()?, parts.number()?);
    let phase = if now < grace {
        Phase::Grace { until: grace }
    } else if now < hold {
        Phase::Hold { until: hold, dead, members: counted }
    } else {
        Phase::Open
    };
    let (members, expired, claims) = (parts.number()?, parts.number()?, parts.number()?);
    let coordinators = parts.rest().map(|entry| {
        let mut entry = entry?;
        let (id, until) = (entry.parse()?, Timestamp(whole(&entry.text()?)?));
        Ok(CoordinatorView { id, host: entry.some()?, until })
    });
    let coordinators = coordinators.collect::<Read<Vec<_>>>()?;
    let (store, round_trip, memory) = (String::new(), Duration::ZERO, None);
    Ok(Status { store, now, round_trip, phase, members, expired, claims, coordinators, memory })
}

/// Where a list of the seed's members goes on.
fn place(from: &str) -> Option<(usize, String, usize)> {
    let (set, rest) = from.strip_prefix('~')?.split_once(':')?;
    let (cursor, given) = rest.split_once(':')?;
    cursor.parse::<u64>().ok()?;
    Some((set.parse().ok()?, cursor.to_owned(), given.parse().ok()?))
}

/// `1795333740123-7` as text that sorts.
fn event_id(id: &str) -> Read<EventId> {
    let (at, nth) = id.split_once('-').ok_or(Odd)?;
    let (at, nth): (u64, u64) = (at.parse().map_err(|_| Odd)?, nth.parse().map_err(|_| Odd)?);
    Ok(EventId(format!("{at:015}-{nth:020}")))
}

/// And back.
fn stream_id(id: &str) -> Option<String> {
    let (at, nth) = id.split_once('-')?;
    Some(format!("{}-{}", at.parse::<u64>().ok()?, nth.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_id_sorts_and_comes_back() {
        let (ninth, tenth) = (event_id("5-9").ok().unwrap(), event_id("5-10").ok().unwrap());
        assert!(ninth < tenth);
        assert_eq!(stream_id(&tenth.0).unwrap(), "5-10");
        assert!(event_id("5").is_err() && stream_id("x-1").is_none() && stream_id("").is_none());
    }

    #[test]
    fn a_place_in_a_list_is_read_or_none() {
        assert_eq!(place("~1:77:3"), Some((1, "77".to_owned(), 3)));
        for odd in ["", "~", "~1", "~1:x:3", "~1:2", "1:2:3", "~-1:2:3"] {
            assert_eq!(place(odd), None, "{odd}");
        }
    }
}
