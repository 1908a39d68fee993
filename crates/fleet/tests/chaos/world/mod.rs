//! A world in which everything goes wrong that can, in an order that a seed decides: agents pause past their lease, die, leave
//! half-way, are taken over; coordinators crash after a claim or sleep past its lease; half of all agents are cut off; nobody
//! reaches the registry; the registry restarts and has lost its last second. Beside it a model says what has to hold:
//!
//! - I1: what is accepted comes from the incarnation that lives;
//! - I2: who lives has everything it ever wrote, and nobody who works is claimed;
//! - I3: nobody is claimed inside a lease it was told of;
//! - I4: each incarnation is cleaned once, by whoever holds the claim then;
//! - I5: in the end nothing is left of anybody.
//!
//! A store's own tests take it in beside the conformance suite, with `#[path = "../chaos/world/mod.rs"] mod world;`, and call
//! [`run`] with their fixture and fewer seeds.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod agents;
mod coordinators;
mod model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use scupper_fleet::{Claim, Happened, ItemKind, Store, Timing};

use self::agents::Agent;
use self::coordinators::Coordinator;
use self::model::Model;
use crate::suite::Fixture;

/// What happened in a world: shows that it was no peaceful one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub registrations: u64,
    pub takeovers: u64,
    pub resumed: u64,
    pub fenced: u64,
    pub claims: u64,
    pub taken_on: u64,
    pub stale: u64,
    pub steps_of_cleanups: u64,
    pub completed: u64,
    pub objections: u64,
    pub holds: u64,
    pub graces: u64,
    pub losses: u64,
}

/// How many names, coordinators and steps of one second.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub names: usize,
    pub coordinators: usize,
    pub steps: u64,
}

pub struct World<'r> {
    fixture: &'r dyn Fixture,
    /// The machine's clock when the world began, and what was added to it since.
    started: Instant,
    passed: Duration,
    store: Arc<dyn Store>,
    timing: Timing,
    random: Random,
    seed: u64,
    /// Milliseconds since the world began, as read before what is done now: the registry's moment is this one, or a later one.
    now: u64,
    began: u64,
    model: Model,
    agents: Vec<Agent>,
    coordinators: Vec<Coordinator>,
    names: Vec<String>,
    /// Until then nobody reaches the registry.
    away: u64,
    /// Many come at once.
    is_crowded: bool,
    nonces: u64,
    own_keys: u64,
    tally: Tally,
}

