//! A store that fails on purpose, and counts its calls.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scupper_fleet::memory::MemoryStore;
use scupper_fleet::{
    AgentId, AgentView, Beat, Beaten, Claim, ClaimView, CoordinatorId, Directive, Event, EventId, Happened,
    HostId, Incarnation, Item, ItemKind, LeakWindow, Members, Page, Process, Reaped, Reason, Registered,
    Registration, Status, Store, StoreError, Sweep, Swept, Timing, Totals, Written,
};
use scupper_model::{Bytes, Timestamp};

/// What goes wrong.
#[derive(Default)]
struct Faults {
    /// Nothing answers.
    down: bool,
    /// These calls do not answer.
    silent: HashSet<&'static str>,
    /// Cleanups of these are refused.
    refused: HashSet<String>,
    calls: BTreeMap<&'static str, u32>,
}

pub struct Faulty {
    store: Arc<MemoryStore>,
    faults: Mutex<Faults>,
}

impl Faulty {
    pub fn new(store: Arc<MemoryStore>) -> Self {
        Self { store, faults: Mutex::default() }
    }

    pub fn down(&self, down: bool) {
        self.faults.lock().unwrap().down = down;
    }

    pub fn silent(&self, call: &'static str, silent: bool) {
        let silents = &mut self.faults.lock().unwrap().silent;
        if silent {
            silents.insert(call)
        } else {
            silents.remove(call)
        };
    }

    pub fn refuse(&self, id: &str, refuse: bool) {
        let refused = &mut self.faults.lock().unwrap().refused;
        if refuse {
            refused.insert(id.to_owned())
        } else {
            refused.remove(id)
        };
    }

    pub fn calls(&self, call: &str) -> u32 {
        self.faults.lock().unwrap().calls.get(call).copied().unwrap_or_default()
    }

    fn ask(&self, call: &'static str) -> Result<&MemoryStore, StoreError> {
        let mut faults = self.faults.lock().unwrap();
        *faults.calls.entry(call).or_default() += 1;
        if faults.down || faults.silent.contains(call) {
            let source = "connection refused".into();
            return Err(StoreError::Unreachable { url: "memory".into(), doing: call, source });
        }
        Ok(&self.store)
    }
}

impl Members for Faulty {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        self.ask("register")?.register(registration)
    }
    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        self.ask("beat")?.beat(beats)
    }
    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        self.ask("put")?.put(who, item)
    }
    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask("get")?.get(id, kind, name)
    }
    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        self.ask("depart")?.depart(who, why, timing)
    }
}

impl Store for Faulty {
    fn check(&self) -> Result<(), StoreError> {
        self.ask("check")?.check()
    }
    fn leave(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<Claim>, StoreError> {
        self.ask("leave")?.leave(who, why, timing)
    }
    fn sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError> {
        self.ask("sweep")?.sweep(sweep)
    }
    fn reap(&self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Result<Reaped, StoreError> {
        let store = self.ask("reap")?;
        if self.faults.lock().unwrap().refused.contains(claim.id.as_str()) {
            let source = "OOM command not allowed".into();
            let (doing, advice) = ("a cleanup", "free some memory");
            return Err(StoreError::Refused { url: "memory".into(), doing, advice, source });
        }
        store.reap(claim, delegate, timing)
    }
    fn object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError> {
        self.ask("object")?.object(id, by, why)
    }
    fn delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError> {
        self.ask("delegated")?.delegated(host)
    }
    fn settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError> {
        self.ask("settle")?.settle(host, who)
    }
    fn direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError> {
        self.ask("direct")?.direct(id, directive)
    }
    fn adopt(&self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> Result<u64, StoreError> {
        self.ask("adopt")?.adopt(from, to)
    }
    fn resign(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        self.ask("resign")?.resign(who)
    }
    fn lost_settled(&self, who: &CoordinatorId) -> Result<(), StoreError> {
        self.ask("lost_settled")?.lost_settled(who)
    }
    fn take_turn(&self, what: &str, by: &CoordinatorId, lease: Duration) -> Result<bool, StoreError> {
        self.ask("take_turn")?.take_turn(what, by, lease)
    }
    fn memory(&self, minute: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError> {
        self.ask("memory")?.memory(minute)
    }
    fn leak_window(&self) -> Result<LeakWindow, StoreError> {
        self.ask("leak_window")?.leak_window()
    }

    fn set_leak_window(&self, window: LeakWindow, by: &CoordinatorId) -> Result<LeakWindow, StoreError> {
        self.ask("set_leak_window")?.set_leak_window(window, by)
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        self.ask("totals")?.totals()
    }
    fn announce(&self, what: &Happened) -> Result<(), StoreError> {
        self.ask("announce")?.announce(what)
    }
    fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<(EventId, Event)>, StoreError> {
        self.ask("events")?.events(after, limit)
    }
    fn agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError> {
        self.ask("agents")?.agents(from, limit)
    }
    fn agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError> {
        self.ask("agent")?.agent(id)
    }
    fn claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError> {
        self.ask("claims")?.claims(from, limit)
    }
    fn status(&self) -> Result<Status, StoreError> {
        self.ask("status")?.status()
    }
    fn epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        self.ask("epitaph")?.epitaph(id)
    }
}
