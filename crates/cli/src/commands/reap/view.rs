//! A process of a plan as it is shown and written, planned or still to be asked about; and those of one tree together.

use scupper_model::{Bytes, Identity, Pid};
use scupper_orphan::{Certainty, Evidence, LeftBehind, Shown, Target, Why};

/// One process.
#[derive(Clone, Copy, Debug)]
pub(super) struct One<'p> {
    pub process: &'p Shown,
    pub group: &'p str,
    pub root: Pid,
    pub unit: Option<&'p str>,
    /// `None` for one that is held idle.
    pub certainty: Option<Certainty>,
    pub evidence: &'p [Evidence],
    /// Why it counts as idle, where it is held.
    idle: &'p str,
}

impl<'p> From<&'p Target> for One<'p> {
    fn from(target: &'p Target) -> Self {
        let (certainty, evidence, idle) = match &target.why {
            Why::LeftBehind { certainty, evidence } => (Some(*certainty), evidence.as_slice(), ""),
            Why::HeldIdle { reason, .. } => (None, &[][..], reason.as_str()),
        };
        Self {
            process: &target.process,
            group: &target.group,
            root: target.root,
            unit: target.unit.as_deref(),
            certainty,
            evidence,
            idle,
        }
    }
}

impl<'p> From<&'p LeftBehind> for One<'p> {
    fn from(left: &'p LeftBehind) -> Self {
        Self {
            process: &left.process,
            group: &left.group,
            root: left.root,
            unit: left.unit.as_deref(),
            certainty: Some(left.certainty),
            evidence: &left.evidence,
            idle: "",
        }
    }
}

impl One<'_> {
    pub(super) const fn identity(&self) -> Identity {
        self.process.identity
    }

    /// In words, the strongest piece first.
    pub(super) fn because(&self) -> String {
        match self.certainty {
            Some(_) => self.evidence.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("; "),
            None => self.idle.to_owned(),
        }
    }
}

/// Those of one tree together, in the order they come in.
pub(super) fn trees<'p, T>(all: &'p [T]) -> Vec<Vec<One<'p>>>
where
    One<'p>: From<&'p T>,
{
    let mut trees: Vec<Vec<One<'p>>> = Vec::new();
    for one in all.iter().map(One::from) {
        match trees.iter_mut().find(|tree| tree.first().is_some_and(|first| first.root == one.root)) {
            Some(tree) => tree.push(one),
            None => trees.push(vec![one]),
        }
    }
    trees
}

/// Memory of those of which it is known.
pub(super) fn memory<'p>(all: impl IntoIterator<Item = &'p Shown>) -> Bytes {
    let known = all.into_iter().filter_map(|process| process.rss);
    Bytes(known.fold(0, |sum, rss| sum.saturating_add(rss.0)))
}
