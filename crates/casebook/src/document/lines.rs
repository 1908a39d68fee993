//! Lines: how they end, where they begin, and where the front matter does.

use std::borrow::Cow;
use std::ops::Range;

use super::{BOM, DASHES, DocumentError};

/// How the lines of a text end: as its first one does.
pub(super) fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text.get(..at).is_some_and(|line| line.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// The same lines, all ending this way.
pub(super) fn with_line_end<'a>(text: &'a str, line_end: &str) -> Cow<'a, str> {
    if line_end == "\n" || !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                out.push_str(line.strip_suffix('\r').unwrap_or(line));
                out.push_str(line_end);
            }
            None => out.push_str(line),
        }
    }
    Cow::Owned(out)
}

/// The lines between the dashes, and where the body begins. `None` where a text does not begin with dashes.
pub(super) fn front_matter(text: &str) -> Result<Option<(Range<usize>, usize)>, DocumentError> {
    let bom = if text.starts_with(BOM) { BOM.len_utf8() } else { 0 };
    let is_dashes = |line: &str| line.trim_end_matches([' ', '\t', '\r', '\n']) == DASHES;
    let mut lines = text.get(bom..).unwrap_or_default().split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| is_dashes(line)) else { return Ok(None) };
    let start = bom + first.len();
    let mut at = start;
    for line in lines {
        if is_dashes(line) {
            return Ok(Some((start..at, at + line.len())));
        }
        at += line.len();
    }
    Err(DocumentError::Unclosed)
}

/// The number of the line that a byte is in, from 1.
pub(super) fn number(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count()
}

/// The bytes of a line, from 1, with its end.
pub(super) fn range(text: &str, line: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for (at, found) in text.split_inclusive('\n').enumerate() {
        if at + 1 == line {
            return Some(start..start + found.len());
        }
        start += found.len();
    }
    None
}

/// Where the line of a byte begins.
pub(super) fn start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Where the line of a byte ends, its line feed included.
pub(super) fn end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| at + found + 1)
}

/// How many spaces a line begins with.
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
