//! R119: every way in which an MCP session ends, with every launcher between. In each the whole tree is gone, launchers
//! included, and neither a record nor a cgroup is left.

use super::play::{Between, Play, Sdk, Server, everything, filesystem, filesystem_program, python_by_uv};
use super::scene::{Scene, kill};

/// One way after the other, with the same client, launchers and server.
fn every_way(sdk: Sdk, between: Between, server: fn(&Scene) -> Server) {
    // The client closes: stdin is seen to hang up, and the server ends by itself with its own code.
    let mut play = Play::begin(sdk, "close", between, server);
    play.expect_nobody();
    assert_eq!(
        play.seen().first().map(String::as_str),
        Some("stdin_closed"),
        "{}",
        play.scene.text("stderr")
    );
    // The SDKs send TERM to whatever takes longer than 2 s to end, as everything may on a busy machine.
    let is_hurried = !play.scene.events_of("signal_received").is_empty();
    assert!(is_hurried || play.exit_code() == 0, "{}", play.scene.text("stderr"));

    // It ends without closing anything.
    let mut play = Play::begin(sdk, "exit", between, server);
    play.expect_nobody();
    assert!(!play.seen().is_empty(), "{}", play.scene.text("stderr"));

    // It is killed.
    let mut play = Play::begin(sdk, "wait", between, server);
    kill(play.pid(), 9);
    play.expect_nobody();
    assert!(!play.seen().is_empty(), "{}", play.scene.text("stderr"));

    // Scupper is told to end, or its terminal hangs up; then each of its two processes is killed.
    for signal in [15, 1] {
        let mut play = Play::begin(sdk, "wait", between, server);
        kill(play.guardian, signal);
        play.expect_nobody();
        assert!(!play.scene.events_of("signal_received").is_empty(), "{}", play.scene.text("stderr"));
    }
    let mut play = Play::begin(sdk, "wait", between, server);
    kill(play.guardian, 9);
    play.expect_nobody();
    let mut play = Play::begin(sdk, "wait", between, server);
    kill(play.engine, 9);
    play.expect_nobody();
}

#[test]
fn heavy_r119_node_client_and_server() {
    every_way(Sdk::TypeScript, Between::Nothing, |scene| filesystem(scene, &["node", &filesystem_program()]));
}

#[test]
fn heavy_r119_node_client_and_everything_server() {
    every_way(Sdk::TypeScript, Between::Nothing, |_| everything());
}

#[test]
fn heavy_r119_npx_starts_the_server() {
    every_way(Sdk::TypeScript, Between::Nothing, |scene| {
        filesystem(scene, &["npx", "--offline", "mcp-server-filesystem"])
    });
}

#[test]
fn heavy_r119_a_shell_starts_the_server() {
    every_way(Sdk::TypeScript, Between::Nothing, |scene| {
        let line = format!("node '{}' \"$0\"; exit $?", filesystem_program());
        filesystem(scene, &["sh", "-c", &line])
    });
}

#[test]
fn heavy_r119_python_client_and_uv_starts_the_server() {
    every_way(Sdk::Python, Between::Nothing, |_| python_by_uv());
}

#[test]
fn heavy_r119_a_shell_starts_scupper() {
    every_way(Sdk::TypeScript, Between::Shell, |scene| filesystem(scene, &["node", &filesystem_program()]));
}

#[test]
fn heavy_r119_timeout_starts_scupper() {
    every_way(Sdk::Python, Between::Timeout, |scene| filesystem(scene, &["node", &filesystem_program()]));
}

#[test]
fn heavy_r119_npx_starts_scupper() {
    every_way(Sdk::TypeScript, Between::Npx, |scene| filesystem(scene, &["node", &filesystem_program()]));
}

#[test]
fn heavy_r119_uv_starts_scupper_and_the_server() {
    every_way(Sdk::TypeScript, Between::Uv, |_| python_by_uv());
}

/// The window is closed: the terminal is gone, and with it the shell, the client and the server.
#[test]
fn heavy_r119_the_terminal_is_closed() {
    let mut play = Play::in_a_terminal(|scene| filesystem(scene, &["node", &filesystem_program()]));
    kill(play.pid(), 9);
    play.expect_nobody();
    let events = play.scene.events();
    assert!(events.iter().any(|event| event["event"] == "unit_stopped"), "{}", play.scene.text("stderr"));
}
