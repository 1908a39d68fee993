//! What of a unit is watched for leaks: its tree's memory and counts, and the memory of its processes one by one.
//!
//! Pure, like the machine: looks and times in, verdicts and events out, so that a recorded unit can be judged as a live
//! one is. What is a leak, the detector says; here is which numbers it is given, when a series begins anew, and what is
//! made known of its verdicts.
//!
//! * The tree's series begin anew when the main process is started again, when the number of workers is changed for
//!   good, when the main process becomes another program (not itself, again and again), and when a process was replaced
//!   because it leaked. A process' series end with it, and begin anew when it becomes another program: what that grew by
//!   at first was its start.
//! * A worker that a master replaces takes its series along, and the tree's go on: many short lives may leak together.
//! * Bounded: `MOST_FOLLOWED` processes and `MOST_SERIES` series of 8 KiB a unit.

mod again;
mod class;
mod line;
mod load;
mod news;
mod plan;
mod recorded;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scupper_detect::Settings;
use scupper_model::{Bytes, EventKind, Identity, Pid, Resource, Total, Watched};

use crate::helpers::{Helpers, Moment};
use crate::unit::{Bound, Look, Role, Seen};
use again::Again;
use line::{Line, Room};
use load::Load;

pub use plan::Plan;
pub use recorded::{Stage, Suspicion};

/// Processes of a unit that have series of their own.
const MOST_FOLLOWED: usize = 32;
/// Series of the detector that a unit may hold.
const MOST_SERIES: usize = 64;
/// Series that are kept for memory and what else every process has: helpers and connections have what is left.
const KEPT_FREE: usize = 24;
/// Leaks of processes that are gone, kept for the end.
const MOST_FOUND: usize = 20;
/// A smaller number of workers for this long is meant to be.
const RESIZED: Duration = Duration::from_mins(1);

/// The watch over one unit.
#[derive(Debug, Default)]
pub struct Watch {
    plan: Plan,
    tree: Vec<(Watched, Line)>,
    processes: HashMap<Pid, Followed>,
    workers: usize,
    fewer_since: Option<Duration>,
    recycled: Vec<Identity>,
    found: Vec<EventKind>,
    /// The process of which it was told that the tree's memory grows.
    explained: Option<Identity>,
    still: Option<Still>,
    helpers: Helpers,
    served: Moment,
    next_helpers: Duration,
    /// Along what the memory of the tree grows.
    load: Load,
    suspicions: Vec<Suspicion>,
    /// Histories of processes that grew and are gone.
    parting: Vec<EventKind>,
    /// How old the main process was at the last look.
    lived: Duration,
    /// Whether it executes itself again and again.
    again: Again,
}

/// A unit in which nothing has moved: what a look of one that idles has to be compared with.
#[derive(Clone, Copy, Debug)]
struct Still {
    rss: Total,
    processes: u32,
    zombies: u32,
    /// Looks since that found it so, and when the last of them was.
    looks: u32,
    until: Duration,
}

/// One process and its series.
#[derive(Debug)]
struct Followed {
    identity: Identity,
    name: Arc<str>,
    /// The how many-th program it is.
    changes: u32,
    lines: Vec<(Watched, Line)>,
    /// Its own limit of descriptors, where that was read.
    descriptor_limit: Option<u64>,
    /// Along what its memory grows.
    load: Load,
}

/// A value for a series, with what is to be known of it.
#[derive(Clone, Copy, Debug)]
struct Reading {
    now: Duration,
    value: u64,
    limit: Option<u64>,
    operations: Option<u64>,
}

