//! The Redis store, each test on a redis-server of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "../common/redis_server.rs"]
mod redis_server;
#[path = "../conformance/suite/mod.rs"]
#[macro_use]
mod suite;

mod bad;
mod fixture;
mod seed;
mod servers;

use redis_server::RedisServer;

/// What every store promises, with seed 004's keys beside ours.
mod conformance {
    conformance!(crate::fixture::Redis::start);
}

/// The same without them.
mod lean {
    conformance!(crate::fixture::Redis::lean);
}

#[test]
fn a_server_of_a_test_keeps_what_it_saved_and_nothing_else() {
    let mut server = RedisServer::start();
    assert_eq!(server.ask(&["SET", "kept", "1"]), "+OK");
    server.save();
    assert_eq!(server.ask(&["SET", "lost", "1"]), "+OK");
    server.kill();
    server.restart();
    assert_eq!(server.ask(&["MGET", "kept", "lost"]), "1\n$-1");
    let (pid, dir) = (server.pid(), server.dir().to_owned());
    drop(server);
    assert!(!dir.exists() && !std::path::Path::new(&format!("/proc/{pid}")).exists());
}
