//! Why a file cannot be read or changed, and where in it. No text of the file is quoted but names of keys and servers:
//! whatever else stands there may be a secret.

use std::fmt;

use scupper_model::printable;

/// Characters of a name that are shown.
const MOST_OF_NAME: usize = 80;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct Error {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is no JSON or no TOML, in the words of the parser.
    Syntax(String),
    /// Something is of another type than clients read there.
    Type {
        /// What it is.
        what: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A key that is looked at is there twice: which one counts, clients disagree about.
    Duplicate(String),
    /// It could be written, but not so that `unwrap` gives back the same bytes.
    NotReversible,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => write!(f, "cannot be read: {message}"),
            Self::Type { what, wanted } => write!(f, "{what} is not {wanted}"),
            Self::Duplicate(key) => write!(f, "{} is there twice", name(key)),
            Self::NotReversible => {
                f.write_str("a server from here on is written in a way that could not be restored afterwards")
            }
        }
    }
}

/// A problem at a byte of the text.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Bytes from the beginning.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl Fault {
    pub(crate) fn new(at: usize, problem: Problem) -> Self {
        Self { at, problem }
    }

    pub(crate) fn of_type(at: usize, what: impl Into<String>, wanted: &'static str) -> Self {
        Self::new(at, Problem::Type { what: what.into(), wanted })
    }

    /// With line and column.
    pub(crate) fn within(self, text: &str) -> Error {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Error {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].trim_start_matches('\u{feff}').chars().count(),
            problem: self.problem,
        }
    }
}

/// A name from the file, as it may be shown.
pub(crate) fn name(text: &str) -> String {
    format!("\"{}\"", printable(text.as_bytes(), MOST_OF_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        for (text, at, line, column) in [
            ("", 0, 1, 1),
            ("ab\ncd", 4, 2, 2),
            ("ab\r\ncd", 4, 2, 1),
            ("\u{feff}{x", 4, 1, 2),
            ("\u{e9}\u{e9}x", 4, 1, 3),
            ("ab", 9, 1, 3),
        ] {
            let error = Fault::new(at, Problem::Duplicate("x".to_owned())).within(text);
            assert_eq!((error.line, error.column), (line, column), "{text:?}");
        }
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let problem = Problem::Duplicate("a\u{1b}[2Jb".to_owned());
        assert!(!problem.to_string().contains('\u{1b}'));
    }
}
