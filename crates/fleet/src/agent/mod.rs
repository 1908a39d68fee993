//! The side of an agent: it beats, fences itself, and leaves.
//!
//! - `machine.rs`: what it does, pure: time and answers in, calls and news out.
//! - `times.rs`: the times it goes by.

pub mod machine;
mod times;

pub use times::{InvalidTimes, LONGEST_TTL, SHORTEST_TTL, times};
