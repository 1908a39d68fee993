//! The side of an agent: it beats, fences itself, and leaves.
//!
//! - `machine.rs`: what it does, pure: time and answers in, calls and news out.
//! - `keeper.rs`: the threads around it; `bell.rs`: what they wait for.
//! - `times.rs`: the times it goes by.
//! - `handle.rs`: an agent for Rust programs, on top of these.

mod bell;
mod handle;
mod keeper;
pub mod machine;
mod times;

pub use handle::{Agent, Builder, Leaving, OnLeaseLost, StartError, State};
pub use keeper::{Keeper, Setup, Told, WriteError};
pub use machine::News;
pub use times::{InvalidTimes, LONGEST_TTL, SHORTEST_TTL, times};

/// The exit code of a process whose incarnation is over: `EX_TEMPFAIL` of sysexits.h, so that a supervisor tries again.
pub const LEASE_LOST: u8 = 75;