impl Watch {
    /// A watch that has seen nothing.
    pub fn new(plan: Plan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// The main process was started: whatever was seen before is another life.
    pub fn begin(&mut self) {
        let found = std::mem::take(&mut self.found);
        let served = std::mem::take(&mut self.served);
        *self = Self { found, served, ..Self::new(self.plan) };
    }

    /// Takes over other limits. Another rule or horizon begins every series anew.
    pub fn change(&mut self, plan: Plan) {
        let same = (plan.horizon, plan.grow) == (self.plan.horizon, self.plan.grow);
        self.plan = plan;
        if !same {
            self.begin();
        }
    }

    /// The memory there is where no limit is set, asked for once.
    pub fn set_memory(&mut self, room: impl FnOnce() -> Option<Bytes>) {
        if self.plan.memory.is_none() && self.plan.bounds.of(Resource::Memory) == Bound::default() {
            self.plan.memory = room();
        }
    }

    /// A process is being replaced because it leaks: when it is gone, the tree's memory is another one.
    pub fn recycling(&mut self, target: Identity) {
        if self.recycled.len() < MOST_FOLLOWED {
            self.recycled.push(target);
        }
    }

    /// Takes a look, marks in it what leaks, and gives what changed. `age` is that of the main process.
    pub fn observe(&mut self, now: Duration, age: Duration, look: &mut Look) -> Vec<EventKind> {
        self.lived = age;
        if self.is_still(now, look) {
            self.helpers.went_on(&mut self.served);
            return Vec::new();
        }
        self.catch_up();
        self.helpers.observe(look, &self.served);
        self.let_go(now, look);
        self.notice_resize(now, look);
        let main = look.processes.first();
        if let Some(main) = main {
            self.again.note(main);
        }
        let begins = main.is_some_and(|main| main.program_age() < self.plan.after());
        if begins && !self.again.and_again() {
            self.begin_program();
        } else if age >= self.plan.after() && look.tree.processes > 0 {
            self.watch_tree(now, look);
        }
        self.follow(look);
        self.watch_processes(now, look);
        self.mark(now, look);
        if age >= self.plan.after() {
            self.note_load(now, look);
            self.suspect();
        }
        self.still = self.may_be_still(now, look);
        let mut events = self.news(now);
        events.extend(self.helpers_news(now, look));
        self.served.lines.clear();
        events
    }

    /// What was counted of the operations of the unit.
    pub fn set_operations(&mut self, operations: u64) {
        self.served.operations = Some(operations);
    }

    /// So many lines were written to the log of the unit; `last` are the last of them, redacted.
    pub fn note_log<'l>(&mut self, lines: u64, last: impl Iterator<Item = &'l str>) {
        self.served.note_log(lines, last);
    }

    /// Whether this look finds nothing that the last one did not: then it costs next to nothing. What moved from one of
    /// its processes to another is seen at the next whole look.
    fn is_still(&mut self, now: Duration, look: &Look) -> bool {
        let Some(still) = self.still.as_mut().filter(|_| !look.whole) else { return false };
        let tree = &look.tree;
        if (still.rss, still.processes, still.zombies) != (tree.rss_bytes, tree.processes, tree.zombies) {
            return false;
        }
        still.looks += 1;
        still.until = now;
        true
    }

    /// As long as no number has a series and everybody is followed, nothing can happen unseen.
    fn may_be_still(&self, now: Duration, look: &Look) -> Option<Still> {
        let followed = |seen: &Seen| self.processes.contains_key(&seen.identity.pid);
        let idle = !self.tree.is_empty() && self.fewer_since.is_none() && self.series() == 0;
        (idle && look.processes.iter().all(followed)).then_some(Still {
            rss: look.tree.rss_bytes,
            processes: look.tree.processes,
            zombies: look.tree.zombies,
            looks: 0,
            until: now,
        })
    }

    /// Notes in every line how long nothing has moved.
    fn catch_up(&mut self) {
        let Some(still) = self.still.take().filter(|still| still.looks > 0) else { return };
        let processes = self.processes.values_mut().flat_map(|followed| &mut followed.lines);
        // What whole looks alone read was not read.
        let read = |of: Watched| matches!(of, Watched::Memory | Watched::Children | Watched::Zombies);
        for (_, line) in self.tree.iter_mut().chain(processes).filter(|(of, _)| read(*of)) {
            line.held(still.until, still.looks);
        }
    }

    fn series(&self) -> usize {
        let lines = self.tree.iter().chain(self.processes.values().flat_map(|process| &process.lines));
        lines.filter(|(_, line)| line.has_series()).count()
    }

