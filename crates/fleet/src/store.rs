//! The one trait that every store of a registry keeps, and what can go wrong with one.
//!
//! Every call is atomic, and safe to repeat where its answer was lost: a registration by its nonce, a beat and a write by
//! what they say, a reap by its fence. The store's clock decides; no caller's does.

use std::collections::HashMap;
use std::error::Error;

use scupper_model::{Bytes, Timestamp};

use crate::words::{
    AgentId, AgentView, Beat, Beaten, Claim, ClaimView, CoordinatorId, Directive, Event, EventId, Happened,
    HostId, Incarnation, Item, ItemKind, LeakWindow, Leaked, Page, Process, Reaped, Reason, Registered,
    Registration, Status, Sweep, Swept, Timing, Totals, Written,
};

/// Heartbeats of one call.
pub const BEATS_LIMIT: usize = 500;

/// What an agent needs of a registry. Its own processes ask a store, or over HTTP the coordinator of their host.
pub trait Members: Send + Sync {
    /// Makes an agent a member. Sent again with the nonce of the incarnation that lives, it is the same registration: the
    /// answer has the same epoch, the lease is renewed, and its process is the one that was said last (a command that was
    /// only then started, or started again). So is its secret: whoever asked has the token of this answer (another
    /// coordinator's, or one made with a newer key).
    ///
    /// Every other one is decided in this order:
    ///
    /// - While the name is being cleaned up: [`Registered::Busy`], also for a takeover (what is deleted would be the new
    ///   one's). With `earlier`, where it is that one or a newer one that is cleaned up: [`Registered::Dead`].
    /// - With `earlier`: it goes on as that one where the store has provably lost it (`rules::LostEpochs`), and nobody newer
    ///   has the name; who has it with an older epoch is fenced, since he was before the loss. Else [`Registered::Dead`].
    /// - With `takeover`: accepted. Whoever had the name is fenced, and what he kept in the registry is now the successor's.
    /// - While the lease of whoever has the name holds: [`Registered::Taken`].
    /// - Where that lease has ended and nobody has claimed it yet: [`Registered::Busy`]. Only a sweep may claim it, since
    ///   only a sweep knows whether the registry may be believed (outage, brake); the name is free when that is cleaned up.
    ///   Who knows better (his predecessor ran on this host, and is gone) takes over.
    fn register(&self, registration: &Registration) -> Result<Registered, StoreError>;

    /// Renews leases, at most [`BEATS_LIMIT`] in one call.
    fn beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError>;

    /// Writes or takes away something of an agent, unless it is fenced.
    fn put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError>;

