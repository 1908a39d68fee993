//! Signals that arrive, and the ends of guardian and parent.

use scupper_model::{EventKind, Pid, SignalReason};

use super::{Engine, SAME_SIGNAL};
use crate::shell::signals::{Arrived, asks_to_end, is_hang_up};
use crate::shell::unit::terminal_is_there;
use crate::unit::{Ask, Input};

impl Engine {
    pub(super) fn signalled(&mut self, arrived: Arrived, relayed: bool) {
        let now = self.clock.now();
        let Arrived { signal, sender } = arrived;
        self.direct.retain(|(_, at)| now.saturating_sub(*at) < SAME_SIGNAL);
        if relayed && self.direct.iter().any(|(direct, _)| *direct == signal) {
            return;
        }
        // Sent by one of our ancestors to us directly, though nobody knows us: to the whole group, so to the command
        // as well. (A shell's `kill %1`, `timeout`, a CI runner that ends its job.)
        let ancestor = sender.and_then(Pid::new).is_some_and(|pid| self.around.untouchable.contains(pid));
        let to_group = !relayed && (sender.is_none() || ancestor);
        if !relayed && sender.is_some() {
            self.direct.push((signal, now));
        }
        let name = sender.and_then(Pid::new).and_then(|pid| self.around.proc.stat(pid).ok().flatten());
        let sender_name = name.map(|stat| scupper_model::printable(&stat.name, 32));
        if is_hang_up(signal) && self.reload.is_some() && sender.is_some() && !self.terminal_gone() {
            return self.reload_units();
        }
        let from_terminal = sender.is_none();
        let hung_up = is_hang_up(signal) && (from_terminal || self.terminal_gone());
        let ends = hung_up || (asks_to_end(signal) && !from_terminal);
        self.stopping |= ends;
        for unit in 0..self.units.len() {
            let shared = to_group && self.units[unit].shares_group(&self.around.proc);
            let fact = EventKind::SignalReceived { signal, sender, sender_name: sender_name.clone() };
            self.record(unit, vec![fact]);
            self.units[unit].handling_signal_of(sender);
            self.drive(unit, Input::Signalled { signal, ends, forward: !shared });
            self.units[unit].handling_signal_of(None);
        }
    }

    pub(super) fn terminal_gone(&self) -> bool {
        self.had_terminal && !terminal_is_there()
    }

    pub(super) fn guardian_lost(&mut self) {
        let Some(fd) = self.guardian.take() else { return };
        self.around.poller.remove(&fd);
        let pid = self.around.handover.map_or(0, |handover| handover.guardian.get());
        self.end_all(&EventKind::GuardianLost { pid }, SignalReason::SupervisorLost, true);
    }

    pub(super) fn parent_exited(&mut self) {
        let Some(fd) = self.parent.take() else { return };
        self.around.poller.remove(&fd);
        let pid = self.around.handover.and_then(|handover| handover.parent).map_or(0, Pid::get);
        self.end_all(&EventKind::ParentExited { pid }, SignalReason::Stop, false);
    }

    pub(super) fn end_all(&mut self, fact: &EventKind, reason: SignalReason, hurry: bool) {
        self.stopping = true;
        for unit in 0..self.units.len() {
            self.record(unit, vec![fact.clone()]);
            if hurry {
                self.units[unit].hurry();
            }
            self.drive(unit, Input::Ask(Ask::Stop(reason)));
        }
    }
}
