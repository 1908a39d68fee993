//! The registry of one host, without a server: two `SQLite` files that any number of processes share.
//!
//! | file | holds | when a call returns it is |
//! |---|---|---|
//! | `fleet.sqlite` | transitions: members, claims, what agents keep, events, epitaphs, requests to look at a process | on disk (WAL, `synchronous=FULL`) |
//! | `fleet-beats.sqlite` | heartbeats, reports, memory by its periods, coordinators' leases, what guard and brake remember | in the kernel (WAL, `synchronous=OFF`): a heartbeat waits for no disk |
//!
//! **Order.** A heartbeat takes the write lock of the second file first and reads the epoch from the first one inside of it.
//! A sweep takes the same lock, finds the leases that have ended, commits its claims to the first file, and only then lets
//! go. So a heartbeat is before a claim or after it (I3). Whoever needs both locks takes them in this order. What begins a
//! life (registration, objection) is written to the second file before the first one, what ends one after it: whoever dies
//! in between leaves at most a lease of nobody, which the next sweep removes.
//!
//! **What may be lost.** The second file may: it is made anew where it is missing, damaged, or of another boot (a power cut
//! may have torn it). That counts as a restart of the registry: everybody has a whole lease from then on, and the sweeps
//! begin with a grace. A damaged first file is an error, and is never touched.
//!
//! An idle sweep writes when it was made, and its coordinator's lease, to the second file; to the first one it only looks.
//!
//! Absent: anybody who publishes. Whoever follows events asks for those after the last one he has seen; that a cleanup may
//! have begun is seen by the first file being written (`listening`).

mod disk;
mod error;
mod files;
mod history;
mod leases;
mod listening;
mod looking;
mod members;
mod reaping;
mod rows;
mod schema;
mod sweeping;
mod window;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use scupper_model::{BootId, Bytes, Timestamp};

use self::error::{Fault, beats, durable};
use self::files::{Open, Place, Pulse, Registry};
use crate::rules;
use crate::store::OUT_OF_BOUNDS;
use crate::store::depart;
use crate::{
    AgentId, AgentView, BEATS_LIMIT, Beat, Beaten, Claim, ClaimView, Clock, CoordinatorId, Directive, Event,
    EventId, Happened, HostId, Incarnation, Item, ItemKind, LeakWindow, Members, Page, Process, Reaped,
    Reason, Registered, Registration, Status, Store, StoreError, Sweep, Swept, Timing, Written,
};

/// How often a call is tried again on another file of heartbeats.
const TRIES: u32 = 4;
/// Keys that one call of [`Store::reap`] deletes.
const CHUNK: usize = 500;

/// A registry in two files of one host.
pub struct EmbeddedStore {
    place: Place,
    clock: Arc<dyn Clock>,
    boot: BootId,
    chunk: usize,
    // Locked in this order. Heartbeats need the first alone: they do not wait while somebody else's write goes to disk.
    pulse: Mutex<Option<Pulse>>,
    writer: Mutex<Option<Open>>,
}

