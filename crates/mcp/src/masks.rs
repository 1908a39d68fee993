//! What is hidden where a part of a file is shown. A server's environment and headers stand right beside its command and
//! hold what nobody should see on a screen that is shared: all of their values are hidden. Elsewhere a value is hidden if
//! its name or its own shape says that it is a secret; command lines are looked at as a whole.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use scupper_model::{REDACTED, redact_arguments, redact_assignment};

use crate::Format;
use crate::servers::Found;
use crate::spelling::quoted;
use crate::tree::{Node, Value};

/// Text of more characters than this is not shown where it is not changed.
const LONGEST_SHOWN: usize = 200;

/// What stands in the place of some bytes when they are shown, by where they begin.
#[derive(Debug, Default)]
pub(crate) struct Masks(BTreeMap<usize, (Range<usize>, String)>);

impl Masks {
    /// For what is in these windows, which are in order.
    pub(crate) fn new(
        tree: &Node<'_>,
        servers: &[Found<'_, '_>],
        format: Format,
        windows: &[Range<usize>],
    ) -> Self {
        let mut walk = Walk {
            masks: Self::default(),
            format,
            windows,
            servers: servers.iter().map(|server| server.at).collect(),
            words: HashSet::new(),
        };
        if !windows.is_empty() {
            for server in servers {
                walk.command_line(server);
            }
            walk.node(tree, "", Place::Elsewhere);
        }
        walk.masks
    }

    /// A part of the text as it may be shown. Lines stay lines.
    pub(crate) fn shown(&self, text: &str, part: Range<usize>) -> String {
        let mut out = String::new();
        let mut at = part.start;
        let before = self.0.range(..part.start).next_back().map(|(_, mask)| mask);
        if let Some((range, _)) = before
            && range.end > at
        {
            at = skip(text, at..range.end.min(part.end), &mut out);
        }
        for (range, with) in self.0.range(part.start..part.end).map(|(_, mask)| mask) {
            if range.start >= at {
                out.push_str(&text[at..range.start]);
                out.push_str(with);
                at = skip(text, range.start..range.end.min(part.end), &mut out);
            }
        }
        out.push_str(&text[at..part.end]);
        out
    }
}

/// Leaves out some bytes, but for their line ends.
fn skip(text: &str, range: Range<usize>, out: &mut String) -> usize {
    out.extend(text[range.clone()].matches('\n'));
    range.end
}

struct Walk<'w> {
    masks: Masks,
    format: Format,
    windows: &'w [Range<usize>],
    /// Where the names of servers begin.
    servers: HashSet<usize>,
    /// Where words of command lines begin: they are looked at together.
    words: HashSet<usize>,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    /// Directly in a server.
    Server,
    /// In something of a server that holds values, or in an environment: nothing is shown.
    Hidden,
}

impl Walk<'_> {
    fn is_in_view(&self, span: &Range<usize>) -> bool {
        let first = self.windows.partition_point(|window| window.end <= span.start);
        self.windows.get(first).is_some_and(|window| window.start < span.end)
    }

    fn command_line(&mut self, server: &Found<'_, '_>) {
        let Some(command) = server.command else { return };
        let nodes: Vec<&Node<'_>> = command.words().collect();
        self.words.extend(nodes.iter().map(|node| node.span.start));
        if !nodes.iter().any(|node| self.is_in_view(&node.span)) {
            return;
        }
        let words = command.texts();
        let hidden: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(index, word)| hide_values(index.checked_sub(1).map(|before| words[before]), word))
            .collect();
        let shown = redact_arguments(hidden.iter().map(String::as_bytes));
        for (index, node) in nodes.into_iter().enumerate() {
            let shown = shown.get(index).map_or(REDACTED, String::as_str);
            if shown.contains(REDACTED) && shown != words[index] {
                self.hide(&node.span, shown);
            }
        }
    }

    fn node(&mut self, node: &Node<'_>, key: &str, place: Place) {
        match &node.value {
            Value::Table(table) => {
                for entry in &table.entries {
                    let is_server = self.servers.contains(&entry.key_span.start);
                    self.node(&entry.node, &entry.key, inside(&entry.node, &entry.key, place, is_server));
                }
            }
            Value::List(_) | Value::Text(_) | Value::Scalar if !self.is_in_view(&node.span) => {}
            Value::List(list) => {
                for element in list {
                    self.node(element, key, place);
                }
            }
            Value::Text(_) | Value::Scalar
                if place == Place::Hidden && !self.words.contains(&node.span.start) =>
            {
                self.hide(&node.span, REDACTED);
            }
            Value::Text(text) if !self.words.contains(&node.span.start) => {
                let assignment = redact_assignment(format!("{key}={text}").as_bytes());
                if assignment.contains(REDACTED) || text.len() > LONGEST_SHOWN || text.contains('\n') {
                    self.hide(&node.span, REDACTED);
                }
            }
            Value::Text(_) | Value::Scalar => {}
        }
    }

    fn hide(&mut self, span: &Range<usize>, with: &str) {
        self.masks.0.insert(span.start, (span.clone(), quoted(with, self.format)));
    }
}

/// A word of a command line without values that are secrets more often than not: what is behind an option that takes
/// one, and the value of every `NAME=value`, whatever it is called.
fn hide_values(before: Option<&str>, word: &str) -> String {
    const SECRETIVE: [&str; 12] = [
        "-H",
        "--header",
        "--headers",
        "--pat",
        "--key",
        "-k",
        "--auth",
        "--user",
        "--credentials",
        "--cookie",
        "--secret",
        "--token",
    ];
    if before.is_some_and(|option| SECRETIVE.contains(&option)) {
        return REDACTED.to_owned();
    }
    let Some((name, value)) = word.split_once('=') else {
        // `-kX`, `-HX`: the value in the same word.
        let joined = ["-H", "-k"].iter().find(|option| word.len() > 2 && word.starts_with(*option));
        return joined.map_or_else(|| word.to_owned(), |option| format!("{option}{REDACTED}"));
    };
    // `--log-level=debug` is shown, `--key=X`, `--env=NAME=X`, `-eNAME=X` and `NAME=X` are not.
    let is_plain_option = name.starts_with("--") && !SECRETIVE.contains(&name) && !value.contains('=');
    if is_plain_option || value.is_empty() { word.to_owned() } else { format!("{name}={REDACTED}") }
}

/// The place of what a table has under this key.
fn inside(node: &Node<'_>, key: &str, place: Place, is_server: bool) -> Place {
    const SECRETIVE: [&str; 4] = ["env", "environment", "headers", "http_headers"];
    let holds_values = matches!(node.value, Value::Table(_) | Value::List(_));
    match place {
        Place::Hidden => Place::Hidden,
        _ if is_server => Place::Server,
        _ if SECRETIVE.contains(&key) => Place::Hidden,
        Place::Server if holds_values => Place::Hidden,
        Place::Server | Place::Elsewhere => Place::Elsewhere,
    }
}
