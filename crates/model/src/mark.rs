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

/// Names the registry of agents where nothing else does. It may hold a password ([`holds_password`]), and
/// then an agent's command is not given it either.
pub const REGISTRY: &str = "SCUPPER_REGISTRY";

/// Whether the address of a registry holds a password, or something that may be meant as one.
pub fn holds_password(address: &str) -> bool {
    let behind_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let who = behind_scheme.rsplit_once('@').map(|(who, _)| who);
    who.is_some_and(|who| who.contains(':')) || address.contains("password=")
}

/// What the cgroup of a run is called: no two runs share a name.
pub fn cgroup_name(unit: &UnitName, run: &RunId) -> String {
    let mut short = run.to_string();
    // The random end of a UUID v7, not its time.
    short.drain(..short.len().saturating_sub(12));
    format!("scupper.{unit}.{short}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_wherever_it_stands_in_an_address() {
        for (address, holds) in [
            ("redis://:pw@h", true),
            ("redis+sentinel://user:p@w@h:26379,i/master", true),
            ("redis+unix:///run/redis.sock?database=1&password=pw", true),
            (":pw@h", true),
            ("redis://user@h:6379/0", false),
            ("rediss://h:6379?ca=/etc/ca.pem", false),
            ("http://127.0.0.1:9465", false),
            ("embedded:/var/lib/scupper", false),
            ("", false),
        ] {
            assert_eq!(holds_password(address), holds, "{address}");
        }
    }
}
