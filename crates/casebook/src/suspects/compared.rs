//! What a process held at two times: of several such looks the one that says most. One at a process that was ending found nothing
//! of what it had held, and says nothing.

use std::collections::BTreeMap;

use scupper_detect::exact;
use scupper_model::{Comparison, Identity, MemoryKind, ResourceKind, RunId};

use super::lives::Life;
use super::trail::Source;

/// Pieces that two looks have to differ by, to say something by themselves.
pub(super) const LEAST_PIECES: u64 = 5;
/// Growth between two looks, in bytes, that says anything.
pub(super) const LEAST_GROWTH: f64 = 1024.0 * 1024.0;
/// What is counted.
pub(super) const KINDS: [ResourceKind; 8] = [
    ResourceKind::Socket,
    ResourceKind::DeletedFile,
    ResourceKind::Pipe,
    ResourceKind::File,
    ResourceKind::Kernel,
    ResourceKind::Thread,
    ResourceKind::Child,
    ResourceKind::Zombie,
];

/// Two looks, and where they were recorded.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub comparison: Comparison,
    pub life: Life,
    pub source: Source,
}

/// Looks, and the place of the last of them among all.
type Group = (usize, Vec<Look>);

/// All looks at one process in one run.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    looks: Vec<Look>,
    /// Which of them says most of what can be counted.
    pieces: usize,
    /// Which of them says most of memory, where one says anything.
    memory: Option<usize>,
}

impl Compared {
    /// By process and run, those that were looked at last at the end; and how many looks were at a process that was ending.
    pub fn all(looks: Vec<Look>) -> (Vec<Self>, usize) {
        let mut dying = 0;
        let mut groups: BTreeMap<(Option<RunId>, Identity, bool), Group> = BTreeMap::new();
        for (at, look) in looks.into_iter().enumerate() {
            if is_dying(&look.comparison) {
                dying += 1;
                continue;
            }
            let key = (look.life.run, look.comparison.target, look.comparison.tree);
            let group = groups.entry(key).or_default();
            group.0 = at;
            group.1.push(look);
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|(last, _)| *last);
        (groups.into_iter().filter_map(|(_, looks)| Self::of(looks)).collect(), dying)
    }

    fn of(looks: Vec<Look>) -> Option<Self> {
        // Of one that ends part may be gone already: of equals one of a process that lived on.
        let lived = |look: &Look| look.comparison.because != "ended";
        let (pieces, _) = looks.iter().enumerate().max_by_key(|(_, look)| {
            let count = more_of(&look.comparison, &KINDS);
            (has_all_pieces(&look.comparison) && count >= LEAST_PIECES, count, lived(look))
        })?;
        let weight = |look: &Look| {
            Grown::of(&look.comparison).map(|grown| (has_all_memory(&look.comparison), grown.all))
        };
        let memory = looks
            .iter()
            .enumerate()
            .filter_map(|(at, look)| Some((at, weight(look)?, lived(look))))
            .max_by(|(_, a, a_lived), (_, b, b_lived)| {
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a_lived.cmp(b_lived))
            })
            .map(|(at, ..)| at);
        Some(Self { looks, pieces, memory })
    }

    /// The process, and the start in which it was looked at first.
    pub fn whose(&self) -> (Identity, Life) {
        let look = &self.looks[self.pieces];
        (look.comparison.target, look.life)
    }

    /// What says most of what can be counted.
    pub fn pieces(&self) -> &Look {
        &self.looks[self.pieces]
    }

    /// What says most of memory.
    pub fn memory(&self) -> Option<&Look> {
        self.memory.map(|at| &self.looks[at])
    }

    /// A whole look at a process that lived on, after the one that says most, which found at most half as much of a kind.
    pub fn fewer_later(&self, kind: ResourceKind) -> Option<(&Look, u64)> {
        let most = more(&self.pieces().comparison, kind);
        let lived = |look: &&Look| !matches!(look.comparison.because.as_str(), "ended" | "recycled");
        let whole = |look: &&Look| has_all_pieces(&look.comparison);
        let last = self.looks.iter().skip(self.pieces + 1).filter(lived).rfind(whole)?;
        let found = more(&last.comparison, kind);
        (found <= most / 2).then_some((last, found))
    }

    /// Changes that were too many to be recorded.
    pub fn not_recorded(&self) -> u32 {
        self.pieces().comparison.more_changes
    }

    /// What could not be read of those that count.
    pub fn unread(&self) -> impl Iterator<Item = &String> {
        let memory = self.memory.filter(|at| *at != self.pieces).map(|at| &self.looks[at]);
        std::iter::once(self.pieces()).chain(memory).flat_map(|look| &look.comparison.unread)
    }
}

