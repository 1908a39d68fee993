//! Closer looks at a process that grows: what it holds, when that is first suspected and when it is confirmed, compared.
//!
//! A closer look reads a link for each descriptor and walks page tables: 1 to 500 ms. So it is made beside the loop, on a
//! thread that ends with it, one at a time; and only at what has risen: a unit at rest pays nothing. Looks that are made
//! on suspicion, which most programs raise once while they warm up, take no more than a hundredth of the time.
//!
//! What is kept for comparing is bounded: two readings of at most `MOST_KEPT` processes of a unit.
//!
//! **Whoever was told to end is not compared any more**: it lets go of what it holds, and a comparison would say so.

mod reading;
mod work;

use std::collections::VecDeque;
use std::time::Duration;

use scupper_model::{
    Comparison, Connections, EventKind, Identity, Resource, ResourceKind, Watched, printable,
};
use scupper_probe::holdings::Holdings;

use self::reading::{Answer, Child};
use self::work::{Taken, Works};
use super::clock::Clock;
use super::tree::Tree;
use crate::compare::compare;
use crate::unit::{Look, Role, Seen};
use crate::watch::{Stage, Suspicion};

/// Processes of a unit whose readings are kept.
const MOST_KEPT: usize = 16;
/// Looks that wait for their turn.
const MOST_WAITING: usize = 8;
/// Comparisons that are remembered as made.
const MOST_MADE: usize = 64;
/// Processes that were told to end and are remembered.
const MOST_ENDING: usize = 64;
/// Children that are told one by one.
const MOST_CHILDREN: usize = 512;
/// After a look on suspicion the next one waits this many times as long as it took.
const REST: u32 = 100;
/// Two looks that are compared are at least so far apart.
const APART: Duration = Duration::from_secs(1);
/// The same process is compared again after this time, sooner only when it got worse.
const AGAIN: Duration = Duration::from_mins(10);
const WORSE: Duration = Duration::from_secs(10);
/// Whoever ends is not compared once more so soon after.
const A_MOMENT: Duration = Duration::from_secs(2);
/// Of two earlier readings the newer one counts when it is at least this part as old as the other.
const OLD_ENOUGH: u32 = 4;

/// Makes closer looks, and compares.
#[derive(Debug, Default)]
pub struct Closer {
    kept: Vec<Kept>,
    made: VecDeque<Made>,
    waiting: VecDeque<Wish>,
    works: Works,
    rest_until: Duration,
    ending: VecDeque<Identity>,
    /// All of them were told to end.
    all_end: bool,
}

/// What is looked at: a process with what is below it, or the tree as one of its processes stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subject {
    target: Identity,
    tree: bool,
}

/// A look that is to be made when its turn comes.
#[derive(Clone, Copy, Debug)]
struct Wish {
    subject: Subject,
    series: Watched,
    /// Why; `None` on suspicion, when there is nothing to compare yet.
    because: Option<(&'static str, Stage)>,
}

/// A look that is made, with what was known of its target when it began.
#[derive(Clone, Debug)]
struct Order {
    subject: Subject,
    name: String,
    role: Role,
    series: Watched,
    because: Option<(&'static str, Stage)>,
    operations: Option<u64>,
    children: Vec<Child>,
    more_children: usize,
    at: Duration,
}

/// A reading that others are compared with.
#[derive(Debug)]
struct Reading {
    at: Duration,
    operations: Option<u64>,
    holdings: Holdings,
    shares: bool,
}

#[derive(Debug)]
struct Kept {
    subject: Subject,
    /// What was suspected of it first.
    series: Watched,
    oldest: Reading,
    newer: Option<Reading>,
}

#[derive(Debug)]
struct Made {
    subject: Subject,
    stage: Stage,
    at: Duration,
}

/// What there is to look at.
#[derive(Clone, Copy)]
pub struct Scene<'s> {
    /// The last look.
    pub look: &'s Look,
    /// The tree it was made at.
    pub tree: &'s Tree,
    /// Operations that were counted by then.
    pub operations: Option<u64>,
    /// When.
    pub now: Duration,
}

impl Closer {
    /// Notes what is suspected, takes what was found, begins what is due. The comparisons that came of it.
    pub fn step(&mut self, suspicions: &[Suspicion], scene: Scene<'_>) -> Vec<EventKind> {
        if self.is_idle() && suspicions.is_empty() {
            return Vec::new();
        }
        for suspicion in suspicions {
            let because = match suspicion.stage {
                Stage::Suspected => None,
                stage => Some((stage.name(), stage)),
            };
            self.ask(suspicion.target, suspicion.series, because, scene);
        }
        let mut found: Vec<EventKind> = self.take(None).into_iter().collect();
        self.forget(scene.look);
        found.extend(self.begin(scene));
        found
    }

