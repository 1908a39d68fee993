//! Files as people have them, each wrapped, shown and unwrapped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use scupper_mcp::{Change, Format, State, Wrapping, servers, unwrap, wrap};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn fixture(name: &str) -> (String, Format) {
    let path = directory("fixtures").join(name);
    (fs::read_to_string(&path).unwrap(), Format::of(&path))
}

fn fixtures() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    names
}

fn plain() -> Wrapping {
    Wrapping { program: "scupper".to_owned(), replace_program: false, options: None }
}

fn with_options(options: &[&str]) -> Wrapping {
    let options = options.iter().map(|&option| option.to_owned()).collect();
    Wrapping { options: Some(options), ..plain() }
}

fn wrapped(name: &str, wrapping: &Wrapping) -> Change {
    let (text, format) = fixture(name);
    wrap(&text, format, wrapping).unwrap_or_else(|error| panic!("{name}:{error}"))
}

/// Written anew with `SCUPPER_GOLDEN=write`.
#[test]
fn what_changes_is_shown_as_it_was_reviewed() {
    for name in fixtures() {
        let path = directory("golden").join(format!("{name}.diff"));
        let diff = wrapped(&name, &plain()).diff;
        if std::env::var_os("SCUPPER_GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&path, &diff).unwrap();
        }
        assert_eq!(diff, fs::read_to_string(&path).unwrap(), "{name}");
    }
}

#[test]
fn unwrapping_gives_back_the_same_bytes() {
    for name in fixtures() {
        let (text, format) = fixture(&name);
        for wrapping in [plain(), with_options(&["--idle=30m", "--mem-hard=1G"])] {
            let change = wrap(&text, format, &wrapping).unwrap();
            assert_ne!(change.text, text, "{name}");
            assert_eq!(unwrap(&change.text, format).unwrap().text, text, "{name}");
        }
    }
}

#[test]
fn wrapping_twice_is_wrapping_once() {
    for name in fixtures() {
        let (_, format) = fixture(&name);
        for wrapping in [plain(), with_options(&["--idle=30m"])] {
            let once = wrapped(&name, &wrapping).text;
            let twice = wrap(&once, format, &wrapping).unwrap();
            assert_eq!((twice.text, twice.diff), (once, String::new()), "{name}");
        }
    }
}

#[test]
fn what_is_not_wrapped_is_left_alone_by_unwrap() {
    for name in fixtures() {
        let (text, format) = fixture(&name);
        let change = unwrap(&text, format).unwrap();
        assert_eq!((change.text, change.diff), (text, String::new()), "{name}");
    }
}

#[test]
fn no_secret_is_shown() {
    for name in fixtures() {
        let (text, format) = fixture(&name);
        let change = wrap(&text, format, &plain()).unwrap();
        let back = unwrap(&change.text, format).unwrap();
        for secret in [
            "ghp_0123",
            "s3cr3t-of-no-known-shape",
            "abc.def",
            "hunter2",
            "abc123def456",
            "t0ken",
            "my_env_var_value",
            "ctx7sk",
            "not-so-plain",
            "dotted-secret",
        ] {
            for diff in [&change.diff, &back.diff] {
                assert!(!diff.contains(secret), "{name} shows {secret}:\n{diff}");
            }
        }
    }
}

/// Names, and how each is started, in the order of the file.
fn states(text: &str, format: Format) -> Vec<(String, &'static str)> {
    let word = |state| match state {
        State::Plain => "plain",
        State::Wrapped { .. } => "wrapped",
        State::ByHand { .. } => "by hand",
        State::Remote => "remote",
        State::NoCommand => "no command",
        State::EmptyCommand => "empty command",
    };
    servers(text, format)
        .unwrap()
        .into_iter()
        .map(|server| {
            let project = server.project.map(|project| format!("{project}: ")).unwrap_or_default();
            (format!("{project}{}", server.name), word(server.state))
        })
        .collect()
}

