//! One unit as a pure state machine: inputs and a time in, effects out. It knows no clock, no process and no file, so
//! its whole life can be played by hand (`tests/machine.rs` plays thousands of random ones).
//!
//! The policy, in one place:
//!
//! * **Soft means drain.** The culprit gets what drains it: a prefork worker its recipe's signal, one at a time and
//!   with spacing; a helper TERM, alone; otherwise the whole unit TERM, and it is started again. What has not ended
//!   within the grace is killed.
//! * **Hard means KILL at once**, and stays armed during every drain. A process that was killed no longer counts, so
//!   that one leak never costs two processes.
//! * **A leak is a soft limit ahead of time**, where that was asked for: whoever leaks is replaced in a quiet moment, and at
//!   the latest well before the limit that is forecast.
//! * **One decision, one signal.** A target of a drain is signalled once; only the end of its grace or the hard limit
//!   escalates, once.
//! * **Nothing owned survives `Stopped`.** After the main process, what is left of the tree gets TERM, a shorter grace,
//!   and KILL, until a look finds nobody.
//! * **No storm.** Every start after the first asks a budget of its cause.

mod bounds;
mod budget;
mod culprit;
mod history;
mod idle;
mod look;
mod machine;
pub mod pace;
mod quiet;
mod targets;

pub use bounds::{Bound, Bounds, contradiction};
pub use budget::{Budget, BudgetPlan, Cause, Grant};
pub use culprit::Action;
pub(crate) use culprit::culprit;
pub(crate) use history::{History, SETTLED};
pub use idle::{Activity, Idle};
pub use look::{Leak, Look, Role, Seen};
pub(crate) use machine::REARM_SHARE;
pub use machine::{Ask, ENDED_BY_ITSELF, Effect, Input, LEFTOVER_GRACE, Settings, Unit};
pub use targets::WORKER_SPACING;