    fn is_idle(&self) -> bool {
        !self.works.is_at_work() && self.waiting.is_empty()
    }

    /// Another command is looked at from now on. What hangs still hangs.
    pub fn begin_anew(&mut self) {
        self.works.unwant();
        *self = Self { works: std::mem::take(&mut self.works), ..Self::default() };
    }

    /// This process, or all of them, has been told to end, or is right now. What had been found out before.
    pub fn ends(&mut self, target: Option<Identity>) -> Vec<EventKind> {
        let found = self.take(None).into_iter().collect();
        match target {
            None => self.all_end = true,
            Some(target) => {
                if self.ending.len() >= MOST_ENDING {
                    self.ending.pop_front();
                }
                self.ending.push_back(target);
            }
        }
        if self.works.order().is_some_and(|order| self.is_ending(order.subject)) {
            self.works.unwant();
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|wish| !self.is_ending(wish.subject));
        self.waiting = waiting;
        found
    }

    /// All of them have been told to end by now: what is being found out may be of after that.
    pub fn all_end(&mut self) {
        self.all_end = true;
        self.works.unwant();
        self.waiting.clear();
    }

    fn is_ending(&self, subject: Subject) -> bool {
        self.all_end || self.ending.contains(&subject.target)
    }

    /// Looks once more at what is about to end, and waits for it no longer than this. Only where there is something to
    /// compare it with.
    pub fn last_look(
        &mut self,
        target: Option<Identity>,
        because: &'static str,
        patience: Duration,
        scene: Scene<'_>,
    ) -> Vec<EventKind> {
        let clock = Clock::start();
        let mut found = Vec::new();
        let subjects: Vec<(Subject, Watched)> =
            self.kept.iter().map(|kept| (kept.subject, kept.series)).collect();
        for (subject, series) in subjects {
            let asked = target.is_none_or(|target| target == subject.target);
            if !asked || self.is_known(subject, scene.now) {
                continue;
            }
            self.place(Wish { subject, series, because: Some((because, Stage::Leaking)) });
        }
        loop {
            found.extend(self.begin(scene));
            let left = patience.saturating_sub(clock.now());
            if !self.works.may_end_soon() || left.is_zero() {
                return found;
            }
            found.extend(self.take(Some(left)));
        }
    }

    /// Whether what it holds is being found out to be compared, and will soon be known.
    pub fn is_looking_at(&self, target: &Identity) -> bool {
        let wanted = |subject: Subject, compared: bool| compared && subject.target == *target;
        let at_work = self.works.order().is_some_and(|order| wanted(order.subject, order.because.is_some()));
        let waits = || self.waiting.iter().any(|wish| wanted(wish.subject, wish.because.is_some()));
        self.works.may_end_soon() && (at_work || waits())
    }

    /// It has ended: what is being found out now is waited for no longer than this.
    pub fn finish(&mut self, patience: Duration) -> Vec<EventKind> {
        self.waiting.clear();
        let patience = if self.works.may_end_soon() { patience } else { Duration::ZERO };
        self.take(Some(patience)).into_iter().collect()
    }

