//! What the lease of a unit says, and what the unit is shown to it.

use std::time::Duration;

use scupper_model::{Identity, UnitPhase};

use super::Engine;
use crate::shell::lease::{Lease, Order};
use crate::shell::signals::name_of;
use crate::unit::{Ask, ENDED_BY_ITSELF, Input};

/// A lease is shown what has changed at most so often, but for another process or phase.
const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// A departure that takes longer than this is given up, whatever was promised.
const DEPARTS_WITHIN: Duration = Duration::from_secs(20);

/// The lease of the one unit.
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
    /// Carries out what the lease says.
    pub(super) fn obey_lease(&mut self) {
        let Some(leased) = &mut self.leased else { return };
        for order in leased.lease.orders() {
            // The lease is the one unit's; a unit that is over still has facts to record.
            if self.units.is_empty() {
                return;
            }
            match order {
                Order::Record(fact) => self.record(0, vec![*fact]),
                Order::Hold(reason) => {
                    self.drive(0, Input::Ask(Ask::Hold(reason)));
                    if let Some(leased) = &mut self.leased {
                        leased.lease.stopped();
                    }
                }
                Order::Release(reason) => self.drive(0, Input::Ask(Ask::Release(reason))),
                Order::Drain(reason) => self.drive(0, Input::Ask(Ask::Stop(reason))),
                Order::Stop(reason) => {
                    self.units[0].hurry();
                    self.drive(0, Input::Ask(Ask::Stop(reason)));
                }
                Order::End(reason) => self.drive(0, Input::Ask(Ask::End(reason))),
                Order::Left => {
                    if let Some(leased) = &mut self.leased {
                        leased.left = true;
                    }
                }
            }
        }
    }

    /// Shows the lease what the unit is.
    pub(super) fn show_lease(&mut self, now: Duration) {
        let (Some(leased), Some(unit)) = (&mut self.leased, self.units.first_mut()) else { return };
        let seen = (unit.machine.phase(), unit.machine.main());
        if leased.shown == Some(seen) && now < leased.next_shown {
            return;
        }
        leased.shown = Some(seen);
        leased.next_shown = now + SHOWN_EVERY;
        leased.lease.show(&unit.view(now));
    }

    /// Whether a unit that is over may go: its departure is over as well.
    pub(super) fn has_departed(&mut self, unit: usize) -> bool {
        let now = self.clock.now();
        let Some(leased) = &mut self.leased else { return true };
        let Some(by) = leased.leaves_by else {
            leased.leaves_by = Some(now + DEPARTS_WITHIN);
            let unit = &self.units[unit];
            let why = match (unit.stop_reason.as_deref(), unit.exit_code, self.ended_by.take()) {
                (_, _, Some(signal)) => name_of(signal),
                (Some(ENDED_BY_ITSELF) | None, Some(code), _) if code != 0 => {
                    format!("crashed: exit code {code}")
                }
                (reason, ..) => reason.unwrap_or(ENDED_BY_ITSELF).to_owned(),
            };
            leased.lease.leave(&why);
            return false;
        };
        leased.left || now >= by
    }

    /// Whether the unit is over and only its departure is waited for.
    pub(super) fn only_departs(&self) -> bool {
        self.leased.as_ref().is_some_and(|leased| leased.leaves_by.is_some())
    }

    /// Somebody does not want to wait for the departure.
    pub(super) fn depart_now(&mut self) {
        if let Some(leased) = &mut self.leased {
            leased.left = true;
        }
    }
}
