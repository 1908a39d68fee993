//! cgroups, both versions: where a process is, what it may use, and whether the OOM killer has been there.
//!
//! A machine may have version 2, version 1 or both at once with the memory controller on either side, so every
//! question is asked of the files that are there, and never of the version.

mod limits;
mod mounts;
mod v1;
mod v2;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use scupper_model::Bytes;

pub use limits::{Allowance, OomCounter, memory_allowance, oom_counter};
pub use mounts::Mounts;
pub use v1::{parse_v1_limit, v1_memory_limit, v1_oom_kills};
pub use v2::{controllers, frozen, has_kill, members, memory_max, oom_kills, parse_limit, populated};

use crate::{ParseError, ProbeError, file, parse};

/// One line of `/proc/PID/cgroup`: where a process is in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupPath {
    /// The number of the hierarchy: 0 for version 2.
    pub hierarchy: u32,
    /// The controllers of a version 1 hierarchy (`memory`, `name=systemd`); empty for version 2.
    pub controllers: Vec<String>,
    /// The path below the root of the hierarchy, as seen from the own cgroup namespace.
    pub path: PathBuf,
}

impl CgroupPath {
    /// Whether this is the one hierarchy of version 2.
    pub fn is_v2(&self) -> bool {
        self.hierarchy == 0 && self.controllers.is_empty()
    }

    /// Whether this is the version 1 hierarchy of a controller.
    pub fn has_controller(&self, name: &str) -> bool {
        self.controllers.iter().any(|controller| controller == name)
    }
}

/// How much memory a cgroup may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many bytes.
    Bytes(Bytes),
    /// As much as there is.
    Max,
}

/// Reads `/proc/PID/cgroup`: `0::/path` and `4:memory:/path`. A line that is neither is left out.
pub fn parse_cgroup(text: &[u8]) -> Vec<CgroupPath> {
    let line = |line: &[u8]| {
        let mut fields = line.splitn(3, |&b| b == b':');
        let hierarchy = parse::number(fields.next()?)?;
        let controllers = std::str::from_utf8(fields.next()?).ok()?;
        let path = fields.next()?;
        if path.first() != Some(&b'/') {
            return None;
        }
        Some(CgroupPath {
            hierarchy,
            controllers: controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            path: Path::new(OsStr::from_bytes(path)).to_owned(),
        })
    };
    parse::lines(text).filter_map(line).collect()
}

/// The directory of a process in the version 2 hierarchy, where one is mounted and shows it.
pub fn own_v2(mounts: &Mounts, paths: &[CgroupPath]) -> Option<PathBuf> {
    let own = paths.iter().find(|path| path.is_v2())?;
    mounts::directory(mounts.v2.as_deref()?, &mounts.v2_root, &own.path)
}

/// The directory of a process in the version 1 hierarchy of the memory controller, where there is one.
pub fn own_v1_memory(mounts: &Mounts, paths: &[CgroupPath]) -> Option<PathBuf> {
    let own = paths.iter().find(|path| path.has_controller("memory"))?;
    mounts::directory(mounts.v1_memory.as_deref()?, &mounts.v1_memory_root, &own.path)
}

/// A small file of a cgroup. `None` where it is not there: the cgroup is gone or has no such controller.
fn read(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, ProbeError> {
    let path = directory.join(name);
    match file::read_at(rustix::fs::CWD, &path, 64 << 10) {
        Ok(content) => Ok(Some(content.bytes)),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(ProbeError::new("read", path, errno)),
    }
}

/// One value out of a small file.
fn read_value<T>(
    directory: &Path,
    name: &str,
    item: &'static str,
    value: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, ProbeError> {
    let Some(bytes) = read(directory, name)? else { return Ok(None) };
    let missing =
        || ProbeError::parse(directory.join(name), ParseError::malformed(item, &bytes, "as expected"));
    value(&bytes).map(Some).ok_or_else(missing)
}

/// A removed cgroup answers ENODEV through descriptors that are still open.
const fn is_gone(errno: Errno) -> bool {
    crate::error::is_gone(errno) || matches!(errno, Errno::NODEV | Errno::NOTDIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hierarchy_is_read() {
        let text =
            b"12:cpu,cpuacct:/a:b\n4:memory:/docker/x\n1:name=systemd:/\n0::/user.slice/\xff\nbad\n7:x:rel\n";
        let paths = parse_cgroup(text);
        assert_eq!(paths.len(), 4);
        assert_eq!(paths[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(paths[0].path, Path::new("/a:b"));
        assert!(paths[1].has_controller("memory") && !paths[1].is_v2());
        assert_eq!(paths[2].controllers, ["name=systemd"]);
        assert!(paths[3].is_v2());
        assert_eq!(paths[3].path.as_os_str().as_bytes(), b"/user.slice/\xff");
    }

    #[test]
    fn own_directories_follow_the_mounts() {
        let mounts = Mounts {
            v2: Some("/mnt/unified".into()),
            v1_memory: Some("/mnt/memory".into()),
            v1_memory_root: "/docker/x".into(),
            ..Mounts::default()
        };
        let paths = parse_cgroup(b"4:memory:/docker/x/inner\n0::/a/b\n");
        assert_eq!(own_v2(&mounts, &paths), Some("/mnt/unified/a/b".into()));
        assert_eq!(own_v1_memory(&mounts, &paths), Some("/mnt/memory/inner".into()));
        assert_eq!(own_v2(&Mounts::default(), &paths), None);
    }
}
