//! The store that forgets everything when it ends: for tests, and the shortest statement of what the others promise.
//!
//! Plain tables behind one lock, and a clock that is given. What a real store does not offer, a test needs: a restart that
//! loses the last moments ([`MemoryStore::restart`]), fewer keys in one call ([`MemoryStore::chunked`]), and one guard
//! switched off ([`MemoryStore::weakened`]), to show that the suite notices.

mod looking;
mod members;
mod reaping;
mod sweeping;
mod tables;
mod weakness;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scupper_model::{Bytes, Timestamp};

pub use self::weakness::Guard;

use self::tables::Tables;
use crate::rules::next_fence;
use crate::store::OUT_OF_BOUNDS;
use crate::store::depart;
use crate::{
    AgentId, AgentView, BEATS_LIMIT, Beat, Beaten, Claim, ClaimView, Clock, CoordinatorId, Directive, Event,
    EventId, Happened, HostId, Incarnation, Item, ItemKind, LeakWindow, Members, Page, Process, Reaped,
    Reason, Registered, Registration, Status, Store, StoreError, Sweep, Swept, Timing, Written, rules,
};

/// Keys that one call of [`Store::reap`] deletes.
const CHUNK: usize = 500;

/// A registry in the memory of one process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
    chunk: usize,
    weak: Option<Guard>,
}

/// What a store held at one moment.
#[derive(Clone)]
pub struct Kept(Tables);

/// One call: the tables, and what it needs beside them.
struct Call<'s> {
    tables: MutexGuard<'s, Tables>,
    now: Timestamp,
    chunk: usize,
    weak: Option<Guard>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let tables = Mutex::new(Tables::empty(clock.wall()));
        Self { clock, tables, chunk: CHUNK, weak: None }
    }

    /// Deletes at most so many keys in one call of [`Store::reap`] (500 otherwise).
    #[must_use]
    pub fn chunked(self, keys: usize) -> Self {
        Self { chunk: keys.max(1), ..self }
    }

    /// One guard is switched off: what the invariants must notice.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(self, guard: Guard) -> Self {
        Self { weak: Some(guard), ..self }
    }

    /// What it holds now.
    pub fn kept(&self) -> Kept {
        Kept(self.lock().clone())
    }

    /// It ends and comes up again, with what it held then: with that of this moment it lost nothing, with an earlier one
    /// what has happened since.
    pub fn restart(&self, with: &Kept) {
        let mut tables = self.lock();
        let run = tables.run + 1;
        *tables = with.0.clone();
        tables.run = run;
        let last = tables.last_epoch;
        tables.lost.came_up(last, self.clock.wall());
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> Call<'_> {
        let tables = self.lock();
        // Read under the lock: what one call did is never before what an earlier one saw.
        let now = self.clock.wall();
        Call { tables, now, chunk: self.chunk, weak: self.weak }
    }
}

impl Call<'_> {
    /// Whether this guard is in place: always, but in a test of it.
    fn guards(&self, guard: Guard) -> bool {
        self.weak != Some(guard)
    }

    fn after(&self, time: Duration) -> Timestamp {
        Timestamp(self.now.0.saturating_add(millis(time)))
    }

    fn say(&mut self, what: Happened) {
        let at = self.now;
        self.tables.say(Event { at, what });
    }

    fn fence(&mut self) -> crate::Fence {
        let fence = next_fence(self.tables.last_fence, self.now);
        self.tables.last_fence = Some(fence);
        fence
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn refused(doing: &'static str, what: &'static str) -> StoreError {
    let advice = OUT_OF_BOUNDS;
    StoreError::Refused { url: "memory".to_owned(), doing, advice, source: what.into() }
}

impl Members for MemoryStore {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        Ok(self.call().register(registration))
    }

    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        if beats.len() > BEATS_LIMIT {
            return Err(refused("sending heartbeats", "at most 500 in one call"));
        }
        Ok(self.call().beat(beats))
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        rules::check_item(item).map_err(|what| refused("writing what an agent keeps", what))?;
        Ok(self.call().put(who, item))
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.call().get(id, kind, name))
    }

    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        depart(self, who, why, timing)
    }
}

impl Store for MemoryStore {
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn leave(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<Claim>, StoreError> {
        Ok(self.call().leave(who, why, timing))
    }

    fn sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError> {
        Ok(self.call().sweep(sweep))
    }

    fn reap(&self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Result<Reaped, StoreError> {
        Ok(self.call().reap(claim, delegate, timing))
    }

    fn object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError> {
        Ok(self.call().object(id, by, why))
    }

    fn delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError> {
        let of = |((at, who), process): (&(HostId, Incarnation), &Process)| {
            (at == host).then(|| (who.clone(), process.clone()))
        };
        Ok(self.call().tables.delegated.iter().filter_map(of).collect())
    }

    fn settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError> {
        self.call().tables.delegated.remove(&(host.clone(), who.clone()));
        Ok(())
    }

    fn direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError> {
        Ok(self.call().direct(id, directive))
    }

    fn adopt(&self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> Result<u64, StoreError> {
        Ok(self.call().adopt(from, to))
    }

    fn resign(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        let mut call = self.call();
        call.tables.coordinators.remove(who);
        call.adopt(who, None);
        Ok(())
    }

    fn lost_settled(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        let mut call = self.call();
        let now = call.now;
        call.tables.turns.remove(&format!("lost:{who}"));
        if call.tables.coordinators.get(who).is_some_and(|(_, until)| *until < now) {
            call.tables.coordinators.remove(who);
        }
        Ok(())
    }

    fn take_turn(&self, what: &str, by: &CoordinatorId, lease: Duration) -> Result<bool, StoreError> {
        Ok(self.call().take_turn(what, by, lease))
    }

    fn leak_window(&self) -> Result<LeakWindow, StoreError> {
        Ok(self.call().tables.window.unwrap_or_default())
    }

    fn set_leak_window(&self, window: LeakWindow, by: &CoordinatorId) -> Result<LeakWindow, StoreError> {
        Ok(self.call().set_window(window, by))
    }

    fn memory(&self, nth: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError> {
        Ok(self.call().tables.memory.get(&nth).cloned().unwrap_or_default())
    }

    fn announce(&self, what: &Happened) -> Result<(), StoreError> {
        self.call().say(what.clone());
        Ok(())
    }

    fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<(EventId, Event)>, StoreError> {
        Ok(self.call().events(after, limit))
    }

    fn agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError> {
        Ok(self.call().agents(from, limit))
    }

    fn agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError> {
        Ok(self.call().agent(id))
    }

    fn claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError> {
        Ok(self.call().claims(from, limit))
    }

    fn status(&self) -> Result<Status, StoreError> {
        Ok(self.call().status())
    }

    fn epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        Ok(self.call().tables.epitaphs.get(id).map(|epitaph| (epitaph.at, epitaph.reason)))
    }
}
