//! Where things lie: the records of running units, and the evidence.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use scupper_supervise::record::{RecordError, Records};

/// The evidence file's name in the state directory.
const EVIDENCE: &str = "evidence.sqlite";
/// The name of the file of what is kept, in the same place.
const KEEPS: &str = "keeps.json";
/// The state directory of a user who says nothing else.
const STATE_BELOW_HOME: &str = ".local/state/scupper";

/// The records of this user's units.
pub(crate) fn records() -> Result<Records, RecordError> {
    Records::for_this_user()
}

/// The evidence file: under `--state DIR`, else `$XDG_STATE_HOME/scupper`, else `~/.local/state/scupper`. `None` where
/// none of them is set. Nothing is created here.
pub(crate) fn evidence(state: Option<&Path>) -> Option<PathBuf> {
    Some(state_directory(state, |name| env::var_os(name))?.join(EVIDENCE))
}

/// The state directory: `--state DIR`, else `$XDG_STATE_HOME/scupper`, else `~/.local/state/scupper`. Nothing is created here.
pub(crate) fn state(flag: Option<&Path>) -> Option<PathBuf> {
    state_directory(flag, |name| env::var_os(name))
}

/// The user whose directory root would write to, where root was left with a user's `HOME` (`sudo -E`): what root made
/// there would lock that user out. A directory given by `--state` is meant.
pub(crate) fn state_of_a_user(state: Option<&Path>) -> Option<u32> {
    if state.is_some() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let directory = state_directory(None, |name| env::var_os(name))?;
    let nearest = directory.ancestors().find_map(|part| fs::metadata(part).ok())?;
    Some(nearest.uid()).filter(|owner| *owner != 0)
}

/// What this user asked to keep, in the same directory.
pub(crate) fn keeps(state: Option<&Path>) -> Option<PathBuf> {
    Some(state_directory(state, |name| env::var_os(name))?.join(KEEPS))
}

/// What the user with this home directory asked to keep, where nothing says that it lies elsewhere.
pub(crate) fn keeps_below(home: &Path) -> PathBuf {
    home.join(STATE_BELOW_HOME).join(KEEPS)
}

/// What this user has set for every scupper: `$XDG_CONFIG_HOME/scupper/config.toml`, else the one below `~/.config`.
pub(crate) fn user_config() -> Option<PathBuf> {
    user_config_by(|name| env::var_os(name))
}

fn user_config_by(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(directory.join("scupper/config.toml"))
}

fn state_directory(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    flag.map(Path::to_path_buf)
        .or_else(|| absolute("XDG_STATE_HOME").map(|dir| dir.join("scupper")))
        .or_else(|| absolute("HOME").map(|home| home.join(STATE_BELOW_HOME)))
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
        assert_eq!(user_config_by(both), Some("/home/ana/.config/scupper/config.toml".into()));
        let config = |name: &str| (name == "XDG_CONFIG_HOME").then(|| "/config".into());
        assert_eq!(user_config_by(config), Some("/config/scupper/config.toml".into()));
        assert_eq!(user_config_by(relative), None);
        let home = |name: &str| (name == "HOME").then(|| "/home/ana".into());
        assert_eq!(state_directory(None, home), Some("/home/ana/.local/state/scupper".into()));
    }
}