    fn ask(
        &mut self,
        target: Option<Identity>,
        series: Watched,
        because: Option<(&'static str, Stage)>,
        scene: Scene<'_>,
    ) {
        let seen = match target {
            Some(target) => scene.look.find(&target),
            None => stands_for_the_tree(scene.look, series),
        };
        let Some(seen) = seen.filter(|seen| !seen.zombie) else { return };
        let subject = Subject { target: seen.identity, tree: target.is_none() && !is_of_one(series) };
        let is_made = self
            .works
            .order()
            .is_some_and(|order| order.subject == subject && (order.because.is_some() || because.is_none()));
        if is_made || because.is_some_and(|(_, stage)| self.was_made(subject, stage, scene.now)) {
            return;
        }
        self.place(Wish { subject, series, because });
    }

    /// Whether it is being compared, or was a moment ago.
    fn is_known(&self, subject: Subject, now: Duration) -> bool {
        let at_work = |order: &Order| order.subject == subject && order.because.is_some();
        self.works.order().is_some_and(at_work)
            || self.made.iter().any(|made| made.subject == subject && now < made.at + A_MOMENT)
    }

    fn was_made(&self, subject: Subject, stage: Stage, now: Duration) -> bool {
        let mut made = self.made.iter().filter(|made| made.subject == subject);
        made.any(|made| now < made.at + if stage > made.stage { WORSE } else { AGAIN })
    }

    /// One look at a time for each subject; what is confirmed goes before what is suspected.
    fn place(&mut self, wish: Wish) {
        if self.is_ending(wish.subject) {
            return;
        }
        if let Some(known) = self.waiting.iter_mut().find(|known| known.subject == wish.subject) {
            if wish.because.is_some() && known.because.is_none() {
                *known = wish;
            }
        } else if wish.because.is_some() {
            self.waiting.truncate(MOST_WAITING - 1);
            self.waiting.push_front(wish);
        } else if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(wish);
        }
    }

    /// Begins the next look, where none is at work and one is due. What is to be told where that fails.
    fn begin(&mut self, scene: Scene<'_>) -> Option<EventKind> {
        let due = |wish: &Wish| wish.because.is_some() || scene.now >= self.rest_until;
        while let Some(index) = self.waiting.iter().position(due) {
            if !self.works.is_free() {
                return None;
            }
            let wish = self.waiting.remove(index)?;
            // As it is now: it may have waited for a while.
            if let Some(seen) = scene.look.find(&wish.subject.target).filter(|seen| !seen.zombie) {
                return self.works.begin(order(wish, seen, scene));
            }
        }
        None
    }

    /// Takes what the look at work has found, where it has, or has by then.
    fn take(&mut self, patience: Option<Duration>) -> Option<EventKind> {
        match self.works.take(patience) {
            Taken::Nothing => None,
            Taken::Found(order, answer) => self.use_answer(&order, answer),
            Taken::Failed(trouble) => Some(trouble),
        }
    }

    fn use_answer(&mut self, order: &Order, answer: Answer) -> Option<EventKind> {
        if order.because.is_none() {
            self.rest_until = order.at + answer.took * REST;
        }
        let Order { subject, at, operations, .. } = *order;
        let reading = Reading { at, operations, holdings: answer.holdings?, shares: answer.shares };
        let Some((because, stage)) = order.because else {
            self.keep(order, reading);
            return None;
        };
        let kept = self.kept.iter().find(|kept| kept.subject == subject);
        let Some(before) = kept.and_then(|kept| kept.before(at)) else {
            // Nobody had suspected it: what comes is compared with this.
            self.keep(order, reading);
            return None;
        };
        let comparison = told(order, because, before, &reading);
        if self.made.len() >= MOST_MADE {
            self.made.pop_front();
        }
        self.made.push_back(Made { subject, stage, at });
        Some(EventKind::ResourcesCompared { comparison: Box::new(comparison) })
    }

    fn keep(&mut self, order: &Order, reading: Reading) {
        let Order { subject, series, .. } = *order;
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.subject == subject) {
            kept.newer = Some(reading);
        } else if self.kept.len() < MOST_KEPT {
            self.kept.push(Kept { subject, series, oldest: reading, newer: None });
        }
    }

    /// Whoever is gone will not be compared any more.
    fn forget(&mut self, look: &Look) {
        let there = |subject: &Subject| look.find(&subject.target).is_some_and(|seen| !seen.zombie);
        self.kept.retain(|kept| there(&kept.subject));
        self.made.retain(|made| there(&made.subject));
        self.waiting.retain(|wish| there(&wish.subject));
        self.ending.retain(|target| look.find(target).is_some());
        if self.kept.is_empty() && self.waiting.is_empty() {
            (self.kept, self.waiting) = (Vec::new(), VecDeque::new());
        }
    }
}

