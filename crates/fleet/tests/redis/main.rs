//! The Redis store, each test on a redis-server of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "../common/listening.rs"]
mod listening;
#[path = "../common/redis_server.rs"]
mod redis_server;
#[path = "../conformance/suite/mod.rs"]
#[macro_use]
mod suite;

mod bad;
mod fixture;
mod hearing;
mod seed;
mod servers;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use redis_server::{Port, RedisServer};

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

/// The test starts itself once more, and kills that while it has a server.
#[test]
fn a_server_ends_with_a_test_that_is_killed() {
    const TOLD: &str = "SCUPPER_TEST_TELLS_OF_ITS_SERVER_IN";
    if let Some(told) = std::env::var_os(TOLD) {
        let server = RedisServer::start();
        std::fs::write(told, format!("{}\n{}\n", server.pid(), server.dir().display())).unwrap();
        // Until it is killed, or nobody is there who could.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let told = home.path().join("told");
    let mut test = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_ends_with_a_test_that_is_killed", "--nocapture"])
        .env(TOLD, &told)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let said = fixture::until("a server", || {
        std::fs::read_to_string(&told).ok().filter(|said| said.lines().count() == 2)
    });
    let lines: Vec<_> = said.lines().collect();
    let [process, dir] = [Path::new("/proc").join(lines[0]), lines[1].into()];
    assert!(process.exists() && dir.exists());
    test.kill().unwrap();
    test.wait().unwrap();
    fixture::until("the end of its server", || (!process.exists() && !dir.exists()).then_some(()));
}

#[test]
fn a_port_is_one_tests_alone_until_it_is_dropped() {
    let ports: Vec<Port> = (0..20).map(|_| Port::take()).collect();
    let numbers: std::collections::BTreeSet<u16> = ports.iter().map(Port::number).collect();
    assert_eq!(numbers.len(), 20);
    let first = ports[0].number();
    let name = SocketAddr::from_abstract_name(format!("scupper-test-port-{first}")).unwrap();
    assert!(UnixListener::bind_addr(&name).is_err(), "it is held");
    drop(ports);
    fixture::until("a port that is free again", || UnixListener::bind_addr(&name).ok());
}
