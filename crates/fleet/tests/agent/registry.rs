//! A real store (in memory, on the real clock) between the agent and which a test can stand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use scupper_fleet::memory::MemoryStore;
use scupper_fleet::{
    AgentId, Beat, Beaten, Incarnation, Item, ItemKind, Members, Registered, Registration, StoreError,
    SystemClock, Timing, Written,
};

pub struct Registry {
    pub store: MemoryStore,
    /// It does not answer.
    pub away: AtomicBool,
    /// Calls wait here while it is shut.
    pub gate: (Mutex<bool>, Condvar),
    pub beats: AtomicU64,
    pub departed: AtomicBool,
    /// Heartbeats and registrations that came after somebody had begun to leave.
    pub late: AtomicU64,
}

impl Registry {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(Arc::new(SystemClock)),
            away: AtomicBool::new(false),
            gate: (Mutex::new(true), Condvar::new()),
            beats: AtomicU64::new(0),
            departed: AtomicBool::new(false),
            late: AtomicU64::new(0),
        })
    }

    pub fn open_gate(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }

    fn answer(&self, doing: &'static str) -> Result<(), StoreError> {
        drop(self.gate.1.wait_while(self.gate.0.lock().unwrap(), |open| !*open).unwrap());
        if !self.away.load(SeqCst) {
            return Ok(());
        }
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        Err(StoreError::Unreachable { url: "memory:".into(), doing, source })
    }
}

impl Members for Registry {
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        self.late.fetch_add(self.departed.load(SeqCst).into(), SeqCst);
        self.answer("registering")?;
        self.store.register(registration)
    }

    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        self.late.fetch_add(self.departed.load(SeqCst).into(), SeqCst);
        self.answer("beating")?;
        self.beats.fetch_add(1, SeqCst);
        self.store.beat(beats)
    }

    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        self.answer("writing")?;
        self.store.put(who, item)
    }

    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.answer("reading")?;
        self.store.get(id, kind, name)
    }

    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError> {
        self.departed.store(true, SeqCst);
        self.answer("leaving")?;
        self.store.depart(who, why, timing)
    }
}
