//! Who descends from whom, and whose parent is gone.
//!
//! A snapshot is data: a pid may be in it twice, parents may form a circle, a number may be absurd. Every walk here
//! ends, and a process whose place is not clear has no parent, no children, and is nobody's.
//!
//! **Re-parenting.** When a parent ends, the kernel hands its children to the nearest subreaper above, else to init
//! (prctl(2), `PR_SET_CHILD_SUBREAPER`), and says so nowhere. "Its parent is pid 1" alone proves nothing: the first
//! process of a container is often an application that starts processes itself. Four things tell:
//!
//! - A child that is older than its parent was not started by it.
//! - A session is inherited by fork and only ever left for one of one's own (setsid(2)). So a process in a third one's
//!   session was not started by a parent that sits in somebody's session. Only a parent that leads a session of its own
//!   may have been in the child's when it started it: then somebody above it often still is, and signs that are not
//!   strong by themselves do not count.
//! - That holds for a first process that is hidden (hidepid) as well: it is older than every session but its own.
//! - A parent that is known to adopt (init systems; the user's service manager) and starts next to nothing that is not
//!   in a cgroup of its own.

use std::collections::{HashMap, HashSet};

use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{Process, Snapshot};

use crate::wording::{base_name, named};

/// The processes of a snapshot as a forest.
pub(crate) struct Lineage<'a> {
    pub processes: &'a [Process],
    by_pid: HashMap<Pid, usize>,
    parents: Vec<Option<usize>>,
    /// The oldest child of each.
    eldest: Vec<Option<usize>>,
    /// Parents before their children, a process before what is right of it.
    pub order: Vec<usize>,
    /// Where a process stands in `order`, and where what descends from it ends.
    spans: Vec<(usize, usize)>,
    /// Pids that are there twice, and circles of parents: nothing is known of them.
    unclear: Vec<bool>,
    parenthoods: Vec<Parenthood>,
}

/// What is known of the one who started a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parenthood {
    /// The starter is not among the processes that can be seen (another pid namespace), or there is none.
    Outside,
    /// The parent is not in the snapshot, or ended while it was made.
    Unclear,
    /// Its parent lives and may well have started it.
    Lives,
    /// Its parent may have started it or taken it over: an init of the same session, a first process that is no init.
    Perhaps(String),
    /// The one who started it is gone; not `sure` where a parent that made its session later would look the same.
    Gone { text: String, sure: bool },
}

