//! The memory store as a fixture.

use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::memory::{Guard, MemoryStore};
use scupper_fleet::testing::Manual;
use scupper_fleet::{Happened, Store};

use crate::suite::Fixture;
use crate::suite::scene::Scene;

pub struct Memory {
    clock: Arc<Manual>,
    store: Arc<MemoryStore>,
}

impl Memory {
    pub fn start() -> Self {
        let clock = Arc::new(Manual::new());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self { clock, store }
    }

    pub fn weakened(guard: Guard) -> Self {
        let clock = Arc::new(Manual::new());
        let store = Arc::new(MemoryStore::new(clock.clone()).weakened(guard));
        Self { clock, store }
    }
}

impl Fixture for Memory {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    fn restart(&self) -> bool {
        self.clock.pass(Duration::from_secs(1));
        self.store.restart(&self.store.kept());
        true
    }

    fn lose(&self, doing: &mut dyn FnMut()) -> bool {
        let kept = self.store.kept();
        self.clock.pass(Duration::from_millis(10));
        doing();
        self.clock.pass(Duration::from_millis(10));
        self.store.restart(&kept);
        true
    }
}

#[test]
fn history_is_bounded() {
    let memory = Memory::start();
    for count in 0..12_000 {
        memory.store.announce(&Happened::OrphansDetected { count, orphans: Vec::new() }).unwrap();
    }
    let scene = Scene::unswept(&memory);
    let said = scene.said_after(None);
    assert_eq!(said.len(), 10_000);
    assert_eq!(said.last(), Some(&Happened::OrphansDetected { count: 11_999, orphans: Vec::new() }));
}
