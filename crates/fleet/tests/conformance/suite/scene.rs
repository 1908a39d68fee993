//! A registry with people in it: what the promises are told with.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::{
    AgentId, Beat, Claim, Event, EventId, Happened, Incarnation, Item, ItemKind, Phase, Process, Reaped,
    Registered, Registration, Store, Sweep, Swept, Timing, Written,
};

use super::Fixture;

/// Steps of time after which something that does not happen will not.
const STEPS: usize = 2000;

pub struct Scene<'f> {
    pub fixture: &'f dyn Fixture,
    pub store: Arc<dyn Store>,
    pub timing: Timing,
    alive: RefCell<Vec<Incarnation>>,
    nonces: Cell<u32>,
}

pub fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn process(host: &str) -> Process {
    Process { host: id(host), identity: None }
}

impl<'f> Scene<'f> {
    /// Nobody has swept yet.
    pub fn unswept(fixture: &'f dyn Fixture) -> Self {
        let (store, timing) = (fixture.store(), fixture.timing());
        Self { fixture, store, timing, alive: RefCell::default(), nonces: Cell::new(0) }
    }

    /// The first grace is over.
    pub fn new(fixture: &'f dyn Fixture) -> Self {
        let scene = Self::unswept(fixture);
        scene.settle();
        scene
    }

    pub fn registration(&self, name: &str) -> Registration {
        let number = self.nonces.get() + 1;
        self.nonces.set(number);
        Registration {
            id: id(name),
            nonce: id(&format!("nonce-{number}")),
            ttl: self.timing.ttl,
            takeover: false,
            earlier: None,
            coordinator: None,
            process: process("host-1"),
            secret: None,
        }
    }

    pub fn register(&self, registration: &Registration) -> Registered {
        self.store.register(registration).unwrap()
    }

    pub fn accepted(&self, registration: &Registration) -> Incarnation {
        match self.register(registration) {
            Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
            other => panic!("{} was not accepted: {other:?}", registration.id),
        }
    }

    /// A member that beats whenever time passes.
    pub fn living(&self, name: &str) -> Incarnation {
        let who = self.doomed(name);
        self.keep(&who);
        who
    }

    /// A member that never beats again.
    pub fn doomed(&self, name: &str) -> Incarnation {
        self.accepted(&self.registration(name))
    }

    pub fn keep(&self, who: &Incarnation) {
        self.alive.borrow_mut().push(who.clone());
    }

    /// It does not beat any more.
    pub fn silence(&self, who: &Incarnation) {
        self.alive.borrow_mut().retain(|kept| kept != who);
    }

    pub fn sweep_of(&self, coordinator: &str) -> Sweep {
        Sweep {
            coordinator: id(coordinator),
            host: id("host-1"),
            timing: self.timing,
            dry: false,
            asked: false,
            only: Vec::new(),
        }
    }

    pub fn sweep(&self, coordinator: &str) -> Swept {
        self.store.sweep(&self.sweep_of(coordinator)).unwrap()
    }

    /// A sweep that claims nobody, and is one all the same to the guard.
    pub fn watch(&self) -> Phase {
        let only = vec![id::<AgentId>("nobody-at-all")];
        let sweep = Sweep { asked: true, only, ..self.sweep_of("watch") };
        let swept = self.store.sweep(&sweep).unwrap();
        assert_eq!(swept.claims, [], "claimed without having been named");
        swept.phase
    }

    /// Those who live beat.
    pub fn beat_all(&self) {
        let beats: Vec<_> =
            self.alive.borrow().iter().map(|who| Beat { who: who.clone(), report: None }).collect();
        for beats in beats.chunks(500) {
            self.store.beat(beats).unwrap();
        }
    }

