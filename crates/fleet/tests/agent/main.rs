//! The agent's side: its machine on a clock that is turned by hand, its threads against stores.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod machine;
mod properties;
#[path = "../common/redis_server.rs"]
mod redis_server;
mod registry;
mod threads;
mod zombie;
