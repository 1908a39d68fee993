//! Files that nobody wrote: any servers, in any formatting, in each format. What is wrapped and unwrapped is the same
//! bytes, wrapped servers run what they ran, and text that is no such file at all is refused or left alone.

use proptest::prelude::*;
use scupper_mcp::{Format, State, Wrapping, servers, unwrap, wrap};

/// A server as it is to be written.
#[derive(Debug, Clone)]
struct Spec {
    command: String,
    args: Option<Vec<String>>,
    style: usize,
    args_first: bool,
    comment: bool,
    secret: bool,
}

/// Stands in an environment, of which nothing is ever shown.
const SECRET: &str = "plain-words";

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("--".to_owned()),
        Just("mcp".to_owned()),
        Just("it's \"quoted\" \\ and,commas]}".to_owned()),
        Just("\u{fc}\u{1f600} \t".to_owned()),
        "[a-z@/.-]{1,12}",
        Just(String::new()),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let args = prop::option::of(prop::collection::vec(word(), 0..5));
    (word(), args, 0..4_usize, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(command, args, style, args_first, comment, secret)| Spec {
            // No file has an empty one: it is refused.
            command: if command.is_empty() { "npx".to_owned() } else { command },
            args,
            style,
            args_first,
            comment,
            secret,
        },
    )
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list in one of four styles. Only the last has a comma at the end and comments.
fn list(words: &[String], style: usize, comment: &str, quote: fn(&str) -> String) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    match (style, words.is_empty()) {
        (0, _) => format!("[{}]", words.join(",")),
        (1, _) => format!("[ {} ]", words.join(", ")),
        (2, false) => format!("[\n\t\t{}\n\t]", words.join(",\n\t\t")),
        (_, false) => format!("[ {comment}\n    {},\n  ]", words.join(", ")),
        (_, true) => format!("[{comment}\n]"),
    }
}

fn json(specs: &[Spec], key: &str, is_list: bool) -> String {
    let mut out = format!("{{ \"other\": [1, {{}}],\n  {}: {{", json_text(key));
    for (index, spec) in specs.iter().enumerate() {
        let comment = if spec.comment { "// a \"comment\", ]" } else { "" };
        let (gap, assign) = [("", ":"), (" ", ": "), ("\n      ", ": "), ("\n\t", " :  ")][spec.style];
        let mut entries = vec![];
        if is_list {
            let mut words = vec![spec.command.clone()];
            words.extend(spec.args.clone().unwrap_or_default());
            entries.push(format!("\"command\"{assign}{}", list(&words, spec.style, comment, json_text)));
        } else {
            entries.push(format!("\"command\"{assign}{}", json_text(&spec.command)));
            if let Some(args) = &spec.args {
                let at = usize::from(!spec.args_first);
                let args = list(args, 3 - spec.style, comment, json_text);
                entries.insert(at, format!("\"args\"{assign}{args}"));
            }
        }
        if spec.secret {
            entries.push(format!("\"env\"{assign}{{\"K\": \"{SECRET}\", \"L\": [\"{SECRET}\"]}}"));
        }
        let comma = if index + 1 < specs.len() { "," } else { "" };
        let end = if spec.comment { "// end\n" } else { "" };
        let entries = entries.join(&format!(",{gap}"));
        out.extend([format!("\"s{index}\": {{{gap}{entries}{end}{gap}}}{comma}")]);
    }
    out + "}\n}"
}

fn toml_file(specs: &[Spec]) -> String {
    let mut out = "title = 'x'\n".to_owned();
    let mut inline = "[mcp_servers]\n".to_owned();
    for (index, spec) in specs.iter().enumerate() {
        let comment = if spec.comment { "# a \"comment\", ]" } else { "" };
        let entry = |key: &str, value: String, assign: &str| format!("{key}{assign}{value}");
        let assign = if spec.style == 0 { "=" } else { " = " };
        let command = toml_text(&spec.command);
        let args = spec.args.as_ref().map(|args| list(args, spec.style, comment, toml_text));
        let prefix = if spec.style == 1 { format!("s{index}.") } else { String::new() };
        let mut entries = vec![entry(&format!("{prefix}command"), command, assign)];
        entries.extend(args.map(|args| entry(&format!("{prefix}args"), args, assign)));
        if spec.secret {
            entries.push(entry(
                &format!("{prefix}env"),
                format!("{{ K = '{SECRET}', L.M = '{SECRET}' }}"),
                assign,
            ));
        }
        if spec.args_first {
            entries.reverse();
        }
        match spec.style {
            0 => inline.extend([format!("s{index} = {{{}}}\n", entries.join(","))]),
            1 => inline.extend([format!("{}\n", entries.join("\n"))]),
            2 => out.extend([format!("[mcp_servers.s{index}] {comment}\n  {}\n", entries.join("\n  "))]),
            _ => out.extend([format!("[mcp_servers.s{index}]\n{} {comment}\n", entries.join(" \n"))]),
        }
    }
    out + &inline
}

fn files(specs: &[Spec]) -> Vec<(String, Format)> {
    let mut files = vec![
        (json(specs, "mcpServers", false), Format::Json),
        (json(specs, "servers", false), Format::Json),
        (json(specs, "mcp", true), Format::Json),
        (toml_file(specs), Format::Toml),
    ];
    for index in 0..files.len() {
        let (text, format) = files[index].clone();
        files.push((text.replace('\n', "\r\n"), format));
        if format == Format::Json {
            files.push((format!("\u{feff}{text}"), format));
        }
    }
    files
}

fn wrapping(options: Option<Vec<String>>) -> Wrapping {
    Wrapping { program: "/usr/local/bin/scupper".to_owned(), replace_program: false, options }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn unwrapping_undoes_wrapping(
        specs in prop::collection::vec(spec(), 1..4),
        options in prop::option::of(prop::collection::vec("--[a-z]{1,5}=[0-9]m", 0..3)),
    ) {
        for (text, format) in files(&specs) {
            let before = servers(&text, format);
            let before = before.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(before.len(), specs.len());
            let change = wrap(&text, format, &wrapping(options.clone()));
            let change = change.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            for server in servers(&change.text, format).unwrap() {
                let is_wrapped = matches!(&server.state, State::Wrapped { program, options: found }
                    if program == "/usr/local/bin/scupper" && *found == options.clone().unwrap_or_default());
                prop_assert!(is_wrapped, "{:?}\n{}", server, change.text);
            }
            let again = wrap(&change.text, format, &wrapping(options.clone())).unwrap();
            prop_assert_eq!(&again.text, &change.text);
            let back = unwrap(&change.text, format).unwrap();
            prop_assert!(!change.diff.contains(SECRET) && !back.diff.contains(SECRET), "{}", change.diff);
            prop_assert_eq!(back.text, text);
        }
    }

    #[test]
    fn text_of_strangers_is_refused_or_survives(text in "[\\[\\]{}\":,=.#/*\\\\ \nmcpServrsomandg_'-]{0,60}") {
        for format in [Format::Json, Format::Toml] {
            let Ok(change) = wrap(&text, format, &wrapping(None)) else { continue };
            prop_assert_eq!(unwrap(&change.text, format).unwrap().text, unwrap(&text, format).unwrap().text);
        }
    }
}
