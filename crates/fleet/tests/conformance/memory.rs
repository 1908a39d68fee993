//! The memory store as a fixture.

use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::Store;
use scupper_fleet::memory::MemoryStore;
use scupper_fleet::testing::Manual;

use crate::suite::Fixture;

pub struct Memory {
    clock: Arc<Manual>,
    store: Arc<MemoryStore>,
}

impl Memory {
    pub fn with(what: impl FnOnce(MemoryStore) -> MemoryStore) -> Self {
        let clock = Arc::new(Manual::new());
        let store = Arc::new(what(MemoryStore::new(clock.clone())));
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
