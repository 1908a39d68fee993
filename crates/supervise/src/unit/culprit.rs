//! Who is acted on when a limit is crossed. The limit counts the tree; what is acted on is the process that grows.

use scupper_model::{Identity, Resource};

use super::look::{Look, Role, Seen};

/// Growth of memory below this (1 MiB) is noise: nobody is blamed for it.
const LEAST_GROWTH: i64 = 1 << 20;

/// The process to act on among those not in `taken`, or `None` where nobody may be ended.
///
/// For memory it is the one that grew most since it was first seen. A process that has grown by less than a 50th of
/// the limit (at least 1 MiB) is nobody's culprit: then `grown_only` decides whether nobody is acted on, or the
/// largest. For counts it is the one that holds most.
///
/// Whoever is younger than a second has grown by nothing yet. To blame the largest of the young, since somebody must have
/// crossed the limit, would end a replacement again and again that needs no more than the one before it did, while whoever
/// takes its room lives on: so the young are blamed only as the others are.
pub fn culprit<'a>(
    look: &'a Look,
    resource: Resource,
    limit: u64,
    taken: &[Identity],
    grown_only: bool,
) -> Option<&'a Seen> {
    let candidates = || look.endable().filter(|p| !taken.contains(&p.identity));
    if resource != Resource::Memory {
        return candidates().max_by_key(|p| p.value(resource));
    }
    let least = i64::try_from(limit / 50).unwrap_or(i64::MAX).max(LEAST_GROWTH);
    let grown = candidates().filter(|p| p.growth >= least).max_by_key(|p| (p.growth, p.rss));
    match grown {
        None if !grown_only => candidates().max_by_key(|p| p.rss),
        found => found,
    }
}

/// What acting on a process means, given what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process gets a signal that drains it; its master replaces it.
    DrainWorker {
        /// The signal.
        signal: i32,
    },
    /// The process and what is below it are ended, alone.
    EndHelper,
    /// The whole unit is drained through its main process and started again.
    RecycleUnit,
}

impl Action {
    /// The gentle way for a role.
    pub const fn for_role(role: Role) -> Self {
        match role {
            Role::Worker { signal } => Self::DrainWorker { signal },
            Role::Helper => Self::EndHelper,
            Role::Main | Role::PoolWorker => Self::RecycleUnit,
        }
    }

    /// The words in events.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::DrainWorker { .. } => "drain worker",
            Self::EndHelper => "end helper",
            Self::RecycleUnit => "recycle unit",
        }
    }
}
