//! The members of one unit's tree: who is there, kept-open descriptors to look at them cheaply, and a short history of
//! each. Bounded: a history is a ring, and above [`MOST_OPEN`] members no further descriptors are kept open.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid, ProcessSample, RunId, TreeSample, printable, redact_command};
use scupper_probe::cgroup::{self, Mounts, OomCounter};
use scupper_probe::{Detail, Image, Proc, Process, Stat, pidfd, tree};

use super::membership::{Membership, WALK_EVERY};
use crate::unit::{History, Look, Role, SETTLED, Seen};
use scupper_knowledge::prefork::{self, Drain, View};
use scupper_knowledge::wrapper;

/// Members whose `statm` is kept open. The others are opened for each look.
const MOST_OPEN: usize = 2048;
/// Members whose pidfd is kept.
const MOST_PIDFDS: usize = 512;
/// Members that are followed at all; what is beyond is counted by the kernel's lists alone.
const MOST_MEMBERS: usize = 32_768;
/// So long after it was first seen, what was forked has executed its own program.
const EXECUTED: Duration = Duration::from_millis(300);
/// Whose command line is empty so long is not within `exec` any more: it has none.
const NAMELESS: Duration = Duration::from_secs(3);

/// One member.
#[derive(Debug)]
pub struct Member {
    process: Option<Process>,
    /// Who it is.
    pub identity: Identity,
    /// Its parent at the last look.
    pub parent: Option<Pid>,
    /// The kernel's name for it.
    pub name: Vec<u8>,
    /// Its command line; empty until it could be read.
    pub command: Vec<Vec<u8>>,
    /// Its name and its program's base name, printable.
    pub shown: (Arc<str>, Arc<str>),
    /// What it is.
    pub role: Role,
    /// For a worker: the how many-th of its master's.
    pub generation: u64,
    /// Whether it ended and waits for its parent.
    pub zombie: bool,
    /// Since when it is known to be one.
    pub zombie_since: Option<Duration>,
    /// Tells how it ended, for a process that is not our child. Kept for the first [`MOST_PIDFDS`] members.
    pub pidfd: Option<OwnedFd>,
    /// The OOM counter of its own cgroup, as it was when the process was last looked at whole.
    pub oom: Option<OomCounter>,
    /// Whether it must be left alone, once that was judged.
    pub spared: bool,
    /// Its memory over time.
    pub history: History,
    /// The last whole look at it.
    pub sample: Option<ProcessSample>,
    start: Duration,
    /// How many programs it was seen to execute.
    programs: u32,
    /// When the last of them was noticed.
    executed_at: Duration,
    /// Where what it executes lies, and how many pages of code that has.
    image: Option<Image>,
    code: Option<u64>,
    /// Whether its command line was read when it must have been its own.
    settled: bool,
}

impl Member {
    /// A process that ended before it was looked at.
    pub fn unseen(identity: Identity, name: Vec<u8>, command: Vec<Vec<u8>>) -> Self {
        Self {
            process: None,
            identity,
            parent: None,
            shown: shown(&name, &command),
            name,
            command,
            role: Role::Main,
            generation: 0,
            zombie: true,
            zombie_since: None,
            pidfd: None,
            oom: None,
            spared: false,
            history: History::default(),
            sample: None,
            start: Duration::ZERO,
            programs: 0,
            executed_at: Duration::ZERO,
            image: None,
            code: None,
            settled: true,
        }
    }

    /// When it was first seen.
    pub const fn first_seen(&self) -> Duration {
        self.start
    }

    /// How many programs it was seen to execute. What was found out of an earlier one says nothing of this one.
    pub const fn programs(&self) -> u32 {
        self.programs
    }

    /// Whether it has had the time to become what it was forked for, and is not within `exec` any more.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Its age when it became the program that it is, as far as that was seen.
    fn became_at(&self, now: Duration, age: Duration) -> Duration {
        if self.programs == 0 {
            Duration::ZERO
        } else {
            age.saturating_sub(now.saturating_sub(self.executed_at))
        }
    }