#[test]
fn every_server_is_found_and_only_stdio_is_wrapped() {
    for (name, wanted) in [
        (
            "project.mcp.json",
            &[
                ("filesystem", "plain"),
                ("github", "plain"),
                ("bare", "plain"),
                ("empty", "plain"),
                ("sentry", "remote"),
                ("old", "remote"),
            ][..],
        ),
        ("dot-claude.json", &[("/home/ana/shop: postgres", "plain"), ("playwright", "plain")]),
        ("vscode-settings.json", &[("time", "plain")]),
        (
            "opencode.jsonc",
            &[("everything", "plain"), ("browser", "plain"), ("one", "plain"), ("jira", "remote")],
        ),
        ("opencode2.json", &[("a", "plain"), ("b", "remote")]),
        ("gemini-settings.json", &[("pythonTools", "plain"), ("streaming", "remote")]),
        (
            "codex-config.toml",
            &[
                ("docs", "plain"),
                ("with blank", "plain"),
                ("empty", "plain"),
                ("figma", "remote"),
                ("inline", "plain"),
                ("short", "plain"),
                ("dotted", "plain"),
            ],
        ),
    ] {
        let (text, format) = fixture(name);
        let wanted: Vec<_> = wanted.iter().map(|&(server, state)| (server.to_owned(), state)).collect();
        assert_eq!(states(&text, format), wanted, "{name}");
        let after = states(&wrapped(name, &plain()).text, format);
        for ((server, before), (_, after)) in wanted.into_iter().zip(after) {
            assert_eq!(after, if before == "plain" { "wrapped" } else { before }, "{name}: {server}");
        }
    }
}

#[test]
fn a_server_that_is_added_later_is_the_only_one_that_changes() {
    let once = wrapped("project.mcp.json", &plain()).text;
    let more =
        once.replace("\"mcpServers\": {", "\"mcpServers\": {\n    \"new\": { \"command\": \"new-server\" },");
    let change = wrap(&more, Format::Json, &plain()).unwrap();
    assert_eq!(change.changed().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["new"]);
    assert_eq!(change.diff.lines().filter(|line| line.starts_with(['-', '+'])).count(), 2, "{}", change.diff);
    let original = fixture("project.mcp.json").0;
    let back = unwrap(&change.text, Format::Json).unwrap().text;
    assert_eq!(back.replace("\n    \"new\": { \"command\": \"new-server\" },", ""), original);
}

#[test]
fn edits_elsewhere_survive_unwrapping() {
    for name in fixtures() {
        let (text, format) = fixture(&name);
        let edit = |text: &str| match format {
            Format::Json => text.replacen('{', "{ \"added\": [1,  2],", 1),
            Format::Toml => format!("# added\n{text}\n[added]\nx  = 1\n"),
        };
        let wrapped = wrap(&text, format, &plain()).unwrap().text;
        assert_eq!(unwrap(&edit(&wrapped), format).unwrap().text, edit(&text), "{name}");
    }
}

#[test]
fn other_options_take_the_place_of_the_old_ones() {
    for name in fixtures() {
        let (text, format) = fixture(&name);
        let first = wrapped(&name, &with_options(&["--idle=30m"])).text;
        let second = wrap(&first, format, &with_options(&["--idle=1h", "--mem-hard=1G"])).unwrap().text;
        assert_eq!(second, wrapped(&name, &with_options(&["--idle=1h", "--mem-hard=1G"])).text, "{name}");
        // Without options nothing is said of them: they stay.
        assert_eq!(wrap(&second, format, &plain()).unwrap().text, second, "{name}");
        assert_eq!(wrap(&second, format, &with_options(&[])).unwrap().text, wrapped(&name, &plain()).text);
        assert_eq!(unwrap(&second, format).unwrap().text, text, "{name}");
    }
}

