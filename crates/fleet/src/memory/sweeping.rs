//! One pass: guard, brake, claims.

use std::time::Duration;

use scupper_model::Timestamp;

use super::tables::Reaping;
use super::{Call, Guard, millis};
use crate::rules::{Allowance, Leases, OutageWhy};
use crate::{
    AgentId, CLAIMS_LIMIT, Claim, CoordinatorId, Fence, Happened, Orphan, Phase, Reason, Sweep, Swept,
};

/// What guard and brake allow.
enum Ruling {
    Claim(usize),
    Nothing(Phase),
}

impl Call<'_> {
    pub(super) fn sweep(&mut self, sweep: &Sweep) -> Swept {
        let expired = self.expired();
        if sweep.dry && self.guards(Guard::Dry) {
            return self.look(sweep, &expired);
        }
        let ruling = self.rule(sweep, count(&expired));
        let lost = self.coordinators(sweep, &ruling);
        let (phase, claims) = match ruling {
            Ruling::Claim(most) => (Phase::Open, self.claim(sweep, &expired, most)),
            Ruling::Nothing(phase) => (phase, Vec::new()),
        };
        let unclaimed = if phase == Phase::Open { Vec::new() } else { self.orphans(&meant(sweep, &expired)) };
        self.swept(sweep, Swept { phase, claims, unclaimed, lost, ..nothing(self.now) })
    }

    /// With what can be counted.
    fn swept(&self, sweep: &Sweep, swept: Swept) -> Swept {
        let (members, suspects) = self.counts(sweep);
        let cleanups = self.tables.members.values().filter(|member| member.reaping.is_some()).count() as u64;
        let delegated = self.tables.delegated.keys().filter(|(host, _)| *host == sweep.host).count() as u64;
        Swept { members, suspects, expired: count(&self.expired()), cleanups, delegated, ..swept }
    }

    /// What a sweep would find; nothing changes.
    fn look(&mut self, sweep: &Sweep, expired: &[AgentId]) -> Swept {
        let before = self.tables.clone();
        let ruling = self.rule(sweep, count(expired));
        *self.tables = before;
        let phase = match ruling {
            Ruling::Claim(_) => Phase::Open,
            Ruling::Nothing(phase) => phase,
        };
        let unclaimed = self.orphans(&meant(sweep, expired));
        self.swept(sweep, Swept { phase, unclaimed, ..nothing(self.now) })
    }

    /// Those whose lease has ended and whom nobody has claimed, the longest silent first.
    fn expired(&self) -> Vec<AgentId> {
        let leases = self.guards(Guard::Lease);
        let mut expired: Vec<_> = self
            .tables
            .members
            .iter()
            .filter(|(_, member)| member.reaping.is_none() && (member.deadline < self.now || !leases))
            .map(|(id, member)| (member.deadline, id.clone()))
            .collect();
        expired.sort();
        expired.into_iter().map(|(_, id)| id).collect()
    }

    fn rule(&mut self, sweep: &Sweep, dead: u64) -> Ruling {
        let (now, timing) = (self.now, &sweep.timing);
        let all = self.tables.members.values();
        let living = self.tables.members.values().filter(|member| member.reaping.is_none());
        let leases = Leases {
            shortest: living.map(|member| member.ttl).min(),
            longest: all.map(|member| member.ttl).max().unwrap_or(Duration::ZERO),
        };
        let restarted = self.tables.run != self.tables.swept_in_run && self.guards(Guard::Restart);
        self.tables.swept_in_run = self.tables.run;
        if let Some(why) = self.tables.outage.sweep(now, restarted, leases, timing) {
            self.grace_begins(why);
        }
        if let Some(until) = self.tables.outage.grace(now).filter(|_| self.guards(Guard::Outage)) {
            return Ruling::Nothing(Phase::Grace { until });
        }
        let (members, _) = self.counts(sweep);
        let asked = sweep.asked || !self.guards(Guard::Brake);
        match self.tables.mass.sweep(now, dead, members, timing, asked) {
            Allowance::Claim(most) => {
                self.tables.held = None;
                Ruling::Claim(most)
            }
            Allowance::Hold { until, begins, dead, members } => {
                self.tables.held = Some((dead, members));
                if begins {
                    self.say(Happened::HoldStarted { dead, members, until: until.0 });
                }
                Ruling::Nothing(Phase::Hold { until, dead, members })
            }
        }
    }

    fn grace_begins(&mut self, why: OutageWhy) {
        if let Some(until) = self.tables.outage.until {
            self.say(Happened::GraceStarted { why: why.to_string(), until: until.0 });
        }
    }

    /// Renews the sweeper's lease, and gives those whose lease has ended. After an outage all have, and nobody is lost.
    fn coordinators(&mut self, sweep: &Sweep, ruling: &Ruling) -> Vec<CoordinatorId> {
        let (now, lease) = (self.now, self.after(sweep.timing.claim_lease));
        if !sweep.asked {
            let renewed = (Some(sweep.host.clone()), lease);
            self.tables.coordinators.insert(sweep.coordinator.clone(), renewed);
        }
        if matches!(ruling, Ruling::Nothing(Phase::Grace { .. })) {
            return Vec::new();
        }
        let ended = |(id, (_, until)): (&CoordinatorId, &(_, Timestamp))| (*until < now).then(|| id.clone());
        let ended: Vec<_> = self.tables.coordinators.iter().filter_map(ended).collect();
        // Told to one; to another one where that one does not settle it. The event is said once.
        let mut lost = Vec::new();
        for coordinator in ended {
            let turn = format!("lost:{coordinator}");
            let is_told = self.tables.turns.get(&turn).is_some_and(|(_, until)| now <= *until);
            if is_told && self.guards(Guard::LostAgain) {
                continue;
            }
            self.tables.turns.insert(turn, (sweep.coordinator.clone(), lease));
            let host = self.tables.coordinators.get_mut(&coordinator).and_then(|(host, _)| host.take());
            if host.is_some() {
                self.say(Happened::CoordinatorLost { coordinator: coordinator.clone() });
            }
            if !self.guards(Guard::LostStays) {
                self.tables.coordinators.remove(&coordinator);
            }
            lost.push(coordinator);
        }
        lost
    }

    fn claim(&mut self, sweep: &Sweep, expired: &[AgentId], most: usize) -> Vec<Claim> {
        let (chosen, most) = (meant(sweep, expired), if sweep.only.is_empty() { most } else { CLAIMS_LIMIT });
        let mut claims: Vec<_> =
            chosen.iter().take(most).filter_map(|id| self.claim_one(sweep, id)).collect();
        if !sweep.asked {
            self.tables.mass.claimed(self.now, claims.len() as u64);
        }
        let room = most.min(CLAIMS_LIMIT - claims.len());
        let ended: Vec<_> = self
            .tables
            .members
            .iter()
            .filter(|(_, member)| member.reaping.as_ref().is_some_and(|reaping| self.has_ended(reaping)))
            .map(|(id, _)| id.clone())
            .filter(|id| sweep.only.is_empty() || sweep.only.contains(id))
            .take(room)
            .collect();
        claims.extend(ended.iter().filter_map(|id| self.take_on(sweep, id)));
        claims
    }

    fn has_ended(&self, reaping: &Reaping) -> bool {
        self.guards(Guard::TakeOn) && (reaping.until < self.now || !self.guards(Guard::ClaimLease))
    }

    fn claim_one(&mut self, sweep: &Sweep, id: &AgentId) -> Option<Claim> {
        let fence = self.fence();
        let (now, until) = (self.now, self.after(sweep.timing.claim_lease));
        let member = self.tables.members.get_mut(id)?;
        let claim = Claim {
            id: id.clone(),
            epoch: Some(member.epoch),
            fence,
            reason: Reason::StaleHeartbeat,
            last_seen: Some(member.last_seen),
            idle: Some(Duration::from_millis(now.0.saturating_sub(member.last_seen.0))),
            process: Some(member.process.clone()),
            coordinator: member.coordinator.clone(),
            taken_on: false,
        };
        let by = Some((sweep.coordinator.clone(), sweep.host.clone()));
        member.reaping = Some(Reaping { claim: claim.clone(), by, until, deleted: 0, begun: false });
        let (agent_id, reason) = (id.clone(), claim.reason);
        self.say(Happened::CleanupStarted { agent_id, reason, taken_on: false });
        Some(claim)
    }

    /// A cleanup goes on under a new claim: whoever began may still live, and must find that it is not his any more.
    fn take_on(&mut self, sweep: &Sweep, id: &AgentId) -> Option<Claim> {
        let fence = if self.guards(Guard::FenceBump) { Some(self.fence()) } else { None };
        let until = self.after(sweep.timing.claim_lease);
        let reaping = self.tables.members.get_mut(id)?.reaping.as_mut()?;
        reaping.claim.fence = fence.unwrap_or(reaping.claim.fence);
        reaping.claim.taken_on = true;
        reaping.by = Some((sweep.coordinator.clone(), sweep.host.clone()));
        reaping.until = until;
        let claim = reaping.claim.clone();
        let (agent_id, reason) = (id.clone(), claim.reason);
        self.say(Happened::CleanupStarted { agent_id, reason, taken_on: true });
        Some(claim)
    }

    fn orphans(&self, ids: &[AgentId]) -> Vec<Orphan> {
        let orphan = |id: &AgentId| {
            let member = self.tables.members.get(id)?;
            Some(Orphan {
                agent_id: id.clone(),
                reason: Reason::StaleHeartbeat,
                last_seen: Some(member.last_seen.0),
                idle_time: Some(self.now.0.saturating_sub(member.last_seen.0)),
            })
        };
        ids.iter().take(CLAIMS_LIMIT).filter_map(orphan).collect()
    }

    /// Members, and those of them that are suspect.
    fn counts(&self, sweep: &Sweep) -> (u64, u64) {
        let silent = millis(sweep.timing.suspect);
        let members = self.tables.members.values().filter(|member| member.reaping.is_none());
        members.fold((0, 0), |(all, suspects), member| {
            let is_suspect = self.now.0.saturating_sub(member.last_seen.0) > silent;
            (all + 1, suspects + u64::from(is_suspect))
        })
    }

    /// The claim of a member that leaves by itself.
    pub(super) fn leave(
        &mut self,
        who: &crate::Incarnation,
        why: &str,
        timing: &crate::Timing,
    ) -> Option<Claim> {
        let leaving = self.tables.members.get(&who.id).filter(|member| member.epoch == who.epoch);
        if let Some(reaping) = leaving.and_then(|member| member.reaping.as_ref()) {
            // Asked again, because the answer was lost. Once a sweep has taken it on it is over for the agent.
            let is_own = reaping.by.is_none() && reaping.claim.reason == Reason::Shutdown;
            return is_own.then(|| reaping.claim.clone());
        }
        if self.lives(who, Guard::LeaveEpoch).is_err() {
            return None;
        }
        let fence: Fence = self.fence();
        let (now, until) = (self.now, self.after(timing.claim_lease));
        let member = self.tables.members.get_mut(&who.id)?;
        let claim = Claim {
            id: who.id.clone(),
            epoch: Some(member.epoch),
            fence,
            reason: Reason::Shutdown,
            last_seen: Some(member.last_seen),
            idle: Some(Duration::from_millis(now.0.saturating_sub(member.last_seen.0))),
            process: Some(member.process.clone()),
            coordinator: member.coordinator.clone(),
            taken_on: false,
        };
        member.reaping = Some(Reaping { claim: claim.clone(), by: None, until, deleted: 0, begun: false });
        let agent_id = who.id.clone();
        self.say(Happened::AgentShutdown { agent_id: agent_id.clone(), reason: why.to_owned() });
        let (reason, taken_on) = (Reason::Shutdown, false);
        self.say(Happened::CleanupStarted { agent_id, reason, taken_on });
        Some(claim)
    }
}

fn nothing(now: Timestamp) -> Swept {
    Swept {
        now,
        phase: Phase::Open,
        members: 0,
        suspects: 0,
        expired: 0,
        cleanups: 0,
        delegated: 0,
        claims: Vec::new(),
        unclaimed: Vec::new(),
        lost: Vec::new(),
        trouble: Vec::new(),
    }
}

fn meant(sweep: &Sweep, expired: &[AgentId]) -> Vec<AgentId> {
    expired.iter().filter(|id| sweep.only.is_empty() || sweep.only.contains(id)).cloned().collect()
}

fn count(ids: &[AgentId]) -> u64 {
    ids.len() as u64
}
