//! What a process held at two times, and what of it changed. Pure: two readings in, what is recorded out.
//!
//! What was not read whole at one of the two times is left out and said so. Names that a program makes up anew each time
//! (temporary files) are counted by their directory, when there are several of them that differ by nothing else.

use std::collections::BTreeMap;

use scupper_model::{MOST_CHANGES, MemoryChange, MemoryKind, ResourceChange, ResourceKind};
use scupper_probe::holdings::{Held, Holdings, Part, Table, collapsed};

/// From so many names on that came or went in one place they are counted together.
const MANY_NAMES: usize = 5;
/// A change of bytes alone is told from here on; it weighs as much as one more of a thing.
const BYTES: u64 = 1 << 20;

/// What changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Memory, kind by kind.
    pub memory: Vec<MemoryChange>,
    /// Everything else that is not what it was, what changed most first.
    pub resources: Vec<ResourceChange>,
    /// Changes beyond those.
    pub more: u32,
    /// What cannot be compared, and why.
    pub unread: Vec<String>,
}

/// Compares two readings.
pub fn compare(before: &Holdings, after: &Holdings) -> Changes {
    let (mut earlier, mut later) = (comparable(before, after), comparable(after, before));
    for kind_and_place in crowded(&earlier, &later) {
        for table in [&mut earlier, &mut later] {
            gather(table, &kind_and_place);
        }
    }
    let mut resources: Vec<ResourceChange> = Vec::new();
    for (kind, what) in earlier.keys().chain(later.keys().filter(|key| !earlier.contains_key(*key))) {
        let key = (*kind, what.clone());
        let (then, now) = (earlier.get(&key).copied(), later.get(&key).copied());
        // What was not there had no bytes, where what is there now has.
        let bytes = |held: Option<Held>, other: Option<Held>| match held {
            Some(held) => held.bytes,
            None => other.and_then(|other| other.bytes).map(|_| 0),
        };
        let change = ResourceChange {
            kind: key.0,
            what: key.1,
            before: then.map_or(0, |held| held.count),
            after: now.map_or(0, |held| held.count),
            bytes_before: bytes(then, now),
            bytes: bytes(now, then),
        };
        if weight(&change) > 0 {
            resources.push(change);
        }
    }
    resources
        .sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| (a.kind, &a.what).cmp(&(b.kind, &b.what))));
    let more = u32::try_from(resources.len().saturating_sub(MOST_CHANGES)).unwrap_or(u32::MAX);
    resources.truncate(MOST_CHANGES);
    Changes { memory: memory(before, after), resources, more, unread: unread(before, after) }
}

/// How much of a change it is.
fn weight(change: &ResourceChange) -> u64 {
    let bytes = change.bytes_before.zip(change.bytes).map_or(0, |(then, now)| now.abs_diff(then));
    change.after.abs_diff(change.before).saturating_add(bytes / BYTES)
}

/// What of one reading can be compared with the other.
fn comparable(one: &Holdings, other: &Holdings) -> Table {
    let mut table = Table::new();
    let sockets = one.has(Part::Sockets) && other.has(Part::Sockets);
    for ((kind, what), held) in &one.table {
        if !one.has(Part::of(*kind)) || !other.has(Part::of(*kind)) {
            continue;
        }
        let as_one = *kind == ResourceKind::Socket && !sockets;
        put(&mut table, (*kind, if as_one { "socket".to_owned() } else { what.clone() }), *held);
    }
    table
}

fn put(table: &mut Table, key: (ResourceKind, String), held: Held) {
    let sum = table.entry(key).or_insert(Held { count: 0, bytes: held.bytes.map(|_| 0) });
    sum.count = sum.count.saturating_add(held.count);
    sum.bytes = sum.bytes.zip(held.bytes).map(|(sum, more)| sum.saturating_add(more));
}

