//! Coordinators whose lease ended: what becomes of the agents that they beat for. Nobody else cares for these agents by
//! then, and they may not know it.

use std::collections::VecDeque;

use crate::store::{Store, StoreError};
use crate::words::{CoordinatorId, Directive};

/// Agents of one page, and pages that are read.
const PAGE: usize = 500;
const MOST_PAGES: usize = 2_000;
/// Lost coordinators that are remembered until something is done about them.
const MOST_REMEMBERED: usize = 1_000;

/// What is done about a lost coordinator's agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// Another coordinator's they are: whoever was told of the loss.
    #[default]
    Adopt,
    /// They are asked to finish what they work on, and to leave.
    Drain,
    /// They are asked to leave at once.
    Stop,
}

impl OnLost {
    /// The word, as it is written on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Drain => "drain",
            Self::Stop => "stop",
        }
    }
}

/// Those about whom something is still to be done. A sweep tells of each once, to one coordinator: it must not be forgotten
/// because the registry went away in between.
#[derive(Debug, Default)]
pub(super) struct Losses(VecDeque<CoordinatorId>);

impl Losses {
    pub(super) fn add(&mut self, lost: impl IntoIterator<Item = CoordinatorId>) {
        for one in lost {
            if self.0.len() < MOST_REMEMBERED && !self.0.contains(&one) {
                self.0.push_back(one);
            }
        }
    }

    pub(super) fn first(&self) -> Option<&CoordinatorId> {
        self.0.front()
    }

    pub(super) fn done(&mut self) {
        self.0.pop_front();
    }
}

/// Does it for one. Gives how many agents it was about.
pub(super) fn settle(
    store: &dyn Store,
    lost: &CoordinatorId,
    by: &CoordinatorId,
    policy: OnLost,
) -> Result<u64, StoreError> {
    let directive = match policy {
        OnLost::Adopt => return store.adopt(lost, Some(by)),
        OnLost::Drain => Directive::Drain,
        OnLost::Stop => Directive::Stop,
    };
    let mut asked = 0;
    let mut from: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = store.agents(from.as_deref(), PAGE)?;
        for agent in page.entries {
            if agent.coordinator.as_ref() == Some(lost)
                && agent.directive != Some(directive)
                && store.direct(&agent.id, Some(directive))?
            {
                asked += 1;
            }
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    Ok(asked)
}
