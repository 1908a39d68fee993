//! What the kernel has to be asked before a dead pipe counts.
//!
//! A look at everybody's descriptors does not show those of other users to somebody who is not root, nor what is outside
//! of a container. The kernel knows whether a pipe has a writer or a reader at all, whoever that is. It is asked only
//! about those few pipes on which something depends, and answers go into [`Known::pipes`](crate::Known::pipes).

use scupper_model::{Identity, ProcessState};
use scupper_probe::snapshot::{End, Snapshot};

use crate::known::{PipeAnswer, Settings};
use crate::lineage::{Lineage, Parenthood};

/// A standard descriptor of a process that is open on a pipe at whose other end nobody was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The process.
    pub identity: Identity,
    /// 0: does the pipe have a writer? 1 and 2: does it have a reader?
    pub descriptor: u8,
    /// The inode of the pipe.
    pub pipe: u64,
}

impl Question {
    /// An answer of the kernel, as [`Known::pipes`](crate::Known::pipes) wants it.
    pub fn answered(&self, somebody: Option<bool>, earlier: PipeAnswer) -> PipeAnswer {
        match self.descriptor {
            0 => PipeAnswer { has_writer: somebody, ..earlier },
            _ => PipeAnswer { has_reader: somebody, ..earlier },
        }
    }
}

/// What to ask the kernel: of processes whose parent is or may be gone, and of old ones that a living parent may have
/// given up.
pub fn questions(snapshot: &Snapshot, settings: &Settings) -> Vec<Question> {
    let lineage = Lineage::new(snapshot);
    let gone = |index| matches!(lineage.parenthood(index), Parenthood::Gone { .. });
    let mut questions = Vec::new();
    for (index, process) in snapshot.processes.iter().enumerate() {
        let Some(descriptors) = &process.descriptors else { continue };
        if process.state == ProcessState::Zombie || process.age < settings.min_age {
            continue;
        }
        let given_up = match lineage.parenthood(index) {
            Parenthood::Gone { .. } | Parenthood::Perhaps(_) => true,
            Parenthood::Lives => process.age >= settings.idle_after,
            Parenthood::Outside | Parenthood::Unclear => false,
        };
        if !given_up {
            continue;
        }
        for (descriptor, end) in (0_u8..).zip(&descriptors.stdio) {
            let End::Pipe(pipe) = *end else { continue };
            let holders = snapshot.pipes.get(&pipe);
            let far = match descriptor {
                0 => holders.map(|holders| &holders.writers),
                _ => holders.map(|holders| &holders.readers),
            };
            // One that may have been left behind as well may turn out not to count.
            let outside = |pid| {
                lineage.find(pid).is_none_or(|holder| !lineage.is_within(holder, index) && !gone(holder))
            };
            if !far.into_iter().flatten().any(|&pid| outside(pid)) {
                questions.push(Question { identity: process.identity, descriptor, pipe });
            }
        }
    }
    questions
}
