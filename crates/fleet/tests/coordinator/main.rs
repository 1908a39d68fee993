//! A coordinator on the memory store, with a clock that is turned by hand and a registry that fails when it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::similar_names,
    clippy::unused_self,
    reason = "tests"
)]

mod faulty;
mod hearing;
mod memory;
mod processes;
mod scene;
mod sweeping;
