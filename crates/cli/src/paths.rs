//! Where things lie: the records of running units, and the evidence.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use scupper_supervise::record::{RecordError, Records};

/// The evidence file's name in the state directory.
const EVIDENCE: &str = "evidence.sqlite";

/// The records of this user's units.
pub(crate) fn records() -> Result<Records, RecordError> {
    Records::for_this_user()
}

/// The evidence file: under `--state DIR`, else `$XDG_STATE_HOME/scupper`, else `~/.local/state/scupper`. `None` where
/// none of them is set. Nothing is created here.
pub(crate) fn evidence(state: Option<&Path>) -> Option<PathBuf> {
    Some(state_directory(state, |name| env::var_os(name))?.join(EVIDENCE))
}

fn state_directory(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    flag.map(Path::to_path_buf)
        .or_else(|| absolute("XDG_STATE_HOME").map(|dir| dir.join("scupper")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/scupper")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_is_set_is_taken() {
        let both = |name: &str| match name {
            "XDG_STATE_HOME" => Some("/state".into()),
            "HOME" => Some("/home/ana".into()),
            _ => None,
        };
        let relative = |name: &str| (name == "XDG_STATE_HOME").then(|| "state".into());
        assert_eq!(state_directory(Some(Path::new("here")), both), Some("here".into()));
        assert_eq!(state_directory(None, both), Some("/state/scupper".into()));
        assert_eq!(state_directory(None, relative), None);
        let home = |name: &str| (name == "HOME").then(|| "/home/ana".into());
        assert_eq!(state_directory(None, home), Some("/home/ana/.local/state/scupper".into()));
    }
}