impl<'a> Lineage<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let processes = &snapshot.processes[..];
        let mut by_pid = HashMap::with_capacity(processes.len());
        let mut unclear = vec![false; processes.len()];
        for (index, process) in processes.iter().enumerate() {
            if let Some(earlier) = by_pid.insert(process.identity.pid, index) {
                (unclear[index], unclear[earlier]) = (true, true);
            }
        }
        let mut parents: Vec<Option<usize>> = Vec::with_capacity(processes.len());
        for (index, process) in processes.iter().enumerate() {
            let parent = process.parent.and_then(|pid| by_pid.get(&pid).copied());
            parents.push(parent.filter(|&parent| parent != index && !unclear[index] && !unclear[parent]));
        }
        let mut eldest: Vec<Option<usize>> = vec![None; processes.len()];
        for (index, parent) in parents.iter().enumerate() {
            let birth = |index: usize| (processes[index].identity.start_time, processes[index].identity.pid);
            if let Some(eldest) = parent.map(|parent| &mut eldest[parent])
                && eldest.is_none_or(|other| birth(index) < birth(other))
            {
                *eldest = Some(index);
            }
        }
        let (order, spans, parenthoods) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { processes, by_pid, parents, eldest, order, spans, unclear, parenthoods };
        this.lay_out();
        this.parenthoods = (0..processes.len()).map(|index| this.work_out_parenthood(index)).collect();
        this
    }

    /// Numbers everybody so that whoever descends from a process stands in one piece behind it.
    fn lay_out(&mut self) {
        let count = self.processes.len();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (index, parent) in self.parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(index);
            }
        }
        self.order = Vec::with_capacity(count);
        self.spans = vec![(usize::MAX, usize::MAX); count];
        for root in (0..count).filter(|&index| self.parents[index].is_none()) {
            let mut stack = vec![(root, false)];
            while let Some((index, left)) = stack.pop() {
                if left {
                    self.spans[index].1 = self.order.len();
                    continue;
                }
                self.spans[index].0 = self.order.len();
                self.order.push(index);
                stack.push((index, true));
                stack.extend(children[index].iter().rev().map(|&child| (child, false)));
            }
        }
        // Whoever no root leads to is in a circle of parents, or below one.
        for index in 0..count {
            if self.spans[index].0 == usize::MAX {
                self.spans[index] = (self.order.len(), self.order.len() + 1);
                self.order.push(index);
                self.parents[index] = None;
                self.unclear[index] = true;
            }
        }
    }

    /// Whether `/proc` hides processes of others (hidepid): the first process is always there.
    pub fn hides_others(&self) -> bool {
        !self.has(Pid::INIT)
    }

    /// Where a process stands, by its number.
    pub fn find(&self, pid: Pid) -> Option<usize> {
        self.by_pid.get(&pid).copied().filter(|&index| !self.unclear[index])
    }

    /// Whether a number is in the snapshot at all.
    pub fn has(&self, pid: Pid) -> bool {
        self.by_pid.contains_key(&pid)
    }

    pub fn is_unclear(&self, index: usize) -> bool {
        self.unclear[index]
    }

    pub fn parent(&self, index: usize) -> Option<usize> {
        self.parents[index]
    }

    /// Those above it, the nearest first.
    pub fn above(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.parents[index], |&index| self.parents[index])
    }

    /// A number and all that may stand above it: where a number is there twice, above either.
    pub fn numbers_above(&self, pid: Pid) -> HashSet<Pid> {
        let twice = self.processes.iter().enumerate().filter(|(index, _)| self.unclear[*index]);
        let twice: Vec<&Process> = twice.map(|(_, process)| process).collect();
        let mut found = HashSet::from([pid]);
        let mut open = vec![pid];
        while let Some(pid) = open.pop() {
            let named = self.by_pid.get(&pid).map(|&index| &self.processes[index]);
            let twins = twice.iter().copied().filter(|process| process.identity.pid == pid);
            for parent in named.into_iter().chain(twins).filter_map(|process| process.parent) {
                if found.insert(parent) {
                    open.push(parent);
                }
            }
        }
        found
    }

    /// It and all that descend from it, each before what descends from that one.
    pub fn tree(&self, index: usize) -> &[usize] {
        let (start, end) = self.spans[index];
        &self.order[start..end]
    }

    /// Whether the one is the other, or descends from it.
    pub fn is_within(&self, index: usize, root: usize) -> bool {
        let (start, end) = self.spans[root];
        (start..end).contains(&self.spans[index].0)
    }

    /// It and those it descends from, the nearest first. Who only took over an orphan is none of them, and neither is the
    /// first process, from which everybody descends.
    pub fn descent(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let above = |&index: &usize| {
            let parent = self.parents[index].filter(|&p| self.processes[p].identity.pid != Pid::INIT)?;
            (!matches!(self.parenthood(index), Parenthood::Gone { .. })).then_some(parent)
        };
        std::iter::successors(Some(index), above)
    }

    /// What is known of who started a process.
    pub fn parenthood(&self, index: usize) -> &Parenthood {
        &self.parenthoods[index]
    }

    fn work_out_parenthood(&self, index: usize) -> Parenthood {
        let child = &self.processes[index];
        let Some(parent_pid) = child.parent else { return Parenthood::Outside };
        let Some(parent_index) = self.parents[index] else {
            return if self.hides_others() && parent_pid == Pid::INIT && !self.unclear[index] {
                below_a_hidden_init(child)
            } else {
                Parenthood::Unclear
            };
        };
        let parent = &self.processes[parent_index];
        if parent.state == ProcessState::Zombie {
            return Parenthood::Unclear;
        }
        let who = named(parent);
        if child.identity.start_time < parent.identity.start_time {
            let text = format!("it is older than its parent {who}, which took it over");
            return Parenthood::Gone { text, sure: true };
        }
        match adopts(parent) {
            Adopter::No => {}
            // What shares an init's own session it may have started; what was handed to it seldom does.
            Adopter::Yes if child.session == parent.session => {
                return Parenthood::Perhaps(format!("its parent is {who}, and its session is the same"));
            }
            Adopter::StartsOne if self.eldest[parent_index] == Some(index) => return Parenthood::Lives,
            Adopter::StartsOne | Adopter::Yes => {
                let text = format!("its parent is gone: {who} took it over");
                return Parenthood::Gone { text, sure: true };
            }
        }
        let foreign_session =
            child.session > 0 && child.session != child.identity.pid.get() && child.session != parent.session;
        let made_its_own = parent.session == parent.identity.pid.get();
        let came_from_there = made_its_own
            && self.above(parent_index).any(|above| self.processes[above].session == child.session);
        let first = parent_pid == Pid::INIT;
        if foreign_session && (first || !came_from_there) {
            let text = format!("its parent is gone: {who} took it over, whose session is another");
            Parenthood::Gone { text, sure: first || !made_its_own }
        } else if first {
            Parenthood::Perhaps(format!("its parent is {who}, which may have started it or taken it over"))
        } else {
            Parenthood::Lives
        }
    }
}

