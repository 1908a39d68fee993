//! What kind of leak it is, where that can be told from outside (R120).
//!
//! A series of helpers, children, zombies or connections names its class by itself. Descriptors are told from sockets by how
//! many of those that came are sockets, where these were counted. Memory names nothing: that of a tree is explained by its
//! processes where their number grew with it and none of those who serve leaks itself. What is left is unknown.

use scupper_detect::Verdict;
use scupper_model::{Class, Watched};

use super::Watch;
use super::line::Line;

/// Of the descriptors that came, this share has to be sockets (or none of them) to be called so, in percent.
const MOST: u64 = 60;
/// Processes that came while the memory of their tree grew, to explain it.
const LEAST_PROCESSES: u64 = 4;

type Lines = [(Watched, Line)];

impl Watch {
    /// The class of a series of the tree.
    pub(super) fn class_in_tree(&self, of: Watched) -> Class {
        let class = class_in(&self.tree, of);
        if class != Class::Unknown || of != Watched::Memory || !grows(&self.tree, of) {
            return class;
        }
        let children = grown(&self.tree, Watched::Children).is_some_and(|more| more >= LEAST_PROCESSES);
        let piles_up = |lines: &Lines| {
            lines.iter().any(|(of, line)| {
                Class::of(*of, line.verdict()) == Class::ChildTree && line.verdict() >= Verdict::Growing
            })
        };
        let somebody =
            piles_up(&self.tree) || self.processes.values().any(|followed| piles_up(&followed.lines));
        let itself = self.processes.values().any(|followed| grows(&followed.lines, Watched::Memory));
        if children && somebody && !itself { Class::ChildTree } else { Class::Unknown }
    }
}

/// The class of one of these series, by the others of the same process or tree.
pub(super) fn class_in(lines: &Lines, of: Watched) -> Class {
    let Some(line) = find(lines, of) else { return Class::Unknown };
    let class = Class::of(of, line.verdict());
    if class != Class::Unknown || of != Watched::Descriptors || !grows(lines, of) {
        return class;
    }
    // Where sockets were not counted, nobody knows which they are.
    let (Some(all), Some(sockets)) = (grown(lines, of), grown(lines, Watched::Sockets)) else { return class };
    if sockets.saturating_mul(100) >= all.saturating_mul(MOST) {
        Class::Sockets
    } else if all.saturating_sub(sockets).saturating_mul(100) >= all.saturating_mul(MOST) {
        Class::Descriptors
    } else {
        Class::Unknown
    }
}

fn find(lines: &Lines, of: Watched) -> Option<&Line> {
    lines.iter().find(|(known, _)| *known == of).map(|(_, line)| line)
}

fn grows(lines: &Lines, of: Watched) -> bool {
    find(lines, of).is_some_and(|line| line.verdict() >= Verdict::Growing)
}

fn grown(lines: &Lines, of: Watched) -> Option<u64> {
    find(lines, of)?.grown()
}
