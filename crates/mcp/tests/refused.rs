//! Files that are not as clients have them: one line that says what is wrong and where, and no change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use scupper_mcp::{Format, Wrapping, servers, unwrap, wrap};

fn refused(text: &str, format: Format) -> String {
    let wrapping = Wrapping { program: "scupper".to_owned(), replace_program: false, options: None };
    let error = wrap(text, format, &wrapping).unwrap_err();
    assert_eq!(unwrap(text, format).as_ref(), Err(&error));
    assert_eq!(servers(text, format).as_ref(), Err(&error));
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn every_mistake_is_one_line_with_its_place() {
    for (text, wanted) in [
        ("", "1:1: cannot be read: there is nothing in it"),
        ("[]", "1:1: what it holds is not an object"),
        ("{\"mcpServers\": {}", "1:1: cannot be read: unterminated object"),
        ("{\n  \"mcpServers\": [1]\n}", "2:17: \"mcpServers\" is not an object"),
        ("{\"mcpServers\": {\"a\": \"npx\"}}", "1:22: \"a\" is not an object"),
        (
            "{\"mcpServers\": {\n\t\"a\": {\"command\": 7}}}",
            "2:19: the command of \"a\" is not text or a list of text",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": null}}}",
            "1:34: the command of \"a\" is not text or a list of text",
        ),
        ("{\"mcp\": {\"a\": {\"command\": [\"x\", 1]}}}", "1:33: a part of the command of \"a\" is not text"),
        (
            "{\"mcp\": {\"a\": {\"command\": [\"x\"], \"args\": []}}}",
            "1:42: args of \"a\" is not of use where the command is a list",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": \"-y\"}}}",
            "1:47: args of \"a\" is not a list",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [8080]}}}",
            "1:48: one of the args of \"a\" is not text",
        ),
        ("{\"mcpServers\": {\"a\": {}, \"a\": {}}}", "1:26: \"a\" is there twice"),
        ("{\"mcpServers\": {}, \"mcpServers\": {}}", "1:20: \"mcpServers\" is there twice"),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"command\": \"y\"}}}",
            "1:39: \"command\" is there twice",
        ),
        ("{\"projects\": {\"/p\": {\"mcpServers\": {\"a\": 1}}}}", "1:42: \"a\" is not an object"),
        ("{'mcpServers': {}}", "1:2: cannot be read: single-quoted strings are not allowed"),
        ("{\"a\": 1} {\"b\": 2}", "1:10: cannot be read: text cannot contain more than one JSON value"),
    ] {
        let error = refused(text, Format::Json);
        assert!(error.to_lowercase().starts_with(&wanted.to_lowercase()), "{text}\n{error}\n{wanted}");
    }
    for (text, wanted) in [
        ("mcp_servers = 1", "1:15: \"mcp_servers\" is not an object"),
        ("[mcp_servers.a]\ncommand = 1", "2:11: the command of \"a\" is not text or a list of text"),
        ("[mcp_servers.a]\ncommand = 'x'\ncommand = 'y'", "3:1: cannot be read: duplicate key"),
        ("[[mcp_servers]]\nname = 'a'\ncommand = 'x'", "1:1: \"mcp_servers\" is not an object"),
        ("[mcp_servers.a\ncommand = 'x'", "1:15: cannot be read: unclosed table"),
    ] {
        let error = refused(text, Format::Toml);
        assert!(error.starts_with(wanted), "{text}\n{error}\n{wanted}");
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_end_the_process() {
    let deep = |open: &str, close: &str, times| format!("{}{}", open.repeat(times), close.repeat(times));
    let list = deep("[", "]", 100_000);
    assert!(refused(&format!("{{\"a\": {list}}}"), Format::Json).contains("nesting depth"));
    assert!(refused(&deep("{\"a\":", "}", 100_000), Format::Json).contains("nesting depth"));
    let error = refused(&format!("a = {list}"), Format::Toml);
    assert!(error.contains("recursion"), "{error}");
    assert!(refused(&format!("a = {}", deep("{a=", "}", 100_000)), Format::Toml).contains("recurs"));
}

#[test]
fn no_mistake_quotes_what_may_be_secret() {
    for (text, format) in [
        ("{\"mcpServers\": {\"a\": {\"env\": {\"K\": \"hunter2\" \"x\"}}}}", Format::Json),
        ("{\"mcpServers\": {\"a\": {\"command\": [\"hunter2\", 1]}}}", Format::Json),
        ("{\"mcpServers\": {\"a\": {\"command\": hunter2}}}", Format::Json),
        ("[mcp_servers.a]\nenv = { K = hunter2 }", Format::Toml),
        ("[mcp_servers.a]\nenv = { K = \"hunter2 }", Format::Toml),
        ("hunter2", Format::Toml),
    ] {
        let error = refused(text, format);
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Not every mistake is ours: what clients do not read in these places, they may have for something else.
#[test]
fn what_is_about_something_else_is_no_mistake() {
    for text in [
        "{\"projects\": [1, 2], \"mcp\": true}",
        "{\"projects\": {\"a\": 1, \"b\": {\"mcpServers\": {}}}}",
        "{\"mcp\": {\"allowed\": [\"a\"], \"serverCommand\": \"x\"}}",
        "{\"x\": 1, \"x\": 2}",
        "{\"x\": \"\\ud83d\"}",
        "// only this\n{}",
    ] {
        assert_eq!(servers(text, Format::Json), Ok(Vec::new()), "{text}");
    }
}
