//! `scupper mcp` (R118, R119): a server and everything it started end with their client, however that ends. Real servers
//! from npm and `PyPI`, driven by the real SDKs; `install-servers.sh` installs what is missing.
//!
//! Every test has its own runtime and state directory. Survivors are found by a mark in their environment and by the
//! pids that were seen while all was well, never by name. Waits are for conditions, with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::format_collect,
    dead_code,
    reason = "tests; not every helper of the scene is needed here"
)]

mod bytes;
mod ending;
mod expiring;
mod idle_cost;
mod play;
#[path = "../run/scene.rs"]
mod scene;
mod servers;
