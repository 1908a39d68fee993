//! Whom `reap` may end, of all that one look found: everything that was left behind, or what is named on the command
//! line. Pure.

use std::collections::{HashMap, HashSet};

use scupper_model::{Bytes, Identity, Pid, SignalReason};
use scupper_orphan::{Certainty, Class, Evidence, Findings, HeldIdle, LeftBehind, Shown};
use scupper_probe::snapshot::Snapshot;

/// Why a process may be ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why<'f> {
    /// Its owner is gone.
    LeftBehind(&'f LeftBehind),
    /// A living parent holds it and does not use it, and somebody named it.
    HeldIdle(&'f HeldIdle),
}

/// One process that may be ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'f> {
    pub why: Why<'f>,
    /// Whether it is named on the command line.
    pub named: bool,
}

impl<'f> Candidate<'f> {
    pub(super) const fn shown(&self) -> &'f Shown {
        match self.why {
            Why::LeftBehind(left) => &left.process,
            Why::HeldIdle(held) => &held.process,
        }
    }

    pub(super) const fn identity(&self) -> Identity {
        self.shown().identity
    }

    pub(super) fn group(&self) -> &'f str {
        match self.why {
            Why::LeftBehind(left) => &left.group,
            Why::HeldIdle(held) => &held.group,
        }
    }

    /// The topmost one that was left behind with it.
    pub(super) const fn root(&self) -> Pid {
        match self.why {
            Why::LeftBehind(left) => left.root,
            Why::HeldIdle(held) => held.process.identity.pid,
        }
    }

    pub(super) fn unit(&self) -> Option<&'f str> {
        match self.why {
            Why::LeftBehind(left) => left.unit.as_deref(),
            Why::HeldIdle(_) => None,
        }
    }

    /// `None` for one that is held.
    pub(super) const fn certainty(&self) -> Option<Certainty> {
        match self.why {
            Why::LeftBehind(left) => Some(left.certainty),
            Why::HeldIdle(_) => None,
        }
    }

    /// Whether nobody has to be asked: it is certain, or a person named it.
    pub(super) fn is_decided(&self) -> bool {
        self.named || self.certainty() == Some(Certainty::Certain)
    }

    pub(super) const fn evidence(&self) -> &'f [Evidence] {
        match self.why {
            Why::LeftBehind(left) => left.evidence.as_slice(),
            Why::HeldIdle(_) => &[],
        }
    }

    /// In words.
    pub(super) fn because(&self) -> String {
        match self.why {
            Why::LeftBehind(left) => {
                left.evidence.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("; ")
            }
            Why::HeldIdle(held) => held.reason.clone(),
        }
    }

    /// What its signals say.
    pub(super) const fn reason(&self) -> SignalReason {
        match self.why {
            Why::LeftBehind(_) => SignalReason::LeftBehind,
            Why::HeldIdle(_) => SignalReason::HeldIdle,
        }
    }

    /// Whether another look says the same of it, as surely.
    pub(super) fn is_confirmed_by(&self, findings: &Findings) -> bool {
        let identity = self.identity();
        match self.why {
            Why::LeftBehind(left) => findings
                .left_behind
                .iter()
                .any(|again| again.process.identity == identity && again.certainty >= left.certainty),
            Why::HeldIdle(held) => findings
                .held_idle
                .iter()
                .any(|again| again.process.identity == identity && again.holder.0 == held.holder.0),
        }
    }
}

/// Candidates that are decided about together: one tree, as far as it is equally certain.
#[derive(Clone, Debug)]
pub(super) struct Tree<'f> {
    /// In the order in which they are signalled: children before their parents.
    pub members: Vec<Candidate<'f>>,
}

impl<'f> Tree<'f> {
    /// The topmost one of it.
    pub(super) fn top(&self) -> Option<&Candidate<'f>> {
        self.members.last()
    }

    pub(super) fn is_decided(&self) -> bool {
        self.members.iter().all(Candidate::is_decided)
    }

    /// Memory of those of which it is known.
    pub(super) fn rss(&self) -> Bytes {
        memory(&self.members)
    }
}

/// Something named that is not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// As it was named.
    pub target: String,
    /// Why not.
    pub because: String,
}

/// What one look comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice<'f> {
    /// What may be ended, decided or to be asked about: the largest first.
    pub trees: Vec<Tree<'f>>,
    /// What is named and is not left behind.
    pub refused: Vec<Refused>,
}

/// Chooses what is asked for of what was found. `uid` is who asks.
pub(super) fn choose<'f>(
    findings: &'f Findings,
    snapshot: &Snapshot,
    targets: &[String],
    classes: &[Class],
    uid: u32,
) -> Choice<'f> {
    let mut refused = Vec::new();
    let mut chosen: Vec<Candidate<'f>> = Vec::new();
    if targets.is_empty() {
        let all = findings.left_behind.iter();
        chosen.extend(all.map(|left| Candidate { why: Why::LeftBehind(left), named: false }));
    }
    for target in targets {
        let found = match target.parse::<Pid>() {
            Ok(pid) => of_pid(findings, pid),
            Err(_) => of_group(findings, target),
        };
        if found.is_empty() {
            let because = why_not(findings, snapshot, target, uid);
            refused.push(Refused { target: target.clone(), because });
        }
        chosen.extend(found);
    }
    let mut known = HashSet::new();
    chosen.retain(|candidate| known.insert(candidate.identity()));
    chosen.retain(|candidate| classes.is_empty() || classes.contains(&candidate.shown().class));
    Choice { trees: trees(chosen, snapshot), refused }
}