    /// Forgets processes that are gone, and programs that have become another one.
    fn let_go(&mut self, now: Duration, look: &Look) {
        let mut gone: Vec<Pid> = Vec::new();
        if !self.processes.is_empty() {
            let present = |followed: &Followed| {
                look.find(&followed.identity).is_some_and(|seen| {
                    !seen.zombie
                        && seen.changes == followed.changes
                        && seen.program_age() >= self.plan.after()
                })
            };
            gone.extend(
                self.processes.iter().filter(|(_, followed)| !present(followed)).map(|(pid, _)| *pid),
            );
        }
        for pid in gone {
            if let Some(mut followed) = self.processes.remove(&pid) {
                self.part_from(&followed, now);
                let room = MOST_FOUND.saturating_sub(self.found.len());
                self.found.extend(standing::leaks_of(&mut followed).into_iter().take(room));
            }
        }
        let before = self.recycled.len();
        self.recycled.retain(|target| look.find(target).is_some_and(|seen| !seen.zombie));
        if self.recycled.len() < before {
            self.begin_tree();
        }
    }

    /// More workers than ever, or fewer for a while: the unit has another size now. A worker that is being replaced is
    /// missed for a moment only.
    fn notice_resize(&mut self, now: Duration, look: &Look) {
        let is_worker = |seen: &&Seen| matches!(seen.role, Role::Worker { .. } | Role::PoolWorker);
        let workers = look.processes.iter().filter(|seen| !seen.zombie).filter(is_worker).count();
        let resized = if workers < self.workers {
            now >= *self.fewer_since.get_or_insert(now) + RESIZED
        } else {
            self.fewer_since = None;
            workers > self.workers
        };
        if resized {
            self.workers = workers;
            self.fewer_since = None;
            self.begin_tree();
        }
    }

    /// The main process has just become another program: what a launcher weighed is no beginning of a trend, and the start
    /// of what it launched no leak.
    fn begin_program(&mut self) {
        if !self.tree.is_empty() {
            let leaks = standing::leaks_of_tree(&mut self.tree);
            let room = MOST_FOUND.saturating_sub(self.found.len());
            self.found.extend(leaks.into_iter().take(room));
            self.begin_tree();
        }
    }

    fn begin_tree(&mut self) {
        self.tree.iter_mut().for_each(|(_, line)| line.begin_epoch());
        self.load = Load::default();
    }

    fn watch_tree(&mut self, now: Duration, look: &Look) {
        let mut room = MOST_SERIES.saturating_sub(self.series());
        let own = look.processes.first().and_then(|first| self.processes.get(&first.identity.pid));
        let own = own.and_then(|followed| followed.descriptor_limit);
        for of in Watched::ALL {
            // A worker that is missed for a moment is no growth when it is back.
            let Some(value) = look.watched(of).filter(|_| self.fewer_since.is_none()) else { continue };
            let limit = self.plan.limit(of, look, value, own);
            let reading = Reading { now, value, limit, operations: counted(of, &self.served) };
            push(&mut self.tree, of, self.plan.tree(of), &mut room, reading);
        }
    }

    /// Gives series to processes that have none, the main process and workers first, then the largest.
    fn follow(&mut self, look: &Look) {
        let free = MOST_FOLLOWED.saturating_sub(self.processes.len());
        if free == 0 {
            return;
        }
        let old_enough = |seen: &&Seen| !seen.zombie && seen.program_age() >= self.plan.after();
        let new = |seen: &&Seen| !self.processes.contains_key(&seen.identity.pid);
        let mut found: Vec<&Seen> = look.processes.iter().filter(old_enough).filter(new).collect();
        found.sort_by_key(|seen| (seen.role == Role::Helper, std::cmp::Reverse(seen.rss)));
        for seen in found.into_iter().take(free) {
            let followed = Followed {
                identity: seen.identity,
                name: Arc::clone(&seen.name),
                changes: seen.changes,
                lines: Vec::new(),
                descriptor_limit: None,
                load: Load::default(),
            };
            self.processes.insert(seen.identity.pid, followed);
        }
    }

