//! Which key holds what. Ours begin with one prefix, in one slot of a cluster; seed 004's are where its readers look.

use crate::{AgentId, ItemKind};

/// What all of our keys begin with. The braces are a hash tag: one slot of a cluster has them all.
pub(super) const PREFIX: &str = "scupper:{0}:";

/// The sets of members that seed 004 has: its code says the first, its picture the second (R117).
pub(super) const SEED_SETS: [&str; 2] = ["agents:active", "agent:active"];

/// Stands for those of the first that were found there before and are not ours.
pub(super) const KNOWN: [&str; 1] = [""];

/// What the keys of seed 004's tasks and dependencies look like; SCAN is asked for these, and KEYS is never used (R099).
pub(super) const SEED_PATTERNS: [&str; 2] = ["agent:task:*", "agent:deps:*"];

/// A key of ours.
pub(super) fn ours(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The key of an item. A name's `:` is written `%3A`, so that no other agent's item can have the same key: `a` with the task
/// `b:c` and `a:b` with the task `c` are two.
pub(super) fn item(seed: bool, id: &AgentId, kind: ItemKind, name: &str) -> String {
    let kind = match kind {
        ItemKind::State => "state",
        ItemKind::Task => "task",
        ItemKind::Deps => "deps",
    };
    let prefix = if seed { "agent:".to_owned() } else { ours("item:") };
    if name.is_empty() {
        return format!("{prefix}{kind}:{id}");
    }
    format!("{prefix}{kind}:{id}:{}", name.replace(':', "%3A"))
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R098.

    use super::*;

    #[test]
    fn r098_no_two_items_have_one_key() {
        let key = |id: &str, name: &str| item(true, &id.parse().unwrap(), ItemKind::Task, name);
        assert_eq!(key("agent-1", "t"), "agent:task:agent-1:t");
        assert_ne!(key("a", "b:c"), key("a:b", "c"));
        assert_eq!(item(true, &"a".parse().unwrap(), ItemKind::State, ""), "agent:state:a");
        assert_eq!(item(false, &"a".parse().unwrap(), ItemKind::Deps, "x"), "scupper:{0}:item:deps:a:x");
    }
}
