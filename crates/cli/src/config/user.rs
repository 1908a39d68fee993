//! `config.toml` of a user: what holds for every scupper of theirs.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::file::{explain, read_text};
use super::problem::Problem;
use crate::failure::Failure;
use crate::keeps::check_pattern;
use crate::paths;

/// What a user has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserConfig {
    /// Globs over names that are never touched.
    pub keep: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keep: Vec<Spanned<String>>,
}

/// Reads the user's own file. Where there is none, nothing is set.
pub(crate) fn user() -> Result<UserConfig, Failure> {
    paths::user_config().map_or_else(|| Ok(UserConfig::default()), |file| read(&file))
}

/// The same for a unit, which a directory that may not be entered (`HOME` of another user in a container) does not keep
/// from starting.
pub(crate) fn user_where_readable() -> Result<UserConfig, Failure> {
    match user() {
        Err(failure) if failure.is(ErrorKind::PermissionDenied) => Ok(UserConfig::default()),
        answer => answer,
    }
}

fn read(file: &Path) -> Result<UserConfig, Failure> {
    match read_text(file) {
        Ok(text) => parse(&file.display().to_string(), &text).map_err(|problem| Failure::config(&problem)),
        Err(failure) if failure.is(ErrorKind::NotFound) || failure.is(ErrorKind::NotADirectory) => {
            Ok(UserConfig::default())
        }
        Err(failure) => Err(failure),
    }
}

fn parse(file: &str, text: &str) -> Result<UserConfig, Problem> {
    let parsed: File = toml::from_str(text).map_err(|error| explain(file, text, &error))?;
    let mut keep = Vec::new();
    for pattern in parsed.keep {
        check_pattern(pattern.get_ref())
            .map_err(|error| Problem::new(file, text, Some(pattern.span()), error.to_string()))?;
        keep.push(pattern.into_inner());
    }
    Ok(UserConfig { keep })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_list_of_patterns() {
        assert_eq!(parse("x", "").unwrap(), UserConfig::default());
        assert_eq!(parse("x", "keep = [\"tmux*\", \"emacs\"]").unwrap().keep, ["tmux*", "emacs"]);
        for (text, said) in [
            ("kep = []", "unknown key `kep`"),
            ("keep = \"tmux\"", "expected"),
            ("keep = [\"\"]", "a pattern is 1 to"),
            ("keep = [1]", "expected a string"),
        ] {
            let problem = parse("x", text).unwrap_err();
            assert!(problem.message.contains(said), "{text}: {problem}");
            assert_eq!(problem.line, 1);
        }
    }

    #[test]
    fn a_file_that_is_not_there_sets_nothing_and_one_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("no/config.toml")).unwrap(), UserConfig::default());
        assert!(read(dir.path()).is_err());
    }
}