/// A first process that is hidden leads session 1 or is in none that can be seen, whatever it is: all others of this pid
/// namespace came after it. So it has started nobody who sits in somebody else's session.
fn below_a_hidden_init(child: &Process) -> Parenthood {
    if child.session > Pid::INIT.get() && child.session != child.identity.pid.get() {
        let text =
            "its parent is gone: pid 1, which is hidden, took it over, and its session is another".to_owned();
        return Parenthood::Gone { text, sure: true };
    }
    let text = "its parent is pid 1, which is hidden, and may have started it or taken it over";
    Parenthood::Perhaps(text.to_owned())
}

enum Adopter {
    No,
    /// Starts one process, its first, and adopts whoever else is its child.
    StartsOne,
    Yes,
}

/// Whether a process is known to take over processes whose parent is gone, and to start next to none itself.
fn adopts(process: &Process) -> Adopter {
    /// The first process of a container, which has one other to start: tini(1), dumb-init, catatonit.
    const ONE: [&[u8]; 6] =
        [b"tini", b"tini-static", b"dumb-init", b"docker-init", b"podman-init", b"catatonit"];
    /// Init systems, of which only what they run as services descends otherwise; services are told by their cgroup.
    const MANY: [&[u8]; 7] =
        [b"systemd", b"s6-svscan", b"runit", b"runit-init", b"openrc-init", b"dinit", b"upstart"];
    let program = process.command.as_deref().and_then(<[_]>::first).map(|first| base_name(first));
    let names = [Some(process.name.as_slice()), program];
    let is_any = |list: &[&[u8]]| names.iter().flatten().any(|name| list.contains(name));
    if is_any(&ONE) {
        return Adopter::StartsOne;
    }
    // Only of the first process: `init` is what anything may be called.
    let says_so = |argument: &Vec<u8>| argument == b"init" || argument.ends_with(b"-init");
    let is_init = process.identity.pid == Pid::INIT
        && (is_any(&[b"init"]) || process.command.iter().flatten().any(says_so));
    if is_any(&MANY) || is_init { Adopter::Yes } else { Adopter::No }
}

/// Whether a process is a scupper that lives: what is below it is looked after.
pub(crate) fn is_scupper(process: &Process) -> bool {
    process.name == b"scupper" && process.state != ProcessState::Zombie
}
