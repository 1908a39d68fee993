//! Who belongs to a tree that Scupper did not start: what descends from its topmost process, and whoever did at an
//! earlier look or carries its session, wherever its parent went. Each by its identity: a number alone is nobody.

use std::time::Duration;

use scupper_model::{Bytes, Identity, Pid};
use scupper_probe::{Detail, Proc, Stat};

use crate::shell::clock;
use crate::shell::tree::{Member, Tree};
use crate::unit::Look;

/// Time between two searches of all of `/proc` for processes of the session.
const AUDIT: Duration = Duration::from_secs(15);
/// A search may cost this share of the time between two: 1 in 5,000.
const AUDIT_SHARE: u32 = 5_000;

/// A tree that is followed.
#[derive(Debug)]
pub(super) struct Following {
    tree: Tree,
    target: Identity,
    /// Members that descend from nobody who is followed.
    strays: Vec<Identity>,
    /// Whether the topmost process leads a session: the others in it are its own. Of somebody else's session only its
    /// descendants are.
    leads_session: bool,
    next_audit: Duration,
}

impl Following {
    /// A tree whose topmost process is the one that this was read of.
    pub(super) fn begin(proc: &Proc, stat: &Stat) -> Self {
        let target = stat.identity(proc.boot_id());
        let mut tree = Tree::new(proc.ticks_per_second());
        tree.begin(target);
        let leads_session = stat.session == target.pid.get();
        Self { tree, target, strays: Vec::new(), leads_session, next_audit: Duration::ZERO }
    }

    /// Finds out who is there now. Returns the members that have ended.
    pub(super) fn keep_up(&mut self, proc: &Proc, now: Duration) -> Vec<Member> {
        let mut gone = self.tree.keep_up(proc, None, now);
        let mut found = re_parented(proc, &gone);
        if self.leads_session && now >= self.next_audit {
            let begun = clock::since_boot();
            found.extend(self.of_session(proc));
            let took = clock::since_boot().saturating_sub(begun);
            self.next_audit = now + AUDIT.max(took * AUDIT_SHARE);
        }
        let mut again = false;
        for stray in found {
            again |= self.tree.adopt(stray.pid);
            self.strays.push(stray);
        }
        // What has a stray's number now may be somebody else, who was walked to by that number.
        let tree = &mut self.tree;
        self.strays.retain(|stray| {
            let same = tree.member(stray.pid).is_none_or(|member| member.identity == *stray)
                && proc.is_same(stray).unwrap_or(true);
            again |= !same && tree.disown(stray.pid);
            same
        });
        if again {
            gone.extend(self.tree.refresh(proc, None, now));
        }
        gone.retain(|member| self.member(&member.identity).is_none());
        gone
    }

    /// Looks at every member.
    pub(super) fn look(&mut self, proc: &Proc, detail: Option<Detail>, now: Duration) -> Look {
        self.tree.look(proc, detail, now)
    }

    /// The tree that is followed.
    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Notes the size, and says how fast it grows.
    pub(super) fn note_size(&mut self, now: Duration, size: Bytes) -> Option<f64> {
        self.tree.note_size(now, size)
    }

    /// All members, parents before children.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.tree.members()
    }

    /// A member by its identity.
    pub(super) fn member(&self, identity: &Identity) -> Option<&Member> {
        self.tree.member(identity.pid).filter(|member| member.identity == *identity)
    }

    /// How many members live now, `without` left out.
    pub(super) fn living(&self, proc: &Proc, without: Option<Identity>) -> u32 {
        let others = self.members().filter(|member| Some(member.identity) != without);
        let living = others.filter(|member| is_alive(proc, &member.identity)).count();
        u32::try_from(living).unwrap_or(u32::MAX)
    }

    /// Processes of the target's session that are no members: they left its tree before they were seen in it.
    fn of_session(&self, proc: &Proc) -> Vec<Identity> {
        let session = self.target.pid.get();
        let pids = proc.pids().unwrap_or_default();
        let others = pids.into_iter().filter(|pid| self.tree.member(*pid).is_none());
        let stats = others.filter_map(|pid| proc.stat(pid).ok().flatten());
        let of_it: Vec<Stat> = stats.filter(|stat| stat.session == session && !stat.is_zombie()).collect();
        tops(proc, &of_it)
    }
}

/// Of members that are not found below anybody any more, those that live: their parent ended.
fn re_parented(proc: &Proc, gone: &[Member]) -> Vec<Identity> {
    let stats = gone.iter().filter_map(|member| {
        let stat = proc.stat(member.identity.pid).ok().flatten()?;
        (stat.identity(proc.boot_id()) == member.identity && !stat.is_zombie()).then_some(stat)
    });
    tops(proc, &stats.collect::<Vec<_>>())
}

/// Those whose parent is not among them as well: the others descend from one of these.
fn tops(proc: &Proc, stats: &[Stat]) -> Vec<Identity> {
    let pids: std::collections::HashSet<Pid> = stats.iter().map(|stat| stat.pid).collect();
    let top = |stat: &&Stat| stat.parent.is_none_or(|parent| !pids.contains(&parent));
    stats.iter().filter(top).map(|stat| stat.identity(proc.boot_id())).collect()
}

fn is_alive(proc: &Proc, identity: &Identity) -> bool {
    let stat = proc.stat(identity.pid).ok().flatten();
    stat.is_some_and(|stat| stat.identity(proc.boot_id()) == *identity && !stat.is_zombie())
}