impl EmbeddedStore {
    /// Opens the registry in this directory, and makes what is missing (files 0600, the directory 0700). `boot` is that of
    /// this machine: heartbeats of another one are none.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, boot: BootId) -> Result<Self, StoreError> {
        let store = Self {
            place: Place::new(directory),
            clock,
            boot,
            chunk: CHUNK,
            pulse: Mutex::new(None),
            writer: Mutex::new(None),
        };
        store.with_both("opening it", |_, _| Ok(()))?;
        Ok(store)
    }

    /// Deletes at most so many keys in one call of [`Store::reap`] (500 otherwise).
    #[must_use]
    pub fn chunked(self, keys: usize) -> Self {
        Self { chunk: keys.max(1), ..self }
    }

    fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    fn refused(&self, doing: &'static str, what: &'static str) -> StoreError {
        let advice = OUT_OF_BOUNDS;
        StoreError::Refused { url: self.place.url.clone(), doing, advice, source: what.into() }
    }

    fn broken(&self, broken: rows::Broken) -> Fault {
        let (url, at) = (self.place.url.clone(), self.place.durable.display().to_string());
        Fault::Store(StoreError::Damaged { url, at, what: broken.0 })
    }

    /// Works on the durable file.
    fn with_writer<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut slot = lock(&self.writer);
        let writer = self.writer(&mut slot)?;
        work(&mut writer.connection).map_err(|fault| self.place.fault(doing, fault))
    }

    /// Works on the heartbeats, with the durable file to read.
    fn with_pulse<T>(
        &self,
        doing: &'static str,
        mut work: impl FnMut(&mut Pulse) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut slot = lock(&self.pulse);
        self.try_with(doing, &mut slot, |pulse| work(pulse))
    }

    /// Works on both.
    fn with_both<T>(
        &self,
        doing: &'static str,
        mut work: impl FnMut(&mut Pulse, &mut Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut slot = lock(&self.pulse);
        let mut writer = lock(&self.writer);
        self.try_with(doing, &mut slot, |pulse| {
            let writer = self.writer(&mut writer)?;
            work(pulse, &mut writer.connection)
        })
    }

    fn try_with<T>(
        &self,
        doing: &'static str,
        slot: &mut Option<Pulse>,
        mut work: impl FnMut(&mut Pulse) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        for last in (0..TRIES).map(|attempt| attempt + 1 == TRIES) {
            let pulse = self.pulse(slot)?;
            match work(pulse) {
                Ok(done) => return Ok(done),
                Err(fault) if fault.is_about_beats() && !last => self.reopen(slot, &fault)?,
                Err(fault) => return Err(self.place.fault(doing, fault)),
            }
        }
        Err(self.place.fault(doing, Fault::Moved))
    }

    fn writer<'s>(&self, slot: &'s mut Option<Open>) -> Result<&'s mut Open, StoreError> {
        let open = match slot.take().filter(|open| self.place.is_durable(open)) {
            Some(open) => open,
            None => self.place.open_durable(self.now())?,
        };
        Ok(slot.insert(open))
    }

    fn pulse<'s>(&self, slot: &'s mut Option<Pulse>) -> Result<&'s mut Pulse, StoreError> {
        let pulse = match slot.take().filter(|pulse| self.place.is_pulse(pulse)) {
            Some(pulse) => pulse,
            None => self.place.open_pulse(self.now(), &self.boot, None)?,
        };
        Ok(slot.insert(pulse))
    }

    fn reopen(&self, slot: &mut Option<Pulse>, fault: &Fault) -> Result<(), StoreError> {
        let before = slot.take();
        let damaged = before.as_ref().filter(|_| matches!(fault, Fault::Beats(_)));
        *slot = Some(self.place.open_pulse(self.now(), &self.boot, damaged)?);
        Ok(())
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("url", &self.place.url).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A call that panicked has rolled its transaction back.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the write lock of the heartbeats.
fn write_beats(connection: &mut Connection) -> Result<Transaction<'_>, Fault> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(beats)
}

/// Takes the write lock of the durable file.
fn write_durable(connection: &mut Connection) -> Result<Transaction<'_>, Fault> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(durable)
}

/// Sees the durable file as it is now. An error where the heartbeats are in another file by now.
fn look(reader: &mut Connection, generation: i64) -> Result<(Transaction<'_>, Registry), Fault> {
    let snapshot = reader.transaction().map_err(durable)?;
    let registry = files::registry(&snapshot).map_err(durable)?;
    if registry.generation == generation { Ok((snapshot, registry)) } else { Err(Fault::Moved) }
}

/// Takes both, in the order that everybody keeps to. An error where the heartbeats are in another file by now.
fn write_both<'c>(
    pulse: &'c mut Pulse,
    writer: &'c mut Connection,
) -> Result<(Transaction<'c>, Transaction<'c>, Registry), Fault> {
    let leases = write_beats(&mut pulse.beats.connection)?;
    let transaction = write_durable(writer)?;
    let registry = files::registry(&transaction).map_err(durable)?;
    if registry.generation == pulse.generation {
        Ok((leases, transaction, registry))
    } else {
        Err(Fault::Moved)
    }
}

/// The next number for an epoch or a fence, remembered.
fn number(transaction: &Connection, now: Timestamp) -> Result<u64, Fault> {
    let last = files::registry(transaction).map_err(durable)?.last;
    let next = rules::next_epoch(Some(crate::Epoch(last)), now).0;
    remember_number(transaction, next)?;
    Ok(next)
}

fn remember_number(transaction: &Connection, number: u64) -> Result<(), Fault> {
    transaction
        .prepare_cached("UPDATE registry SET last = max(last, ?1)")
        .and_then(|mut statement| statement.execute([rows::signed(number)]))
        .map(|_| ())
        .map_err(durable)
}

impl Members for EmbeddedStore {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        self.with_both("registering an agent", |pulse, writer| self.registered(pulse, writer, registration))
    }

    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        if beats.len() > BEATS_LIMIT {
            return Err(self.refused("sending heartbeats", "at most 500 in one call"));
        }
        self.with_pulse("sending heartbeats", |pulse| self.beaten(pulse, beats))
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        rules::check_item(item).map_err(|what| self.refused("writing what an agent keeps", what))?;
        self.with_writer("writing what an agent keeps", |writer| self.written(writer, who, item))
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.with_pulse("reading what an agent keeps", |pulse| {
            members::kept(&pulse.reader.connection, id, kind, name)
        })
    }

    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        depart(self, who, why, timing)
    }
}

impl Store for EmbeddedStore {
    fn check(&self) -> Result<(), StoreError> {
        self.with_both("checking it", |_, writer| {
            let said: String =
                writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(durable)?;
            // Whether it can be written at all.
            write_durable(writer)?.execute("UPDATE registry SET last = last", []).map_err(durable)?;
            if said == "ok" {
                return Ok(());
            }
            // It says what and where on two lines.
            Err(self.broken(rows::Broken(error::one_line(&said))))
        })
    }

