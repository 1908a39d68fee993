//! Processes of orphans on this host: a claim of the registry, until something on this host confirms it.

use std::collections::HashSet;

use scupper_model::Identity;

use crate::words::{Incarnation, Process};

/// Ends processes of this host that belong to an orphan's unit. The registry's word alone ends nobody: whoever does this
/// wants a local record of the unit, its cgroup or its mark as well.
pub trait Processes: Send + Sync {
    /// Takes a process to look at, and returns at once: two looks are at least 2 s apart. `false` where there is no room
    /// now; then it is asked again.
    fn look_at(&self, who: &Incarnation, process: &Process) -> bool;

    /// What became of those that were looked at since the last time it was asked.
    fn looked_at(&self) -> Vec<Looked>;

    /// Whether this process of this host has certainly ended: then what was heard of its agent a while ago is no reason to
    /// keep it. What cannot be told is no.
    fn is_gone(&self, _identity: &Identity) -> bool {
        false
    }
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Whose it was.
    pub who: Incarnation,
    /// Which process, as the registry has it.
    pub process: Process,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an orphan's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has ended by itself, and nothing of its unit is left.
    Gone,
    /// It, or what was left of its unit, was ended.
    Ended {
        /// Its unit.
        unit: String,
        /// One of the processes: the registered one where it was there.
        target: Identity,
        /// How many there were.
        processes: u32,
        /// How many of them only by KILL.
        forced: u32,
    },
    /// It was left alone, and why.
    Left {
        /// Why.
        because: String,
    },
}

/// Those that are being looked at.
#[derive(Debug, Default)]
pub(super) struct UnderWay(HashSet<Incarnation>);

impl UnderWay {
    /// Whether it has to be handed in: it is not being looked at already.
    pub(super) fn is_new(&self, who: &Incarnation) -> bool {
        !self.0.contains(who)
    }

    /// It was handed in.
    pub(super) fn handed_in(&mut self, who: Incarnation) {
        self.0.insert(who);
    }

    /// It has been looked at, and the registry knows.
    pub(super) fn settled(&mut self, who: &Incarnation) {
        self.0.remove(who);
    }
}