    /// Takes over what its `stat` says of its program, and reads its command line where that may be another one now.
    /// `executed` says that it is another program, however that is known. Whether anything of it changed.
    fn learn(
        &mut self,
        proc: &Proc,
        name: Vec<u8>,
        image: Option<Image>,
        executed: bool,
        now: Duration,
    ) -> bool {
        let elsewhere = self.image.zip(image).is_some_and(|(before, now)| before != now);
        self.image = image.or(self.image);
        let executed = executed || elsewhere;
        if executed {
            self.programs += 1;
            self.executed_at = now;
            self.settled = false;
        }
        // Between fork and exec a process has its parent's command line, and within exec none: what was read then is
        // read again. One that ends has none either, and keeps what is known of it.
        let lasted = now.saturating_sub(self.start.max(self.executed_at));
        let due = lasted >= EXECUTED;
        let renamed = self.name != name;
        let unsure = self.command.is_empty() || executed || (!self.settled && due);
        let mut another = renamed || executed;
        if (renamed || unsure) && !self.zombie {
            let command = proc.command_line(self.identity.pid).ok().flatten().unwrap_or_default();
            if renamed || executed || !command.is_empty() {
                another |= command != self.command;
                self.command = command;
            }
        }
        self.settled |= due && (!self.command.is_empty() || self.zombie || lasted >= NAMELESS);
        self.name = name;
        if another {
            self.shown = shown(&self.name, &self.command);
            // Another program: what the launcher or the parent weighed says nothing about it.
            self.history = History::default();
        }
        another
    }

    /// Its command line, redacted.
    pub fn shown_command(&self) -> String {
        redact_command(self.command.iter().map(Vec::as_slice))
    }

    /// Its name, printable.
    pub fn shown_name(&self) -> String {
        self.shown.0.to_string()
    }
}

/// The tree of one unit.
#[derive(Debug, Default)]
pub struct Tree {
    members: HashMap<Pid, Member>,
    membership: Membership,
    next_walk: Duration,
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
        let mut add = |member: tree::Member| {
            if found.len() < MOST_MEMBERS && known.insert(member.identity.pid) {
                found.push(member);
            }
        };
        for root in self.main.iter().chain(&self.adopted) {
            if let Ok(Some(stat)) = proc.stat(*root) {
                add(as_member(proc, stat));
                tree::descendants(proc, *root).unwrap_or_default().into_iter().for_each(&mut add);
            }
        }
        // Whoever sits in the unit's cgroup belongs to it, wherever its parent went.
        for pid in cgroup.and_then(|dir| cgroup::members(dir, true).ok()).unwrap_or_default() {
            if let Ok(Some(stat)) = proc.stat(pid) {
                add(as_member(proc, stat));
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
            executed_at: now,
            image: found.image,
            code: None,
            settled: false,
        };
        self.members.insert(pid, member);
        true
    }

    fn assign_roles(&mut self) {
        let preforks = {
            let views: Vec<View<'_>> = self
                .order
                .iter()
                .filter_map(|pid| self.members.get(pid))
                .filter(|m| !m.zombie)
                .map(|m| View { pid: m.identity.pid, parent: m.parent, name: &m.name, command: &m.command })
                .collect();
            prefork::recognise(&views)
        };
        for member in self.members.values_mut() {
            member.role = Role::Helper;
        }
        for pid in self.service_chain() {
            if let Some(member) = self.members.get_mut(&pid) {
                member.role = Role::Main;
            }
        }
        for found in preforks {
            if let Some(master) = self.members.get_mut(&found.master) {
                master.role = Role::Main;
            }
            for pid in found.workers {
                let Some(worker) = self.members.get_mut(&pid) else { continue };
                worker.role = match found.recipe.drain {
                    Drain::Worker { signal } => Role::Worker { signal },
                    Drain::Main { .. } => Role::PoolWorker,
                };
                if worker.generation == 0 {
                    let count = self.generations.entry(found.master).or_insert(0);
                    *count += 1;
                    worker.generation = *count;
                }
            }
        }
    }

