//! Which scupper a client is to start.
//!
//! A client that was started from a desktop's menu has the short PATH of the session, without `~/.cargo/bin` or
//! `~/.local/bin`: there a plain name would end every server. So the name alone is written only where it is found in
//! every session; else the path of the program that runs now.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use scupper_mcp::may_be_called;

use crate::failure::Failure;

const NAME: &str = "scupper";
/// What the PATH of every session has.
const EVERYWHERE: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The program as it is to stand in the files.
pub(super) fn to_start(asked: Option<&str>) -> Result<String, Failure> {
    let program = match asked {
        Some(path) if path.contains('/') => text(std::path::absolute(path)?)?,
        Some(name) => name.to_owned(),
        None if EVERYWHERE.iter().any(|directory| is_program(&Path::new(directory).join(NAME))) => {
            NAME.to_owned()
        }
        None => text(env::current_exe()?)?,
    };
    if may_be_called(&program) {
        return Ok(program);
    }
    Err(Failure::usage(format!(
        "{program} would not be recognised later: its name does not begin with `scupper`"
    ))
    .hint("name a scupper with --scupper PATH"))
}

fn text(path: PathBuf) -> Result<String, Failure> {
    path.into_os_string()
        .into_string()
        .map_err(|path| Failure::usage(format!("the path {} is not UTF-8", path.display())))
}

/// Whether a program that stands in a file is there. `None` where only the client knows what it means.
pub(super) fn is_there(program: &str) -> Option<bool> {
    let path = Path::new(program);
    if path.is_absolute() {
        return Some(is_program(path));
    }
    if program.contains(['/', '$', '~', '{']) {
        return None;
    }
    let search = env::var_os("PATH").unwrap_or_default();
    Some(
        env::split_paths(&search)
            .chain(EVERYWHERE.map(PathBuf::from))
            .any(|directory| is_program(&directory.join(OsStr::new(program)))),
    )
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_absolute_and_a_name_is_not() {
        assert_eq!(to_start(Some("scupper")).unwrap(), "scupper");
        assert_eq!(to_start(Some("/opt/scupper-2/scupper")).unwrap(), "/opt/scupper-2/scupper");
        let here = env::current_dir().unwrap();
        assert_eq!(to_start(Some("bin/scupper")).unwrap(), here.join("bin/scupper").to_str().unwrap());
        assert!(to_start(Some("/usr/bin/env")).is_err());
    }

    #[test]
    fn what_only_the_client_knows_is_unknown() {
        for unknown in ["${HOME}/bin/scupper", "~/bin/scupper", "./scupper", "{env:SCUPPER}"] {
            assert_eq!(is_there(unknown), None, "{unknown}");
        }
        assert_eq!(is_there("/nowhere/scupper"), Some(false));
        assert_eq!(is_there("/bin"), Some(false));
        assert_eq!(is_there("sh"), Some(true));
    }
}
