//! What a process may use, and whether the OOM killer has been at work in its cgroup.

use std::path::{Path, PathBuf};

use scupper_model::Bytes;

use super::{CgroupPath, Limit, Mounts, own_v1_memory, own_v2, v1, v2};
use crate::ProbeError;

/// The counter of the OOM killer in the memory cgroup of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomCounter {
    /// The directory it was read from.
    pub cgroup: PathBuf,
    /// Processes that the OOM killer has ended there since the cgroup was made.
    pub count: u64,
}

/// How much memory a process may use, and what says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So much.
    pub bytes: Bytes,
    /// Which file or fact set it, for people to read.
    pub source: String,
}

/// The counter of the process's own memory cgroup. `None` where no counter can be read, which is not a count of 0.
pub fn oom_counter(mounts: &Mounts, paths: &[CgroupPath]) -> Option<OomCounter> {
    let read = |cgroup: Option<PathBuf>, count: fn(&Path) -> Result<Option<u64>, ProbeError>| {
        let cgroup = cgroup?;
        let count = count(&cgroup).ok()??;
        Some(OomCounter { cgroup, count })
    };
    read(own_v2(mounts, paths), v2::oom_kills)
        .or_else(|| read(own_v1_memory(mounts, paths), v1::v1_oom_kills))
}

/// The smallest limit from the process's own cgroups up to the mount, in both versions, or else the host's memory. A
/// limit that cannot be read limits nothing as far as is known.
pub fn memory_allowance(mounts: &Mounts, paths: &[CgroupPath], host: Bytes) -> Allowance {
    let mut allowance = Allowance { bytes: host, source: "memory of the host".to_owned() };
    let chains = [
        (own_v2(mounts, paths), &mounts.v2, "memory.max", v2::memory_max as fn(&Path) -> _),
        (own_v1_memory(mounts, paths), &mounts.v1_memory, "memory.limit_in_bytes", v1::v1_memory_limit),
    ];
    for (own, top, file, limit) in chains {
        let (Some(own), Some(top)) = (own, top) else { continue };
        for directory in own.ancestors().take_while(|directory| directory.starts_with(top)) {
            if let Ok(Some(Limit::Bytes(bytes))) = limit(directory)
                && bytes < allowance.bytes
            {
                allowance = Allowance { bytes, source: directory.join(file).display().to_string() };
            }
        }
    }
    allowance
}
