//! Where the hierarchies are mounted. In a container only a part of one may be: the `root` field of `mountinfo` says
//! which, and the paths of `/proc/PID/cgroup` are below that.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::{ProbeError, Proc, parse};

/// The mounts that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounts {
    /// Where version 2 is mounted.
    pub v2: Option<PathBuf>,
    /// Where the version 1 hierarchy with the memory controller is mounted.
    pub v1_memory: Option<PathBuf>,
    /// Which directory of version 2 is mounted there: `/` where it is all of it.
    pub v2_root: PathBuf,
    /// Which directory of the version 1 hierarchy is mounted there.
    pub v1_memory_root: PathBuf,
}

impl Default for Mounts {
    fn default() -> Self {
        Self { v2: None, v1_memory: None, v2_root: "/".into(), v1_memory_root: "/".into() }
    }
}

impl Mounts {
    /// Reads the mounts of the own mount namespace.
    pub fn read(proc_: &Proc) -> Result<Self, ProbeError> {
        // A mount table beyond this is cut; cgroups are mounted early.
        Ok(Self::parse(&proc_.read_global("self/mountinfo", 4 << 20)?.bytes))
    }

    /// Reads the text of `mountinfo`. Of several mounts of one hierarchy the first that shows all of it counts, else
    /// the first.
    pub fn parse(mountinfo: &[u8]) -> Self {
        let mut v2: Option<Mount> = None;
        let mut v1_memory: Option<Mount> = None;
        for mount in parse::lines(mountinfo).filter_map(Mount::parse) {
            let slot = match mount.kind {
                Kind::V2 => &mut v2,
                Kind::V1Memory => &mut v1_memory,
            };
            if slot.as_ref().is_none_or(|kept| !is_whole(&kept.root) && is_whole(&mount.root)) {
                *slot = Some(mount);
            }
        }
        let (v2, v2_root) = split(v2);
        let (v1_memory, v1_memory_root) = split(v1_memory);
        Self { v2, v1_memory, v2_root, v1_memory_root }
    }
}

fn split(mount: Option<Mount>) -> (Option<PathBuf>, PathBuf) {
    mount.map_or_else(|| (None, "/".into()), |mount| (Some(mount.point), mount.root))
}

fn is_whole(root: &Path) -> bool {
    root == Path::new("/")
}

struct Mount {
    kind: Kind,
    root: PathBuf,
    point: PathBuf,
}

enum Kind {
    V2,
    V1Memory,
}

impl Mount {
    /// `36 35 98:0 /root /point rw,noatime master:1 - cgroup2 source options`; the part before the dash varies.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&b| b == b' ');
        let root = unescape(fields.nth(3)?);
        let point = unescape(fields.next()?);
        let mut fields = fields.skip_while(|&field| field != b"-").skip(1);
        let kind = match fields.next()? {
            b"cgroup2" => Kind::V2,
            b"cgroup" if fields.nth(1)?.split(|&b| b == b',').any(|option| option == b"memory") => {
                Kind::V1Memory
            }
            _ => return None,
        };
        Some(Self { kind, root, point })
    }
}

/// Undoes the octal escapes (`\040` is a space) of a path in `mountinfo`.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if first == b'\\' => {
                Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

/// The directory that shows `path`, where `root` of the hierarchy is mounted at `point`. `None` for what lies outside,
/// as `/../other` in a cgroup namespace does.
pub(super) fn directory(point: &Path, root: &Path, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(root).ok()?;
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    // A plain `join` of an empty path would leave a slash behind.
    plain.then(|| if below.as_os_str().is_empty() { point.to_owned() } else { point.join(below) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,memory_recursiveprot
";

    #[test]
    fn a_hybrid_machine_has_both() {
        let mounts = Mounts::parse(HYBRID);
        assert_eq!(mounts.v2, Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mounts.v1_memory, Some("/sys/fs/cgroup/memory".into()));
        assert_eq!(mounts.v2_root, Path::new("/"));
    }

    #[test]
    fn a_container_sees_a_part() {
        let text = b"9 8 0:1 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let mounts = Mounts::parse(text);
        assert_eq!(mounts.v1_memory_root, Path::new("/docker/abc"));
        assert_eq!(mounts.v2, None);
    }

    #[test]
    fn a_mount_of_all_goes_before_one_of_a_part() {
        let text = b"1 1 0:1 /part /bind\\040mount ro - cgroup2 c rw\n2 1 0:1 / /all rw - cgroup2 c rw\n\
                     3 1 0:1 / /late rw - cgroup2 c rw\n";
        assert_eq!(Mounts::parse(text).v2, Some("/all".into()));
        let only = b"1 1 0:1 /part /bind\\040mount\\134 ro - cgroup2 c rw\n";
        assert_eq!(Mounts::parse(only).v2, Some("/bind mount\\".into()));
    }

    #[test]
    fn what_lies_outside_has_no_directory() {
        let point = Path::new("/m");
        assert_eq!(directory(point, Path::new("/"), Path::new("/")), Some("/m".into()));
        assert_eq!(directory(point, Path::new("/"), Path::new("/a/b")), Some("/m/a/b".into()));
        assert_eq!(directory(point, Path::new("/a"), Path::new("/a/b")), Some("/m/b".into()));
        assert_eq!(directory(point, Path::new("/a"), Path::new("/ab")), None);
        assert_eq!(directory(point, Path::new("/"), Path::new("/../other")), None);
        assert_eq!(directory(point, Path::new("/"), Path::new("relative")), None);
    }
}