    /// Time passes; those who live beat, and sweeps keep looking without claiming anybody.
    pub fn wait(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(self.timing.tick);
            self.fixture.pass(step);
            left -= step;
            self.beat_all();
            self.watch();
        }
    }

    /// Until every grace is over.
    pub fn settle(&self) {
        for _ in 0..STEPS {
            if self.watch() == Phase::Open {
                return;
            }
            self.wait(self.timing.tick);
        }
        panic!("the grace never ends");
    }

    /// The leases of all that do not beat are over, and nobody has claimed them.
    pub fn expire(&self) {
        self.wait(self.timing.ttl + self.timing.tick);
        self.settle();
    }

    /// The only claim of a sweep.
    pub fn claim(&self, coordinator: &str) -> Claim {
        let mut claims = self.sweep(coordinator).claims;
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    pub fn reap(&self, claim: &Claim) -> Reaped {
        self.store.reap(claim, None, &self.timing).unwrap()
    }

    /// All steps of a cleanup; how many keys it says it has deleted.
    pub fn reap_all(&self, claim: &Claim) -> u64 {
        for _ in 0..STEPS {
            match self.reap(claim) {
                Reaped::More { .. } => {}
                Reaped::Completed { deleted } => return deleted,
                other => panic!("the cleanup of {} ended as {other:?}", claim.id),
            }
        }
        panic!("the cleanup of {} never ends", claim.id);
    }

    pub fn beats(&self, who: &Incarnation) -> scupper_fleet::Answer {
        self.store.beat(&[Beat { who: who.clone(), report: None }]).unwrap().answers[0]
    }

    pub fn lives(&self, who: &Incarnation) -> bool {
        matches!(self.beats(who), scupper_fleet::Answer::Accepted { .. })
    }

    pub fn put(&self, who: &Incarnation, kind: ItemKind, name: &str, value: &str) -> Written {
        let item = Item { kind, name: name.to_owned(), value: Some(value.as_bytes().to_vec()) };
        self.store.put(who, &item).unwrap()
    }

    pub fn task(&self, who: &Incarnation, name: &str, value: &str) {
        assert_eq!(self.put(who, ItemKind::Task, name, value), Written::Accepted);
    }

    /// So many tasks.
    pub fn tasks(&self, who: &Incarnation, count: usize) {
        for number in 0..count {
            self.task(who, &format!("t{number}"), "x");
        }
    }

    pub fn get(&self, name: &str, kind: ItemKind, item: &str) -> Option<String> {
        let value = self.store.get(&id(name), kind, item).unwrap();
        value.map(|value| String::from_utf8(value).unwrap())
    }

    /// How many keys the store itself keeps of an agent that keeps nothing.
    pub fn own_keys(&self) -> u64 {
        let who = self.doomed("an-agent-that-keeps-nothing");
        self.store.depart(&who, "done", &self.timing).unwrap().unwrap()
    }

    pub fn last_event(&self) -> Option<EventId> {
        let mut last = None;
        for _ in 0..STEPS {
            let events = self.store.events(last.as_ref(), 1000).unwrap();
            let Some((id, _)) = events.last() else { return last };
            last = Some(id.clone());
        }
        panic!("the events never end");
    }

    /// What was said after that.
    pub fn said_after(&self, mark: Option<&EventId>) -> Vec<Happened> {
        let mut all = Vec::new();
        let mut last = mark.cloned();
        for _ in 0..STEPS {
            let events: Vec<(EventId, Event)> = self.store.events(last.as_ref(), 1000).unwrap();
            let Some((id, _)) = events.last() else { return all };
            last = Some(id.clone());
            all.extend(events.into_iter().map(|(_, event)| event.what));
        }
        panic!("the events never end");
    }

    /// What was said of one agent after that.
    pub fn said_of(&self, name: &str, mark: Option<&EventId>) -> Vec<Happened> {
        let mut said = self.said_after(mark);
        said.retain(|what| what.agent().is_some_and(|agent| agent.as_str() == name));
        said
    }
}

pub fn completions(said: &[Happened]) -> Vec<u64> {
    let completed = |what: &Happened| match what {
        Happened::CleanupCompleted { keys_deleted, .. } => Some(*keys_deleted),
        _ => None,
    };
    said.iter().filter_map(completed).collect()
}
