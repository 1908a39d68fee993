//! How new text is written so that it looks like what stands around it: separators, quotes, line endings.

use std::ops::Range;

use crate::Format;
use crate::tree::{Entry, Node, Table};

/// Bytes before a key that are looked at for its indentation and its dotted beginning.
const LONGEST_INDENT: usize = 4 << 10;

/// Text in quotes.
pub(crate) fn quoted(text: &str, format: Format) -> String {
    match format {
        Format::Json => serde_json::Value::from(text).to_string(),
        Format::Toml => toml::Value::from(text).to_string(),
    }
}

/// What stands between two elements of a list that has some: a line end where each stands on a line of its own.
pub(crate) fn between_elements(text: &str, list: &Node<'_>, elements: &[Node<'_>]) -> String {
    let Some(first) = elements.first() else { return ", ".to_owned() };
    let before = &text[list.span.start..first.span.start];
    if let Some(line_end) = before.rfind('\n') {
        let indent = &before[line_end + 1..];
        if is_blank(indent) {
            return format!(",{}{indent}", line_ending(&before[..=line_end]));
        }
    }
    match elements.get(1).map(|second| &text[first.span.end..second.span.start]) {
        Some(between) if is_separator(between) => between.to_owned(),
        _ => ", ".to_owned(),
    }
}

/// A comma with blanks on one line around it.
pub(crate) fn is_separator(text: &str) -> bool {
    text.bytes().filter(|&byte| byte == b',').count() == 1
        && text.bytes().all(|byte| matches!(byte, b',' | b' ' | b'\t'))
}

/// How a new entry is put behind another one of its table.
#[derive(Debug)]
pub(crate) struct Joint {
    /// What ends the entry before.
    pub separator: String,
    /// What the name is preceded by: the rest of a dotted key of TOML (`server.` in `server.command`).
    pub prefix: String,
    /// What stands between name and value.
    pub assign: String,
    /// What stands between the elements of a list in one line.
    pub comma: &'static str,
}

impl Joint {
    /// How the entry behind this one is to be written.
    pub(crate) fn behind(text: &str, entry: &Entry<'_>, table: &Table<'_>, format: Format) -> Self {
        let between = &text[entry.key_span.end..entry.node.span.start];
        let sign = if format == Format::Json { ':' } else { '=' };
        let plain = between.trim().len() == 1 && between.contains(sign) && !between.contains('\n');
        let assign = match format {
            _ if plain => between.to_owned(),
            Format::Json => ": ".to_owned(),
            Format::Toml => " = ".to_owned(),
        };
        let comma = if assign.len() == 1 { "," } else { ", " };
        let before = &text[line_before(text, entry.key_span.start)];
        let line_start = entry.key_span.start - before.len();
        let key = if format == Format::Toml { dotted(before, table.braced) } else { "" };
        let indent = &before[..before.len() - key.len()];
        let is_first_of_line = is_blank(indent) && text[..line_start].ends_with('\n');
        let separator = match (table.braced, is_first_of_line) {
            (false, true) => format!("{}{indent}", line_ending(&text[..line_start])),
            (false, false) => format!("{}{}", line_ending(first_line(text)), leading_blanks(indent)),
            (true, true) => format!(",{}{indent}", line_ending(&text[..line_start])),
            (true, false) => comma.to_owned(),
        };
        Self { separator, prefix: key.to_owned(), assign, comma }
    }

    /// Whether text between two entries is what this joint would have put there, give or take blanks.
    pub(crate) fn is_between(&self, text: &str) -> bool {
        let wanted = self.separator.chars().chain(self.prefix.chars());
        let wanted = wanted.filter(|c| !c.is_whitespace());
        text.chars().filter(|c| !c.is_whitespace()).eq(wanted)
    }
}

/// What stands before a position in its line; of a long line only its end: in a file without line ends it would be all of
/// the file, once for each server.
fn line_before(text: &str, at: usize) -> Range<usize> {
    let from = text.floor_char_boundary(at.saturating_sub(LONGEST_INDENT));
    text[from..at].rfind('\n').map_or(from, |end| from + end + 1)..at
}

/// The beginning of a dotted key, of which the last part follows.
fn dotted(before: &str, braced: bool) -> &str {
    let from = if braced { before.rfind(['{', ',']).map_or(0, |at| at + 1) } else { 0 };
    let key = before[from..].trim_start_matches([' ', '\t', '\u{feff}']);
    if key.trim_end().ends_with('.') { key } else { "" }
}

fn leading_blanks(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// With its end.
fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

/// What ends the last line of a text.
fn line_ending(text: &str) -> &'static str {
    if text.ends_with("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_the_format_has_it() {
        assert_eq!(quoted("/opt/a \"b\"\\c\n", Format::Json), r#""/opt/a \"b\"\\c\n""#);
        for text in ["scupper", "/opt/a \"b\"\\c", "a'b", "tab\there", "\u{7f}\u{1}", ""] {
            let toml: toml::Table = format!("x = {}", quoted(text, Format::Toml)).parse().unwrap();
            assert_eq!(toml["x"].as_str(), Some(text));
            let json: String = serde_json::from_str(&quoted(text, Format::Json)).unwrap();
            assert_eq!(json, text);
        }
    }

    #[test]
    fn separators_have_one_comma_and_no_comment() {
        for (text, is) in
            [(", ", true), (",", true), (" ,\t", true), (",\n", false), ("", false), (",/**/", false)]
        {
            assert_eq!(is_separator(text), is, "{text:?}");
        }
    }
}
