//! How much anybody may keep in a registry, and what it may be called.

use std::time::Duration;

use crate::words::{AgentId, Item, ItemKind};

/// Bytes of one item.
pub const ITEM_LIMIT: usize = 64 * 1024;

/// Characters of an agent's word for what it is doing.
pub const REPORT_STATE_LIMIT: usize = 64;

/// A longer lease is cut to this: an agent that is gone is found within a day.
pub const TTL_LIMIT: Duration = Duration::from_hours(24);

/// Whether an item may be written; else what is wrong with it.
pub fn check_item(item: &Item) -> Result<(), &'static str> {
    if item.value.as_ref().is_some_and(|value| value.len() > ITEM_LIMIT) {
        return Err("one value is at most 64 KiB");
    }
    match item.kind {
        ItemKind::State if item.name.is_empty() => Ok(()),
        ItemKind::State => Err("a state has no name"),
        // The same characters as an id, and the same check.
        ItemKind::Task | ItemKind::Deps if item.name.parse::<AgentId>().is_ok() => Ok(()),
        ItemKind::Task | ItemKind::Deps => Err("a name is 1 to 128 of the characters A-Z a-z 0-9 . _ : -"),
    }
}

/// An agent's word for what it is doing, as far as it is kept.
pub fn clipped_state(state: &str) -> &str {
    state.char_indices().nth(REPORT_STATE_LIMIT).map_or(state, |(end, _)| state.get(..end).unwrap_or(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_no_name_and_the_others_have_one() {
        let item =
            |kind, name: &str, bytes| Item { kind, name: name.to_owned(), value: Some(vec![0; bytes]) };
        assert_eq!(check_item(&item(ItemKind::State, "", ITEM_LIMIT)), Ok(()));
        assert_eq!(check_item(&item(ItemKind::Task, "t:1", 0)), Ok(()));
        for (kind, name, bytes) in [
            (ItemKind::State, "x", 0),
            (ItemKind::Task, "", 0),
            (ItemKind::Deps, "*", 0),
            (ItemKind::Deps, "a/b", 0),
            (ItemKind::State, "", ITEM_LIMIT + 1),
        ] {
            assert!(check_item(&item(kind, name, bytes)).is_err(), "{kind:?} {name}");
        }
    }

    #[test]
    fn a_long_word_is_cut_between_characters() {
        assert_eq!(clipped_state("busy"), "busy");
        assert_eq!(clipped_state(&"é".repeat(100)), "é".repeat(64));
    }
}
