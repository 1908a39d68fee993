//! Strangers' text made fit to print, in the same way everywhere.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scupper_model::{Pid, printable, redact_line};
use scupper_probe::snapshot::Process;

/// Characters of a path that are shown.
const MOST_OF_PATH: usize = 120;

/// What stands behind the name of a file that was deleted: proc(5).
const DELETED: &[u8] = b" (deleted)";

/// The last component of a path, as programs are named by it. A login shell's leading `-` is no part of the name.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    base.strip_prefix(b"-").unwrap_or(base)
}

/// The kernel's short name of a process, printable.
pub(crate) fn short_name(process: &Process) -> String {
    printable(&process.name, 32)
}

/// `node (pid 12)`.
pub(crate) fn named(process: &Process) -> String {
    who(&short_name(process), process.identity.pid)
}

/// `node (pid 12)`.
pub(crate) fn who(name: &str, pid: Pid) -> String {
    format!("{name} (pid {pid})")
}

/// The name that a deleted file had; `None` for one that is there.
pub(crate) fn deleted(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_bytes().strip_suffix(DELETED)
}

/// A path as it may be shown.
pub(crate) fn shown_path(path: &[u8]) -> String {
    redact_line(&printable(path, MOST_OF_PATH))
}
