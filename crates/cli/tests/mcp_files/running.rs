//! A file that was wrapped is used as a client uses it: its command line is started, and the server behind it answers.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{SCUPPER, User};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp_files/server.py");

/// A client with one server.
struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    /// Starts a server as its entry says.
    fn start(user: &User, entry: &Value) -> Self {
        let mut command = Command::new(entry["command"].as_str().unwrap());
        for argument in entry["args"].as_array().unwrap() {
            command.arg(argument.as_str().unwrap());
        }
        user.dress(&mut command);
        for (name, value) in entry["env"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn tell(&mut self, message: &Value) {
        writeln!(self.to.as_ref().unwrap(), "{message}").unwrap();
    }

    fn ask(&mut self, id: u32, method: &str, params: &Value) -> Value {
        self.tell(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(answer["id"], id);
        answer["result"].clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A server whose stdin is closed ends; where the test has failed before, so that nothing stays.
        self.to = None;
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn handshake(client: &mut Client) {
    let asked = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    assert_eq!(client.ask(1, "initialize", &asked)["serverInfo"]["name"], "tiny");
    client.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(client.ask(2, "tools/list", &json!({}))["tools"][0]["name"], "echo");
}

fn parsed(user: &User) -> Value {
    serde_json::from_str(&user.text(".mcp.json")).unwrap()
}

#[test]
fn r119_a_wrapped_server_is_started_by_its_file_and_answers() {
    let user = User::new();
    let notes = user.path("notes.json");
    let arguments = ["--flag", "two words", "--", "\u{fc}"];
    let mut args = vec![json!("-u"), json!(SERVER), json!(notes)];
    args.extend(arguments.map(Value::from));
    let file = json!({"mcpServers": {"tiny": {"command": "python3", "args": args, "env": {"KEY": "k"}}}});
    user.write(".mcp.json", &serde_json::to_string_pretty(&file).unwrap());
    let before = user.text(".mcp.json");

    let wrapped = user.run(&[
        "wrap",
        "--scupper",
        SCUPPER,
        "--grace",
        "1s",
        "--mem-hard",
        "4G",
        ".mcp.json",
        "--write",
    ]);
    assert_eq!(wrapped.code, 0, "{wrapped:?}");
    let entry = &parsed(&user)["mcpServers"]["tiny"];
    assert_eq!((&entry["command"], &entry["args"][0]), (&json!(SCUPPER), &json!("mcp")));

    let mut client = Client::start(&user, entry);
    handshake(&mut client);
    let note: Value = serde_json::from_str(&fs::read_to_string(&notes).unwrap()).unwrap();
    assert_eq!((&note["arguments"], &note["key"]), (&json!(arguments), &json!("k")));
    // The client goes, and so does the server.
    client.to = None;
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
    assert!(!fs::exists(format!("/proc/{}", note["pid"])).unwrap(), "the server is still there");

    assert_eq!(user.run(&["unwrap", ".mcp.json", "--write"]).code, 0);
    assert_eq!(user.text(".mcp.json"), before);
}

/// The note that `wrap` leaves where there was an empty list is taken by `scupper mcp`.
#[test]
fn a_server_without_arguments_is_started_too() {
    let user = User::new();
    let notes = user.path("notes.json");
    user.write("tiny", &format!("#!/bin/sh\nexec python3 -u {SERVER} '{}' \"$@\"\n", notes.display()));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(user.path("tiny"), mode).unwrap();
    for entry in [
        json!({"command": user.path("tiny"), "env": {}}),
        json!({"command": user.path("tiny"), "args": [], "env": {}}),
    ] {
        let file = json!({"mcpServers": {"tiny": entry}}).to_string();
        user.write(".mcp.json", &file);
        let wrapped = user.run(&["wrap", "--scupper", SCUPPER, ".mcp.json", "--write"]);
        assert_eq!(wrapped.code, 0, "{wrapped:?}");
        let mut client = Client::start(&user, &parsed(&user)["mcpServers"]["tiny"]);
        handshake(&mut client);
        let note: Value = serde_json::from_str(&fs::read_to_string(&notes).unwrap()).unwrap();
        assert_eq!(note["arguments"], json!([]));
        drop(client);
        assert_eq!(user.run(&["unwrap", ".mcp.json", "--write"]).code, 0);
        assert_eq!(user.text(".mcp.json"), file);
    }
}
