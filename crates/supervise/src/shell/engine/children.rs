//! Children that are nobody's main process: orphans that were re-parented to us, and members that left their tree.

use std::collections::HashSet;
use std::time::Duration;

use scupper_model::{EventKind, MARK, Pid};

use super::{AUDIT, AUDIT_SHARE, Engine};
use crate::shell::foreign;
use crate::shell::guardian::reap;

impl Engine {
    pub(super) fn child_ended(&mut self) {
        self.adopt_orphans();
        let now = self.clock.now();
        for unit in 0..self.units.len() {
            let mut facts = Vec::new();
            self.units[unit].check_main(now, &self.around, &mut facts);
            self.record(unit, facts);
        }
        self.next_reap.get_or_insert(now);
    }

    /// Waits for zombies that were re-parented to us. By pid, and never for a hook: each child has one reaper.
    pub(super) fn reap_adopted(&mut self) {
        let now = self.clock.now();
        if self.next_reap.is_none_or(|at| at > now) {
            return;
        }
        self.next_reap = None;
        let children =
            self.around.proc.children(self.around.supervisor.pid).ok().flatten().unwrap_or_default();
        let mains = self.mains();
        let hooks = foreign::lock();
        for pid in children {
            if mains.contains(&pid) || hooks.contains(&pid) {
                continue;
            }
            if reap(Some(pid)).is_some() {
                if let Some(unit) = self.units.iter_mut().find(|unit| unit.knows(pid)) {
                    unit.reaped();
                } else if let [only] = self.units.as_mut_slice() {
                    only.reaped();
                }
            }
        }
    }

    pub(super) fn mains(&self) -> HashSet<Pid> {
        self.units.iter().filter_map(|unit| unit.machine.main()).map(|main| main.pid).collect()
    }

    /// Gives orphans that were re-parented to us to the unit they belong to.
    pub(super) fn adopt_orphans(&mut self) {
        let proc = &self.around.proc;
        let mains = self.mains();
        let hooks = foreign::lock();
        for pid in proc.children(self.around.supervisor.pid).ok().flatten().unwrap_or_default() {
            if mains.contains(&pid) || hooks.contains(&pid) {
                continue;
            }
            let owner = self.units.iter().position(|unit| unit.claims(pid, proc));
            // Everything below us was started by a unit; where there is one, it is its.
            let owner = owner.or(if self.units.len() == 1 { Some(0) } else { None });
            if let Some(unit) = owner {
                self.units[unit].adopt(pid);
            }
        }
    }

    /// Searches all of `/proc` for processes that carry a unit's mark and are not below us. Seldom: at most a
    /// 5,000th of the time goes into it.
    pub(super) fn audit(&mut self, now: Duration) {
        let pids = self.around.proc.pids().unwrap_or_default();
        for pid in pids {
            if self.units.iter().any(|unit| unit.knows(pid)) || self.around.untouchable.contains(pid) {
                continue;
            }
            let Ok(Some(mark)) = self.around.proc.environment_value(pid, MARK) else { continue };
            let Some(unit) =
                self.units.iter().position(|unit| unit.run.to_string().as_bytes() == mark.as_slice())
            else {
                continue;
            };
            if foreign::lock().contains(&pid) {
                continue;
            }
            if let Ok(Some(stat)) = self.around.proc.stat(pid) {
                let fact = EventKind::EscapeeFound {
                    target: stat.identity(self.around.proc.boot_id()),
                    name: scupper_model::printable(&stat.name, 32),
                    evidence: format!("{MARK} in its environment"),
                };
                self.units[unit].adopt(pid);
                self.record(unit, vec![fact]);
            }
        }
        let done = self.clock.now();
        self.next_audit = done + AUDIT.max(done.saturating_sub(now) * AUDIT_SHARE);
    }
}