/// Whether all that can be counted was read at both looks. What was not is told by its part: `threads at the second look: ...`.
fn has_all_pieces(comparison: &Comparison) -> bool {
    comparison.unread.iter().all(|why| why.starts_with("memory"))
}

/// Whether its own memory was.
fn has_all_memory(comparison: &Comparison) -> bool {
    comparison.unread.iter().all(|why| !why.starts_with("memory by kind"))
}

/// Whether the second look found a process without any memory: only one that is ending has none.
fn is_dying(comparison: &Comparison) -> bool {
    let known = || comparison.memory.iter().filter_map(|change| Some((change.before?, change.after?)));
    known().any(|(before, _)| before > 0) && known().all(|(_, after)| after == 0)
}

/// How many more there are of a kind.
pub(super) fn more(comparison: &Comparison, kind: ResourceKind) -> u64 {
    let of_kind = comparison.resources.iter().filter(|change| change.kind == kind);
    let (before, after) = of_kind.fold((0_u64, 0_u64), |(before, after), change| {
        (before.saturating_add(change.before), after.saturating_add(change.after))
    });
    after.saturating_sub(before)
}

/// How many more there are of several kinds together.
pub(super) fn more_of(comparison: &Comparison, kinds: &[ResourceKind]) -> u64 {
    kinds.iter().fold(0, |sum: u64, kind| sum.saturating_add(more(comparison, *kind)))
}

/// What memory grew by between two looks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grown {
    /// What grew by kind, most first: swapped pages are with the kind that they left, as far as one shrank.
    pub kinds: Vec<(MemoryKind, f64)>,
    /// What shrank, as a positive number.
    pub shrank: f64,
    /// All of it together: what grew without what shrank.
    pub all: f64,
    /// So much of it went to swap or came back, and of which kind it was is not known.
    pub unsure: f64,
    /// Whether swap is unknown: some of it may have been there before, or may be there still.
    pub without_swap: bool,
}

impl Grown {
    /// `None` where it did not grow enough to say anything.
    pub fn of(comparison: &Comparison) -> Option<Self> {
        let mut kinds: Vec<(MemoryKind, f64)> = comparison
            .memory
            .iter()
            .filter_map(|change| Some((change.kind, exact(change.after?) - exact(change.before?))))
            .collect();
        // Pages of files that the kernel took back were not given back by the program.
        kinds.retain(|(kind, by)| *kind != MemoryKind::File || *by > 0.0);
        let all: f64 = kinds.iter().map(|(_, by)| by).sum();
        let without_swap = kinds.iter().all(|(kind, _)| *kind != MemoryKind::Swap);
        let unsure = fold_swap(&mut kinds);
        let shrank: f64 = -kinds.iter().map(|(_, by)| by.min(0.0)).sum::<f64>();
        kinds.retain(|(_, by)| *by > 0.0);
        kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
        (all >= LEAST_GROWTH && !kinds.is_empty()).then_some(Self {
            kinds,
            shrank,
            all,
            unsure,
            without_swap,
        })
    }

    /// All that grew.
    pub fn gross(&self) -> f64 {
        self.kinds.iter().map(|(_, by)| by).sum()
    }
}

/// Pages that were swapped out are still held. What left a kind that can be swapped, while swap grew, went there; what came back
/// from it grew nothing. Says how much of that is of several kinds, and so of none for certain.
fn fold_swap(kinds: &mut [(MemoryKind, f64)]) -> f64 {
    let Some(swapped) = kinds.iter().find(|(kind, _)| *kind == MemoryKind::Swap).map(|(_, by)| *by) else {
        return 0.0;
    };
    // Pages of files are dropped, not swapped.
    let can = |kind: MemoryKind| !matches!(kind, MemoryKind::Swap | MemoryKind::File);
    let opposite = |by: f64| if swapped > 0.0 { (-by).max(0.0) } else { by.max(0.0) };
    let candidates = || kinds.iter().filter(|(kind, by)| can(*kind) && opposite(*by) > 0.0);
    let others: f64 = candidates().map(|(_, by)| opposite(*by)).sum();
    let several = candidates().count() > 1;
    let moved = swapped.abs().min(others);
    if moved <= 0.0 {
        return 0.0;
    }
    for (kind, by) in kinds.iter_mut() {
        if can(*kind) {
            *by += swapped.signum() * moved * opposite(*by) / others;
        } else if *kind == MemoryKind::Swap {
            *by -= swapped.signum() * moved;
        }
    }
    if several { moved } else { 0.0 }
}
