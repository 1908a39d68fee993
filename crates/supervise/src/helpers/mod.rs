//! Who started which helper: the browsers and the MCP servers of a unit, tied to the worker and to the request that they
//! were started for (R029, R030).
//!
//! Pure: looks in, an account of the helpers out. Three things are remembered because /proc forgets them:
//!
//! * **who started it**, by the chain of parents when it was first seen. A helper whose parent ends is given to another
//!   one by the kernel, and stays tied to its worker here. One that had lost its parent before it was ever seen is tied to
//!   the service where that is one process, and to nobody where it could have been one of several workers.
//! * **which request**: how many operations were counted before and when it was first seen, and the lines that the log
//!   got about then. A log says what was served when it was served, so the line of a request comes after its helper.
//! * **how long others lived** that were of its kind and of the same worker: what stays ten times as long was forgotten.
//!
//! Nobody is counted here who is no member of the unit. Whether the number of helpers grows is the detector's to say
//! (`watch`), which is given [`Helpers::count`].

mod account;
mod kind;
mod outlives;
mod request;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scupper_knowledge::browser;
use scupper_model::{Identity, Pid, Watched};

use crate::unit::{Look, Role, Seen};
pub use account::{Account, HelperStatus};
pub use kind::{Group, Kind};
use outlives::Lives;
pub use outlives::Outlives;
pub use request::{Moment, Request};

/// Helpers that are remembered. What is beyond is counted with the tree alone.
const MOST_HELPERS: usize = 4096;
/// Workers whose helpers' lives are remembered.
const MOST_LIVES: usize = 256;

/// The helpers of one unit.
#[derive(Debug, Default)]
pub struct Helpers {
    known: HashMap<Pid, Helper>,
    lives: HashMap<(Identity, Group), Lives>,
    counts: HashMap<(Identity, Watched), u64>,
    /// The helper that was started last.
    newest: HashMap<(Identity, Group), Identity>,
    told: u32,
    looks: u64,
    /// What was served when it was looked at last.
    before: Moment,
}

/// One helper, as it was when it was first seen.
#[derive(Clone, Debug)]
struct Helper {
    identity: Identity,
    name: Arc<str>,
    kind: Option<Kind>,
    /// The worker or main process that started it, or started what started it.
    owner: Option<Identity>,
    /// Who started it, as far as it was a helper itself.
    starter: Option<Identity>,
    /// The last look that found it.
    look: u64,
    age: Duration,
    rss: Option<u64>,
    request: Request,
    told: bool,
}

/// What a process of a look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// No helper, or one more than are remembered.
    NoHelper,
    /// One that was taken for a helper and serves.
    Left,
    /// A helper as it was.
    Known,
    /// A new one, or one of which is now known what it is.
    Changed,
}

impl Helpers {
    /// Takes a look. `served` is what was served until now.
    pub fn observe(&mut self, look: &Look, served: &Moment) {
        if self.known.is_empty() && look.processes.iter().all(|seen| seen.role != Role::Helper) {
            self.before.take(served);
            return;
        }
        self.looks += 1;
        let (mut present, mut changed) = (0, false);
        for seen in look.processes.iter().filter(|seen| !seen.zombie) {
            match self.meet(seen, look, served) {
                Met::NoHelper => {}
                Met::Left => changed = true,
                Met::Known => present += 1,
                Met::Changed => (present, changed) = (present + 1, true),
            }
        }
        self.before.take(served);
        // A thousand helpers that stay cost no more than to be found again.
        if changed || present != self.known.len() {
            self.forget_gone(look);
            self.recount();
        }
    }