    /// The main process, and below a wrapper that does nothing but wait for its only child (`sh -c`, `npx`, `uv run`)
    /// that child too: ending it ends the service.
    fn service_chain(&self) -> Vec<Pid> {
        let mut chain: Vec<Pid> = self.main.into_iter().collect();
        while let Some(last) = chain.last().and_then(|pid| self.members.get(pid)) {
            if chain.len() > 8 || !wrapper::is_wrapper(&last.name, &last.command) {
                break;
            }
            let mut children =
                self.members.values().filter(|m| m.parent == Some(last.identity.pid) && !m.zombie);
            match (children.next(), children.next()) {
                (Some(only), None) => chain.push(only.identity.pid),
                _ => break,
            }
        }
        chain
    }

    /// Weighs every member, in the order of the members. One that has become another program since is called by its name
    /// from here on: what is read at each look anyway tells of it.
    fn weigh(&mut self, proc: &Proc, detail: Option<Detail>, now: Duration) -> Vec<Option<Bytes>> {
        let mut changed = false;
        let weights = self
            .order
            .iter()
            .map(|pid| {
                let (rss, another) = look_at(self.members.get_mut(pid)?, proc, detail, now);
                changed |= another;
                rss
            })
            .collect();
        if changed {
            self.assign_roles();
        }
        weights
    }

