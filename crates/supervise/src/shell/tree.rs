//! The members of one unit's tree: who is there, kept-open descriptors to look at them cheaply, and a short history of
//! each. Bounded: a history is a ring, and above [`MOST_OPEN`] members no further descriptors are kept open.

mod looking;
mod member;
mod roles;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid, RunId};
use scupper_probe::cgroup::{self, Mounts};
use scupper_probe::{Proc, pidfd, tree};

pub use self::member::Member;
use self::member::shown;
use super::membership::{Membership, WALK_EVERY};
use crate::unit::{History, Role};

/// Members whose `statm` is kept open. The others are opened for each look.
const MOST_OPEN: usize = 2048;
/// Members whose pidfd is kept.
const MOST_PIDFDS: usize = 512;
/// Members that are followed at all; what is beyond is counted by the kernel's lists alone.
const MOST_MEMBERS: usize = 32_768;
/// The tree of one unit.
#[derive(Debug, Default)]
pub struct Tree {
    members: HashMap<Pid, Member>,
    membership: Membership,
    next_walk: Duration,
    /// Whether somebody became another program since that was asked.
    executed: bool,
    order: Vec<Pid>,
    adopted: Vec<Pid>,
    main: Option<Pid>,
    generations: HashMap<Pid, u64>,
    history: History,
    ticks: u64,
}

impl Tree {
    /// A tree that has no members yet.
    pub fn new(ticks_per_second: u64) -> Self {
        Self { ticks: ticks_per_second.max(1), ..Self::default() }
    }

    /// Starts over with a new main process.
    pub fn begin(&mut self, main: Identity) {
        self.members = HashMap::new();
        self.order = Vec::new();
        self.generations = HashMap::new();
        self.history = History::default();
        self.next_walk = Duration::ZERO;
        self.main = Some(main.pid);
    }

    /// The main process ended; its adopted children are still members.
    pub fn main_ended(&mut self) {
        if let Some(pid) = self.main.take() {
            self.members.remove(&pid);
            self.order.retain(|p| *p != pid);
        }
    }

    /// Makes an orphan that scupper adopted a root of this tree. Whether it was none before.
    pub fn adopt(&mut self, pid: Pid) -> bool {
        let new = !self.adopted.contains(&pid);
        if new {
            self.adopted.push(pid);
            self.next_walk = Duration::ZERO;
        }
        new
    }

    /// It is no root of this tree any more. Whether it was one.
    pub fn disown(&mut self, pid: Pid) -> bool {
        let before = self.adopted.len();
        self.adopted.retain(|adopted| *adopted != pid);
        self.adopted.len() < before
    }

    /// Whether a process is, or was at the last look, a member.
    pub fn contains(&self, pid: Pid) -> bool {
        self.members.contains_key(&pid) || self.adopted.contains(&pid)
    }

    /// Finds out who is there now, by a walk where somebody may have come or gone. Returns the members that are gone.
    pub fn keep_up(&mut self, proc: &Proc, cgroup: Option<&Path>, now: Duration) -> Vec<Member> {
        // A young process is about to become another program: a walk reads its name again.
        let settled = self.members.values().all(|member| member.settled);
        if settled && now < self.next_walk && self.membership.unchanged() {
            return Vec::new();
        }
        self.next_walk = now + if cgroup.is_some() { WALK_EVERY * 3 } else { WALK_EVERY };
        self.membership.note(cgroup, self.order.iter().copied());
        self.refresh(proc, cgroup, now)
    }

    /// Walks the tree. Returns the members that are gone.
    pub fn refresh(&mut self, proc: &Proc, cgroup: Option<&Path>, now: Duration) -> Vec<Member> {
        let found = self.find_members(proc, cgroup);
        let present: HashSet<Identity> = found.iter().map(|m| m.identity).collect();
        self.adopted.retain(|pid| found.iter().any(|m| m.identity.pid == *pid));
        let gone = self.forget_missing(&present);
        let mut changed = !gone.is_empty();
        self.order = found.iter().map(|m| m.identity.pid).collect();
        for member in found {
            changed |= self.meet(proc, member, now);
        }
        if changed {
            self.assign_roles();
        }
        gone
    }

