//! Cleanups, step by step, and objections to those of agents that are heard here.

use std::time::Duration;

use scupper_model::FleetFact;

use super::super::cleanup::Failed;
use super::telling::chain;
use super::{Coordinator, millis, number};
use crate::store::StoreError;
use crate::words::{CLAIMS_LIMIT, Claim, Process, Reaped, Reason};

/// Why a cleanup is objected to.
pub(in crate::coordinator) const HEARD: &str = "it beats, over its host's coordinator";

impl Coordinator {
    /// Goes on with cleanups until none is due, or a sweep is: that renews this coordinator's own lease.
    pub(super) fn clean_up(&mut self, stopped: &dyn Fn() -> bool) -> Result<(), StoreError> {
        loop {
            let now = self.clock.since_boot();
            let Some(claim) = self.cleanups.due(now) else { return Ok(()) };
            if stopped() || self.pace.sweep_is_due(now) {
                return Ok(());
            }
            // An agent whose host's coordinator hears it is not cleaned up after, and least of all by that one.
            if is_silent(claim.reason) && self.batch.hears(&claim.id, claim.epoch) {
                self.object(&claim)?;
            }
            self.step(&claim)?;
            self.count_cleanups();
        }
    }

    pub(super) fn step(&mut self, claim: &Claim) -> Result<(), StoreError> {
        // Remembered by the registry until somebody on that host has looked, also where that is this one.
        let process =
            claim.process.as_ref().filter(|process| process.identity.is_some() && claim.epoch.is_some());
        let reaped = self.store.reap(claim, process, &self.setup.timing);
        let now = self.clock.since_boot();
        match reaped {
            Ok(Reaped::More { .. }) => self.cleanups.went_on(claim),
            Ok(Reaped::Completed { deleted }) => {
                let took = self.cleanups.over(claim, now);
                self.completed(claim, process, deleted, took);
            }
            Ok(Reaped::Stale) => {
                self.cleanups.over(claim, now);
                self.view.change(|view| view.done.stale += 1);
            }
            Ok(Reaped::Aborted) => {
                self.cleanups.over(claim, now);
                self.view.change(|view| view.done.aborted += 1);
                let message = "it came back, or another coordinator hears it".to_owned();
                self.tell(FleetFact::CleanupAborted { agent: claim.id.to_string(), message });
            }
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => self.step_failed(claim, &error, now),
        }
        Ok(())
    }

    pub(super) fn completed(
        &mut self,
        claim: &Claim,
        process: Option<&Process>,
        deleted: u64,
        took: Duration,
    ) {
        let elsewhere = process.filter(|process| process.host != self.setup.host);
        self.view.change(|view| {
            *view.done.cleaned.entry(claim.reason).or_default() += 1;
            view.done.keys_deleted += deleted;
            view.done.processes_delegated += u64::from(elsewhere.is_some());
        });
        self.tell(FleetFact::CleanupCompleted {
            agent: claim.id.to_string(),
            epoch: claim.epoch.map(|epoch| epoch.0),
            reason: claim.reason.as_str().to_owned(),
            keys_deleted: deleted,
            took_ms: millis(took),
        });
        if let Some(process) = elsewhere {
            self.tell(FleetFact::ProcessDelegated {
                agent: claim.id.to_string(),
                host: process.host.to_string(),
                target: process.identity,
            });
        }
    }

    /// R100: one that fails is said, waits, and is tried again; the others go on.
    pub(super) fn step_failed(&mut self, claim: &Claim, error: &StoreError, now: Duration) {
        let pace = &mut self.pace;
        let (failed, wait) = self.cleanups.failed(claim, now, |attempts| pace.retry_after(attempts));
        let attempts = match failed {
            Failed::Again(attempts) | Failed::GivenUp(attempts) => attempts,
        };
        self.view.change(|view| match failed {
            Failed::Again(_) => view.done.retried += 1,
            Failed::GivenUp(_) => view.done.given_up += 1,
        });
        let mut message = chain(error);
        if matches!(failed, Failed::GivenUp(_)) {
            message.push_str("; left to whoever sweeps when its claim has ended");
        }
        self.tell(FleetFact::CleanupFailed {
            agent: claim.id.to_string(),
            attempts,
            message,
            retry_ms: millis(wait),
        });
    }

    /// Cleanups of agents that beat here: said, so that the next step of whoever does it is aborted.
    pub(super) fn object_where_heard(&mut self) -> Result<(), StoreError> {
        if self.batch.agents() == 0 {
            return Ok(());
        }
        let Some(page) = self.or_trouble("claims", self.store.claims(None, CLAIMS_LIMIT))? else {
            return Ok(());
        };
        for claim in page.entries {
            if !is_silent(claim.reason) || !self.batch.hears(&claim.id, None) {
                continue;
            }
            // Somebody else may have had the name since.
            let Some(about) = self.or_trouble("agent", self.store.agent(&claim.id))? else { continue };
            if about.is_some_and(|about| self.batch.hears(&claim.id, about.epoch)) {
                self.object_to(&claim.id.to_string(), self.batch.object(&claim.id, HEARD))?;
            }
        }
        Ok(())
    }

    pub(super) fn object(&mut self, claim: &Claim) -> Result<(), StoreError> {
        self.object_to(&claim.id.to_string(), self.batch.object(&claim.id, HEARD))
    }

    pub(super) fn object_to(
        &mut self,
        agent: &str,
        objected: Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if self.or_trouble("object", objected)? == Some(true) {
            self.tell(FleetFact::CleanupObjected { agent: agent.to_owned(), message: HEARD.to_owned() });
        }
        Ok(())
    }

    pub(super) fn count_cleanups(&self) {
        let count = number(self.cleanups.len());
        self.view.change(|view| view.cleanups = count);
    }
}

/// Whether an agent is cleaned up after because nobody hears it: only then hearing it says anything.
pub(in crate::coordinator) const fn is_silent(reason: Reason) -> bool {
    matches!(reason, Reason::MissingHeartbeat | Reason::StaleHeartbeat)
}
