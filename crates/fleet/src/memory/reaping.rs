//! Cleanups: step by step, by whoever holds the claim.

use super::tables::{Epitaph, Reaping};
use super::{Call, Guard};
use crate::{
    AgentId, Claim, CoordinatorId, Happened, Incarnation, LeakWindow, Process, Reaped, Reason, Timing,
};

impl Call<'_> {
    pub(super) fn reap(&mut self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Reaped {
        let (fences, renews) = (self.guards(Guard::ReapFence), self.guards(Guard::LeaseOfSteps));
        let until = self.after(timing.claim_lease);
        // The answer to the last step may have been lost.
        let done = self.tables.epitaphs.get(&claim.id).and_then(|epitaph| epitaph.done);
        if let Some((_, deleted)) = done.filter(|(fence, _)| *fence == claim.fence)
            && self.guards(Guard::DoneAgain)
        {
            return Reaped::Completed { deleted };
        }
        let Some(member) = self.tables.members.get_mut(&claim.id) else { return Reaped::Stale };
        let epoch = member.epoch;
        let aborted = member.aborted == Some(claim.fence);
        let Some(reaping) = &mut member.reaping else {
            return if aborted { Reaped::Aborted } else { Reaped::Stale };
        };
        if reaping.claim.fence != claim.fence && fences {
            return if aborted { Reaped::Aborted } else { Reaped::Stale };
        }
        reaping.begun = true;
        if renews {
            reaping.until = until;
        }
        let host = reaping.by.as_ref().map(|(_, host)| host.clone());
        if let Some(process) = delegate {
            let who = Incarnation { id: claim.id.clone(), epoch };
            let is_new = self.tables.delegate(who, process);
            if is_new && host.as_ref() != Some(&process.host) {
                let (agent_id, host, process) = (claim.id.clone(), process.host.clone(), process.identity);
                self.say(Happened::ProcessDelegated { agent_id, host, process });
            }
        }
        let deleted = self.delete_some(&claim.id);
        let is_left = self.tables.owned(&claim.id).next().is_some();
        let reaping = self.tables.members.get_mut(&claim.id).and_then(|member| member.reaping.as_mut());
        let Some(reaping) = reaping else { return Reaped::Stale };
        reaping.deleted += deleted;
        if is_left {
            return Reaped::More { deleted };
        }
        let (keys_deleted, reason) = (reaping.deleted, reaping.claim.reason);
        self.tables.members.remove(&claim.id);
        let epitaph = Epitaph { at: self.now, reason, epoch, done: Some((claim.fence, keys_deleted)) };
        self.tables.bury(&claim.id, epitaph);
        self.say(Happened::CleanupCompleted { agent_id: claim.id.clone(), keys_deleted });
        Reaped::Completed { deleted: keys_deleted }
    }

    fn delete_some(&mut self, id: &AgentId) -> u64 {
        let doomed: Vec<_> = if self.guards(Guard::WholeName) {
            self.tables.owned(id).take(self.chunk).cloned().collect()
        } else {
            let begins = |key: &&(AgentId, _, _)| key.0.as_str().starts_with(id.as_str());
            self.tables.items.keys().filter(begins).take(self.chunk).cloned().collect()
        };
        for key in &doomed {
            self.tables.items.remove(key);
        }
        doomed.len() as u64
    }

    /// The agent lives, says somebody who knows. Believed until something of it is deleted, and never about one that has
    /// left by itself.
    pub(super) fn object(&mut self, id: &AgentId, by: &CoordinatorId, why: &str) -> bool {
        let (now, late, counts) =
            (self.now, !self.guards(Guard::LateObjection), self.guards(Guard::Objection));
        let Some(member) = self.tables.members.get_mut(id) else { return false };
        let stands = |reaping: &Reaping| reaping.claim.reason != Reason::Shutdown && (!reaping.begun || late);
        let Some(reaping) = member.reaping.take_if(|reaping| stands(reaping)) else { return false };
        if !counts {
            member.reaping = Some(reaping);
            return true;
        }
        member.aborted = Some(reaping.claim.fence);
        member.last_seen = now;
        let ttl = member.ttl;
        let deadline = self.after(ttl);
        if let Some(member) = self.tables.members.get_mut(id) {
            member.deadline = deadline;
        }
        let why = format!("{by} objected: {why}");
        self.say(Happened::CleanupAborted { agent_id: id.clone(), why });
        true
    }

    pub(super) fn take_turn(&mut self, what: &str, by: &CoordinatorId, lease: std::time::Duration) -> bool {
        let now = self.now;
        if self.tables.turns.get(what).is_some_and(|(holder, until)| holder != by && now <= *until) {
            return false;
        }
        let until = self.after(lease);
        self.tables.turns.retain(|_, (_, until)| now <= *until);
        self.tables.turns.insert(what.to_owned(), (by.clone(), until));
        true
    }

    pub(super) fn set_window(&mut self, window: LeakWindow, by: &CoordinatorId) -> LeakWindow {
        let now = self.now;
        let others = self.tables.coordinators.iter().any(|(id, (_, until))| id != by && now <= *until);
        match self.tables.window {
            Some(set) if set != window && others => set,
            set => {
                if set.unwrap_or_default() != window {
                    self.tables.memory.clear();
                }
                self.tables.window = Some(window);
                window
            }
        }
    }
}
