//! What ties a process to the unit that owns it: variables in its environment, and the name of the unit's cgroup.

use crate::{RunId, UnitName};

/// The variable that says which run a process belongs to: the mark.
pub const MARK: &str = "SCUPPER_RUN";
/// The variable that says which unit a process belongs to, for people and scripts.
pub const UNIT: &str = "SCUPPER_UNIT";
/// Set to 1 inside a unit, it keeps a process. One inherited from outside is removed at spawn.
pub const KEEP: &str = "SCUPPER_KEEP";

/// Opens the API of a host's coordinator to whoever has it. An agent's command is not given it: with it one agent could take the
/// name of another over.
pub const TOKEN: &str = "SCUPPER_TOKEN";

/// What the cgroup of a run is called: no two runs share a name.
pub fn cgroup_name(unit: &UnitName, run: &RunId) -> String {
    let mut short = run.to_string();
    // The random end of a UUID v7, not its time.
    short.drain(..short.len().saturating_sub(12));
    format!("scupper.{unit}.{short}")
}