/// `SplitMix64`: the same world for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True so many times in a thousand.
    fn chance(&mut self, of_thousand: u64) -> bool {
        self.below(1000) < of_thousand
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// Lets a world run, and end. Panics with its seed where something does not hold.
pub fn run(fixture: &dyn Fixture, size: Size, seed: u64) -> Tally {
    let (store, timing) = (fixture.store(), fixture.timing());
    let began = store.status().unwrap().now.0;
    let names: Vec<_> = (0..size.names).map(|number| format!("agent-{number}")).collect();
    let coordinators = (0..size.coordinators).map(Coordinator::new).collect();
    let mut world = World {
        store,
        fixture,
        started: started(),
        passed: Duration::ZERO,
        timing,
        random: Random(seed),
        seed,
        now: 0,
        began,
        model: Model::default(),
        agents: Vec::new(),
        coordinators,
        names,
        away: 0,
        is_crowded: false,
        nonces: 0,
        own_keys: 0,
        tally: Tally::default(),
    };
    world.own_keys = world.measure_own_keys();
    for _ in 0..size.steps {
        world.step();
    }
    world.end();
    world.tally
}

impl World<'_> {
    fn step(&mut self) {
        self.pass(1000);
        if !self.random.chance(3) {
            return self.second();
        }
        let (fixture, saved) = (self.fixture, self.model.clone());
        let mut second = || {
            self.ask_the_time();
            // Whoever comes now is forgotten.
            self.is_crowded = true;
            self.second();
            self.is_crowded = false;
        };
        if fixture.lose(&mut second) {
            self.tally.losses += 1;
            self.ask_the_time();
            let after = std::mem::replace(&mut self.model, saved);
            self.model.forgot(&after);
        } else {
            self.second();
        }
    }

    /// What happens in one second.
    fn second(&mut self) {
        if self.random.chance(1) {
            self.away = self.now + self.random.below(2 * millis(self.timing.ttl));
        }
        if self.random.chance(3) {
            self.cut_half_off();
        }
        if self.now < self.away {
            return;
        }
        for agent in 0..self.agents.len() {
            self.read_clock();
            self.agent(agent);
        }
        self.agents.retain(|agent| !agent.is_over);
        self.newcomers();
        for coordinator in 0..self.coordinators.len() {
            self.read_clock();
            self.coordinator(coordinator, false);
        }
        self.read_back();
    }

    fn pass(&mut self, time: u64) {
        self.fixture.pass(Duration::from_millis(time));
        self.passed += Duration::from_millis(time);
        self.now += time;
        self.read_clock();
    }

    /// A loss takes some time of its own.
    fn ask_the_time(&mut self) {
        if self.fixture.is_exact() {
            self.now = self.store.status().unwrap().now.0 - self.began;
        }
        self.read_clock();
    }

    /// A clock that stands still has been read already; another one is the machine's, and what was added to it.
    fn read_clock(&mut self) {
        if !self.fixture.is_exact() {
            self.now = millis(self.passed + self.started.elapsed());
        }
    }

    /// Everybody dies; the coordinators work. Nothing may be left.
    fn end(&mut self) {
        self.agents.clear();
        self.away = 0;
        for _ in 0..2000 {
            self.pass(1000);
            for coordinator in 0..self.coordinators.len() {
                self.coordinator(coordinator, true);
            }
            let (agents, claims) = (self.store.agents(None, 10), self.store.claims(None, 10));
            if agents.unwrap().entries.is_empty() && claims.unwrap().entries.is_empty() {
                return self.check_end();
            }
        }
        let left = self.store.agents(None, 100).unwrap().entries;
        self.fail(&format!("I5: somebody is left for ever: {left:?}"));
    }

    fn check_end(&self) {
        for name in &self.names {
            self.check_gone(name);
        }
        if let Some(left) = self.model.unended().next() {
            self.fail(&format!("I5: {left} never ended"));
        }
        let mut said = std::collections::BTreeMap::<String, u64>::new();
        let mut last = None;
        loop {
            let events = self.store.events(last.as_ref(), 1000).unwrap();
            let Some((id, _)) = events.last() else { break };
            last = Some(id.clone());
            for (_, event) in events {
                if let Happened::CleanupCompleted { agent_id, .. } = event.what {
                    *said.entry(agent_id.to_string()).or_default() += 1;
                }
            }
        }
        for name in &self.names {
            let (said, done) = (said.get(name).copied().unwrap_or(0), self.model.completions_of(name));
            if said != done {
                self.fail(&format!("I4: {name} was said to be cleaned {said} times, and was {done} times"));
            }
        }
    }

    fn check_gone(&self, name: &str) {
        for item in agents::items() {
            let value = self.store.get(&name.parse().unwrap(), ItemKind::Task, &item).unwrap();
            if value.is_some() {
                self.fail(&format!("I5: {item} of {name} is left"));
            }
        }
    }

    /// Whoever lives still has what it wrote: one of them is asked.
    fn read_back(&mut self) {
        let living = self.model.living().count() as u64;
        let one = usize::try_from(self.random.below(living.max(1))).unwrap();
        if let Some((name, epoch, items)) = self.model.living().nth(one) {
            for item in agents::items() {
                let value = self.store.get(name, ItemKind::Task, &item).unwrap();
                if value.as_ref() != items.get(&item) {
                    self.fail(&format!(
                        "I2: {item} of {name} ({epoch}) is {value:?}, not {:?}",
                        items.get(&item)
                    ));
                }
            }
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}, {} ms: {what}\n{:?}", self.seed, self.now, self.tally)
    }

    fn measure_own_keys(&mut self) -> u64 {
        let registration = self.registration("measured");
        let scupper_fleet::Registered::Accepted { epoch, .. } = self.store.register(&registration).unwrap()
        else {
            self.fail("a fresh registry refuses an agent")
        };
        let who = registration.incarnation(epoch);
        self.store.depart(&who, "done", &self.timing).unwrap().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of a real server goes on by itself")]
fn started() -> Instant {
    Instant::now()
}

/// A claim as a test shows it.
fn shown(claim: &Claim) -> String {
    format!("the claim {} on {} ({:?})", claim.fence.0, claim.id, claim.epoch)
}
