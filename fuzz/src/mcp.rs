//! Configuration files of MCP clients.

use scupper_mcp::{Format, State, Wrapping, servers, unwrap, wrap};

/// A configuration file. The first byte says how it is written, and how it is to be wrapped.
pub fn mcp_files(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let format = if first & 1 == 1 { Format::Toml } else { Format::Json };
    let wrapping = Wrapping {
        program: if first & 2 == 2 { "/a \"b\"/scupper" } else { "scupper" }.to_owned(),
        replace_program: first & 4 == 4,
        options: (first & 8 == 8).then(|| vec!["--idle=30m".to_owned(), "--grace=1s".to_owned()]),
    };
    let unwrapped = unwrap(text, format);
    let Ok(change) = wrap(text, format, &wrapping) else {
        // What can be read can be unwrapped, also where it cannot be wrapped.
        assert_eq!(servers(text, format).is_ok(), unwrapped.is_ok());
        return;
    };
    let unwrapped = unwrapped.expect("what can be wrapped can be unwrapped");
    assert_eq!(change.before.len(), change.after.len());
    assert!(change.after.iter().all(|server| server.state != State::Plain));
    assert_eq!(servers(&change.text, format).as_ref(), Ok(&change.after));
    assert_eq!(change.text == text, change.diff.is_empty());

    let again = wrap(&change.text, format, &wrapping).expect("what was wrapped can be wrapped");
    assert_eq!(again.text, change.text);
    let back = unwrap(&change.text, format).expect("what was wrapped can be unwrapped");
    assert_eq!(back.text, unwrapped.text);
    // What nobody had wrapped before is the same bytes.
    let untouched = change.before.iter().all(|server| !matches!(server.state, State::Wrapped { .. }));
    assert!(!untouched || back.text == text);
}
