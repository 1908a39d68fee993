//! What is said, where, and with which exit code.

use std::fs;

use crate::support::{PLAIN, SCUPPER, User, WRAPPED, put};

#[test]
fn wrap_shows_and_writes_only_when_it_is_told_to() {
    let user = User::new().with(".mcp.json", PLAIN);
    let shown = user.wrap(&[".mcp.json"]);
    assert_eq!(shown.code, 1, "{shown:?}");
    assert_eq!(
        shown.out,
        "--- .mcp.json\n+++ .mcp.json\n@@ -1,6 +1,6 @@\n {\n   \"mcpServers\": {\n\
         -    \"files\": { \"command\": \"npx\", \"args\": [\"-y\", \"files-server\"] },\n\
         +    \"files\": { \"command\": \"scupper\", \"args\": [\"mcp\", \"--\", \"npx\", \"-y\", \"files-server\"] },\n     \
         \"far\": { \"type\": \"http\", \"url\": \"https://example.com/mcp\" }\n   }\n }\n"
    );
    assert!(shown.err.contains("--write"), "{}", shown.err);
    assert_eq!((user.text(".mcp.json"), user.names()), (PLAIN.to_owned(), vec![".mcp.json".to_owned()]));

    let written = user.wrap(&[".mcp.json", "--write"]);
    assert_eq!((written.code, user.text(".mcp.json").as_str()), (0, WRAPPED), "{written:?}");
    assert!(written.out.starts_with(".mcp.json: wrapped files; the file from before is "), "{written:?}");
    assert_eq!(user.text(".mcp.json.scupper-backup"), PLAIN);

    for arguments in [&[".mcp.json"][..], &[".mcp.json", "--write"]] {
        let again = user.wrap(arguments);
        assert_eq!((again.code, again.out.as_str()), (0, ""), "{again:?}");
        assert!(again.err.contains("nothing to wrap (1 of 2 servers in scupper, 1 remote)"), "{again:?}");
    }
}

#[test]
fn unwrap_writes_what_was_and_takes_its_backup_away() {
    let user = User::new().with(".mcp.json", PLAIN);
    assert_eq!(user.wrap(&[".mcp.json", "--write"]).code, 0);
    let shown = user.run(&["unwrap", ".mcp.json"]);
    assert!(shown.code == 1 && shown.out.contains("\n+    \"files\": { \"command\": \"npx\""), "{shown:?}");
    assert_eq!(user.text(".mcp.json"), WRAPPED);
    let written = user.run(&["unwrap", ".mcp.json", "--write"]);
    assert_eq!((written.code, written.out.as_str()), (0, ".mcp.json: unwrapped files\n"));
    assert_eq!((user.text(".mcp.json").as_str(), user.names()), (PLAIN, vec![".mcp.json".to_owned()]));
    assert_eq!(user.run(&["unwrap", ".mcp.json"]).code, 0);
}

#[test]
fn check_says_how_each_server_is_started() {
    let user = User::new().with(".mcp.json", PLAIN);
    let plain = user.run(&["check", ".mcp.json"]);
    assert_eq!(plain.code, 1);
    let rows: Vec<Vec<&str>> = plain.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["FILE", "SERVER", "STARTED", "DETAIL"]);
    assert_eq!(rows[1], [".mcp.json:3", "files", "by", "itself"]);
    assert_eq!(rows[2], [".mcp.json:4", "far", "remote"]);

    user.run(&["wrap", "--scupper", SCUPPER, "--idle", "30m", "--mem-hard", "1G", ".mcp.json", "--write"]);
    let wrapped = user.run(&["check", ".mcp.json", "--json"]);
    let file = &wrapped.json()["files"][0];
    assert_eq!((wrapped.code, &wrapped.json()["schema"]), (0, &"scupper.mcp_check/1".into()), "{wrapped:?}");
    assert_eq!(
        file["servers"][0],
        serde_json::json!({
            "name": "files", "line": 3, "state": "wrapped", "program": SCUPPER, "options": "--idle=30m --mem-hard=1GiB",
        })
    );
    assert_eq!(file["servers"][1]["state"], "remote");
}

#[test]
fn check_finds_a_wrapper_that_is_not_there() {
    let user = User::new().with(".mcp.json", PLAIN);
    let noted = user.run(&["wrap", "--scupper", "/nowhere/scupper", ".mcp.json", "--write"]);
    assert!(noted.code == 0 && noted.err.contains("there is no program /nowhere/scupper"), "{noted:?}");
    let found = user.run(&["check", ".mcp.json", "--json"]);
    let server = &found.json()["files"][0]["servers"][0];
    assert_eq!((found.code, &server["problem"]), (1, &"its scupper is not there".into()), "{found:?}");
    // Named, it takes the place of the one that is gone.
    assert_eq!(user.run(&["wrap", "--scupper", SCUPPER, ".mcp.json", "--write"]).code, 0);
    assert_eq!(user.run(&["check", ".mcp.json"]).code, 0);
}

