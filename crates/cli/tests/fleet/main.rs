//! The fleet with real processes: agents, coordinators, a real Redis where one is needed. Each test starts what it needs
//! in a directory of its own, and ends it by its pid.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::similar_names,
    dead_code,
    reason = "tests; they share what each of them uses only in part"
)]

mod agent;
mod commands;
mod http;
mod metrics;
mod partition;
#[path = "../../../fleet/tests/common/redis_server.rs"]
mod redis_server;
mod registry;
#[path = "../run/scene.rs"]
mod scene;
mod serve;
