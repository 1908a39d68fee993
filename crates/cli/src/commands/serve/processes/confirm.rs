//! What this host says of a process that the registry names: whether it is that very process, whether it is, or was, of a
//! unit that was recorded here as that agent, and whether that unit is certainly left behind.

use std::collections::HashSet;

use scupper_fleet::AgentId;
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

/// What one look says of a process that is claimed to be this agent's.
pub(super) fn standing(looked: &Looked, agent: &AgentId, named: &Identity) -> Standing {
    // Another boot: everything of then is gone.
    if named.boot_id != looked.snapshot.boot_id {
        return Standing::Gone;
    }
    let certain: Vec<&LeftBehind> =
        looked.findings.left_behind.iter().filter(|found| found.certainty == Certainty::Certain).collect();
    let itself = certain.iter().copied().find(|found| found.process.identity == *named);
    let runs = &looked.known.runs;
    let of_unit = |found: &LeftBehind| {
        let unit = found.unit.as_deref();
        runs.iter().find(|run| unit == Some(run.unit.as_str()) && is_agent(run, agent))
    };
    let recorded = runs.iter().find(|run| is_of(run, named));
    // Recorded by its number, or certainly of a unit by its cgroup or its marks; and that unit was recorded as the agent.
    let meant = recorded.filter(|run| is_agent(run, agent)).or_else(|| itself.and_then(of_unit));
    if let Some(run) = meant
        && certain.iter().any(|found| found.unit.as_deref() == Some(run.unit.as_str()))
    {
        return Standing::Confirmed(Unit { name: run.unit.to_string() });
    }
    let is_there = looked
        .snapshot
        .processes
        .iter()
        .any(|process| process.identity == *named && process.state != ProcessState::Zombie);
    if !is_there {
        return Standing::Gone;
    }
    Standing::Left { because: why_left(looked, agent, named, recorded) }
}

/// Whether a run was recorded as this agent.
fn is_agent(run: &KnownRun, agent: &AgentId) -> bool {
    run.agent.as_deref() == Some(agent.as_str())
}

fn is_of(run: &KnownRun, named: &Identity) -> bool {
    run.mains.contains(named) || run.watchers.contains(named)
}

fn why_left(looked: &Looked, agent: &AgentId, named: &Identity, recorded: Option<&KnownRun>) -> String {
    if let Some(trouble) = looked.known.trouble.first() {
        return format!("what was recorded here cannot be read, and nothing is certain: {trouble}");
    }
    if let Some(spared) = looked.findings.not_touched.iter().find(|one| one.process.identity == *named) {
        return format!("it is left alone: {}", spared.because);
    }
    if let Some(run) = recorded.filter(|run| !is_agent(run, agent)) {
        return format!("it is of the unit {}, which was not recorded as that agent", run.unit);
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
