//! Whoever follows the one unit of an engine from its start to its end: a soak.

use std::time::Duration;

use scupper_model::{Event, EventKind};

use crate::soak::Wish;
use crate::unit::Look;

/// Follows a unit, and may end it. What it does must not block.
pub trait Observer {
    /// Time between two whole looks at the running unit.
    fn every(&self) -> Duration;
    /// How many operations of the unit were counted until now, where somebody counts them.
    fn operations(&mut self) -> Option<u64> {
        None
    }
    /// The running unit was looked at, so long after its start.
    fn look(&mut self, age: Duration, look: &Look) -> Wish;
    /// Something happened to it.
    fn event(&mut self, event: &Event);
    /// It is over: what is to be recorded of it, and the exit code in place of the command's.
    fn finish(&mut self) -> (Vec<EventKind>, i32);
}
