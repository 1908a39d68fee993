//! What was done and what was not: for the result, the exit code and the last event.

use scupper_model::{Bytes, Identity};
use scupper_orphan::{Outcome, Target};

use super::act::Acted;
use super::view::One;

/// A process that is not signalled, and why.
pub(super) struct Skipped {
    pub identity: Identity,
    pub name: String,
    pub because: String,
}

/// What was done, and what was not.
#[derive(Default)]
pub(super) struct Done {
    pub acted: Acted,
    pub skipped: Vec<Skipped>,
    /// Memory of those that ended.
    pub freed: Bytes,
    /// Why nothing was done by itself.
    pub brake: Option<String>,
}

impl Done {
    pub(super) fn skip(&mut self, one: &One<'_>, because: &str) {
        let name = one.process.name.clone();
        self.skipped.push(Skipped { identity: one.identity(), name, because: because.to_owned() });
    }

    pub(super) fn skip_all(&mut self, targets: &[Target], because: &str) {
        for target in targets {
            self.skip(&One::from(target), because);
        }
    }

    /// Who ended, and whether it took a KILL.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&Identity, &str, bool)> {
        self.acted.reaped.iter().filter_map(|one| match one.outcome {
            Outcome::Ended => Some((&one.identity, one.name.as_str(), false)),
            Outcome::Forced => Some((&one.identity, one.name.as_str(), true)),
            Outcome::GoneBefore | Outcome::StillThere | Outcome::Refused(_) => None,
        })
    }

    /// Who is still there, and why.
    pub(super) fn left(&self) -> impl Iterator<Item = (&Identity, &str, &str)> {
        let hangs = if self.acted.interrupted {
            "interrupted"
        } else {
            "it is there after KILL: it hangs in the kernel"
        };
        self.acted.reaped.iter().filter_map(move |one| match &one.outcome {
            Outcome::StillThere => Some((&one.identity, one.name.as_str(), hangs)),
            Outcome::Refused(why) => Some((&one.identity, one.name.as_str(), why.as_str())),
            Outcome::GoneBefore | Outcome::Ended | Outcome::Forced => None,
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.skipped.is_empty() && self.brake.is_none() && self.left().next().is_none()
    }
}
