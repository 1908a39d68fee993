//! One unit: a pure state machine, and the shell that spawns, signals and waits.

#![forbid(unsafe_code)]

pub mod control;
pub mod knowledge;
pub mod record;
