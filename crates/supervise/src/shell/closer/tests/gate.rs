//! Looks that hang until somebody lets them go on.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::shell::closer::Closer;
use crate::shell::closer::reading::look_closer;

/// The gate of tests that lie elsewhere.
pub(in crate::shell) static GATE: Gate = Gate::new();

/// Where looks of a test hang, until it is opened.
pub(in crate::shell) struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(false), Condvar::new())
    }

    pub(super) fn pass(&self) {
        let mut open = self.0.lock().unwrap();
        while !*open {
            open = self.1.wait(open).unwrap();
        }
    }

    pub(in crate::shell) fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

impl Closer {
    /// From now on its looks end only when the gate is opened.
    pub(in crate::shell) fn look_behind_the_gate(&mut self) {
        // A machine that is busy with other tests may let it wait.
        (self.works.slow, self.works.given_up) = (Duration::from_mins(1), Duration::from_mins(1));
        self.works.looker = |target, children, more| {
            GATE.pass();
            look_closer(target, children, more)
        };
    }
}
