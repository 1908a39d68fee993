//! What each member is to its unit: the service, one of its workers, a helper.

use scupper_knowledge::prefork::{self, Drain, View};
use scupper_knowledge::wrapper;
use scupper_model::Pid;

use super::Tree;
use crate::unit::Role;

impl Tree {
    pub(super) fn assign_roles(&mut self) {
        let preforks = {
            let views: Vec<View<'_>> = self
                .order
                .iter()
                .filter_map(|pid| self.members.get(pid))
                .filter(|m| !m.zombie)
                .map(|m| View { pid: m.identity.pid, parent: m.parent, name: &m.name, command: &m.command })
                .collect();
            prefork::recognise(&views)
        };
        for member in self.members.values_mut() {
            member.role = Role::Helper;
        }
        for pid in self.service_chain() {
            if let Some(member) = self.members.get_mut(&pid) {
                member.role = Role::Main;
            }
        }
        for found in preforks {
            if let Some(master) = self.members.get_mut(&found.master) {
                master.role = Role::Main;
            }
            for pid in found.workers {
                let Some(worker) = self.members.get_mut(&pid) else { continue };
                worker.role = match found.recipe.drain {
                    Drain::Worker { signal } => Role::Worker { signal },
                    Drain::Main { .. } => Role::PoolWorker,
                };
                if worker.generation == 0 {
                    let count = self.generations.entry(found.master).or_insert(0);
                    *count += 1;
                    worker.generation = *count;
                }
            }
        }
    }

    /// The main process, and below a wrapper that does nothing but wait for its only child (`sh -c`, `npx`, `uv run`)
    /// that child too: ending it ends the service.
    fn service_chain(&self) -> Vec<Pid> {
        let mut chain: Vec<Pid> = self.main.into_iter().collect();
        while let Some(last) = chain.last().and_then(|pid| self.members.get(pid)) {
            if chain.len() > 8 || !wrapper::is_wrapper(&last.name, &last.command) {
                break;
            }
            let mut children =
                self.members.values().filter(|m| m.parent == Some(last.identity.pid) && !m.zombie);
            match (children.next(), children.next()) {
                (Some(only), None) => chain.push(only.identity.pid),
                _ => break,
            }
        }
        chain
    }
}