impl Kept {
    /// The reading that one of this time is compared with.
    fn before(&self, at: Duration) -> Option<&Reading> {
        let age = |reading: &Reading| at.saturating_sub(reading.at);
        let newer = self.newer.as_ref().filter(|newer| age(newer) >= age(&self.oldest) / OLD_ENOUGH);
        newer.into_iter().chain([&self.oldest]).find(|reading| age(reading) >= APART)
    }
}

fn order(wish: Wish, seen: &Seen, scene: Scene<'_>) -> Order {
    let Wish { subject, series, because } = wish;
    let Scene { look, tree, operations, now } = scene;
    let others: Vec<&Seen> =
        if subject.tree { look.processes.iter().collect() } else { look.subtree(&subject.target) };
    let mut children: Vec<&Seen> =
        others.into_iter().filter(|seen| seen.identity != subject.target).collect();
    let more_children = children.len().saturating_sub(MOST_CHILDREN);
    children.truncate(MOST_CHILDREN);
    let child = |seen: &&Seen| {
        let member = tree.member(seen.identity.pid);
        Child {
            identity: seen.identity,
            name: seen.name.as_bytes().to_vec(),
            command: member.map(|member| member.command.clone()).unwrap_or_default(),
            zombie: seen.zombie,
            rss: seen.rss,
        }
    };
    Order {
        subject,
        name: printable(seen.name.as_bytes(), 64),
        role: seen.role,
        series,
        because,
        operations,
        children: children.iter().map(child).collect(),
        more_children,
        at: now,
    }
}

/// Whether it is something that one process holds, and the tree only in sum.
const fn is_of_one(series: Watched) -> bool {
    matches!(
        series,
        Watched::Descriptors | Watched::Threads | Watched::Sockets | Watched::CloseWait | Watched::FinWait2
    )
}

/// Who is looked at where it is the tree that grows: the one that holds most of it, and the main process where nobody holds
/// it by himself.
fn stands_for_the_tree(look: &Look, series: Watched) -> Option<&Seen> {
    let connections = |seen: &Seen, pick: fn(&Connections) -> u64| seen.connections.as_ref().map(pick);
    let held = |seen: &Seen| match series {
        Watched::Descriptors => seen.value(Resource::Descriptors),
        Watched::Threads => seen.value(Resource::Threads),
        Watched::Sockets => connections(seen, |all| all.sockets),
        Watched::CloseWait => connections(seen, |all| all.close_wait),
        Watched::FinWait2 => connections(seen, |all| all.fin_wait2),
        Watched::Memory
        | Watched::Children
        | Watched::Zombies
        | Watched::Browsers
        | Watched::StdioChildren => None,
    };
    let main = look.processes.iter().find(|seen| seen.role == Role::Main).or(look.processes.first());
    let most = look
        .processes
        .iter()
        .filter(|seen| !seen.zombie && held(seen).is_some())
        .max_by_key(|seen| held(seen));
    most.or(main)
}

fn told(order: &Order, because: &str, before: &Reading, after: &Reading) -> Comparison {
    let mut changes = compare(&before.holdings, &after.holdings);
    if before.shares != after.shares {
        changes.unread.push("memory of children: read in two ways, which cannot be compared".to_owned());
        for change in changes.resources.iter_mut().filter(|change| change.kind == ResourceKind::Child) {
            (change.bytes_before, change.bytes) = (None, None);
        }
    }
    let after_ms = u64::try_from(after.at.saturating_sub(before.at).as_millis()).unwrap_or(u64::MAX);
    Comparison {
        target: order.subject.target,
        name: order.name.clone(),
        role: order.role.name().to_owned(),
        tree: order.subject.tree,
        series: order.series,
        because: because.to_owned(),
        after_ms,
        operations: after.operations.zip(before.operations).map(|(now, then)| now.saturating_sub(then)),
        memory: changes.memory,
        resources: changes.resources,
        more_changes: changes.more,
        unread: changes.unread,
    }
}

#[cfg(test)]
pub(super) mod tests;
