//! `plan`, `incident`, `report`, `lint` and `why` with the real binary, and what becomes of a file that they write.
//!
//! Every test has directories of its own (`scene.rs`). Waits are for conditions, with a deadline.

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

mod files;
mod incident;
mod lint;
mod plan;
mod report;
#[path = "../run/scene.rs"]
#[allow(dead_code, reason = "shared with the tests of `run`")]
mod running;
#[allow(dead_code, reason = "each module uses what it needs")]
mod scene;
mod staged;
mod why;