#[test]
fn a_bad_file_is_named_and_does_not_stop_the_others() {
    let user = User::new()
        .with("bad.json", "{\n  \"mcpServers\": { \"a\": { \"command\": 7 } }\n}")
        .with("good.json", PLAIN)
        .with("broken.toml", "[mcp_servers.a\n");
    let answer = user.wrap(&["--write", "bad.json", "missing.json", "good.json", "broken.toml"]);
    assert_eq!(answer.code, 2);
    assert_eq!(
        answer.err.lines().collect::<Vec<_>>(),
        [
            "error: bad.json:2:37: the command of \"a\" is not text or a list of text",
            "error: missing.json is not there",
            "error: broken.toml:1:15: cannot be read: unclosed table, expected `]`",
        ]
    );
    assert_eq!(user.text("good.json"), WRAPPED);
    let json = user.run(&["check", "--json", "bad.json", "good.json", "missing.json"]);
    let files = &json.json()["files"];
    assert_eq!(json.code, 2);
    assert_eq!((&files[0]["error"]["line"], &files[0]["error"]["column"]), (&2.into(), &37.into()));
    assert_eq!(files[1]["servers"][0]["state"], "wrapped");
    assert_eq!(files[2]["error"]["message"], "is not there");
}

#[test]
fn all_finds_the_files_of_clients_by_itself() {
    let user = User::new().with(".vscode/mcp.json", "{\"servers\": {\"a\": {\"command\": \"a\"}}}");
    put(
        &user.home(".claude.json"),
        "{\"projects\": {\"/p\": {\"mcpServers\": {\"b\": {\"command\": \"b\"}}}}}",
    );
    put(&user.home(".codex/config.toml"), "[mcp_servers.c]\ncommand = 'c'\n");
    put(&user.home(".config/opencode/opencode.jsonc"), "{\"mcp\": {\"d\": {\"command\": [\"d\"]}}} // d\n");
    let check = user.run(&["check", "--all", "--json"]).json();
    let files = check["files"].as_array().unwrap();
    let servers: Vec<&str> = files.iter().map(|file| file["servers"][0]["name"].as_str().unwrap()).collect();
    assert_eq!(servers, ["b", "d", "c", "a"]);
    assert_eq!(files[0]["servers"][0]["project"], "/p");
    assert!(check["not_there"].as_array().unwrap().iter().any(|path| path == ".mcp.json"));

    let written = user.wrap(&["--all", "--write"]);
    assert_eq!((written.code, written.out.lines().count()), (0, 4), "{written:?}");
    assert_eq!(
        fs::read_to_string(user.home(".codex/config.toml")).unwrap(),
        "[mcp_servers.c]\ncommand = \"scupper\"\nargs = [\"mcp\", \"--\", 'c']\n"
    );
    assert_eq!(user.run(&["unwrap", "--all", "--write"]).code, 0);
    assert_eq!(
        fs::read_to_string(user.home(".config/opencode/opencode.jsonc")).unwrap(),
        "{\"mcp\": {\"d\": {\"command\": [\"d\"]}}} // d\n"
    );
}

#[test]
fn all_without_any_file_is_no_error() {
    let user = User::new();
    for command in [&["check", "--all"][..], &["wrap", "--all"], &["unwrap", "--all", "--write"]] {
        let answer = user.run(command);
        assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{answer:?}");
        assert!(answer.err.contains("No configuration file of an MCP client was found."), "{answer:?}");
    }
}

#[test]
fn secrets_are_in_no_answer() {
    let text = r#"{
  "mcpServers": {
    "a": {
      "env": { "PLAIN": "hunter2", "PIN": 90210 },
      "command": "npx",
      "args": ["--token", "hunter3", "https://ana:hunter4@example.com"],
      "headers": { "x": "hunter5" }
    }
  },
  "apiKey": "hunter6" // password: hunter7
}
"#;
    let user = User::new().with("a.json", text).with("b.json", &text.replace("\"npx\"", "7"));
    for arguments in
        [&["wrap"][..], &["wrap", "--json"], &["check"], &["check", "--json"], &["wrap", "--write"]]
    {
        let answer = user.run(&[arguments, &["a.json", "b.json"]].concat());
        assert_eq!(answer.code, 2, "{answer:?}");
        for said in [&answer.out, &answer.err] {
            assert!(!said.contains("hunter") && !said.contains("90210"), "{arguments:?}: {said}");
        }
    }
    let unwrapped = user.run(&["unwrap", "a.json"]);
    assert!(unwrapped.code == 1 && !unwrapped.out.contains("hunter"), "{unwrapped:?}");
    assert!(user.text("a.json").contains("hunter3"));
}

#[test]
fn bad_usage_is_said_in_one_line() {
    let user = User::new().with(".mcp.json", PLAIN);
    for (arguments, wanted) in [
        (&["wrap"][..], "required"),
        (&["wrap", ".mcp.json", "--idle", "30"], "30"),
        (&["wrap", ".mcp.json", "--mem-hard", "much"], "much"),
        (&["wrap", ".mcp.json", "--scupper", "/usr/bin/env"], "/usr/bin/env would not be recognised"),
        (&["check", ".mcp.json", "--write"], "--write"),
    ] {
        let answer = user.run(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}: {answer:?}");
        assert!(answer.err.contains(wanted), "{arguments:?}: {}", answer.err);
    }
    assert_eq!(user.text(".mcp.json"), PLAIN);
}

#[test]
fn without_a_name_the_scupper_that_runs_is_written() {
    let user = User::new().with(".mcp.json", PLAIN);
    assert_eq!(user.run(&["wrap", ".mcp.json", "--write"]).code, 0);
    let written: serde_json::Value = serde_json::from_str(&user.text(".mcp.json")).unwrap();
    let everywhere = ["/usr/local/bin", "/usr/bin", "/bin"];
    let is_installed =
        everywhere.iter().any(|directory| fs::metadata(format!("{directory}/scupper")).is_ok());
    let wanted = if is_installed { "scupper" } else { SCUPPER };
    assert_eq!(written["mcpServers"]["files"]["command"], wanted);
}
