//! A registry, some agents, and what was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scupper_fleet::coordinator::{Coordinator, Facts, OnLost, Processes, Setup};
use scupper_fleet::memory::MemoryStore;
use scupper_fleet::testing::Manual;
use scupper_fleet::{
    Answer, Beat, Clock, Happened, HostId, Incarnation, Item, ItemKind, Members, MemoryUse, Nonce, Process,
    Registered, Registration, Report, Store, Timing,
};
use scupper_model::{Bytes, FleetFact, Identity, Pid, StartTime};

use crate::faulty::Faulty;

pub const TIMING: Timing = Timing::DEFAULT;

/// Between two turns of the hand.
const STEP: Duration = Duration::from_millis(100);

pub struct Scene {
    pub clock: Arc<Manual>,
    pub store: Arc<Faulty>,
    pub facts: Arc<Mutex<Vec<FleetFact>>>,
}

impl Scene {
    pub fn new() -> Self {
        Self::chunked(500)
    }

    /// With so many keys deleted in one call.
    pub fn chunked(keys: usize) -> Self {
        let clock = Arc::new(Manual::new());
        let memory = MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>).chunked(keys);
        let store = Arc::new(Faulty::new(Arc::new(memory)));
        Self { clock, store, facts: Arc::default() }
    }

    pub fn coordinator(&self, id: &str) -> Coordinator {
        self.coordinator_with(id, OnLost::Adopt, None)
    }

    pub fn coordinator_with(
        &self,
        id: &str,
        on_lost: OnLost,
        processes: Option<Arc<dyn Processes>>,
    ) -> Coordinator {
        let setup = Setup {
            id: id.parse().unwrap(),
            host: host(id),
            registry: "memory".to_owned(),
            timing: TIMING,
            on_lost,
            leak_window: None,
        };
        let told = Arc::clone(&self.facts);
        let facts: Facts = Arc::new(move |fact| told.lock().unwrap().push(fact));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Coordinator::new(setup, store, clock, processes, facts)
    }

    /// So much time passes, in which these take turns and these agents beat every 30 s.
    pub fn pass(&self, time: Duration, coordinators: &mut [&mut Coordinator], agents: &[Incarnation]) {
        let end = self.clock.since_boot() + time;
        let mut beat_at = self.clock.since_boot();
        while self.clock.since_boot() < end {
            if self.clock.since_boot() >= beat_at {
                beat_at += TIMING.interval;
                for some in agents.chunks(500) {
                    let beats: Vec<Beat> =
                        some.iter().map(|who| Beat { who: who.clone(), report: None }).collect();
                    // Nobody ends because the registry does not answer.
                    if let Ok(beaten) = self.store.beat(&beats) {
                        assert!(beaten.answers.iter().all(|a| matches!(a, Answer::Accepted { .. })));
                    }
                }
            }
            for coordinator in coordinators.iter_mut() {
                coordinator.turn(&|| false);
            }
            self.clock.pass(STEP);
        }
    }

    pub fn register(&self, id: &str) -> Incarnation {
        self.register_by(id, &*self.store, "elsewhere", None)
    }

    pub fn register_by(
        &self,
        id: &str,
        with: &dyn Members,
        host: &str,
        identity: Option<Identity>,
    ) -> Incarnation {
        let registration = Registration {
            id: id.parse().unwrap(),
            nonce: format!("n-{id}").parse::<Nonce>().unwrap(),
            ttl: TIMING.ttl,
            takeover: false,
            earlier: None,
            coordinator: None,
            process: Process { host: host.parse().unwrap(), identity },
            secret: None,
        };
        match with.register(&registration).unwrap() {
            Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
            other => panic!("{id}: {other:?}"),
        }
    }

    /// Somebody elsewhere has the name from now on, with a lease of its own.
    pub fn taken_over(&self, id: &str, ttl: Duration) -> Incarnation {
        let registration = Registration {
            id: id.parse().unwrap(),
            nonce: format!("n-{id}-again").parse::<Nonce>().unwrap(),
            ttl,
            takeover: true,
            earlier: None,
            coordinator: None,
            process: Process { host: "elsewhere".parse().unwrap(), identity: None },
            secret: None,
        };
        match self.store.register(&registration).unwrap() {
            Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
            other => panic!("{id}: {other:?}"),
        }
    }

    pub fn registered(&self, prefix: &str, count: usize) -> Vec<Incarnation> {
        (0..count).map(|n| self.register(&format!("{prefix}-{n}"))).collect()
    }

    pub fn tasks(&self, who: &Incarnation, count: usize) {
        for n in 0..count {
            let item = Item { kind: ItemKind::Task, name: format!("t{n}"), value: Some(b"x".to_vec()) };
            self.store.put(who, &item).unwrap();
        }
    }

    pub fn beat_with(&self, who: &Incarnation, rss: u64) -> Answer {
        let memory =
            MemoryUse { rss: Some(Bytes(rss)), heap_used: Some(Bytes(rss / 2)), ..MemoryUse::default() };
        let report = Some(Report { memory, ..Report::default() });
        self.store.beat(&[Beat { who: who.clone(), report }]).unwrap().answers[0]
    }

    /// What the registry's history holds.
    pub fn events(&self) -> Vec<Happened> {
        let events = self.store.events(None, 100_000).unwrap();
        events.into_iter().map(|(_, event)| event.what).collect()
    }

    pub fn completed(&self) -> Vec<String> {
        let of = |event| match event {
            Happened::CleanupCompleted { agent_id, .. } => Some(agent_id.to_string()),
            _ => None,
        };
        self.events().into_iter().filter_map(of).collect()
    }

    /// The facts of one name.
    pub fn told(&self, name: &str) -> Vec<FleetFact> {
        self.facts.lock().unwrap().iter().filter(|fact| fact.name() == name).cloned().collect()
    }

    pub fn members(&self) -> u64 {
        self.store.status().unwrap().members
    }
}

pub fn host(coordinator: &str) -> HostId {
    format!("host-{coordinator}").parse().unwrap()
}

pub fn identity(pid: i32) -> Identity {
    Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(7),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap(),
    }
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
