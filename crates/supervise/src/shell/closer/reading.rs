//! The look itself, on a thread of its own: what a process holds, and who is below it with how much memory.

use std::time::Duration;

use scupper_model::{Bytes, Identity, ResourceKind};
use scupper_probe::holdings::{self, Bounds, Holdings, Part};
use scupper_probe::{Proc, pss};

use crate::shell::clock::Clock;

/// A look that takes longer is broken off, and says what it has not read.
pub(super) const LONGEST: Duration = Duration::from_secs(2);
/// Descriptors that are looked at, and text of mappings that is read.
const MOST_DESCRIPTORS: u64 = 16_384;
const MOST_TEXT: usize = 8 << 20;

/// A process below the one that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) identity: Identity,
    pub(super) name: Vec<u8>,
    pub(super) command: Vec<Vec<u8>>,
    pub(super) zombie: bool,
    pub(super) rss: Option<Bytes>,
}

/// What a look has found.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) holdings: Option<Holdings>,
    /// Whether the memory of children is their share (PSS), and not all they have mapped.
    pub(super) shares: bool,
    pub(super) took: Duration,
}

/// The look itself, on its thread.
pub(super) fn look_closer(target: &Identity, children: &[Child], more: usize) -> Answer {
    let clock = Clock::start();
    let goes_on = || clock.now() < LONGEST;
    let bounds = Bounds { descriptors: MOST_DESCRIPTORS, memory_text: MOST_TEXT, goes_on: &goes_on };
    let nothing = |took| Answer { holdings: None, shares: false, took };
    let Ok(proc) = Proc::open(std::path::Path::new("/proc")) else { return nothing(clock.now()) };
    let Ok(Some(mut holdings)) = holdings::read(&proc, target, bounds) else { return nothing(clock.now()) };
    let mut shares = true;
    if more > 0 {
        holdings.not_read(Part::Children, format!("{} are too many", children.len() + more));
    } else {
        let share = |child: &Child| goes_on().then(|| share(&proc, &child.identity)).flatten();
        let read: Option<Vec<Bytes>> =
            children.iter().map(|child| if child.zombie { Some(Bytes(0)) } else { share(child) }).collect();
        shares = read.is_some();
        let bytes = |index: usize, child: &Child| match &read {
            Some(read) => read.get(index).copied(),
            None => child.rss,
        };
        for (index, child) in children.iter().enumerate() {
            let what = holdings::command(&child.command, &child.name);
            if child.zombie {
                holdings.add(ResourceKind::Zombie, what, None);
            } else {
                holdings.add(ResourceKind::Child, what, bytes(index, child).map(|bytes| bytes.0));
            }
        }
    }
    Answer { holdings: Some(holdings), shares, took: clock.now() }
}

/// The memory of one child, where it is still the same one afterwards.
fn share(proc: &Proc, child: &Identity) -> Option<Bytes> {
    let bytes = pss(proc, child.pid).ok().flatten()?;
    proc.is_same(child).ok()?.then_some(bytes)
}
