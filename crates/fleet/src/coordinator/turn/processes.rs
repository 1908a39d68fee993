//! Processes of orphans on this host: handed in, and what became of them told.

use scupper_model::FleetFact;

use super::super::processes::{Fate, Looked};
use super::Coordinator;
use crate::store::StoreError;
use crate::words::{Happened, HostId, Incarnation};

impl Coordinator {
    /// Hands in the processes that orphans of this host have left.
    pub(super) fn look_after_processes(&mut self) -> Result<(), StoreError> {
        let Some(processes) = self.processes.clone() else { return Ok(()) };
        let Some(delegated) = self.or_trouble("delegated", self.store.delegated(&self.setup.host))? else {
            return Ok(());
        };
        for (who, process) in delegated {
            // What was said of another host by mistake is nobody's here.
            if process.host == self.setup.host
                && self.under_way.is_new(&who)
                && processes.look_at(&who, &process)
            {
                self.under_way.handed_in(who);
            }
        }
        Ok(())
    }

    /// What became of them. Said to everybody, then settled: whoever dies in between has it looked at again.
    pub(super) fn tell_fates(&mut self) -> Result<(), StoreError> {
        if let Some(processes) = &self.processes {
            self.fates.extend(processes.looked_at());
        }
        while let Some(looked) = self.fates.front().cloned() {
            let host = self.setup.host.clone();
            if let Some(happened) = happened(&looked, &host) {
                self.announce(&happened)?;
            }
            self.or_trouble("settle", self.store.settle(&host, &looked.who))?;
            self.fates.pop_front();
            self.under_way.settled(&looked.who);
            let agent = looked.who.id.to_string();
            match looked.fate {
                Fate::Gone => {}
                Fate::Ended { unit, target, processes, forced } => {
                    self.view.change(|view| view.done.processes_ended += 1);
                    self.tell(FleetFact::ProcessEnded { agent, target, unit, processes, forced });
                }
                Fate::Left { because } => {
                    self.view.change(|view| view.done.processes_left += 1);
                    self.tell(FleetFact::ProcessLeft { agent, target: looked.process.identity, because });
                }
            }
        }
        Ok(())
    }
}

fn happened(looked: &Looked, host: &HostId) -> Option<Happened> {
    let Incarnation { id, .. } = &looked.who;
    match &looked.fate {
        Fate::Gone => None,
        Fate::Ended { target, .. } => {
            Some(Happened::ProcessEnded { agent_id: id.clone(), host: host.clone(), process: *target })
        }
        Fate::Left { because } => {
            Some(Happened::ProcessLeft { agent_id: id.clone(), host: host.clone(), why: because.clone() })
        }
    }
}