#[test]
fn another_program_takes_the_place_of_the_old_one_where_it_is_asked_for() {
    let (text, format) = fixture("codex-config.toml");
    let first = wrap(&text, format, &plain()).unwrap().text;
    let elsewhere = Wrapping { program: "/opt/it's \"here\"/scupper".to_owned(), ..plain() };
    assert_eq!(wrap(&first, format, &elsewhere).unwrap().text, first);
    let replaced = Wrapping { replace_program: true, ..elsewhere.clone() };
    let second = wrap(&first, format, &replaced).unwrap().text;
    assert_eq!(second, wrap(&text, format, &elsewhere).unwrap().text);
    assert_eq!(unwrap(&second, format).unwrap().text, text);
}

#[test]
fn what_somebody_wrote_by_hand_stays_as_it_is() {
    let text = r#"{"mcpServers": {
        "a": {"command": "scupper", "args": ["run", "--profile", "mcp", "--", "npx", "x"]},
        "b": {"command": "/usr/bin/scupper", "args": ["mcp", "npx"]},
        "c": {"command": "/opt/scupper-2/scupper-beta", "args": ["mcp", "--", "npx"]}
    }}"#;
    let by_hand: Vec<_> = states(text, Format::Json).into_iter().map(|(_, state)| state).collect();
    assert_eq!(by_hand, ["by hand", "by hand", "wrapped"]);
    assert_eq!(wrap(text, Format::Json, &with_options(&[])).unwrap().text, text);
    let unwrapped = unwrap(text, Format::Json).unwrap();
    assert_eq!(unwrapped.changed().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

/// Safety 9: what stands behind an option that takes secrets, and every `NAME=value`, whatever it is called.
#[test]
fn safety_9_a_command_line_is_shown_without_its_values() {
    for (words, shown) in [
        (&["--pat", "SECRET7"][..], &["--pat", "[redacted]"][..]),
        (&["-e", "GH_PAT=SECRET7"], &["-e", "GH_PAT=[redacted]"]),
        (&["-eGH_PAT=SECRET7"], &["-eGH_PAT=[redacted]"]),
        (&["--env=GH_PAT=SECRET7"], &["--env=[redacted]"]),
        (&["-k", "SECRET7"], &["-k", "[redacted]"]),
        (&["-kSECRET7"], &["-k[redacted]"]),
        (&["--key=SECRET7"], &["--key=[redacted]"]),
        (&["--header", "X-Api:SECRET7"], &["--header", "[redacted]"]),
        (&["-H", "X-Api: SECRET7"], &["-H", "[redacted]"]),
        (&["WHAT=SECRET7"], &["WHAT=[redacted]"]),
        (
            &["-y", "--log-level=debug", "@scope/pkg@1", "/srv"],
            &["-y", "--log-level=debug", "@scope/pkg@1", "/srv"],
        ),
    ] {
        let text = |lines: &str| {
            format!("{{\n\"mcpServers\": {{\"a\": {{\n \"command\": \"npx\",\n \"args\": [{lines}]\n}}}}}}\n")
        };
        let quoted =
            |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let wrapped = wrap(&text(&quoted(words)), Format::Json, &plain()).unwrap();
        assert!(wrapped.text.contains(&quoted(words)), "{}", wrapped.text);
        assert!(!wrapped.diff.contains("SECRET7"), "{}", wrapped.diff);
        assert!(
            wrapped.diff.contains(&format!("[\"mcp\", \"--\", \"npx\", {}]", quoted(shown))),
            "{}",
            wrapped.diff
        );
    }
}

/// A file of one line holds more than servers.
#[test]
fn of_a_file_of_one_line_its_servers_alone_are_shown() {
    let text =
        r#"{"email":"me@example.com","mcpServers":{"a":{"command":"npx"}},"history":["what I asked"]}"#;
    let diff = wrap(text, Format::Json, &plain()).unwrap().diff;
    assert_eq!(
        diff,
        "@@ -1,1 +1,1 @@\n-...\"a\":{\"command\":\"npx\"...\n\
         +...\"a\":{\"command\":\"scupper\",\"args\":[\"mcp\",\"--\",\"npx\"]...\n"
    );
}

/// One that nobody can start keeps nobody from wrapping the others.
#[test]
fn a_server_with_an_empty_command_is_left_alone() {
    for empty in
        [r#""command": """#, r#""command": []"#, r#""command": "", "args": ["x"]"#, r#""command": [""]"#]
    {
        let text = format!(r#"{{"mcpServers": {{"a": {{{empty}}}, "b": {{"command": "b"}}}}}}"#);
        let wrapped = wrap(&text, Format::Json, &plain()).unwrap();
        assert!(wrapped.text.contains(&format!("{{{empty}}}")), "{}", wrapped.text);
        let expected = [("a".to_owned(), "empty command"), ("b".to_owned(), "wrapped")];
        assert_eq!(states(&wrapped.text, Format::Json), expected);
        assert_eq!(unwrap(&wrapped.text, Format::Json).unwrap().text, text);
    }
}

/// A client or a formatter may write a wrapped file anew: no byte is where it was, but the meaning is.
#[test]
fn a_file_that_was_formatted_anew_is_unwrapped_too() {
    let text = r#"{"mcpServers":{"a":{"command":"a"},"b":{"command":"b","args":[]},"c":{"command":"c","args":["x"]}}}"#;
    let wrapped = wrap(text, Format::Json, &plain()).unwrap().text;
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    // Written by hand: whether serde_json keeps the order of keys depends on what else is built.
    let with_args_first = |name: &str| {
        let server = &parse(&wrapped)["mcpServers"][name];
        format!(
            "\n  \"{name}\": {{\n    \"args\": {},\n    \"command\": {}\n  }}",
            server["args"], server["command"]
        )
    };
    let servers = ["a", "b", "c"].map(with_args_first).join(",");
    let pretty = format!("{{\n \"mcpServers\": {{{servers}\n }}\n}}\n");
    assert_eq!(parse(&pretty), parse(&wrapped));
    let back = parse(&unwrap(&pretty, Format::Json).unwrap().text);
    assert_eq!(back["mcpServers"]["b"], serde_json::json!({"command": "b", "args": []}));
    assert_eq!(back["mcpServers"]["c"], parse(text)["mcpServers"]["c"]);
    // Keys in another order: nobody can tell any more, and an empty list means the same.
    assert_eq!(back["mcpServers"]["a"], serde_json::json!({"command": "a", "args": []}));
    // With commas behind the last elements, as formatters put them.
    let commas = wrapped.replace("\"]", "\",]");
    let back = unwrap(&commas, Format::Json).unwrap().text;
    assert_eq!(back, text.replace("\"]", "\",]"));
}

#[test]
fn what_another_machine_starts_is_remote() {
    let text = "[mcp_servers.a]\ncommand = 'x'\nexperimental_environment = 'remote'\n";
    assert_eq!(states(text, Format::Toml), [("a".to_owned(), "remote")]);
    let kinds = ["http", "sse", "ws", "streamable-http"];
    for text in
        kinds.map(|kind| format!("{{\"servers\": {{\"a\": {{\"type\": \"{kind}\", \"command\": \"x\"}}}}}}"))
    {
        assert_eq!(states(&text, Format::Json), [("a".to_owned(), "remote")], "{text}");
    }
}

#[test]
fn odd_spellings_are_wrapped_and_restored() {
    for (text, wanted) in [
        (
            "{\"mcpServers\":{\"a\":{\"command\"/*1*/:/*2*/\"x\"/*3*/\n,\"env\":{}}}}",
            "\"command\"/*1*/:/*2*/\"scupper\", \"args\": [\"mcp\", \"--\", \"x\"]/*3*/\n,",
        ),
        (
            "{\"mcpServers\": {\"a\": {\n  // one\n  \"command\": \"x\" // two\n}}}",
            "  \"command\": \"scupper\",\n  \"args\": [\"mcp\", \"--\", \"x\"] // two\n}",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"args\": [\"1\"\n, \"2\"], \"command\": \"\\u0078\"}}}",
            "[\"mcp\", \"--\", \"\\u0078\", \"1\"\n, \"2\"], \"command\": \"scupper\"",
        ),
        (
            "{\"mcpServers\":\r{\"a\":\r{\r\"command\":\"x\"\r}\r}\r}",
            "\"command\":\"scupper\",\"args\":[\"mcp\",\"--\",\"x\"]\r}",
        ),
    ] {
        restored(text, Format::Json, wanted);
    }
    for (text, wanted) in [
        (
            "mcp_servers.a.command = 'x'",
            "mcp_servers.a.command = \"scupper\"\nmcp_servers.a.args = [\"mcp\", \"--\", 'x']",
        ),
        (
            "[mcp_servers]\r\n\t'a.{b' . command='x' # c\r\n",
            "\t'a.{b' . command=\"scupper\"\r\n\t'a.{b' . args=[\"mcp\",\"--\",'x'] # c\r\n",
        ),
        (
            "mcp_servers = { a.command = 'x', a.env = {} }",
            "{ a.command = \"scupper\", a.args = [\"mcp\", \"--\", 'x'], a.env = {} }",
        ),
        // TOML 1.1 has line ends in tables in braces.
        (
            "[mcp_servers]\na = {\n  env = {},\n  command = 'x', # c\n}\n",
            "  command = \"scupper\",\n  args = [\"mcp\", \"--\", 'x'], # c\n}",
        ),
        (
            "[mcp_servers.a]\ncommand = '''\nx'''\nargs = [ # c\n]",
            "args = [\"mcp\", \"--empty-args\", \"--\", '''\nx''' # c\n]",
        ),
        (
            "\u{feff}mcp_servers.a.command = 'x'\n",
            "\u{feff}mcp_servers.a.command = \"scupper\"\nmcp_servers.a.args = [",
        ),
        ("[mcp_servers.a]\nargs = [[\"no\"]]\n[mcp_servers.a.env]\ncommand = 'x'\n", "[mcp_servers.a.env]"),
    ] {
        restored(text, Format::Toml, wanted);
    }
}

fn restored(text: &str, format: Format, wanted: &str) {
    let change = wrap(text, format, &plain()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(change.text.contains(wanted), "{:?}\n{:?}", change.text, wanted);
    assert_eq!(unwrap(&change.text, format).unwrap().text, text);
}

/// A file without line ends would be one line of the diff: only what is changed is shown of it.
#[test]
fn of_a_long_line_only_what_changes_is_shown() {
    let text = format!(
        r#"{{"history": "{}", "mcpServers": {{"a": {{"env": {{"K": "hunter2"}}, "command": "npx", "args": ["--key", "x"]}}}}}}"#,
        "long ".repeat(1000)
    );
    let change = wrap(&text, Format::Json, &plain()).unwrap();
    assert_eq!(
        change.diff,
        "@@ -1,1 +1,1 @@\n\
         -...\"a\": {\"env\": {\"K\": \"[redacted]\"}, \"command\": \"npx\", \"args\": [...\n\
         +...\"a\": {\"env\": {\"K\": \"[redacted]\"}, \"command\": \"scupper\", \"args\": [\"mcp\", \"--\", \"npx\", ...\n"
    );
    assert_eq!(unwrap(&change.text, Format::Json).unwrap().text, text);
}

#[test]
fn of_very_many_changes_the_number_is_said() {
    let servers: Vec<String> = (0..1000).map(|i| format!("\"s{i}\": {{ \"command\": \"x\" }}")).collect();
    let text = format!("{{ \"mcpServers\": {{\n{}\n}} }}", servers.join(",\n\n\n"));
    let change = wrap(&text, Format::Json, &plain()).unwrap();
    assert_eq!(change.changed().count(), 1000);
    assert!(change.diff.ends_with("... and 600 more changes\n"), "{}", change.diff);
    assert_eq!(change.diff.lines().filter(|line| line.starts_with('+')).count(), 400);
}
