//! Safety 6: where more of what is known looks dead than can be believed, the observer is the suspect. A damaged runtime
//! directory, another pid namespace, a /proc of somebody else: whoever looks through one of these sees everybody dead.

use std::collections::HashSet;
use std::fmt;

use scupper_orphan::{Certainty, Findings, Known};

/// So many may always be dead at once.
const ALWAYS: u32 = 3;
/// Of many members this share, in percent.
const SHARE: u64 = 30;

/// How many units look dead, of how many that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub dead: u32,
    pub members: u32,
}

/// Automatic action stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Brake {
    pub dead: u32,
    pub members: u32,
    pub allowed: u32,
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dead, members, allowed } = self;
        write!(
            f,
            "{dead} of {members} known runs look dead at once, and at most {allowed} are believed: nothing is ended by \
             itself; `scupper reap --yes` goes on"
        )
    }
}

/// The runs that are known and did not end as they should, and those of them of which something was certainly left.
pub(super) fn dead(known: &Known, findings: &Findings) -> Dead {
    let left: HashSet<&str> = findings
        .left_behind
        .iter()
        .filter(|left| left.certainty == Certainty::Certain)
        .filter_map(|left| left.unit.as_deref())
        .collect();
    let members: HashSet<&str> = known
        .runs
        .iter()
        .filter(|run| !run.ended)
        .map(|run| run.unit.as_str())
        .chain(left.iter().copied())
        .collect();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Dead { dead: number(left.len()), members: number(members.len()) }
}

/// Whether that is more than can be believed.
pub(super) fn brake(Dead { dead, members }: Dead) -> Option<Brake> {
    let share = u32::try_from(u64::from(members) * SHARE / 100).unwrap_or(u32::MAX);
    let allowed = share.max(ALWAYS);
    (dead > allowed).then_some(Brake { dead, members, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_always_believed_and_of_many_three_in_ten() {
        let brakes = |dead, members| brake(Dead { dead, members }).is_some();
        assert!(!brakes(3, 3) && brakes(4, 4) && brakes(4, 13));
        assert!(!brakes(6, 20) && brakes(7, 20) && !brakes(0, 0));
        assert_eq!(brake(Dead { dead: 31, members: 100 }).unwrap().allowed, 30);
    }
}
