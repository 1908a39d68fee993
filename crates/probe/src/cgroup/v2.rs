//! The files of a version 2 directory. What is not there is `None`: the cgroup is gone, or its parent did not hand the
//! controller down.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use scupper_model::{Bytes, Pid};

use super::{Limit, is_gone, read, read_value};
use crate::{ParseError, ProbeError, file, parse};

const DIRECTORY_LIMIT: usize = 4096;
const MEMBERS_LIMIT: usize = 4 << 20;

/// The processes of a cgroup, and of those below it where `recursive`. Empty where the cgroup is gone.
///
/// # Errors
/// Where a member belongs to another pid namespace, for then it can be neither named nor checked, and whoever would
/// end this cgroup must know that it holds a stranger. Also where there are more than 4096 cgroups or 4 MiB of pids:
/// half a list hides members.
pub fn members(directory: &Path, recursive: bool) -> Result<Vec<Pid>, ProbeError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut directories = VecDeque::from([directory.to_owned()]);
    let mut visited = 0;
    while let Some(directory) = directories.pop_front() {
        visited += 1;
        let path = directory.join("cgroup.procs");
        if visited > DIRECTORY_LIMIT {
            return Err(too_many(directory));
        }
        let text = match file::read_at(rustix::fs::CWD, &path, MEMBERS_LIMIT) {
            Ok(text) if text.truncated => return Err(too_many(path)),
            Ok(text) => text.bytes,
            Err(errno) if is_gone(errno) => continue,
            Err(errno) => return Err(ProbeError::new("read", path, errno)),
        };
        for line in parse::lines(&text) {
            let Some(pid) = parse::number(line).and_then(Pid::new) else {
                let expected = "a process of this pid namespace";
                return Err(ProbeError::parse(path, ParseError::malformed("member", line, expected)));
            };
            // The kernel does not promise that a member is listed once.
            if seen.insert(pid) {
                found.push(pid);
            }
        }
        if recursive {
            list_directories(&directory, &mut directories)?;
        }
    }
    Ok(found)
}

fn too_many(path: PathBuf) -> ProbeError {
    ProbeError::parse(
        path,
        ParseError::malformed("number of members", b"huge", "a number this reader follows"),
    )
}

fn list_directories(directory: &Path, into: &mut VecDeque<PathBuf>) -> Result<(), ProbeError> {
    let failed = |errno| ProbeError::new("list", directory, errno);
    // A directory has two links and one more for each directory in it; a file system that does not count says 1.
    if rustix::fs::stat(directory).is_ok_and(|found| found.st_nlink == 2) {
        return Ok(());
    }
    let handle = match file::open_directory(rustix::fs::CWD, directory) {
        Ok(handle) => handle,
        Err(errno) if is_gone(errno) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    let listed = file::each_name(&handle, |name| {
        let is_directory = rustix::fs::statat(&handle, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
        if is_directory && into.len() <= DIRECTORY_LIMIT {
            into.push_back(directory.join(OsStr::from_bytes(name)));
        }
        true
    });
    listed.or_else(|errno| if is_gone(errno) { Ok(()) } else { Err(failed(errno)) })
}

/// Whether the cgroup can be ended at once (`cgroup.kill`, kernel 5.14 and later, never in the root).
pub fn has_kill(directory: &Path) -> bool {
    directory.join("cgroup.kill").exists()
}

/// Whether the cgroup itself was told to stand still (`cgroup.freeze`); anybody who may write there can let it go on.
pub fn frozen(directory: &Path) -> Result<Option<bool>, ProbeError> {
    read_value(directory, "cgroup.freeze", "cgroup.freeze", |text| {
        parse::number(text.trim_ascii()).map(|told: u8| told != 0)
    })
}

/// The controllers that the cgroup may use.
pub fn controllers(directory: &Path) -> Result<Option<Vec<String>>, ProbeError> {
    let text = read(directory, "cgroup.controllers")?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).split_whitespace().map(str::to_owned).collect()))
}

/// The hard limit of the cgroup itself; those above it may be lower.
pub fn memory_max(directory: &Path) -> Result<Option<Limit>, ProbeError> {
    read_value(directory, "memory.max", "memory.max", parse_limit)
}

/// How many processes of this cgroup the OOM killer has ended. Of itself alone where the kernel tells that
/// (`memory.events.local`), else with those below it.
pub fn oom_kills(directory: &Path) -> Result<Option<u64>, ProbeError> {
    for name in ["memory.events.local", "memory.events"] {
        let count = read(directory, name)?.and_then(|text| parse::keyed(&text, "oom_kill"));
        if count.is_some() {
            return Ok(count);
        }
    }
    Ok(None)
}

/// Whether the cgroup or one below it has a living process. Zombies do not count.
pub fn populated(directory: &Path) -> Result<Option<bool>, ProbeError> {
    read_value(directory, "cgroup.events", "populated", |text| {
        parse::keyed(text, "populated").map(|count| count != 0)
    })
}

/// Reads `max` or a number of bytes.
pub fn parse_limit(text: &[u8]) -> Option<Limit> {
    match text.trim_ascii() {
        b"max" => Some(Limit::Max),
        number => parse::number(number).map(|bytes| Limit::Bytes(Bytes(bytes))),
    }
}
