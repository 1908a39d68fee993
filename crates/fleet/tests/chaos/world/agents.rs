//! Processes that have registered as agents: some of them sleep too long, and wake up as somebody else.

use scupper_fleet::{
    AgentId, Answer, Beat, Incarnation, Item, ItemKind, Process, Reaped, Registered, Registration, Written,
};

use super::model::Cleanup;
use super::{World, millis};

/// Items that an agent may keep.
const ITEMS: u64 = 12;

pub fn items() -> impl Iterator<Item = String> {
    (0..ITEMS).map(|number| format!("t{number}"))
}

pub struct Agent {
    pub who: Incarnation,
    /// When its lease ends, as it was told: a restart of the registry does not change that.
    pub lease: u64,
    next_beat: u64,
    /// It does nothing until then: stopped, swapped out, or cut off.
    pub sleeps: u64,
    pub is_over: bool,
}

impl World<'_> {
    pub(super) fn agent(&mut self, at: usize) {
        let (ttl, interval) = (millis(self.timing.ttl), millis(self.timing.interval));
        if self.now < self.agents[at].sleeps {
            return;
        }
        if self.agents[at].sleeps != 0 {
            // Wakes in the middle of a write, and has not looked at the clock yet.
            self.agents[at].sleeps = 0;
            self.write(at);
            self.beat(at);
        } else if self.now >= self.agents[at].next_beat {
            self.beat(at);
        }
        if self.agents[at].is_over {
            return;
        }
        if self.random.chance(250) {
            self.write(at);
        }
        match self.random.below(2000) {
            0..4 => self.agents[at].is_over = true,
            4..10 => self.leave(at),
            10..24 => self.agents[at].sleeps = self.now + 1 + self.random.below(2 * ttl),
            24..28 => self.agents[at].sleeps = self.agents[at].lease + 1 + self.random.below(interval),
            _ => {}
        }
    }

    pub(super) fn cut_half_off(&mut self) {
        let until = self.now + self.random.below(3 * millis(self.timing.ttl));
        for at in 0..self.agents.len() {
            if self.random.chance(600) {
                self.agents[at].sleeps = until;
            }
        }
    }

    fn beat(&mut self, at: usize) {
        let who = self.agents[at].who.clone();
        let (ttl, interval) = (millis(self.timing.ttl), millis(self.timing.interval));
        let answer = self.store.beat(&[Beat { who: who.clone(), report: None }]).unwrap().answers[0];
        let lives = self.model.is_living(&who);
        match answer {
            Answer::Accepted { .. } if lives => {
                let deadline = self.now + ttl;
                self.model.named(&who.id).deadline = deadline;
                let jitter = self.random.below(interval / 5);
                self.agents[at].lease = deadline;
                self.agents[at].next_beat = self.now + interval - interval / 10 + jitter;
            }
            Answer::Fenced { .. } if !lives => {
                self.tally.fenced += 1;
                self.come_back(at);
            }
            answer => self.fail(&format!("I1: {who} (lives: {lives}) beats, and is told {answer:?}")),
        }
    }

    fn write(&mut self, at: usize) {
        let who = self.agents[at].who.clone();
        let name = format!("t{}", self.random.below(ITEMS));
        let value = self.random.chance(800).then(|| format!("{} {}", who.epoch, self.now).into_bytes());
        let item = Item { kind: ItemKind::Task, name: name.clone(), value: value.clone() };
        let written = self.store.put(&who, &item).unwrap();
        let lives = self.model.is_living(&who);
        match (written, value) {
            (Written::Accepted, Some(value)) if lives => {
                self.model.named(&who.id).items.insert(name, value);
            }
            (Written::Accepted, None) if lives => {
                self.model.named(&who.id).items.remove(&name);
            }
            (Written::Fenced { .. }, _) if !lives => {}
            (written, _) => self.fail(&format!("I1: {who} (lives: {lives}) writes, and is told {written:?}")),
        }
    }

    /// Refused: maybe because the registry has forgotten it.
    fn come_back(&mut self, at: usize) {
        let who = self.agents[at].who.clone();
        let registration = Registration { earlier: Some(who.epoch), ..self.registration(who.id.as_str()) };
        match self.store.register(&registration).unwrap() {
            Registered::Accepted { epoch, resumed: true, .. } if epoch == who.epoch => {
                let is_newer = self.model.of(&who.id).lives.is_none_or(|other| other < epoch);
                if !self.model.has_lost(&who) || self.model.knows(&who) || !is_newer {
                    self.fail(&format!("I1: {who} came back, and it was not lost"));
                }
                self.tally.resumed += 1;
                self.refuse_in_cleanup(&registration);
                self.welcome(&who);
                let lease = self.model.of(&who.id).deadline;
                self.agents[at].lease = lease;
                self.agents[at].next_beat = self.now;
            }
            Registered::Dead { .. } => self.agents[at].is_over = true,
            // The next beat asks again.
            Registered::Busy => {}
            other => self.fail(&format!("{who} wants to go on, and is told {other:?}")),
        }
    }

    fn leave(&mut self, at: usize) {
        let who = self.agents[at].who.clone();
        self.agents[at].is_over = true;
        let lives = self.model.is_living(&who);
        let claim = self.store.leave(&who, "done", &self.timing).unwrap();
        if claim.is_some() != lives {
            self.fail(&format!("I1: {who} (lives: {lives}) leaves, and is given {claim:?}"));
        }
        let Some(claim) = claim else { return };
        let named = self.model.named(&who.id);
        named.lives = None;
        let until = self.now + millis(self.timing.claim_lease);
        let (epoch, fence) = (who.epoch, claim.fence);
        named.cleanup = Some(Cleanup { epoch, fence, until, begun: false, deleted: 0, left_itself: true });
        // Dies in the middle of it, now and then.
        for _ in 0..self.random.below(8) {
            match self.reap(&claim) {
                Reaped::More { .. } => {}
                _ => return,
            }
        }
    }

    /// New processes for names that have none, and second ones for some that have.
    pub(super) fn newcomers(&mut self) {
        for name in self.names.clone() {
            let id: AgentId = name.parse().unwrap();
            self.read_clock();
            let is_there = self.agents.iter().any(|agent| agent.who.id == id);
            let often = if self.is_crowded { 6 } else { 1 };
            if self.random.chance(often * if is_there { 4 } else { 60 }) {
                self.come(&name);
            }
        }
    }

    fn come(&mut self, name: &str) {
        let takeover = self.random.chance(300);
        let registration = Registration { takeover, ..self.registration(name) };
        let named = self.model.of(&registration.id);
        let is_held = named.lives.is_some() && self.now <= named.deadline;
        // A clock that goes on by itself may have passed the end of the lease, or not yet; a loss may have renewed it.
        let near = !self.fixture.is_exact() || (self.fixture.renews_leases() && self.tally.losses > 0);
        let said = self.store.register(&registration).unwrap();
        match said {
            Registered::Accepted { epoch, resumed: false, .. } => {
                let who = registration.incarnation(epoch);
                if named.lives.is_some() && !takeover {
                    self.fail(&format!(
                        "I3: {who} was given the name of one that lives, or is not cleaned up"
                    ));
                }
                if self.model.largest_epoch().is_some_and(|largest| epoch <= largest) {
                    self.fail(&format!("I1: {who} is not larger than every epoch before it"));
                }
                self.refuse_in_cleanup(&registration);
                self.tally.registrations += 1;
                self.tally.takeovers += u64::from(named.lives.is_some());
                self.welcome(&who);
                let lease = self.model.of(&who.id).deadline;
                let interval = millis(self.timing.interval);
                let next_beat = self.now + self.random.below(interval);
                self.agents.push(Agent { who, lease, next_beat, sleeps: 0, is_over: false });
            }
            Registered::Busy if named.cleanup.is_some() => {}
            Registered::Taken { .. } if (is_held || near) && named.lives.is_some() && !takeover => {}
            Registered::Busy if (!is_held || near) && named.lives.is_some() && !takeover => {}
            other => self.fail(&format!("{name} (takeover: {takeover}, held: {is_held}) is told {other:?}")),
        }
    }

    fn refuse_in_cleanup(&self, registration: &Registration) {
        if self.model.of(&registration.id).cleanup.is_some() {
            self.fail(&format!("I2: {} became a member while it is cleaned up", registration.id));
        }
    }

    fn welcome(&mut self, who: &Incarnation) {
        let deadline = self.now + millis(self.timing.ttl);
        self.model.accepted(who, deadline);
    }

    pub(super) fn registration(&mut self, name: &str) -> Registration {
        self.nonces += 1;
        Registration {
            id: name.parse().unwrap(),
            nonce: format!("nonce-{}", self.nonces).parse().unwrap(),
            ttl: self.timing.ttl,
            takeover: false,
            earlier: None,
            coordinator: None,
            process: Process { host: "host-1".parse().unwrap(), identity: None },
            secret: None,
        }
    }
}
