//! Agents come, beat and write.

use super::tables::{Epitaph, Member};
use super::{Call, Guard};
use crate::rules::{TTL_LIMIT, clipped_state, next_epoch};
use crate::{
    AgentId, Answer, Beat, Beaten, CoordinatorId, Directive, Epoch, Happened, Incarnation, Item, ItemKind,
    Reason, Registered, Registration, Report, Written,
};

impl Call<'_> {
    pub(super) fn register(&mut self, registration: &Registration) -> Registered {
        let (now, id) = (self.now, &registration.id);
        let (same, busy) = (self.guards(Guard::Nonce), self.guards(Guard::Busy));
        let Some(member) = self.tables.members.get_mut(id) else {
            return self.come_or_resume(registration);
        };
        if let Some(reaping) = &member.reaping {
            if registration.earlier.is_some_and(|earlier| earlier <= member.epoch) {
                return Registered::dead(reaping.claim.reason);
            }
            return if busy { Registered::Busy } else { self.accept(registration, None) };
        }
        if member.nonce == registration.nonce || !same {
            member.process = registration.process.clone();
            member.secret = registration.secret;
            member.last_seen = now;
            let ttl = member.ttl;
            let (epoch, resumed) = (member.epoch, member.resumed);
            member.deadline = after(now, ttl);
            return Registered::Accepted { epoch, now, resumed };
        }
        let (epoch, deadline) = (member.epoch, member.deadline);
        if let Some(earlier) = registration.earlier {
            if earlier <= epoch || !self.may_resume(earlier) {
                return Registered::Dead { why: "somebody else has its name by now".to_owned() };
            }
            return self.accept(registration, Some(earlier));
        }
        if registration.takeover {
            return self.accept(registration, None);
        }
        if now <= deadline {
            let remaining = std::time::Duration::from_millis(deadline.0 - now.0);
            return Registered::Taken { remaining };
        }
        if self.guards(Guard::Unclaimed) { Registered::Busy } else { self.accept(registration, None) }
    }

    /// Nobody has the name.
    fn come_or_resume(&mut self, registration: &Registration) -> Registered {
        let Some(earlier) = registration.earlier else { return self.accept(registration, None) };
        match self.tables.epitaphs.get(&registration.id) {
            Some(epitaph) if earlier <= epitaph.epoch && self.guards(Guard::LostOnly) => {
                Registered::dead(epitaph.reason)
            }
            _ if self.may_resume(earlier) => self.accept(registration, Some(earlier)),
            _ => Registered::Dead { why: "it was cleaned up, and that is long ago".to_owned() },
        }
    }

    fn may_resume(&self, earlier: Epoch) -> bool {
        self.tables.lost.contains(earlier) || !self.guards(Guard::LostOnly)
    }

    fn accept(&mut self, registration: &Registration, resume: Option<Epoch>) -> Registered {
        let now = self.now;
        let last = self.tables.last_epoch;
        let epoch = match resume {
            Some(earlier) => earlier,
            None if self.guards(Guard::Hybrid) => next_epoch(last, now),
            None => Epoch(last.map_or(1, |last| last.0 + 1)),
        };
        self.tables.bump_epoch(epoch);
        let id = &registration.id;
        if let Some(before) = self.tables.members.get(id) {
            let epitaph = Epitaph { at: now, done: None, reason: Reason::TakenOver, epoch: before.epoch };
            self.tables.bury(id, epitaph);
        }
        let ttl = registration.ttl.min(TTL_LIMIT);
        let member = Member {
            epoch,
            nonce: registration.nonce.clone(),
            resumed: resume.is_some(),
            ttl,
            last_seen: now,
            deadline: after(now, ttl),
            since: now,
            process: registration.process.clone(),
            coordinator: registration.coordinator.clone(),
            directive: None,
            report: None,
            secret: registration.secret,
            reaping: None,
            aborted: None,
        };
        self.tables.members.insert(id.clone(), member);
        let host = registration.process.host.clone();
        self.say(Happened::AgentRegistered { agent_id: id.clone(), epoch, host });
        Registered::Accepted { epoch, now, resumed: resume.is_some() }
    }

    pub(super) fn beat(&mut self, beats: &[Beat]) -> Beaten {
        let answers = beats.iter().map(|beat| self.beat_one(beat)).collect();
        Beaten { now: self.now, answers }
    }

    fn beat_one(&mut self, beat: &Beat) -> Answer {
        let now = self.now;
        if let Err(by) = self.lives(&beat.who, Guard::BeatEpoch) {
            return Answer::Fenced { by };
        }
        let Some(member) = self.tables.members.get_mut(&beat.who.id) else {
            return Answer::Fenced { by: None };
        };
        member.last_seen = now;
        member.deadline = after(now, member.ttl);
        let directive = member.directive;
        if let Some(report) = &beat.report {
            let state = clipped_state(&report.state).to_owned();
            member.report = Some(Report { state, ..report.clone() });
            if let Some(rss) = report.memory.rss {
                self.tables.remember(now, &beat.who, rss);
            }
        }
        Answer::Accepted { directive }
    }

    pub(super) fn put(&mut self, who: &Incarnation, item: &Item) -> Written {
        if let Err(by) = self.lives(who, Guard::PutEpoch) {
            return Written::Fenced { by };
        }
        let key = (who.id.clone(), item.kind, item.name.clone());
        match &item.value {
            Some(value) => self.tables.items.insert(key, value.clone()),
            None => self.tables.items.remove(&key),
        };
        Written::Accepted
    }

    pub(super) fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Option<Vec<u8>> {
        self.tables.items.get(&(id.clone(), kind, name.to_owned())).cloned()
    }

    pub(super) fn direct(&mut self, id: &AgentId, directive: Option<Directive>) -> bool {
        let Some(member) = self.tables.members.get_mut(id).filter(|member| member.reaping.is_none()) else {
            return false;
        };
        member.directive = directive;
        if let Some(directive) = directive {
            self.say(Happened::Directed { agent_id: id.clone(), directive });
        }
        true
    }

    pub(super) fn adopt(&mut self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> u64 {
        let mut adopted = 0;
        for member in self.tables.members.values_mut() {
            if member.coordinator.as_ref() == Some(from) {
                member.coordinator = to.cloned();
                adopted += 1;
            }
        }
        adopted
    }

    /// Whether an incarnation lives; else which one does, if any. The one comparison that decides about a fence.
    pub(super) fn lives(&self, who: &Incarnation, guard: Guard) -> Result<(), Option<Epoch>> {
        let Some(member) = self.tables.members.get(&who.id) else { return Err(None) };
        if member.reaping.is_some() && self.guards(Guard::FenceOnClaim) && self.guards(guard) {
            return Err(None);
        }
        if member.epoch != who.epoch && self.guards(guard) {
            return Err(Some(member.epoch));
        }
        Ok(())
    }
}

fn after(now: scupper_model::Timestamp, time: std::time::Duration) -> scupper_model::Timestamp {
    scupper_model::Timestamp(now.0.saturating_add(super::millis(time)))
}
