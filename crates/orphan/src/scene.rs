//! Everything the judgement looks at, indexed once.

use std::cell::OnceCell;
use std::collections::HashSet;

use scupper_model::{Pid, ProcessState};
use scupper_probe::snapshot::{Process, Snapshot};

use crate::ends::Ends;
use crate::finding::Shown;
use crate::grouping::{self, Kind};
use crate::known::{Known, Observer, Settings};
use crate::lineage::Lineage;
use crate::ownership::{Owner, Runs, Tie, living_owners};
use crate::signs::{Looker, Signs};
use crate::spared::Sparing;
use crate::wording::short_name;

/// The machine, what is known of it, and who asks for what.
pub(crate) struct Scene<'a> {
    pub snapshot: &'a Snapshot,
    pub known: &'a Known,
    pub settings: &'a Settings,
    pub lineage: &'a Lineage<'a>,
    pub ends: &'a Ends<'a>,
    /// What ties each process to runs.
    pub ties: &'a [Vec<Tie>],
    /// Who looks after each process.
    pub owners: &'a [Option<Owner>],
    pub sparing: &'a Sparing<'a>,
    /// Pids of which nothing could be read.
    pub unseen: &'a HashSet<Pid>,
    /// What each program is, once somebody has asked.
    kinds: Vec<OnceCell<Kind>>,
}

/// Sets the scene and has somebody look at it.
pub(crate) fn with_scene<T>(
    snapshot: &Snapshot,
    known: &Known,
    observer: Observer,
    settings: &Settings,
    look: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let lineage = Lineage::new(snapshot);
    let ends = Ends::new(snapshot, &lineage, &known.pipes);
    let runs = Runs::new(snapshot, known);
    let ties: Vec<Vec<Tie>> = snapshot.processes.iter().map(|process| runs.ties(process)).collect();
    let owners = living_owners(&lineage, &ties);
    let sparing = Sparing::new(&lineage, known, settings, observer, &runs, &ties);
    let unseen: HashSet<Pid> = snapshot.unreadable.iter().map(|entry| entry.pid).collect();
    look(&Scene {
        snapshot,
        known,
        settings,
        lineage: &lineage,
        ends: &ends,
        ties: &ties,
        owners: &owners,
        sparing: &sparing,
        unseen: &unseen,
        kinds: vec![OnceCell::new(); snapshot.processes.len()],
    })
}

impl Scene<'_> {
    pub fn process(&self, index: usize) -> &Process {
        &self.lineage.processes[index]
    }

    /// Whether a process is looked at at all: it lives, is old enough, and of the user who is asked about.
    pub fn is_asked_about(&self, index: usize) -> bool {
        let process = self.process(index);
        process.state != ProcessState::Zombie
            && process.age >= self.settings.min_age
            && self.is_of_asked_user(process)
    }

    pub fn is_of_asked_user(&self, process: &Process) -> bool {
        self.settings.user.is_none_or(|user| process.uid == Some(user))
    }

    /// Looks for every sign of one process.
    pub fn look(&self, index: usize, counts: &dyn Fn(usize) -> bool) -> Signs {
        Looker { lineage: self.lineage, ends: self.ends, unseen: self.unseen }.look(index, counts)
    }

    /// What is shown of a process, and its group.
    pub fn shown(&self, index: usize) -> (Shown, String) {
        shown_as(self.process(index), self.kind(index).clone())
    }

    /// What a program is.
    pub fn kind(&self, index: usize) -> &Kind {
        self.kinds[index].get_or_init(|| grouping::of(self.process(index)))
    }
}

/// What is shown of any process, secrets left out, and what all of its kind are called.
pub fn shown(process: &Process) -> (Shown, String) {
    shown_as(process, grouping::of(process))
}

fn shown_as(process: &Process, Kind { class, group, command }: Kind) -> (Shown, String) {
    let shown = Shown {
        identity: process.identity,
        parent: process.parent,
        name: short_name(process),
        command,
        uid: process.uid,
        rss: process.rss,
        cpu: process.cpu,
        age: process.age,
        class,
    };
    (shown, group)
}
