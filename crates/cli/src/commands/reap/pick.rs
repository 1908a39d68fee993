//! What the command line names, as the plan takes it.

use std::collections::HashSet;
use std::fmt::Write as _;

use scupper_model::{Identity, Pid};
use scupper_orphan::{Choice, Class, Findings, Plan, Selection};
use scupper_probe::snapshot::Snapshot;

/// Root may end everybody's processes.
const ROOT: u32 = 0;

/// Something named that is not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// As it was named.
    pub target: String,
    /// Why not.
    pub because: String,
}

/// What is meant by these words. To name a pid, a group or a unit is to agree to its end; a class is only a choice.
pub(super) fn selection(targets: &[String], classes: &[Class], findings: &Findings) -> Selection {
    let mut selection = Selection::default();
    for target in targets {
        if let Ok(pid) = target.parse::<Pid>() {
            selection.choices.push(Choice::Pid(pid));
            continue;
        }
        let of_unit =
            findings.left_behind.iter().filter(|left| left.unit.as_deref() == Some(target.as_str()));
        let of_unit: Vec<Choice> = of_unit.map(|left| Choice::Pid(left.process.identity.pid)).collect();
        let of_group: HashSet<Identity> = findings
            .left_behind
            .iter()
            .filter(|left| left.group == *target)
            .map(|left| left.process.identity)
            .collect();
        if of_unit.is_empty() || !of_group.is_empty() {
            selection.choices.push(Choice::Group(target.clone()));
        }
        selection.choices.extend(of_unit);
        selection.agreed.extend(of_group);
    }
    selection.choices.extend(classes.iter().copied().map(Choice::Class));
    selection
}

/// What is named and not ended. `uid` is who asks.
pub(super) fn refused(plan: &Plan, findings: &Findings, snapshot: &Snapshot, uid: u32) -> Vec<Refused> {
    let named = plan.refused.iter().filter(|(choice, _)| !matches!(choice, Choice::Class(_)));
    let told = named.map(|(choice, why)| match choice {
        Choice::Pid(pid) => {
            let spared = findings.not_touched.iter().any(|one| one.process.identity.pid == *pid);
            let mut because = if spared { why.clone() } else { unjudged(*pid, snapshot, uid) };
            let of_group = findings.left_behind.iter().find(|left| left.group == pid.to_string());
            if let Some(left) = of_group {
                let member = left.process.identity.pid;
                let _ = write!(because, "; the group of that name is ended by its pids, such as {member}");
            }
            Refused { target: pid.to_string(), because }
        }
        Choice::Group(group) => Refused { target: group.clone(), because: why.clone() },
        Choice::Class(class) => Refused { target: format!("{class:?}"), because: why.clone() },
    });
    told.collect()
}

/// Why nothing says that this process was left behind.
fn unjudged(pid: Pid, snapshot: &Snapshot, uid: u32) -> String {
    let process = snapshot.processes.iter().find(|process| process.identity.pid == pid);
    match process.map(|process| process.uid) {
        None => "there is no such process, or /proc does not show it to this user".to_owned(),
        Some(Some(owner)) if uid != ROOT && owner != uid => {
            format!("it is a process of user {owner}: only that user or root can judge and end it")
        }
        Some(_) => {
            format!(
                "nothing says that it was left behind: `scupper scan --explain {pid}` tells what is known"
            )
        }
    }
}