/// Places with many names that came or went, and those that one of the two counts as a place already.
fn crowded(earlier: &Table, later: &Table) -> Vec<(ResourceKind, String)> {
    let mut changed: BTreeMap<(ResourceKind, String), usize> = BTreeMap::new();
    for (key, held) in earlier.iter().chain(later) {
        let (kind, what) = key;
        let place = collapsed(*kind, what);
        let one_sided = earlier.contains_key(key) != later.contains_key(key);
        // A thread or a descriptor of the kernel has a name that somebody gave it.
        let made_up = matches!(
            kind,
            ResourceKind::File | ResourceKind::DeletedFile | ResourceKind::Child | ResourceKind::Zombie
        );
        let is_place = *what == place && (made_up || *kind == ResourceKind::Socket);
        if is_place {
            changed.insert((*kind, place), MANY_NAMES);
        } else if made_up && one_sided && held.count <= 3 {
            *changed.entry((*kind, place)).or_insert(0) += 1;
        }
    }
    changed.into_iter().filter(|(_, count)| *count >= MANY_NAMES).map(|(place, _)| place).collect()
}

/// Counts all of one place together.
fn gather(table: &mut Table, (kind, place): &(ResourceKind, String)) {
    let (of_it, others): (Table, Table) = std::mem::take(table)
        .into_iter()
        .partition(|((known, what), _)| known == kind && collapsed(*known, what) == *place);
    *table = others;
    for held in of_it.into_values() {
        put(table, (*kind, place.clone()), held);
    }
}

fn memory(before: &Holdings, after: &Holdings) -> Vec<MemoryChange> {
    // What remains where it could not be read whole is counted in another way: it does not compare with what was.
    let comparable = before.has(Part::Memory) == after.has(Part::Memory);
    let of = |holdings: &Holdings, kind| {
        holdings.memory.get(&kind).copied().filter(|_| comparable || holdings.has(Part::Memory))
    };
    MemoryKind::ALL
        .into_iter()
        .map(|kind| MemoryChange { kind, before: of(before, kind), after: of(after, kind) })
        .filter(|change| change.before.is_some() || change.after.is_some())
        .collect()
}

