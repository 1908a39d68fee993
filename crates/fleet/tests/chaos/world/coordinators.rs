//! Coordinators that crash after a claim, or sleep past its lease and go on.

use scupper_fleet::{Claim, CoordinatorId, Incarnation, Phase, Reaped, Sweep};
use scupper_model::allowed;

use super::model::Cleanup;
use super::{World, millis, shown};

pub struct Coordinator {
    id: CoordinatorId,
    next_sweep: u64,
    /// It does nothing until then.
    sleeps: u64,
    claims: Vec<Claim>,
}

impl Coordinator {
    pub fn new(number: usize) -> Self {
        let id = format!("coordinator-{number}").parse().unwrap();
        Self { id, next_sweep: 0, sleeps: 0, claims: Vec::new() }
    }
}

impl World<'_> {
    pub(super) fn coordinator(&mut self, at: usize, works: bool) {
        if self.now < self.coordinators[at].sleeps && !works {
            return;
        }
        if self.now >= self.coordinators[at].next_sweep {
            self.coordinators[at].next_sweep = self.now + millis(self.timing.tick);
            self.sweep(at);
            if !works && !self.coordinators[at].claims.is_empty() {
                let lease = millis(self.timing.claim_lease);
                let until = self.now + self.random.below(2 * lease);
                match self.random.below(10) {
                    // Dies, and another one comes in its place.
                    0..3 => {
                        self.coordinators[at].claims.clear();
                        self.coordinators[at].sleeps = until;
                    }
                    3..6 => self.coordinators[at].sleeps = until,
                    _ => {}
                }
            }
        }
        if !works && self.random.chance(30) {
            self.object(at);
        }
        // Slowly: others are to come in between.
        let steps = if works { 100 } else { self.random.below(3) };
        for _ in 0..steps {
            let Some(claim) = self.coordinators[at].claims.last().cloned() else { return };
            if !matches!(self.reap(&claim), Reaped::More { .. }) {
                self.coordinators[at].claims.pop();
            }
        }
        if !works && self.random.chance(20) {
            let lease = millis(self.timing.claim_lease);
            self.coordinators[at].sleeps = self.now + self.random.below(2 * lease);
        }
    }

    fn sweep(&mut self, at: usize) {
        let sweep = Sweep {
            coordinator: self.coordinators[at].id.clone(),
            host: "host-1".parse().unwrap(),
            timing: self.timing,
            dry: false,
            asked: false,
            only: Vec::new(),
        };
        let members = self.model.living().count();
        // A claim's lease begins after this, and the claim was made before the clock is read again.
        let until = self.now + millis(self.timing.claim_lease);
        let swept = self.store.sweep(&sweep).unwrap();
        self.read_clock();
        match swept.phase {
            Phase::Open => {}
            Phase::Grace { .. } => self.tally.graces += 1,
            Phase::Hold { .. } => self.tally.holds += 1,
        }
        if swept.phase != Phase::Open && !swept.claims.is_empty() {
            self.fail(&format!("{:?}, and {} were claimed", swept.phase, swept.claims.len()));
        }
        let fresh = swept.claims.iter().filter(|claim| !claim.taken_on).count();
        if fresh > allowed(members) && fresh > self.timing.batch / 10 {
            self.fail(&format!("brake: {fresh} of {members} were claimed at once"));
        }
        for claim in swept.claims {
            if claim.taken_on {
                self.taken_on(&claim, until);
            } else {
                self.claimed(&claim, until);
            }
            self.coordinators[at].claims.insert(0, claim);
        }
    }

    fn claimed(&mut self, claim: &Claim, until: u64) {
        let epoch = claim.epoch.unwrap();
        let who = Incarnation { id: claim.id.clone(), epoch };
        if !self.model.is_living(&who) {
            self.fail(&format!("I4: {} is about one that does not live", shown(claim)));
        }
        if let Some(agent) = self.agents.iter().find(|agent| agent.who == who) {
            if self.now <= agent.lease {
                self.fail(&format!(
                    "I3: {} comes {} ms before its lease ends",
                    shown(claim),
                    agent.lease - self.now
                ));
            }
            if agent.sleeps == 0 {
                self.fail(&format!("I2: {} is about one that works", shown(claim)));
            }
        }
        self.tally.claims += 1;
        let named = self.model.named(&claim.id);
        named.lives = None;
        let fence = claim.fence;
        named.cleanup = Some(Cleanup { epoch, fence, until, begun: false, deleted: 0, left_itself: false });
    }

    fn taken_on(&mut self, claim: &Claim, until: u64) {
        let named = self.model.of(&claim.id);
        let Some(cleanup) = named.cleanup.filter(|cleanup| Some(cleanup.epoch) == claim.epoch) else {
            self.fail(&format!("I4: {} takes on what nobody began", shown(claim)))
        };
        if self.now <= cleanup.until {
            self.fail(&format!("I4: {} takes on what somebody still does", shown(claim)));
        }
        // Whether the fence is a new one shows where the old holder goes on: `current` is the newest claim alone.
        self.tally.taken_on += 1;
        self.model.named(&claim.id).cleanup = Some(Cleanup { fence: claim.fence, until, ..cleanup });
        let is_same = |held: &Claim| held.id == claim.id && held.fence == claim.fence;
        let twice = self.coordinators.iter().flat_map(|coordinator| &coordinator.claims).any(is_same);
        self.model.named(&claim.id).shared = twice;
    }

    pub(super) fn reap(&mut self, claim: &Claim) -> Reaped {
        let named = self.model.of(&claim.id);
        let current = named.cleanup.as_ref().filter(|cleanup| cleanup.fence == claim.fence);
        let reaped = self.store.reap(claim, None, &self.timing).unwrap();
        match (reaped, current) {
            (Reaped::More { .. } | Reaped::Completed { .. }, Some(_)) if named.shared => {
                self.fail(&format!("I4: {} is held by two, and both delete", shown(claim)));
            }
            (Reaped::More { deleted }, Some(_)) => {
                self.tally.steps_of_cleanups += 1;
                let until = self.now + millis(self.timing.claim_lease);
                let cleanup = self.model.named(&claim.id).cleanup.as_mut().unwrap();
                cleanup.begun = true;
                cleanup.until = until;
                cleanup.deleted += deleted;
            }
            (Reaped::Completed { deleted }, Some(cleanup)) => {
                let who = Incarnation { id: claim.id.clone(), epoch: cleanup.epoch };
                let there_was = named.items.len() as u64 + self.own_keys;
                if deleted != there_was {
                    self.fail(&format!("I5: {there_was} keys of {who}, and {deleted} were deleted"));
                }
                self.tally.completed += 1;
                if self.model.completed(&who) != 1 {
                    self.fail(&format!("I4: {who} was completed twice"));
                }
                self.model.named(&claim.id).done = Some((claim.fence, deleted));
                self.check_gone(claim.id.as_str());
            }
            (Reaped::Completed { deleted }, None) if named.done == Some((claim.fence, deleted)) => {}
            (Reaped::Stale, None) => self.tally.stale += 1,
            (Reaped::Aborted, None) if named.aborted.contains(&claim.fence) => {}
            (reaped, current) => {
                let is_current = current.is_some();
                self.fail(&format!("I4: {} (current: {is_current}) gave {reaped:?}", shown(claim)));
            }
        }
        reaped
    }

    fn object(&mut self, at: usize) {
        let claimed = self.model.claimed();
        if claimed.is_empty() {
            return;
        }
        let whose = self.random.below(claimed.len() as u64);
        let id = &claimed[usize::try_from(whose).unwrap()];
        let by = self.coordinators[at].id.clone();
        let is_heard = self.store.object(id, &by, "it lives").unwrap();
        let deadline = self.now + millis(self.timing.ttl);
        let named = self.model.named(id);
        let cleanup = named.cleanup.clone().unwrap();
        if is_heard == (cleanup.begun || cleanup.left_itself) {
            let (begun, left) = (cleanup.begun, cleanup.left_itself);
            self.fail(&format!("I2: an objection about {id} (begun: {begun}, left: {left}): {is_heard}"));
        }
        if is_heard {
            named.lives = Some(cleanup.epoch);
            named.deadline = deadline;
            named.cleanup = None;
            named.aborted.insert(cleanup.fence);
            self.tally.objections += 1;
        }
    }
}
