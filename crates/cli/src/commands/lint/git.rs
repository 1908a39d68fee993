//! What a source tree says of its commits. Git is started by its arguments, without a shell, and does nothing but read: no hook, no
//! filter, nothing fetched.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use scupper_casebook::lint::Known;

/// Whether the tree has this commit. The id is 7 to 40 hexadecimal digits: nothing that could be an option.
pub(super) fn commit(root: &Path, id: &str) -> Known {
    let says =
        |args: &[&str]| git(root, args).stdout(Stdio::null()).status().ok().map(|status| status.success());
    if says(&["rev-parse", "--git-dir"]) != Some(true) {
        return Known::NotLooked;
    }
    match says(&["cat-file", "-e", &format!("{id}^{{commit}}")]) {
        Some(true) => Known::Yes,
        Some(false) => Known::No,
        None => Known::NotLooked,
    }
}

/// A file as of a commit; at most so many bytes. `Ok(None)` where the commit has no such file.
pub(super) fn file(root: &Path, id: &str, path: &str, limit: u64) -> Result<Option<String>, String> {
    // A path with `:` or `.` in front means what it says behind `./`.
    let name = format!("{id}:./{path}");
    let mut child = git(root, &["cat-file", "blob", &name])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start git: {error}"))?;
    let mut bytes = Vec::new();
    let read =
        child.stdout.take().map_or(Ok(0), |out| out.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    // It ends with its pipe; what is longer is not waited for.
    let is_long = bytes.len() as u64 > limit;
    if is_long {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("git: {error}"))?;
    read.map_err(|error| format!("git: {error}"))?;
    if is_long {
        return Err(format!("it has more than {limit} bytes"));
    }
    if !status.success() {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8".to_owned())
}

fn git(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(root)
        .args(["--no-pager", "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false"])
        .args(args)
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}