    /// A look found nothing that the one before did not.
    pub fn went_on(&mut self, served: &mut Moment) {
        if !served.lines.is_empty() {
            self.known.values_mut().for_each(|helper| helper.request.went_on(served));
            served.lines.clear();
        }
        self.before.take(served);
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many helpers of a kind a worker has now; `None` where it never had one.
    pub fn count(&self, owner: &Identity, of: Watched) -> Option<u64> {
        self.counts.get(&(*owner, of)).copied()
    }

    fn meet(&mut self, seen: &Seen, look: &Look, served: &Moment) -> Met {
        let pid = seen.identity.pid;
        if seen.role != Role::Helper {
            // A wrapper's child was a helper until its role was known.
            let was_one = self.known.remove(&pid).is_some();
            return if was_one { Met::Left } else { Met::NoHelper };
        }
        let full = self.known.len() >= MOST_HELPERS;
        match self.known.get_mut(&pid) {
            Some(helper) if helper.identity == seen.identity => {
                let kind = seen.kind.or(helper.kind);
                let met = if kind == helper.kind { Met::Known } else { Met::Changed };
                helper.kind = kind;
                helper.look = self.looks;
                helper.age = seen.age;
                helper.rss = seen.rss.map(|rss| rss.0);
                helper.request.went_on(served);
                if helper.name != seen.name {
                    helper.name = Arc::clone(&seen.name);
                }
                return met;
            }
            Some(other) => {
                let other = other.clone();
                if self.is_root(&other) {
                    self.ended(&other);
                }
            }
            None if full => return Met::NoHelper,
            None => {}
        }
        let (owner, starter) = self.started_by(seen, look);
        let helper = Helper {
            identity: seen.identity,
            name: Arc::clone(&seen.name),
            kind: seen.kind,
            owner,
            starter,
            look: self.looks,
            age: seen.age,
            rss: seen.rss.map(|rss| rss.0),
            request: Request::at(&self.before, served),
            told: false,
        };
        self.known.insert(pid, helper);
        Met::Changed
    }

    /// The worker that a new helper belongs to, and the helper that started it.
    fn started_by(&self, seen: &Seen, look: &Look) -> (Option<Identity>, Option<Identity>) {
        let parent = seen.parent.and_then(|parent| look.processes.iter().find(|p| p.identity.pid == parent));
        match parent {
            Some(parent) if parent.role != Role::Helper => (Some(parent.identity), None),
            Some(parent) => {
                let known = self.known.get(&parent.identity.pid);
                (known.and_then(|helper| helper.owner), Some(parent.identity))
            }
            None => (only_server(look), None),
        }
    }

    fn forget_gone(&mut self, look: &Look) {
        let gone = self.known.values().filter(|helper| helper.look != self.looks);
        // Before any of them is forgotten: what a part of a helper leaves is none by itself while that is there.
        let gone: Vec<(Helper, bool)> = gone.map(|helper| (helper.clone(), self.is_root(helper))).collect();
        for (helper, is_root) in gone {
            if is_root {
                self.ended(&helper);
            }
            self.known.remove(&helper.identity.pid);
        }
        let owner_lives = |owner: &Identity| look.find(owner).is_some_and(|seen| !seen.zombie);
        self.lives.retain(|(owner, _), _| owner_lives(owner));
        self.counts.retain(|(owner, _), _| owner_lives(owner));
        self.newest.retain(|(owner, _), _| owner_lives(owner));
    }

    /// Remembers how long a helper lived.
    fn ended(&mut self, helper: &Helper) {
        let of = helper.owner.zip(helper.group().or_else(|| helper.group_by_name()));
        if let Some(of) = of.filter(|of| self.lives.len() < MOST_LIVES || self.lives.contains_key(of)) {
            self.lives.entry(of).or_default().ended(helper.age);
        }
    }

    /// Whether it stands for itself: started by its worker, or by a helper that is gone, or the first process of a browser
    /// that another helper started. A browser's child whose browser is not there is a part of nobody knows what.
    fn is_root(&self, helper: &Helper) -> bool {
        let starter = helper.starter.and_then(|who| self.known.get(&who.pid).filter(|it| it.identity == who));
        match starter {
            None => !matches!(helper.kind, Some(Kind::BrowserChild(_))),
            Some(starter) => matches!(helper.kind, Some(Kind::Browser(_))) && !starter.is_browser(),
        }
    }

    /// The first process of what a helper is a part of.
    fn root_of(&self, helper: &Helper) -> Option<Identity> {
        let mut at = helper;
        for _ in 0..64 {
            if self.is_root(at) {
                return Some(at.identity);
            }
            let starter = at.starter?;
            at = self.known.get(&starter.pid).filter(|it| it.identity == starter)?;
        }
        None
    }

    fn recount(&mut self) {
        self.counts.values_mut().for_each(|count| *count = 0);
        let (mut counts, mut newest) = (std::mem::take(&mut self.counts), std::mem::take(&mut self.newest));
        for helper in self.known.values().filter(|helper| self.is_root(helper)) {
            let Some(of) = helper.owner.zip(helper.group()) else { continue };
            if let Some(series) = of.1.series() {
                *counts.entry((of.0, series)).or_insert(0) += 1;
            }
            let newest = newest.entry(of).or_insert(helper.identity);
            if helper.identity.start_time > newest.start_time {
                *newest = helper.identity;
            }
        }
        (self.counts, self.newest) = (counts, newest);
    }
}

impl Helper {
    fn is_browser(&self) -> bool {
        matches!(self.kind, Some(Kind::Browser(_) | Kind::BrowserChild(_)))
    }

    fn group(&self) -> Option<Group> {
        self.kind.map(Kind::group)
    }

    /// Of one that ended before anybody looked at what it is: a page is rendered in less time than that takes.
    fn group_by_name(&self) -> Option<Group> {
        // What a browser leaves for its crashes is none.
        let of_browser = browser::recognise(self.name.as_bytes(), &[]).is_some();
        (of_browser && !self.name.starts_with("chrome_crashpad")).then_some(Group::Browser)
    }
}

/// The one process that can have started something: the service itself, where it has no workers.
fn only_server(look: &Look) -> Option<Identity> {
    let serves = |seen: &&Seen| !seen.zombie && seen.role != Role::Helper;
    if look.processes.iter().filter(serves).any(|seen| seen.role != Role::Main) {
        return None;
    }
    // Of wrapper and command the last one is the command.
    look.processes.iter().rfind(serves).map(|seen| seen.identity)
}

#[cfg(test)]
mod tests;
