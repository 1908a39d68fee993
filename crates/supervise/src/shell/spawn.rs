//! Starts a unit's command, through the launch stage.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use scupper_model::{KEEP, MARK, REGISTRY, RunId, TOKEN, UNIT, UnitSpec, holds_password};

use super::guardian::HANDOVER;
use super::launch::Orders;

/// The program of this process, whatever became of its file.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a start needs beside the unit's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) run: &'a RunId,
    pub(super) cgroup: Option<&'a Path>,
    pub(super) notify: Option<&'a OsStr>,
    /// The pid that `LISTEN_PID` was meant for: the guardian's.
    pub(super) addressed: i32,
    pub(super) descriptors: Option<u64>,
}

/// A command that cannot be started: the exit code a shell would give, and why.
#[derive(Debug)]
pub struct NotStarted {
    /// 127 not found, 126 not executable, 125 where scupper failed.
    pub code: i32,
    /// One line.
    pub message: String,
}

/// Starts the command of a unit. Its descriptors 0, 1 and 2 are ours, inherited.
pub(super) fn start(spec: &UnitSpec, around: Surroundings<'_>) -> Result<Child, NotStarted> {
    let program = spec.command.first().map(OsString::as_os_str).unwrap_or_default();
    check(program, spec)?;
    let orders = Orders {
        cgroup: around.cgroup,
        parent: rustix::process::getpid().as_raw_pid(),
        addressed: around.addressed,
        descriptors: around.descriptors,
    };
    let mut command = Command::new(OWN_PROGRAM);
    command.args(orders.arguments()).args(&spec.command);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    // A mark to be kept counts only where it is set inside the unit.
    command.env_remove(KEEP).env_remove(HANDOVER);
    if spec.agent.is_some() {
        command.env_remove(TOKEN);
        if std::env::var_os(REGISTRY).is_some_and(|address| holds_password(&address.to_string_lossy())) {
            command.env_remove(REGISTRY);
        }
    }
    command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
    command.env(MARK, around.run.to_string()).env(UNIT, spec.name.as_str());
    if let Some(address) = around.notify {
        command.env("NOTIFY_SOCKET", address);
    }
    if let Some(directory) = &spec.directory {
        command.current_dir(directory);
    }
    command.spawn().map_err(|error| NotStarted {
        code: 125,
        message: format!("cannot start `{}`: {error}", program.to_string_lossy()),
    })
}

/// Finds out beforehand what exec would say, so that the reason and the exit code are known before anything starts.
fn check(program: &OsStr, spec: &UnitSpec) -> Result<(), NotStarted> {
    let shown = program.to_string_lossy().into_owned();
    if let Some(directory) = &spec.directory
        && !directory.is_dir()
    {
        let message = format!("cannot run `{shown}`: its directory {} does not exist", directory.display());
        return Err(NotStarted { code: 125, message });
    }
    let base = spec.directory.clone().unwrap_or_default();
    let mut best = None;
    for candidate in candidates(program, spec) {
        match executable(&base.join(&candidate)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => best = Some((candidate, error)),
        }
    }
    Err(match best {
        Some((path, error)) => {
            NotStarted { code: 126, message: format!("cannot run `{}`: {error}", path.display()) }
        }
        None => NotStarted { code: 127, message: format!("cannot run `{shown}`: command not found") },
    })
}

/// Where exec would look: the path itself, or every directory of `PATH` (execvp(3)).
fn candidates(program: &OsStr, spec: &UnitSpec) -> Vec<PathBuf> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    let own = spec.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).map(|dir| dir.join(program)).collect()
}

fn executable(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    // Root may read everything, but the kernel runs only what somebody may execute.
    let marked = found.permissions().mode() & 0o111 != 0;
    if !marked || rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not executable"));
    }
    Ok(())
}
