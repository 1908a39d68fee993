//! `scupper run` on real processes: what it owns, what it leaves alone, and that nothing is left behind.
//!
//! Every test has its own runtime and state directory and its own unit name; survivors are found by the mark in their
//! environment and by the pids that the workload wrote down, never by name. Waits are for conditions, with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    clippy::similar_names,
    reason = "tests"
)]

mod agent;
mod bounded;
mod config;
mod death;
mod ending;
mod evidence;
mod helpers;
mod identity;
mod keep;
mod leaks;
mod limits;
mod limits_asked;
mod limits_tree;
mod own;
mod programs;
mod recorded;
mod scene;
mod secrets;
mod soak;
mod stdio;
mod systemd;
mod terminal;
mod unprivileged;
mod workload;