fn unread(before: &Holdings, after: &Holdings) -> Vec<String> {
    let told = |holdings: &Holdings, when: &str| {
        let unread = holdings.unread.iter();
        unread.map(|(part, why)| format!("{} at the {when} look: {why}", part.name())).collect::<Vec<_>>()
    };
    let mut all = told(before, "first");
    all.extend(told(after, "second"));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(things: &[(ResourceKind, &str, u64)]) -> Holdings {
        let mut holdings = Holdings::default();
        for (kind, what, count) in things {
            for _ in 0..*count {
                holdings.add(*kind, (*what).to_owned(), None);
            }
        }
        holdings
    }

    fn told(changes: &Changes) -> Vec<(&str, u64, u64)> {
        changes.resources.iter().map(|change| (change.what.as_str(), change.before, change.after)).collect()
    }

    #[test]
    fn what_changed_most_comes_first_and_what_did_not_is_left_out() {
        use ResourceKind::{File, Pipe, Socket, Thread};
        let before = holding(&[(File, "/a", 3), (Pipe, "pipe", 2), (Thread, "x", 1), (Socket, "tcp", 4)]);
        let after = holding(&[(File, "/a", 3), (Pipe, "pipe", 4), (Thread, "x", 90), (Socket, "tcp", 1)]);
        let changes = compare(&before, &after);
        assert_eq!(told(&changes), [("x", 1, 90), ("tcp", 4, 1), ("pipe", 2, 4)]);
        assert_eq!((changes.more, changes.unread.len()), (0, 0));
    }

    #[test]
    fn names_that_are_made_up_anew_are_counted_by_their_directory() {
        use ResourceKind::File;
        let letters: Vec<String> = ('a'..='t').map(|c| format!("/tmp/tmp{c}{c}")).collect();
        let some: Vec<_> = letters.iter().take(3).map(|name| (File, name.as_str(), 1)).collect();
        let many: Vec<_> = letters.iter().skip(1).map(|name| (File, name.as_str(), 1)).collect();
        let changes = compare(&holding(&some), &holding(&many));
        assert_eq!(told(&changes), [("/tmp/*", 3, 19)]);
        // One side was so many that it had been counted so already.
        let crowd = holding(&[(File, "/tmp/*", 700)]);
        assert_eq!(told(&compare(&holding(&some), &crowd)), [("/tmp/*", 3, 700)]);
    }

    #[test]
    fn what_was_not_read_whole_is_said_and_not_compared() {
        use ResourceKind::{File, Socket, Thread};
        let before = holding(&[(File, "/a", 3), (Thread, "x", 1), (Socket, "tcp ESTABLISHED", 2)]);
        let mut after = holding(&[(Thread, "x", 3), (Socket, "socket", 5)]);
        after.not_read(Part::Sockets, "too many");
        assert_eq!(told(&compare(&before, &after)), [("socket", 2, 5), ("/a", 3, 0), ("x", 1, 3)]);
        after.not_read(Part::Descriptors, "not allowed");
        let changes = compare(&before, &after);
        assert_eq!(told(&changes), [("x", 1, 3)]);
        assert_eq!(
            changes.unread,
            ["sockets by state at the second look: too many", "descriptors at the second look: not allowed"]
        );
    }

    #[test]
    fn bytes_count_where_they_are_known_on_both_sides() {
        let child = |bytes: Option<u64>| {
            let mut holdings = Holdings::default();
            holdings.add(ResourceKind::Child, "chrome --type=renderer".to_owned(), bytes);
            holdings
        };
        let changes = compare(&child(Some(10 << 20)), &child(Some(500 << 20)));
        let change = &changes.resources[0];
        assert_eq!((change.before, change.after), (1, 1));
        assert_eq!((change.bytes_before, change.bytes), (Some(10 << 20), Some(500 << 20)));
        assert_eq!(compare(&child(None), &child(Some(500 << 20))).resources, []);
        let new = compare(&Holdings::default(), &child(Some(1 << 20)));
        assert_eq!((new.resources[0].bytes_before, new.resources[0].bytes), (Some(0), Some(1 << 20)));
    }

    #[test]
    fn many_changes_are_cut_and_counted() {
        let names: Vec<String> = (0..40_u8).map(|n| format!("{}", char::from(b'A' + n))).collect();
        let threads: Vec<_> = names.iter().map(|name| (ResourceKind::Thread, name.as_str(), 1)).collect();
        let changes = compare(&Holdings::default(), &holding(&threads));
        assert_eq!((changes.resources.len(), changes.more), (MOST_CHANGES, 40 - 24));
    }

    #[test]
    fn memory_that_is_unknown_stays_unknown() {
        let (mut before, mut after) = (Holdings::default(), Holdings::default());
        before.memory.insert(MemoryKind::Heap, 1);
        after.memory.insert(MemoryKind::File, 2);
        let seen: Vec<_> =
            compare(&before, &after).memory.iter().map(|m| (m.kind, m.before, m.after)).collect();
        assert_eq!(seen, [(MemoryKind::Heap, Some(1), None), (MemoryKind::File, None, Some(2))]);
        // Read whole at one time, and only in sum at the other.
        before.memory.insert(MemoryKind::File, 9);
        after.not_read(Part::Memory, "too many mappings");
        let seen: Vec<_> =
            compare(&before, &after).memory.iter().map(|m| (m.kind, m.before, m.after)).collect();
        assert_eq!(seen, [(MemoryKind::Heap, Some(1), None), (MemoryKind::File, Some(9), None)]);
        before.not_read(Part::Memory, "too many mappings");
        let file = compare(&before, &after).memory[1];
        assert_eq!((file.kind, file.before, file.after), (MemoryKind::File, Some(9), Some(2)));
    }
}
