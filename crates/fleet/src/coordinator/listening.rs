//! Objections in time (R114). A coordinator that sweeps every few seconds would mostly come too late for the 100 ms that
//! others have to object to a cleanup. So it listens: the registry tells of a cleanup that begins, and whoever hears that
//! agent objects at once. What is missed the next sweep, or the agent's next heartbeat, says later.
//!
//! Nobody objects for whom it does not hear, and an agent whose process has certainly ended is not kept by what it said before.
//! What cannot be told keeps it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scupper_model::FleetFact;

use super::batch::Batch;
use super::processes::Processes;
use super::run::Stop;
use super::turn::cleaning::{HEARD, is_silent};
use super::turn::telling::chain;
use super::{Facts, Setup};
use crate::store::{Store, StoreError};
use crate::words::{AgentId, AgentView, CLAIMS_LIMIT, HostId};

/// Listens for one coordinator.
pub struct Listening {
    store: Arc<dyn Store>,
    batch: Arc<Batch>,
    processes: Option<Arc<dyn Processes>>,
    facts: Facts,
    host: HostId,
    /// How long to wait before listening again, where it ended.
    away: Duration,
    /// The last trouble that was said.
    said: Mutex<String>,
}

impl Listening {
    pub(super) fn new(
        setup: &Setup,
        store: Arc<dyn Store>,
        batch: Arc<Batch>,
        processes: Option<Arc<dyn Processes>>,
        facts: Facts,
    ) -> Self {
        let (host, away) = (setup.host.clone(), setup.timing.tick);
        Self { store, batch, processes, facts, host, away, said: Mutex::default() }
    }

    /// Listens until it is to end: the whole life of one thread. It may go on for some seconds after it was told, and nobody
    /// has to wait for it.
    pub fn run(&self, stop: &Stop) {
        loop {
            let over = || stop.is_stopped();
            match self.store.listen(&over, &mut |id| self.begun(id)) {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => self.trouble(&error),
            }
            if stop.wait(self.away) {
                return;
            }
        }
    }

    /// A cleanup begins, of this agent or of anybody: objects to it where the agent is heard here.
    pub fn begun(&self, id: Option<&AgentId>) {
        match id {
            Some(id) if self.batch.hears(id, None) => self.look_at(id),
            Some(_) => {}
            None if self.batch.agents() == 0 => {}
            None => match self.store.claims(None, CLAIMS_LIMIT) {
                Ok(page) => {
                    for claim in page.entries {
                        if is_silent(claim.reason) && self.batch.hears(&claim.id, None) {
                            self.look_at(&claim.id);
                        }
                    }
                }
                Err(error) => self.trouble(&error),
            },
        }
    }

    fn look_at(&self, id: &AgentId) {
        let lives = match self.store.agent(id) {
            // Somebody else may have had the name since.
            Ok(Some(about)) => self.batch.hears(id, about.epoch) && !self.is_gone(&about),
            Ok(None) => false,
            Err(error) => {
                self.trouble(&error);
                true
            }
        };
        if !lives {
            return;
        }
        match self.batch.object(id, HEARD) {
            Ok(true) => {
                (self.facts)(FleetFact::CleanupObjected { agent: id.to_string(), message: HEARD.to_owned() });
            }
            Ok(false) => {}
            Err(error) => self.trouble(&error),
        }
    }

    fn is_gone(&self, about: &AgentView) -> bool {
        let (Some(processes), Some(process)) = (&self.processes, &about.process) else { return false };
        let identity = process.identity.as_ref().filter(|_| process.host == self.host);
        identity.is_some_and(|identity| processes.is_gone(identity))
    }

    /// An outage is told by whoever sweeps.
    fn trouble(&self, error: &StoreError) {
        if error.is_outage() {
            return;
        }
        let text = chain(error);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != text {
            said.clone_from(&text);
            (self.facts)(FleetFact::RegistryTrouble { count: 1, lines: vec![text] });
        }
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("host", &self.host).finish_non_exhaustive()
    }
}