    fn leave(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<Claim>, StoreError> {
        self.with_both("leaving", |pulse, writer| self.left(pulse, writer, who, why, timing))
    }

    fn sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError> {
        if sweep.dry {
            return self.with_pulse("looking for orphans", |pulse| self.looked(pulse, sweep));
        }
        self.with_both("sweeping", |pulse, writer| self.swept(pulse, writer, sweep))
    }

    fn reap(&self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Result<Reaped, StoreError> {
        self.with_writer("cleaning up", |writer| self.reaped(writer, claim, delegate, timing))
    }

    fn object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError> {
        self.with_both("objecting to a cleanup", |pulse, writer| self.objected(pulse, writer, id, by, why))
    }

    fn listen(
        &self,
        over: &dyn Fn() -> bool,
        begun: &mut dyn FnMut(Option<&AgentId>),
    ) -> Result<bool, StoreError> {
        listening::listen(&self.place, over, &mut || begun(None))?;
        Ok(true)
    }

    fn delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError> {
        self.with_pulse("reading its requests", |pulse| reaping::delegated(&pulse.reader.connection, host))
    }

    fn settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError> {
        self.with_writer("settling a request to look at a process", |writer| {
            reaping::settle(writer, host, who)
        })
    }

    fn direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError> {
        let now = self.now();
        self.with_writer("directing an agent", |writer| members::direct(writer, now, id, directive))
    }

    fn adopt(&self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> Result<u64, StoreError> {
        self.with_writer("adopting agents", |writer| members::adopt(writer, from, to))
    }

    fn resign(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        self.with_both("ending a coordinator's lease", |pulse, writer| {
            members::adopt(writer, who, None)?;
            leases::forget_coordinator(&pulse.beats.connection, who).map_err(beats)
        })
    }

    fn lost_settled(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        self.with_pulse("settling a lost coordinator", |pulse| {
            let now = self.now();
            leases::lost_settled(&pulse.beats.connection, who, now).map_err(beats)
        })
    }

    fn take_turn(&self, what: &str, by: &CoordinatorId, lease: Duration) -> Result<bool, StoreError> {
        self.with_pulse("taking a turn", |pulse| {
            let transaction = write_beats(&mut pulse.beats.connection)?;
            look(&mut pulse.reader.connection, pulse.generation)?;
            let now = self.now();
            let taken =
                leases::take_turn(&transaction, what, by, now, rows::later(now, lease)).map_err(beats)?;
            transaction.commit().map_err(beats)?;
            Ok(taken)
        })
    }

    fn leak_window(&self) -> Result<LeakWindow, StoreError> {
        self.with_pulse("reading its leak window", |pulse| {
            let (_, registry) = look(&mut pulse.reader.connection, pulse.generation)?;
            Ok(registry.window.unwrap_or_default())
        })
    }

    fn set_leak_window(&self, window: LeakWindow, by: &CoordinatorId) -> Result<LeakWindow, StoreError> {
        self.with_both("setting its leak window", |pulse, writer| {
            window::set(pulse, writer, self.now(), window, by)
        })
    }

    fn memory(&self, nth: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError> {
        self.with_pulse("reading the fleet's memory", |pulse| {
            leases::memory(&pulse.beats.connection, nth).map_err(beats)
        })
    }

    fn announce(&self, what: &Happened) -> Result<(), StoreError> {
        let now = self.now();
        self.with_writer("recording an event", |writer| {
            let transaction = write_durable(writer)?;
            history::say(&transaction, now, what.clone()).map_err(durable)?;
            transaction.commit().map_err(durable)
        })
    }

    fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<(EventId, Event)>, StoreError> {
        self.with_pulse("reading its events", |pulse| {
            history::after(&pulse.reader.connection, after, limit).map_err(durable)
        })
    }

    fn agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError> {
        self.with_pulse("reading its agents", |pulse| self.agents_page(pulse, from, limit))
    }

    fn agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError> {
        self.with_pulse("reading an agent", |pulse| self.agent_view(pulse, id))
    }

    fn claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError> {
        self.with_pulse("listing its cleanups", |pulse| {
            looking::claims(&pulse.reader.connection, from, limit)
        })
    }

    fn status(&self) -> Result<Status, StoreError> {
        let began = self.clock.since_boot();
        let status = self.with_pulse("reading its state", |pulse| self.state(pulse))?;
        Ok(Status { round_trip: self.clock.since_boot().saturating_sub(began), ..status })
    }

    fn epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        self.with_pulse("reading why an agent ended", |pulse| {
            let found = history::epitaph(&pulse.reader.connection, id).map_err(durable)?;
            let epitaph = found.transpose().map_err(|broken| self.broken(broken))?;
            Ok(epitaph.map(|epitaph| (epitaph.at, epitaph.reason)))
        })
    }
}
