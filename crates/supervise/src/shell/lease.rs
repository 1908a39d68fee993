//! Whether a unit may act at all, said by somebody outside: its membership in a registry. What supervises knows no
//! registry; it shows what the unit is and carries out what it is told.

use std::os::fd::BorrowedFd;

use scupper_detect::Verdict;
use scupper_model::{Bytes, EventKind, Identity, SignalReason, UnitPhase};

/// Decides whether one unit may act. Nothing of it may block.
pub trait Lease {
    /// Readable while there are orders.
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// What is to be done, in this order.
    fn orders(&mut self) -> Vec<Order>;
    /// What the unit is now.
    fn show(&mut self, view: &View);
    /// The unit stands still, or ends.
    fn stopped(&mut self);
    /// The unit is over: nothing of it acts any more. [`Order::Left`] is the answer, within a bounded time.
    fn leave(&mut self, why: &str);
}

/// What is to be done about a unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Record a fact.
    Record(Box<EventKind>),
    /// Let it stand still, and say so with [`Lease::stopped`].
    Hold(SignalReason),
    /// It may act again.
    Release(SignalReason),
    /// End it with its grace.
    Drain(SignalReason),
    /// End it soon: at most as long as what a command leaves behind is given.
    Stop(SignalReason),
    /// End it at once.
    End(SignalReason),
    /// Its departure is over: nobody has to be waited for.
    Left,
}

/// A unit in the numbers that a fleet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its main process, while there is one.
    pub main: Option<Identity>,
    /// What it is doing.
    pub phase: UnitPhase,
    /// The size of its tree, where it could be read.
    pub rss: Option<Bytes>,
    /// What is thought of its tree.
    pub verdict: Option<Verdict>,
}
