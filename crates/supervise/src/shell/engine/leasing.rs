//! What the leases of units say, and what each is shown of its unit.

use std::time::Duration;

use scupper_model::{Identity, UnitPhase};

use super::{Engine, SuperviseError};
use crate::shell::lease::{Lease, Order};
use crate::shell::poller::Token;
use crate::shell::signals::name_of;
use crate::shell::unit::UnitShell;
use crate::unit::{Ask, ENDED_BY_ITSELF, Input};

/// A lease is shown what has changed at most so often, but for another process or phase.
const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// A departure that takes longer than this is given up, whatever was promised.
const DEPARTS_WITHIN: Duration = Duration::from_secs(20);

/// The lease of one unit.
pub(super) struct Leased {
    pub(super) lease: Box<dyn Lease>,
    shown: Option<(UnitPhase, Option<Identity>)>,
    next_shown: Duration,
    /// Until then its departure is waited for.
    leaves_by: Option<Duration>,
    left: bool,
}

impl Leased {
    pub(super) fn new(lease: Box<dyn Lease>) -> Self {
        Self { lease, shown: None, next_shown: Duration::ZERO, leaves_by: None, left: false }
    }

    /// When its departure is given up.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.leaves_by.filter(|_| !self.left)
    }
}

impl Engine {
    /// The unit that was added last has this lease.
    pub(super) fn lease_to_last(&mut self, lease: Box<dyn Lease>) -> Result<(), SuperviseError> {
        let Some(index) = self.units.last().map(UnitShell::index) else { return Ok(()) };
        let added = self.around.poller.add(lease.descriptor(), Token::Lease(index));
        added.map_err(|source| SuperviseError::Kernel { what: "wait for its lease", source })?;
        self.leased.push((index, Leased::new(lease)));
        Ok(())
    }

    fn lease_of(&mut self, unit: usize) -> Option<&mut Leased> {
        let index = self.units.get(unit)?.index();
        self.leased.iter_mut().find(|(of, _)| *of == index).map(|(_, leased)| leased)
    }

    pub(super) fn is_leased(&mut self, unit: usize) -> bool {
        self.lease_of(unit).is_some()
    }

    /// The unit goes: nobody waits for its lease any more, though somebody else may hold the descriptor.
    pub(super) fn end_lease(&mut self, unit: usize) {
        let Some(index) = self.units.get(unit).map(UnitShell::index) else { return };
        for (_, leased) in self.leased.extract_if(.., |(of, _)| *of == index) {
            self.around.poller.remove(leased.lease.descriptor());
        }
    }

    /// Carries out what the lease of a unit says.
    pub(super) fn obey_lease(&mut self, unit: usize) {
        let Some(leased) = self.lease_of(unit) else { return };
        for order in leased.lease.orders() {
            match order {
                Order::Record(fact) => self.record(unit, vec![*fact]),
                Order::Hold(reason) => {
                    self.drive(unit, Input::Ask(Ask::Hold(reason)));
                    if let Some(leased) = self.lease_of(unit) {
                        leased.lease.stopped();
                    }
                }
                Order::Release(reason) => self.drive(unit, Input::Ask(Ask::Release(reason))),
                Order::Drain(reason) => self.drive(unit, Input::Ask(Ask::Stop(reason))),
                Order::Stop(reason) => {
                    self.units[unit].hurry();
                    self.drive(unit, Input::Ask(Ask::Stop(reason)));
                }
                Order::End(reason) => self.drive(unit, Input::Ask(Ask::End(reason))),
                Order::Left => {
                    if let Some(leased) = self.lease_of(unit) {
                        leased.left = true;
                    }
                }
            }
        }
    }

    /// Shows the lease of a unit what the unit is.
    pub(super) fn show_lease(&mut self, unit: usize, now: Duration) {
        let Some(shell) = self.units.get_mut(unit) else { return };
        let index = shell.index();
        let Some((_, leased)) = self.leased.iter_mut().find(|(of, _)| *of == index) else { return };
        let seen = (shell.machine.phase(), shell.machine.main());
        if leased.shown == Some(seen) && now < leased.next_shown {
            return;
        }
        leased.shown = Some(seen);
        leased.next_shown = now + SHOWN_EVERY;
        leased.lease.show(&shell.view(now));
    }

    /// Whether a unit that is over may go: its departure is over as well.
    pub(super) fn has_departed(&mut self, unit: usize) -> bool {
        let now = self.clock.now();
        let ended_by = self.ended_by;
        let shell = &self.units[unit];
        let why = match (shell.stop_reason.as_deref(), shell.exit_code, ended_by) {
            (_, _, Some(signal)) => name_of(signal),
            (Some(ENDED_BY_ITSELF) | None, Some(code), _) if code != 0 => {
                format!("crashed: exit code {code}")
            }
            (reason, ..) => reason.unwrap_or(ENDED_BY_ITSELF).to_owned(),
        };
        let Some(leased) = self.lease_of(unit) else { return true };
        let Some(by) = leased.leaves_by else {
            leased.leaves_by = Some(now + DEPARTS_WITHIN);
            leased.lease.leave(&why);
            return false;
        };
        leased.left || now >= by
    }

    /// Whether the unit is over and only its departure is waited for.
    pub(super) fn only_departs(&mut self, unit: usize) -> bool {
        self.lease_of(unit).is_some_and(|leased| leased.leaves_by.is_some())
    }

    /// Somebody does not want to wait for the departure.
    pub(super) fn depart_now(&mut self, unit: usize) {
        if let Some(leased) = self.lease_of(unit) {
            leased.left = true;
        }
    }
}
