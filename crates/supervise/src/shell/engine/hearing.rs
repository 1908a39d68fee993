//! Signals that arrive, and the ends of guardian and parent.

use scupper_model::{ClientEnd, EventKind, Pid, Profile, SignalReason};

use super::answering::Answering;
use super::{Engine, SAME_SIGNAL};
use crate::shell::signals::{Arrived, asks_to_end, is_hang_up};
use crate::shell::unit::{UnitShell, terminal_is_there};
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
        // To a program that lives for its client, a hang-up is one whoever sends it.
        let hung_up =
            is_hang_up(signal) && (from_terminal || self.terminal_gone() || self.follows_a_client());
        let ends = hung_up || (asks_to_end(signal) && !from_terminal);
        let again = self.stopping && ends;
        self.stopping |= ends;
        if ends {
            self.ended_by.get_or_insert(signal);
        }
        for unit in 0..self.units.len() {
            let shared = to_group && self.units[unit].shares_group(&self.around.proc);
            let fact = EventKind::SignalReceived { signal, sender, sender_name: sender_name.clone() };
            self.record(unit, vec![fact]);
            self.units[unit].handling_signal_of(sender);
            self.drive(unit, Input::Signalled { signal, ends, forward: !shared });
            // An agent that was asked twice is not waited for: neither its work nor its departure.
            if again && self.is_leased(unit) {
                self.drive(unit, Input::Ask(Ask::End(SignalReason::Forwarded)));
                if self.only_departs(unit) {
                    self.depart_now(unit);
                }
            }
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
        // A client that lives and can still talk is what the server is there for: whoever started it in between (a
        // program that put it into the background) has only done its part.
        if self.client.pid().is_some() && self.client.holds_stdin() {
            return;
        }
        let pid = self.around.handover.and_then(|handover| handover.parent).map_or(0, Pid::get);
        let reason = if self.follows_a_client() { SignalReason::ClientGone } else { SignalReason::Stop };
        self.end_all(&EventKind::ParentExited { pid }, reason, false);
    }

    /// Whether there is one unit, which lives for whoever talks to it over its stdin.
    pub(super) fn follows_a_client(&self) -> bool {
        let alone = self.reload.is_none() && self.observer.is_none();
        alone && matches!(self.units.as_slice(), [unit] if unit.spec.profile == Profile::Mcp)
    }

    /// Nobody is at the other end of stdin any more. What was written before may still be answered.
    pub(super) fn stdin_hung_up(&mut self) {
        let pid = self.client.pid().map(Pid::get);
        if !self.client.release_stdin(&self.around.poller) {
            return;
        }
        self.stopping = true;
        for unit in 0..self.units.len() {
            self.record(unit, vec![EventKind::ClientGone { how: ClientEnd::StdinClosed, pid }]);
            self.drive(unit, Input::Ask(Ask::LetEnd(SignalReason::ClientGone)));
        }
        // It has only closed its end: it may wait for answers.
        self.answering = pid.map(|_| Answering::since(self.clock.now()));
    }

    /// Gives a server more time while it answers a client that lives.
    pub(super) fn let_answer(&mut self) {
        let now = self.clock.now();
        let Some(answering) = self.answering.as_mut().filter(|answering| now >= answering.next()) else {
            return;
        };
        if answering.is_over(now) || self.client.pid().is_none() {
            self.answering = None;
            return;
        }
        let done = self.units.first().and_then(|unit| unit.activity(&self.around).ok());
        if !answering.goes_on(now, done) {
            return;
        }
        for unit in 0..self.units.len() {
            self.drive(unit, Input::Ask(Ask::Prolong));
        }
    }

    pub(super) fn client_exited(&mut self) {
        if let Some(pid) = self.client.release_process(&self.around.poller) {
            self.client_gone(ClientEnd::Exited, pid);
        }
    }

    pub(super) fn session_over(&mut self) {
        let Some(leader) = self.client.release_leader(&self.around.poller) else { return };
        // A client that lives on has outlived its session on purpose.
        if self.client.pid().is_none() {
            self.client_gone(ClientEnd::SessionOver, leader);
        }
    }

    fn client_gone(&mut self, how: ClientEnd, pid: Pid) {
        let fact = EventKind::ClientGone { how, pid: Some(pid.get()) };
        self.end_all(&fact, SignalReason::ClientGone, false);
    }

    /// Lets go of stdin when the command that read it has ended for good: who writes to it is told then.
    pub(super) fn release_stdin(&mut self) {
        let over = |unit: &UnitShell| unit.machine.main().is_none() && unit.starts_once();
        if self.client.holds_stdin() && self.units.iter().all(over) {
            self.client.release_stdin(&self.around.poller);
        }
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
