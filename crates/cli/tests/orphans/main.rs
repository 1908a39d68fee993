//! `scan`, `keep`, `reap` and `attach` on real processes: what was left behind is found, what lives is not touched.
//!
//! Nothing here depends on what else runs on the machine: every test looks for the pids that it started itself, and has
//! a runtime and a state directory of its own. Waits are for conditions, with a deadline.

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

mod attach;
mod corpus;
mod keep;
mod machine;
mod reap;
mod scan;
#[path = "../run/scene.rs"]
#[allow(dead_code, reason = "shared with the tests of `run`")]
mod scene;
#[allow(dead_code, reason = "each module uses what it needs")]
mod support;