    /// Reads something of an agent.
    fn get(&self, id: &AgentId, kind: ItemKind, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// An agent leaves, and everything of it goes. `None` where it was over already; else how many keys were deleted.
    fn depart(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<u64>, StoreError>;
}

/// A registry of agents.
pub trait Store: Members {
    /// Whether it can be used as a registry at all: version, rights, and that it forgets nobody by itself. Asked once, at
    /// the start.
    fn check(&self) -> Result<(), StoreError>;

    /// An agent leaves: claims its own cleanup, which is then done with [`Store::reap`]. `None` where it was over already.
    /// If whoever asked dies half-way a sweep goes on.
    fn leave(&self, who: &Incarnation, why: &str, timing: &Timing) -> Result<Option<Claim>, StoreError>;

    /// Looks for orphans and claims them.
    fn sweep(&self, sweep: &Sweep) -> Result<Swept, StoreError>;

    /// Deletes some of what a claim is about; called until it says that it is done. Whoever asks again with the claim that was
    /// completed, since the answer was lost, hears the same again, as long as the end of the incarnation is remembered. At most 500 keys in one call.
    /// With `delegate`, whoever coordinates that host, maybe the caller, is asked to look at the process
    /// ([`Store::delegated`]): so it is not forgotten where the caller dies. Said as an event where the host is not the one
    /// that the caller of the claiming sweep named.
    fn reap(&self, claim: &Claim, delegate: Option<&Process>, timing: &Timing) -> Result<Reaped, StoreError>;

    /// Objects to a claim of somebody else, because the agent is known to live: the next [`Store::reap`] of it is aborted
    /// and the agent has a fresh lease. `false`, and nothing changes, where nothing of that name is being cleaned up, where
    /// something of it was deleted already (what has lost a part of its state does not live on), and where it left by itself.
    fn object(&self, id: &AgentId, by: &CoordinatorId, why: &str) -> Result<bool, StoreError>;

    /// Tells of cleanups as they begin, long before the next sweep would find them: whose, or `None` where that is to be
    /// asked for ([`Store::claims`]). Some may be missed, so nothing may depend on it. Blocks until `over`, which is asked
    /// every few seconds at least, or until it can tell no more. `false`, at once, where the store never tells.
    fn listen(
        &self,
        _over: &dyn Fn() -> bool,
        _begun: &mut dyn FnMut(Option<&AgentId>),
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Processes of this host that others found to be orphans'; each is given until [`Store::settle`].
    fn delegated(&self, host: &HostId) -> Result<Vec<(Incarnation, Process)>, StoreError>;

    /// One of them has been looked at.
    fn settle(&self, host: &HostId, who: &Incarnation) -> Result<(), StoreError>;

    /// Asks an agent to do something, or no longer; `false` where there is no such agent.
    fn direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError>;

    /// Agents whose coordinator this was now belong to another one, or to themselves. Gives how many.
    fn adopt(&self, from: &CoordinatorId, to: Option<&CoordinatorId>) -> Result<u64, StoreError>;

    /// A coordinator ends on purpose: its lease is over at once, nobody is told that it was lost, and its agents belong to
    /// themselves. What it had claimed is taken on when those leases end.
    fn resign(&self, who: &CoordinatorId) -> Result<(), StoreError>;

    /// What was to be done about a lost coordinator is done: no sweep tells of it any more. One that is back stays.
    fn lost_settled(&self, who: &CoordinatorId) -> Result<(), StoreError>;

    /// Whether the caller may do, until this time is over, what one coordinator does for all (`memory`, `garbage`). Whoever has it
    /// may take it again before it is over, and so keeps it.
    fn take_turn(
        &self,
        what: &str,
        by: &CoordinatorId,
        lease: std::time::Duration,
    ) -> Result<bool, StoreError>;

    /// How far back the fleet's growth is measured: the same for all who use this registry.
    fn leak_window(&self) -> Result<LeakWindow, StoreError>;

    /// Sets it for all. The first one does so; where it is another already, only whoever is alone: while anybody else
    /// coordinates it stays as it is. Gives what it is now. Samples of another window are no samples of this one: growth is
    /// unknown until it has passed.
    fn set_leak_window(&self, window: LeakWindow, by: &CoordinatorId) -> Result<LeakWindow, StoreError>;

    /// What every incarnation took in one period ([`LeakWindow::nth`]), as it was said in heartbeats; 20 periods back.
    fn memory(&self, nth: u64) -> Result<HashMap<Incarnation, Bytes>, StoreError>;

    /// What all members take, and how much those of them have grown that were there a window ago.
    fn totals(&self) -> Result<Totals, StoreError> {
        crate::totals::add_up(self)
    }

    /// Keys that agents written to seed 004 left for ever, and that nobody owns. A search through everything the store
    /// holds: for a person who asks, never for a sweep. A store that is not shared with such agents has none of them; `None`
    /// where it is not looked at what they write.
    fn leaked(&self) -> Result<Option<Leaked>, StoreError> {
        Ok(Some(Leaked::default()))
    }

    /// Deletes those of these that are still nobody's. Gives which.
    fn delete_leaked(&self, _keys: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Records an event and publishes it. What follows from a call is announced by the store itself, in that call
    /// (registration, heartbeat, departure, claim, completion, abort, grace, hold, a lost coordinator, a delegated process,
    /// a directive, a zombie); here is what only a coordinator knows: `OrphansDetected`, `ProcessEnded`, `ProcessLeft`, and
    /// what it thinks of the fleet's memory.
    fn announce(&self, what: &Happened) -> Result<(), StoreError>;

    /// Events, the oldest first; from the first that is kept, or after one.
    fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<(EventId, Event)>, StoreError>;

    /// Agents, in no order that means something; the first part with `None`.
    fn agents(&self, from: Option<&str>, limit: usize) -> Result<Page<AgentView>, StoreError>;

    /// One agent.
    fn agent(&self, id: &AgentId) -> Result<Option<AgentView>, StoreError>;

    /// Cleanups in progress; the first part with `None`.
    fn claims(&self, from: Option<&str>, limit: usize) -> Result<Page<ClaimView>, StoreError>;

    /// The registry in a few numbers.
    fn status(&self) -> Result<Status, StoreError>;

    /// Why an incarnation that is over ended, and when, as long as it is remembered.
    fn epitaph(&self, id: &AgentId) -> Result<Option<(Timestamp, Reason)>, StoreError>;
}

/// Leaves and deletes everything: what [`Members::depart`] is for a store.
pub fn depart<S: Store + ?Sized>(
    store: &S,
    who: &Incarnation,
    why: &str,
    timing: &Timing,
) -> Result<Option<u64>, StoreError> {
    let Some(claim) = store.leave(who, why, timing)? else { return Ok(None) };
    loop {
        match store.reap(&claim, None, timing)? {
            Reaped::More { .. } => {}
            Reaped::Completed { deleted } => return Ok(Some(deleted)),
            Reaped::Stale | Reaped::Aborted => return Ok(None),
        }
    }
}

/// What went wrong with a registry. `url` never shows a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It does not answer. Nothing is known of anybody, and nothing is done about anybody.
    #[error(
        "the registry {url} does not answer while {doing}: is it running, and can it be reached from here?"
    )]
    Unreachable {
        /// Which.
        url: String,
        /// What was tried.
        doing: &'static str,
        /// What was said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It answers, and refuses.
    #[error("the registry {url} refuses {doing}: {advice}")]
    Refused {
        /// Which.
        url: String,
        /// What was tried.
        doing: &'static str,
        /// What can be done about it.
        advice: &'static str,
        /// What was said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It cannot serve as a registry.
    #[error("{url} cannot serve as a registry: {why}")]
    Unfit {
        /// Which.
        url: String,
        /// Why, and what to do.
        why: String,
    },
    /// What it holds is not what was written there.
    #[error("the registry {url} holds something unexpected at {at}: {what}; nothing was done about it")]
    Damaged {
        /// Which.
        url: String,
        /// Where.
        at: String,
        /// What.
        what: String,
    },
    /// The address is none.
    #[error("`{url}` is no registry: {why}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Advice to whoever asks for what no store does; what is wrong with it is the source.
pub(crate) const OUT_OF_BOUNDS: &str = "it is not within a registry's bounds";

/// An error and all of its causes as one text; a cause that says no more than the error itself is left out.
pub(crate) fn said(error: &(dyn Error + 'static)) -> Box<dyn Error + Send + Sync> {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        if line != last {
            text = format!("{text}: {line}");
        }
        (last, next) = (line, cause.source());
    }
    text.into()
}

impl StoreError {
    /// Whether it may answer again by itself: worth another try.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// The same once more, for another one of those who asked together. Its source is the text of the whole chain.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Unreachable { url, doing, source } => {
                Self::Unreachable { url: url.clone(), doing, source: said(source.as_ref()) }
            }
            Self::Refused { url, doing, advice, source } => {
                Self::Refused { url: url.clone(), doing, advice, source: said(source.as_ref()) }
            }
            Self::Unfit { url, why } => Self::Unfit { url: url.clone(), why: why.clone() },
            Self::Damaged { url, at, what } => {
                Self::Damaged { url: url.clone(), at: at.clone(), what: what.clone() }
            }
            Self::Address { url, why } => Self::Address { url: url.clone(), why: why.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn a_cause_that_says_the_same_again_is_left_out() {
        let deepest = Said("Connection refused", None);
        let middle = Said("Connection refused", Some(deepest.into()));
        let outer = Said("no connection", Some(middle.into()));
        assert_eq!(said(&outer).to_string(), "no connection: Connection refused");
        let error = StoreError::Unreachable { url: "u".into(), doing: "sweeping", source: Box::new(outer) };
        let again = error.again();
        assert_eq!(again.source().unwrap().to_string(), "no connection: Connection refused");
        assert!(again.source().unwrap().source().is_none());
        assert!(again.to_string().starts_with("the registry u does not answer while sweeping: "), "{again}");
    }
}
