//! Which run of a unit a process belongs to, and whether that run is over.
//!
//! What Scupper recorded is a claim until the kernel confirms it: a recorded process has to be the very one (pid, start
//! time and boot), a process has to sit in the cgroup that bears the run's name, or to carry both marks of the run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Component;
use std::str::FromStr;

use scupper_model::{Identity, Pid, ProcessState, RunId, UnitName, cgroup_name};
use scupper_probe::snapshot::{Marks, Process, Snapshot};

use crate::finding::{Evidence, EvidenceKind};
use crate::known::Known;
use crate::lineage::{Lineage, is_scupper};

/// Every run that is known, and what is recorded of it put together.
pub(crate) struct Runs {
    all: Vec<Run>,
    by_id: HashMap<RunId, usize>,
    by_cgroup: HashMap<String, usize>,
    by_main: HashMap<Identity, usize>,
}

struct Run {
    unit: UnitName,
    standing: Standing,
    keep: Vec<String>,
}

/// Whether a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// One of those who watch over it lives.
    Alive,
    /// All who watched over it are gone, or its end was recorded.
    Over,
    /// There are records of it, and none says whether it ended.
    Unclear,
    /// Nobody knows it.
    Unrecorded,
}

/// What ties a process to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tie {
    pub kind: EvidenceKind,
    pub run: TiedRun,
    pub unit: String,
    pub standing: Standing,
}

/// Which run, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TiedRun {
    Known(usize),
    /// By the mark it carries or the cgroup it sits in.
    Named(String),
}

impl Tie {
    pub fn evidence(&self) -> Evidence {
        let unit = &self.unit;
        let how = match self.kind {
            EvidenceKind::RecordedSpawn => format!("it was recorded as the main process of unit {unit}"),
            EvidenceKind::Cgroup => format!("it sits in the cgroup of unit {unit}"),
            _ => format!("it carries the mark of unit {unit}"),
        };
        let run = match self.standing {
            Standing::Alive => "which runs",
            Standing::Over => "whose scupper is gone",
            Standing::Unclear => "of whose end nothing is recorded",
            Standing::Unrecorded => "of which there is no record",
        };
        Evidence { kind: self.kind, text: format!("{how}, {run}") }
    }
}

impl Runs {
    pub fn new(snapshot: &Snapshot, known: &Known) -> Self {
        let unseen: HashSet<Pid> = snapshot.unreadable.iter().map(|entry| entry.pid).collect();
        let seen: HashSet<Pid> = snapshot.processes.iter().map(|process| process.identity.pid).collect();
        let lives = |process: &&Process| process.state != ProcessState::Zombie;
        let living: HashSet<Identity> =
            snapshot.processes.iter().filter(lives).map(|process| process.identity).collect();
        // A number that is there and of which nothing could be read may be the watcher.
        let is_alive = |watcher: &Identity| {
            living.contains(watcher)
                || watcher.boot_id == snapshot.boot_id
                    && unseen.contains(&watcher.pid)
                    && !seen.contains(&watcher.pid)
        };
        let mut this = Self {
            all: Vec::new(),
            by_id: HashMap::new(),
            by_cgroup: HashMap::new(),
            by_main: HashMap::new(),
        };
        for run in &known.runs {
            let standing = if run.watchers.iter().any(is_alive) {
                Standing::Alive
            } else if run.ended || !run.watchers.is_empty() {
                Standing::Over
            } else {
                Standing::Unclear
            };
            let index = *this.by_id.entry(run.run).or_insert(this.all.len());
            match this.all.get_mut(index) {
                None => this.all.push(Run { unit: run.unit.clone(), standing, keep: run.keep.clone() }),
                Some(earlier) => {
                    earlier.standing = earlier.standing.with(standing);
                    earlier.keep.extend(run.keep.iter().cloned());
                }
            }
            this.by_cgroup.insert(cgroup_name(&run.unit, &run.run), index);
            this.by_main.extend(run.mains.iter().map(|main| (*main, index)));
        }
        this
    }

    /// Globs over names that a run keeps.
    pub fn keep(&self, run: &TiedRun) -> &[String] {
        match run {
            TiedRun::Known(index) => &self.all[*index].keep,
            TiedRun::Named(_) => &[],
        }
    }

