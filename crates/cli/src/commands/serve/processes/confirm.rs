//! What this host says of a process that the registry names: whether it is that very process, of which unit, and whether
//! that unit is certainly left behind.

use std::collections::HashSet;

use scupper_model::{Identity, ProcessState};
use scupper_orphan::{Certainty, KnownRun, LeftBehind, Plan, Selection};

use crate::commands::scan::look::Looked;

/// A unit of this host that the named process is, or was, the main process or the supervisor of, or belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub name: String,
}

/// How the named process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has ended, and so has all that is certainly its unit's: its number may be somebody else's by now.
    Gone,
    /// It is there, and nothing here confirms that it may be ended; or something speaks against it.
    Left { because: String },
    /// Something of its unit is certainly left behind.
    Confirmed(Unit),
}

/// What one look says.
pub(super) fn standing(looked: &Looked, named: &Identity) -> Standing {
    // Another boot: everything of then is gone.
    if named.boot_id != looked.snapshot.boot_id {
        return Standing::Gone;
    }
    let certain: Vec<&LeftBehind> =
        looked.findings.left_behind.iter().filter(|found| found.certainty == Certainty::Certain).collect();
    let itself = certain.iter().find(|found| found.process.identity == *named);
    let recorded = looked.known.runs.iter().find(|run| is_of(run, named));
    let unit =
        itself.and_then(|found| found.unit.clone()).or_else(|| recorded.map(|run| run.unit.to_string()));
    if let Some(name) = unit
        && certain.iter().any(|found| found.unit.as_deref() == Some(name.as_str()))
    {
        return Standing::Confirmed(Unit { name });
    }
    let is_there = looked
        .snapshot
        .processes
        .iter()
        .any(|process| process.identity == *named && process.state != ProcessState::Zombie);
    if !is_there {
        return Standing::Gone;
    }
    Standing::Left { because: why_left(looked, named, recorded) }
}

fn is_of(run: &KnownRun, named: &Identity) -> bool {
    run.mains.contains(named) || run.watchers.contains(named)
}

fn why_left(looked: &Looked, named: &Identity, recorded: Option<&KnownRun>) -> String {
    if let Some(trouble) = looked.known.trouble.first() {
        return format!("what was recorded here cannot be read, and nothing is certain: {trouble}");
    }
    if let Some(spared) = looked.findings.not_touched.iter().find(|one| one.process.identity == *named) {
        return format!("it is left alone: {}", spared.because);
    }
    if let Some(run) = recorded {
        return format!("a scupper that lives looks after it (unit {})", run.unit);
    }
    "no record, cgroup or mark on this host confirms that it is that agent's".to_owned()
}

/// All that is certainly left behind of these units, in the order in which it is ended.
pub(super) fn plan(looked: &Looked, units: &HashSet<&str>) -> Plan {
    let mut plan = Plan::new(&looked.findings, &Selection::default());
    plan.to_ask.clear();
    plan.targets.retain(|target| target.unit.as_deref().is_some_and(|unit| units.contains(unit)));
    plan
}