    /// Looks at every member: memory always, the rest as `detail` says.
    pub fn look(&mut self, proc: &Proc, detail: Option<Detail>, now: Duration) -> Look {
        let since_boot = super::clock::since_boot();
        let mut look = Look { whole: detail.is_some(), ..Look::default() };
        let mut sums = TreeSample::default();
        let mut doubtful = false;
        let weights = self.weigh(proc, detail, now);
        for (pid, rss) in self.order.iter().zip(weights) {
            let Some(member) = self.members.get_mut(pid) else { continue };
            if member.zombie {
                sums.zombies += 1;
            } else {
                sums.processes += 1;
            }
            // Gone, or a zombie: the next look finds out by a walk.
            doubtful |= !member.zombie && rss.is_none_or(|rss| rss.0 == 0);
            if !member.zombie {
                sums.rss_bytes.add(rss.map(|b| b.0));
            }
            let started = ticks(member.identity.start_time.0, self.ticks);
            let age = since_boot.saturating_sub(started).max(now.saturating_sub(member.start));
            let became_at = member.became_at(now, age);
            if let Some(rss) = rss {
                member.history.push(now, rss, age.saturating_sub(became_at) >= SETTLED);
            }
            // A zombie holds nothing any more, whatever was last read of it.
            if let Some(sample) = member.sample.as_ref().filter(|_| !member.zombie) {
                sums.rss_anon_bytes.add(sample.rss_anon_bytes.map(|b| b.0));
                sums.swap_bytes.add(sample.swap_bytes.map(|b| b.0));
                sums.fds.add(sample.fds);
                sums.sockets.add(sample.sockets);
                sums.threads.add(sample.threads);
                sums.cpu_micros.add(sample.cpu.map(|cpu| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX)));
            }
            look.processes.push(seen(member, rss, (age, became_at), detail));
        }
        if doubtful {
            self.next_walk = Duration::ZERO;
        }
        count_children(&mut look.processes);
        look.size = Bytes(sums.rss_bytes.known);
        look.tree = sums;
        look
    }

    /// Notes the size that limits are compared with, and says how fast it grows.
    pub fn note_size(&mut self, now: Duration, size: Bytes) -> Option<f64> {
        self.history.push(now, size, true);
        self.history.slope()
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

/// Weighs a member. Whether it is seen to be another program than before; where that is told by its memory alone, its name
/// has to be read.
fn look_at(member: &mut Member, proc: &Proc, detail: Option<Detail>, now: Duration) -> (Option<Bytes>, bool) {
    const NOTHING: (Option<Bytes>, bool) = (None, false);
    if member.zombie {
        return NOTHING;
    }
    let pid = member.identity.pid;
    let opened;
    let process = if let Some(process) = &member.process {
        process
    } else {
        let found = proc.process(pid).ok().flatten().filter(|p| p.identity() == member.identity);
        let Some(found) = found else { return NOTHING };
        opened = found;
        &opened
    };
    // While a process ends, or lives on without its main thread, its memory is shown as 0: that is not what it weighs.
    let is_real = |bytes: &Bytes| bytes.0 > 0;
    if let Some(detail) = detail {
        let stat = proc.stat(pid).ok().flatten();
        member.sample = stat.as_ref().and_then(|stat| process.sample_of(stat, proc, detail).ok().flatten());
        let (Some(sample), Some(stat)) = (member.sample.as_mut(), stat) else { return NOTHING };
        sample.rss_bytes = sample.rss_bytes.filter(is_real);
        let rss = sample.rss_bytes;
        let another = !stat.is_zombie() && member.learn(proc, stat.name, stat.image, false, now);
        return (rss, another);
    }
    let Some(weight) = process.weigh().ok().flatten() else { return NOTHING };
    if !is_real(&weight.rss) {
        let sample = process.sample(proc, Detail::default()).ok().flatten();
        return (sample.and_then(|sample| sample.rss_bytes).filter(is_real), false);
    }
    let executed = member.code.zip(weight.code).is_some_and(|(before, now)| before != now);
    let mut another = false;
    if executed && let Some(stat) = proc.stat(pid).ok().flatten() {
        another = stat.identity(proc.boot_id()) == member.identity
            && member.learn(proc, stat.name, stat.image, true, now);
    }
    member.code = weight.code.or(member.code);
    (Some(weight.rss), another)
}

fn seen(
    member: &Member,
    rss: Option<Bytes>,
    (age, became_at): (Duration, Duration),
    detail: Option<Detail>,
) -> Seen {
    let sample = member.sample.as_ref();
    Seen {
        identity: member.identity,
        parent: member.parent,
        role: member.role,
        name: Arc::clone(&member.shown.0),
        program: Arc::clone(&member.shown.1),
        age,
        became_at,
        spared: member.spared,
        zombie: member.zombie,
        rss,
        // Before it settled nobody is blamed for having grown.
        growth: member.history.growth().unwrap_or(0),
        slope: member.history.slope(),
        cpu: sample.filter(|_| detail.is_some()).and_then(|s| s.cpu),
        leak: None,
        counts: [
            sample.and_then(|s| s.fds),
            sample.and_then(|s| s.threads),
            Some(0),
            sample.and_then(|s| s.sockets),
        ],
        connections: None,
        kind: None,
    }
}

fn shown(name: &[u8], command: &[Vec<u8>]) -> (Arc<str>, Arc<str>) {
    let program = command.first().map(Vec::as_slice).unwrap_or_default();
    let start = program.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    (printable(name, 32).into(), printable(program.get(start..).unwrap_or_default(), 64).into())
}

fn count_children(processes: &mut [Seen]) {
    let mut counts: HashMap<Pid, u64> = HashMap::new();
    for parent in processes.iter().filter(|p| !p.zombie).filter_map(|p| p.parent) {
        *counts.entry(parent).or_insert(0) += 1;
    }
    for process in processes {
        process.counts[2] = Some(counts.get(&process.identity.pid).copied().unwrap_or(0));
    }
}

pub(super) fn as_member(proc: &Proc, stat: Stat) -> tree::Member {
    tree::Member {
        identity: stat.identity(proc.boot_id()),
        parent: stat.parent,
        zombie: stat.is_zombie(),
        session: stat.session,
        group: stat.group,
        image: stat.image,
        name: stat.name,
    }
}

fn ticks(count: u64, per_second: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(1000) / per_second)
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