    fn find_members(&self, proc: &Proc, cgroup: Option<&Path>) -> Vec<tree::Member> {
        let mut found: Vec<tree::Member> = Vec::new();
        let mut known: HashSet<Pid> = HashSet::new();
        let mut add = |known: &mut HashSet<Pid>, member: tree::Member| {
            if found.len() < MOST_MEMBERS && known.insert(member.identity.pid) {
                found.push(member);
            }
        };
        for root in self.main.iter().chain(&self.adopted) {
            if let Ok(Some(stat)) = proc.stat(*root) {
                let root = tree::Member::new(proc, stat);
                let below = tree::descendants_of(proc, root.identity).unwrap_or_default();
                add(&mut known, root);
                for member in below {
                    add(&mut known, member);
                }
            }
        }
        // Whoever sits in the unit's cgroup belongs to it, wherever its parent went. Most of them were just met.
        for pid in cgroup.and_then(|dir| cgroup::members(dir, true).ok()).unwrap_or_default() {
            if !known.contains(&pid)
                && let Ok(Some(stat)) = proc.stat(pid)
            {
                add(&mut known, tree::Member::new(proc, stat));
            }
        }
        found
    }

    fn forget_missing(&mut self, present: &HashSet<Identity>) -> Vec<Member> {
        let missing: Vec<Pid> = self
            .members
            .values()
            .filter(|m| !present.contains(&m.identity))
            .map(|m| m.identity.pid)
            .collect();
        let gone = missing.iter().filter_map(|pid| self.members.remove(pid)).collect();
        // A map keeps its capacity for ever; after a burst of processes it is given back.
        if self.members.capacity() > 64 && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to_fit();
        }
        gone
    }

    /// Takes a member in, or brings it up to date. Whether its role has to be thought about again.
    fn meet(&mut self, proc: &Proc, found: tree::Member, now: Duration) -> bool {
        let pid = found.identity.pid;
        if let Some(known) = self.members.get_mut(&pid) {
            let moved = known.parent != found.parent;
            known.parent = found.parent;
            known.zombie = found.zombie;
            known.zombie_since = known.zombie_since.or(found.zombie.then_some(now));
            let another = known.learn(proc, found.name, found.image, false, now);
            self.executed |= another;
            return another || moved;
        }
        let process = if self.members.len() < MOST_OPEN { proc.process(pid).ok().flatten() } else { None };
        let pidfd = if self.members.len() < MOST_PIDFDS {
            pidfd::open(proc, &found.identity).ok().flatten()
        } else {
            None
        };
        let command = proc.command_line(pid).ok().flatten().unwrap_or_default();
        let member = Member {
            process,
            identity: found.identity,
            parent: found.parent,
            shown: shown(&found.name, &command),
            name: found.name,
            command,
            role: Role::Helper,
            generation: 0,
            zombie: found.zombie,
            zombie_since: found.zombie.then_some(now),
            pidfd,
            oom: None,
            spared: false,
            history: History::default(),
            sample: None,
            start: now,
            programs: 0,
            changes: 0,
            executed_at: now,
            image: found.image,
            code: None,
            settled: false,
        };
        self.members.insert(pid, member);
        true
    }

    /// Notes the size that limits are compared with, and says how fast it grows.
    pub fn note_size(&mut self, now: Duration, size: Bytes) -> Option<f64> {
        self.history.push(now, size, true);
        self.history.slope()
    }

    /// Whether somebody became another program since this was last asked.
    pub const fn take_executed(&mut self) -> bool {
        std::mem::replace(&mut self.executed, false)
    }

    /// The member with a pid.
    pub fn member(&self, pid: Pid) -> Option<&Member> {
        self.members.get(&pid)
    }

    /// All members, parents before children.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.order.iter().filter_map(|pid| self.members.get(pid))
    }

    /// Notes the OOM counter of each member's own cgroup, to tell a step of it at the member's death.
    pub fn note_oom_counters(&mut self, proc: &Proc, mounts: &Mounts) {
        for member in self.members.values_mut().filter(|m| !m.zombie) {
            let paths = proc.cgroup_paths(member.identity.pid).ok().flatten().unwrap_or_default();
            let counter = cgroup::oom_counter(mounts, &paths);
            // Within one cgroup the first note stays: a step between two looks belongs to whoever is found dead next.
            if member.oom.as_ref().map(|c| &c.cgroup) != counter.as_ref().map(|c| &c.cgroup) {
                member.oom = counter;
            }
        }
    }

    /// One step of a cgroup's counter explains one death: it no longer counts for the others.
    pub fn claim_oom_step(&mut self, cgroup: &Path) {
        for counter in self.members.values_mut().filter_map(|m| m.oom.as_mut()) {
            if counter.cgroup == cgroup {
                counter.count += 1;
            }
        }
    }

    /// Says who must be left alone.
    pub fn set_spared(&mut self, spared: &[Pid]) {
        for member in self.members.values_mut() {
            member.spared = spared.contains(&member.identity.pid);
        }
    }
}

/// Whether a process carries the mark of a run.
pub fn carries_mark(proc: &Proc, pid: Pid, run: &RunId) -> bool {
    proc.environment_value(pid, scupper_model::MARK)
        .ok()
        .flatten()
        .is_some_and(|value| value == run.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