    fn watch_processes(&mut self, now: Duration, look: &Look) {
        let mut room = MOST_SERIES.saturating_sub(self.series());
        let limit = self.plan.limit(Watched::Memory, look, 0, None);
        let left = limit.map(|limit| limit.saturating_sub(look.tree.rss_bytes.known));
        for seen in &look.processes {
            let Some(followed) = self.processes.get_mut(&seen.identity.pid) else { continue };
            if followed.name != seen.name {
                followed.name = Arc::clone(&seen.name);
            }
            let limit_read = seen.connections.and_then(|connections| connections.descriptor_limit);
            followed.descriptor_limit = limit_read.or(followed.descriptor_limit);
            let descriptors = followed.descriptor_limit.or(self.plan.descriptors);
            for of in Watched::ALL {
                let Some(value) = of_process(of, seen, look, &self.helpers) else { continue };
                let left = match of {
                    // As far as the tree is from its limit, so far may this one grow, if no other does.
                    Watched::Memory => left,
                    _ => plan::descriptors_left(of, seen, descriptors),
                };
                let limit = left.map(|left| value.saturating_add(left));
                let reading = Reading { now, value, limit, operations: counted(of, &self.served) };
                push(&mut followed.lines, of, self.plan.process(of), &mut room, reading);
            }
        }
    }

    /// Marks what leaks memory, for the machine.
    fn mark(&self, now: Duration, look: &mut Look) {
        look.leak = memory(&self.tree).and_then(|line| line.leak(now));
        for (pid, followed) in &self.processes {
            let Some(leak) = memory(&followed.lines).and_then(|line| line.leak(now)) else { continue };
            if let Some(seen) = look.processes.iter_mut().find(|seen| seen.identity.pid == *pid) {
                seen.leak = Some(leak);
            }
        }
    }
}

fn memory(lines: &[(Watched, Line)]) -> Option<&Line> {
    lines.iter().find(|(of, _)| *of == Watched::Memory).map(|(_, line)| line)
}

/// Whether a series counts what requests leave behind.
const fn is_left_behind(of: Watched) -> bool {
    matches!(of, Watched::Browsers | Watched::StdioChildren | Watched::CloseWait | Watched::FinWait2)
}

/// The operations that a series is told along.
fn counted(of: Watched, served: &Moment) -> Option<u64> {
    served.count().filter(|_| is_left_behind(of))
}

/// Gives a value to its line, which is made where there is none. Where no connection has ever waited to be closed, none is.
fn push(
    lines: &mut Vec<(Watched, Line)>,
    of: Watched,
    settings: Settings,
    room: &mut usize,
    Reading { now, value, limit, operations }: Reading,
) {
    let seldom = matches!(of, Watched::CloseWait | Watched::FinWait2);
    let position = lines.iter().position(|(known, _)| *known == of);
    if position.is_none() && seldom && value == 0 {
        return;
    }
    let position = position.unwrap_or_else(|| {
        lines.push((of, Line::new(settings)));
        lines.len() - 1
    });
    let Some((_, line)) = lines.get_mut(position) else { return };
    let before = line.has_series();
    let spare = if is_left_behind(of) || of == Watched::Sockets { KEPT_FREE } else { 0 };
    line.push(now, value, (limit, operations), if *room > spare { Room::Free } else { Room::Full });
    if line.has_series() && !before {
        *room -= 1;
    }
}

/// A number of one process. Memory of all that are followed; of those who serve also what requests pile up: threads,
/// children, helpers, descriptors, connections.
fn of_process(of: Watched, seen: &Seen, look: &Look, helpers: &Helpers) -> Option<u64> {
    if of == Watched::Memory {
        return seen.value(Resource::Memory);
    }
    if seen.role == Role::Helper {
        return None;
    }
    if matches!(of, Watched::Browsers | Watched::StdioChildren) {
        return helpers.count(&seen.identity, of);
    }
    // Alone in its tree, it is the tree that counts.
    if look.tree.processes == 1 {
        return None;
    }
    let connections = seen.connections.filter(|_| look.whole);
    match of {
        Watched::Descriptors => seen.value(Resource::Descriptors).filter(|_| look.whole),
        Watched::Sockets => connections.map(|connections| connections.sockets),
        Watched::CloseWait => connections.map(|connections| connections.close_wait),
        Watched::FinWait2 => connections.map(|connections| connections.fin_wait2),
        Watched::Threads => seen.value(Resource::Threads).filter(|_| look.whole),
        Watched::Children => seen.value(Resource::Children),
        Watched::Memory | Watched::Zombies | Watched::Browsers | Watched::StdioChildren => None,
    }
}

#[cfg(test)]
mod tests;