/// A process and what was left behind below it; or one that is held.
fn of_pid(findings: &Findings, pid: Pid) -> Vec<Candidate<'_>> {
    let parents: HashMap<Pid, Option<Pid>> =
        findings.left_behind.iter().map(|left| (left.process.identity.pid, left.process.parent)).collect();
    let is_below = |left: &&LeftBehind| {
        let mut at = Some(left.process.identity.pid);
        // A circle of parents is nobody's tree.
        for _ in 0..=parents.len() {
            match at {
                Some(here) if here == pid => return true,
                Some(here) => at = parents.get(&here).copied().flatten(),
                None => return false,
            }
        }
        false
    };
    let is_known = parents.contains_key(&pid);
    let left = findings.left_behind.iter().filter(|_| is_known).filter(is_below);
    let held = findings.held_idle.iter().filter(|held| held.process.identity.pid == pid);
    named(left, held)
}

fn of_group<'f>(findings: &'f Findings, group: &str) -> Vec<Candidate<'f>> {
    let is_it = |left: &&LeftBehind| left.group == group || left.unit.as_deref() == Some(group);
    let left = findings.left_behind.iter().filter(is_it);
    named(left, findings.held_idle.iter().filter(|held| held.group == group))
}

fn named<'f>(
    left: impl Iterator<Item = &'f LeftBehind>,
    held: impl Iterator<Item = &'f HeldIdle>,
) -> Vec<Candidate<'f>> {
    let left = left.map(|left| Candidate { why: Why::LeftBehind(left), named: true });
    left.chain(held.map(|held| Candidate { why: Why::HeldIdle(held), named: true })).collect()
}

fn why_not(findings: &Findings, snapshot: &Snapshot, target: &str, uid: u32) -> String {
    let Ok(pid) = target.parse::<Pid>() else {
        return "nothing that was left behind or is held idle is called so: `scupper scan` names the groups"
            .to_owned();
    };
    let Some(process) = snapshot.processes.iter().find(|process| process.identity.pid == pid) else {
        return "there is no such process, or /proc does not show it to this user".to_owned();
    };
    if let Some(spared) = findings.not_touched.iter().find(|one| one.process.identity == process.identity) {
        return format!("it is left alone: {}", spared.because);
    }
    if uid != 0 && process.uid.is_some_and(|owner| owner != uid) {
        let owner = process.uid.unwrap_or_default();
        return format!("it is a process of user {owner}: only that user or root can judge and end it");
    }
    format!("nothing says that it was left behind: `scupper scan --explain {pid}` tells what is known of it")
}

/// By tree, and in it by certainty: what is likely below something certain is asked about by itself.
fn trees<'f>(chosen: Vec<Candidate<'f>>, snapshot: &Snapshot) -> Vec<Tree<'f>> {
    let depths = depths(snapshot);
    let mut trees: Vec<((Pid, bool), Tree<'f>)> = Vec::new();
    let mut places: HashMap<(Pid, bool), usize> = HashMap::new();
    for candidate in chosen {
        let key = (candidate.root(), candidate.is_decided());
        let place = *places.entry(key).or_insert_with(|| {
            trees.push((key, Tree { members: Vec::new() }));
            trees.len() - 1
        });
        if let Some((_, tree)) = trees.get_mut(place) {
            tree.members.push(candidate);
        }
    }
    let mut trees: Vec<Tree<'f>> = trees.into_iter().map(|(_, tree)| tree).collect();
    for tree in &mut trees {
        let depth = |pid: Pid| depths.get(&pid).copied().unwrap_or(0);
        // The deepest first, and of siblings the youngest.
        tree.members.sort_by_key(|candidate| {
            let identity = candidate.identity();
            std::cmp::Reverse((depth(identity.pid), identity.start_time, identity.pid))
        });
    }
    trees.sort_by_key(|tree| std::cmp::Reverse((tree.is_decided(), tree.rss())));
    trees
}

/// How many ancestors each process has.
fn depths(snapshot: &Snapshot) -> HashMap<Pid, usize> {
    let parents: HashMap<Pid, Option<Pid>> =
        snapshot.processes.iter().map(|process| (process.identity.pid, process.parent)).collect();
    let depth = |pid: Pid| {
        let above = std::iter::successors(Some(pid), |pid| parents.get(pid).copied().flatten());
        // Parents that were read at different moments may make a circle.
        above.take(parents.len()).count()
    };
    parents.keys().map(|pid| (*pid, depth(*pid))).collect()
}

/// Memory of those of which it is known.
pub(super) fn memory<'f>(candidates: &[Candidate<'f>]) -> Bytes {
    let known = candidates.iter().filter_map(|candidate| candidate.shown().rss);
    Bytes(known.fold(0, |sum, rss| sum.saturating_add(rss.0)))
}
