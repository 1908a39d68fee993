//! The stage between fork and exec: a copy of scupper that becomes the command.
//!
//! What has to happen inside the new process, before the command runs, happens here in ordinary code instead of
//! between `fork` and `exec`: it joins the unit's cgroup, asks to be told of its parent's death, and rewrites the
//! variables that name a pid (`LISTEN_PID`, `WATCHDOG_PID`: `sd_listen_fds(3)`, `sd_watchdog_enabled(3)`), which only the
//! process itself knows. One exec more; `bench/spawn.py` says what it costs.
//!
//! Its name in `/proc` is [`NAME`] until the command has taken over. A main process that ends under that name never
//! started its command, however it exited.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal};

/// First argument of the stage.
const STAGE: &str = "__launch";
/// The kernel's name for a process in this stage (15 bytes at most).
pub const NAME: &str = "scupper-launch";

/// Whether these arguments ask for this stage.
pub fn is_launch(argv: &[OsString]) -> bool {
    argv.get(1).is_some_and(|first| first == STAGE)
}

/// Whether this is the command line of a process in this stage.
pub(super) fn is_stage(command: &[Vec<u8>]) -> bool {
    command.get(1).is_some_and(|first| first == STAGE.as_bytes())
}

/// What the stage is told, as its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders<'a> {
    /// The cgroup v2 directory to join.
    pub(super) cgroup: Option<&'a Path>,
    /// The process that must still be the parent.
    pub(super) parent: i32,
    /// The pid that `LISTEN_PID` and `WATCHDOG_PID` hold where they were meant for scupper.
    pub(super) addressed: i32,
    /// The soft limit of open descriptors that the command is to start with.
    pub(super) descriptors: Option<u64>,
}

impl Orders<'_> {
    /// The arguments that hand these orders over.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let number = |n: Option<u64>| n.map_or_else(|| "-".into(), |n| n.to_string().into());
        vec![
            STAGE.into(),
            self.cgroup.map_or_else(|| "-".into(), |path| path.as_os_str().to_owned()),
            self.parent.to_string().into(),
            self.addressed.to_string().into(),
            number(self.descriptors),
            "--".into(),
        ]
    }
}

/// Becomes the command. Returns only when that is not possible: 127 where it was not found, 126 where it cannot be
/// executed, after one line on stderr.
pub fn launch(argv: &[OsString]) -> i32 {
    let [_, _, cgroup, parent, addressed, descriptors, _, program, arguments @ ..] = argv else {
        return complain(OsStr::new("scupper"), "this stage is not for people", 125);
    };
    let _ = rustix::thread::set_name(c"scupper-launch");
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<i32>().ok());
    // The command gets TERM when scupper dies. It is told by the kernel, so even when nothing of ours is left.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    let parent_now = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
    if parent_now != number(parent) {
        return 125;
    }
    if cgroup != "-" {
        // Not fatal: the tree is owned by ancestry and mark as well.
        let _ = std::fs::write(Path::new(cgroup).join("cgroup.procs"), "0");
    }
    if let Some(soft) = descriptors.to_str().and_then(|text| text.parse().ok()) {
        let limit = rustix::process::getrlimit(Resource::Nofile);
        let _ = rustix::process::setrlimit(
            Resource::Nofile,
            Rlimit { current: Some(soft), maximum: limit.maximum },
        );
    }
    let mut command = Command::new(program);
    command.args(arguments);
    let own = rustix::process::getpid().as_raw_pid().to_string();
    for name in ["LISTEN_PID", "WATCHDOG_PID"] {
        if std::env::var_os(name).is_some_and(|value| number(&value) == number(addressed)) {
            command.env(name, &own);
        }
    }
    let error = command.exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    complain(program, &error.to_string(), code)
}

fn complain(program: &OsStr, why: &str, code: i32) -> i32 {
    let _ = writeln!(std::io::stderr(), "scupper: cannot run `{}`: {why}", program.to_string_lossy());
    code
}