    /// Everything that ties a process to a run, strongest first.
    pub fn ties(&self, process: &Process) -> Vec<Tie> {
        let mut ties = Vec::new();
        if let Some(&run) = self.by_main.get(&process.identity) {
            ties.push(self.tie(EvidenceKind::RecordedSpawn, run));
        }
        for component in unit_cgroups(process).map(|(name, _)| name) {
            ties.push(match self.by_cgroup.get(component) {
                Some(&run) => self.tie(EvidenceKind::Cgroup, run),
                None => unrecorded(EvidenceKind::Cgroup, component, component),
            });
        }
        ties.extend(self.mark(process));
        ties
    }

    fn tie(&self, kind: EvidenceKind, run: usize) -> Tie {
        let Run { unit, standing, .. } = &self.all[run];
        Tie { kind, run: TiedRun::Known(run), unit: unit.to_string(), standing: *standing }
    }

    fn mark(&self, process: &Process) -> Option<Tie> {
        let Marks::Read { run: Some(run), unit: Some(unit), .. } = &process.marks else { return None };
        let run = RunId::from_str(std::str::from_utf8(run).ok()?).ok()?;
        let unit = UnitName::from_str(std::str::from_utf8(unit).ok()?).ok()?;
        match self.by_id.get(&run) {
            Some(&index) if self.all[index].unit == unit => Some(self.tie(EvidenceKind::Mark, index)),
            // The run of another unit: the two marks contradict each other.
            Some(_) => None,
            None => Some(unrecorded(EvidenceKind::Mark, &run.to_string(), unit.as_str())),
        }
    }
}

impl Standing {
    /// What two records of one run say together: it is as alive as either of them says.
    const fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Alive, _) | (_, Self::Alive) => Self::Alive,
            (Self::Over, _) | (_, Self::Over) => Self::Over,
            _ => Self::Unclear,
        }
    }
}

fn unrecorded(kind: EvidenceKind, name: &str, unit: &str) -> Tie {
    let name = name.to_owned();
    Tie { kind, run: TiedRun::Named(name), unit: unit.to_owned(), standing: Standing::Unrecorded }
}

/// Components of a process' cgroup path that name a unit, innermost first, each with the path up to it.
pub(crate) fn unit_cgroups(process: &Process) -> impl Iterator<Item = (&str, String)> {
    let paths = process.cgroups.iter().flatten().filter(|path| path.is_v2());
    paths.flat_map(|path| {
        let mut upto = String::new();
        let mut found = Vec::new();
        let ours =
            path.path.as_os_str().as_bytes().windows(PREFIX.len()).any(|part| part == PREFIX.as_bytes());
        for component in path.path.components().filter(|_| ours) {
            if let Component::Normal(name) = component {
                // A name of ours is plain text; one that is not is nobody's.
                let Some(name) = name.to_str() else { break };
                upto = format!("{upto}/{name}");
                if is_unit_cgroup(name) {
                    found.push((name, upto.clone()));
                }
            }
        }
        found.into_iter().rev()
    })
}

/// What the names of our cgroups begin with.
const PREFIX: &str = "scupper.";

/// `scupper.UNIT.` and twelve hexadecimal digits: what [`cgroup_name`] makes.
fn is_unit_cgroup(name: &str) -> bool {
    let Some((unit, run)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('.')) else {
        return false;
    };
    run.len() == 12 && run.bytes().all(|byte| byte.is_ascii_hexdigit()) && UnitName::from_str(unit).is_ok()
}

/// Why somebody looks after a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It belongs to a run that is alive.
    Unit(String),
    /// It is this scupper, or below it.
    Scupper(Pid),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => write!(f, "of the running unit {unit}"),
            Self::Scupper(pid) => write!(f, "scupper (pid {pid}) runs and looks after it"),
        }
    }
}

/// Who looks after each process. Inherited from parent to child, since a process may clear its environment.
pub(crate) fn living_owners(lineage: &Lineage<'_>, ties: &[Vec<Tie>]) -> Vec<Option<Owner>> {
    let mut owners: Vec<Option<Owner>> = vec![None; lineage.processes.len()];
    for &index in &lineage.order {
        let process = &lineage.processes[index];
        let alive = ties[index].iter().find(|tie| tie.standing == Standing::Alive);
        owners[index] = match alive {
            Some(tie) => Some(Owner::Unit(tie.unit.clone())),
            None if is_scupper(process) => Some(Owner::Scupper(process.identity.pid)),
            None => lineage.parent(index).and_then(|parent| owners[parent].clone()),
        };
    }
    owners
}
