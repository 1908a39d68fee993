//! Whose child is whose: the processes below one, and those that carry a mark.
//!
//! A tree changes while it is walked. What keeps a stranger out of it: a child is taken in only if its own `stat`
//! names a member as parent, and only if the member it was found under is, after that, still who it was. What may
//! leave one out: a process whose parent ends in the middle of the walk moves to a subreaper that may already have
//! been asked. The next walk finds it there.

use std::collections::{HashMap, HashSet, VecDeque};

use scupper_model::{Identity, Pid};

use crate::{Image, ProbeError, Proc, Stat};

/// No tree is followed further than this many processes.
pub const MEMBER_LIMIT: usize = 65_536;

/// One process of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub identity: Identity,
    /// Its parent when it was looked at.
    pub parent: Option<Pid>,
    /// The kernel's short name for it.
    pub name: Vec<u8>,
    /// Whether it has ended and waits for its parent's `wait`.
    pub zombie: bool,
    /// Its session.
    pub session: i32,
    /// Its process group.
    pub group: i32,
    /// Where what it executes lies.
    pub image: Option<Image>,
}

impl Member {
    /// The process whose `stat` was read.
    pub fn new(proc_: &Proc, stat: Stat) -> Self {
        Self {
            identity: stat.identity(proc_.boot_id()),
            parent: stat.parent,
            zombie: stat.is_zombie(),
            session: stat.session,
            group: stat.group,
            image: stat.image,
            name: stat.name,
        }
    }
}

/// Every process below `root`, which is not included; parents come before their children. By the `children` files,
/// and where the kernel has none by one pass over all of `/proc`. Empty where `root` is gone. At most
/// [`MEMBER_LIMIT`]: what is beyond is left out.
pub fn descendants(proc_: &Proc, root: Pid) -> Result<Vec<Member>, ProbeError> {
    proc_.identify(root)?.map_or(Ok(Vec::new()), |root| descendants_of(proc_, root))
}

/// The same for whom has just been met, and need not be looked up once more.
pub fn descendants_of(proc_: &Proc, root: Identity) -> Result<Vec<Member>, ProbeError> {
    match walk(proc_, root) {
        Err(ProbeError::Unsupported { .. }) => from_pass(proc_, root.pid),
        answer => answer,
    }
}

fn walk(proc_: &Proc, root: Identity) -> Result<Vec<Member>, ProbeError> {
    let mut members: Vec<Member> = Vec::new();
    let mut known = HashSet::from([root.pid]);
    let mut to_ask = VecDeque::from([root]);
    while let Some(parent) = to_ask.pop_front() {
        let children = proc_.children(parent.pid)?.unwrap_or_default();
        if children.is_empty() {
            continue;
        }
        let mut found = Vec::new();
        for child in children {
            if known.contains(&child) || members.len() + found.len() >= MEMBER_LIMIT {
                continue;
            }
            let Some(stat) = proc_.stat(child)? else { continue };
            if stat.parent.is_some_and(|parent| known.contains(&parent)) {
                known.insert(child);
                found.push(Member::new(proc_, stat));
            }
        }
        if !proc_.is_same(&parent)? {
            // The list may have been that of somebody else with the same number.
            for member in found {
                known.remove(&member.identity.pid);
            }
            continue;
        }
        to_ask.extend(found.iter().filter(|member| !member.zombie).map(|member| member.identity));
        members.append(&mut found);
    }
    Ok(members)
}

fn from_pass(proc_: &Proc, root: Pid) -> Result<Vec<Member>, ProbeError> {
    let mut members = HashMap::new();
    for pid in proc_.pids()? {
        if let Some(stat) = proc_.stat(pid)? {
            members.insert(pid, Member::new(proc_, stat));
        }
    }
    let links = members.values().filter_map(|member| Some((member.parent?, member.identity.pid)));
    let order = below(links, root);
    Ok(order.into_iter().filter_map(|pid| members.remove(&pid)).collect())
}

/// The descendants of `root` among `members`, parents before children, `root` not included. Reads nothing.
pub fn subtree(members: &[Member], root: Pid) -> Vec<Pid> {
    below(members.iter().filter_map(|member| Some((member.parent?, member.identity.pid))), root)
}

fn below(links: impl Iterator<Item = (Pid, Pid)>, root: Pid) -> Vec<Pid> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for (parent, child) in links {
        children.entry(parent).or_default().push(child);
    }
    for list in children.values_mut() {
        list.sort_unstable();
    }
    let mut seen = HashSet::from([root]);
    let mut order: Vec<Pid> = Vec::new();
    let mut to_ask = VecDeque::from([root]);
    while let Some(parent) = to_ask.pop_front() {
        for child in children.remove(&parent).unwrap_or_default() {
            if order.len() < MEMBER_LIMIT && seen.insert(child) {
                order.push(child);
                to_ask.push_back(child);
            }
        }
    }
    order
}

/// Every process whose environment at its start held exactly `name=value`. A pass over all of `/proc` and all
/// environments: a slow audit. Whose environment may not be read carries no mark as far as anybody knows.
pub fn marked(proc_: &Proc, name: &str, value: &str) -> Result<Vec<Member>, ProbeError> {
    let mut members = Vec::new();
    for pid in proc_.pids()? {
        let before = proc_.identify(pid)?;
        let found = match proc_.environment_value(pid, name) {
            Ok(found) => found,
            Err(error) if error.is_unreadable() => continue,
            Err(error) => return Err(error),
        };
        if found.as_deref() != Some(value.as_bytes()) {
            continue;
        }
        // The same one before and after, so the environment was its own.
        if let Some(stat) = proc_.stat(pid)?
            && Some(stat.identity(proc_.boot_id())) == before
        {
            members.push(Member::new(proc_, stat));
        }
        if members.len() >= MEMBER_LIMIT {
            break;
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scupper_model::StartTime;

    fn member(pid: i32, parent: i32) -> Member {
        Member {
            identity: Identity {
                pid: Pid::new(pid).unwrap(),
                start_time: StartTime(1),
                boot_id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
            },
            parent: Pid::new(parent),
            name: b"x".to_vec(),
            zombie: false,
            session: 1,
            group: 1,
            image: None,
        }
    }

    fn numbers(pids: &[Pid]) -> Vec<i32> {
        pids.iter().map(|pid| pid.get()).collect()
    }

    #[test]
    fn parents_come_before_their_children() {
        let members = [member(9, 5), member(5, 2), member(3, 2), member(8, 7), member(2, 1)];
        assert_eq!(numbers(&subtree(&members, Pid::new(2).unwrap())), [3, 5, 9]);
        assert_eq!(numbers(&subtree(&members, Pid::INIT)), [2, 3, 5, 9]);
        assert_eq!(subtree(&members, Pid::new(9).unwrap()), []);
    }

    #[test]
    fn a_circle_ends() {
        let members = [member(2, 3), member(3, 2), member(4, 4)];
        assert_eq!(numbers(&subtree(&members, Pid::new(2).unwrap())), [3]);
        assert_eq!(subtree(&members, Pid::new(4).unwrap()), []);
    }

    proptest! {
        #[test]
        fn any_links_end_and_name_nobody_twice(links in proptest::collection::vec((1_i32..40, 0_i32..40), 0..80)) {
            let members: Vec<_> = links.iter().map(|&(pid, parent)| member(pid, parent)).collect();
            let found = subtree(&members, Pid::INIT);
            let unique: HashSet<_> = found.iter().collect();
            prop_assert_eq!(unique.len(), found.len());
            prop_assert!(!found.contains(&Pid::INIT));
        }
    }
}
