//! One coordinator for a host and a registry (R114): a second one would look at the same processes.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use scupper_fleet::HostId;

/// Held as long as it lives. The file stays: who removed one that others have open would let two hold it.
#[derive(Debug)]
pub(super) struct Single {
    _lock: File,
}

/// Why it is not held.
#[derive(Debug, thiserror::Error)]
pub(super) enum SingleError {
    #[error(
        "another `scupper serve` of this user coordinates the host {0} for this registry: end it, or give this one \
         another --host"
    )]
    Taken(HostId),
    #[error("cannot lock {}", .0.display())]
    Lock(PathBuf, #[source] io::Error),
}

impl Single {
    /// Takes it, in the runtime directory.
    pub(super) fn take(directory: &Path, host: &HostId, registry: &str) -> Result<Self, SingleError> {
        let mut hasher = DefaultHasher::new();
        (host.as_str(), registry).hash(&mut hasher);
        let path = directory.join(format!("serve-{:016x}.lock", hasher.finish()));
        let failed = |error: Errno| SingleError::Lock(path.clone(), error.into());
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _lock: File::from(lock) }),
            Err(Errno::WOULDBLOCK) => Err(SingleError::Taken(host.clone())),
            Err(error) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r114_one_for_a_host_and_a_registry_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let take = |host: &str, registry: &str| Single::take(dir.path(), &host.parse().unwrap(), registry);
        let first = take("a", "redis://r").unwrap();
        assert!(matches!(take("a", "redis://r"), Err(SingleError::Taken(_))));
        let others = (take("b", "redis://r").unwrap(), take("a", "redis://other").unwrap());
        drop(first);
        assert!(take("a", "redis://r").is_ok());
        drop(others);
    }
}
