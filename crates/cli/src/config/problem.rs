//! A mistake in a configuration file, shown where it is written:
//!
//! ```text
//! unknown key `mem_sft`
//!   --> scupper.toml:4:1
//!   |
//! 4 | mem_sft = "450M"
//!   | ^^^^^^^
//! ```

use std::fmt::{self, Write as _};
use std::ops::Range;

use scupper_model::printable;
use serde::Serialize;

/// Longest piece of a line that is shown.
const MAX_SHOWN: usize = 160;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// What is wrong.
    pub message: String,
    /// The file.
    pub file: String,
    /// Its line, counting from 1.
    pub line: usize,
    /// The column, in characters, counting from 1.
    pub column: usize,
    /// What to do about it.
    pub hint: Option<String>,
    #[serde(skip)]
    source_line: String,
    #[serde(skip)]
    width: usize,
}

impl Problem {
    /// A mistake at a span of a file's text.
    pub(crate) fn new(file: &str, text: &str, span: Option<Range<usize>>, message: String) -> Self {
        let span = span.unwrap_or(0..0);
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_boundary(text, span.end).clamp(start, line_end);
        Self {
            message,
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            hint: None,
            source_line: text[line_start..line_end].trim_end_matches('\r').replace('\t', " "),
            width: text[start..end].chars().count().max(1),
        }
    }

    /// With advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The mistake with its line and a caret, without the hint.
    pub(crate) fn rendered(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let mut out = format!("{}\n{margin}--> {}:{}:{}", self.message, self.file, self.line, self.column);
        if self.column <= MAX_SHOWN {
            let shown = printable(self.source_line.as_bytes(), MAX_SHOWN);
            let caret = "^".repeat(self.width.min(MAX_SHOWN + 1 - self.column));
            let indent = " ".repeat(self.column - 1);
            let _ = write!(out, "\n{margin} |\n{number} | {shown}\n{margin} | {indent}{caret}");
        }
        out
    }
}

/// On one line, for a log.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let text = "a = 1\n\u{fc} = \"b\" # c\n";
        let problem = Problem::new("x.toml", text, Some(11..14), "no".into());
        assert_eq!(problem.rendered(), "no\n --> x.toml:2:5\n  |\n2 | \u{fc} = \"b\" # c\n  |     ^^^");
    }

    #[test]
    fn a_span_beyond_the_end_or_over_lines_is_cut() {
        assert_eq!(Problem::new("x", "", Some(4..9), String::new()).column, 1);
        let problem = Problem::new("x", "[[unit]]\nname = 1", Some(0..17), String::new());
        assert!(problem.rendered().ends_with("  | ^^^^^^^^"));
    }
}
