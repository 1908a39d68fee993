//! The embedded store in a directory of its own, with a clock that is turned by hand.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::testing::Manual;
use scupper_fleet::{EmbeddedStore, Store};
use scupper_model::BootId;
use tempfile::TempDir;

use crate::suite::Fixture;

pub const DURABLE: &str = "fleet.sqlite";
pub const BEATS: &str = "fleet-beats.sqlite";
const SIDES: [&str; 3] = ["", "-wal", "-shm"];

pub struct Embedded {
    pub clock: Arc<Manual>,
    pub store: Arc<EmbeddedStore>,
    pub directory: TempDir,
}

pub fn boot() -> BootId {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

impl Embedded {
    pub fn start() -> Self {
        Self::below(&std::env::temp_dir(), 500)
    }

    /// Deletes so many keys in one step of a cleanup. In a file system of memory where there is one: for what is about
    /// order, and not about the disk.
    pub fn chunked(keys: usize) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory, keys) } else { Self::below(&std::env::temp_dir(), keys) }
    }

    /// In a directory that somebody else removes.
    pub fn at(directory: &Path) -> Self {
        Self::below(directory, 500)
    }

    fn below(parent: &Path, keys: usize) -> Self {
        let directory = tempfile::tempdir_in(parent).unwrap();
        let clock = Arc::new(Manual::new());
        let store = open(directory.path(), &clock).chunked(keys);
        Self { clock, store: Arc::new(store), directory }
    }

    /// Another process of the same host, as far as the files are concerned.
    pub fn another(&self) -> EmbeddedStore {
        open(self.directory.path(), &self.clock)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The heartbeats are gone, as after a reboot.
    pub fn lose_beats(&self) {
        remove(&self.path(BEATS));
    }

    /// Both files are gone.
    pub fn lose_everything(&self) {
        remove(&self.path(DURABLE));
        remove(&self.path(BEATS));
    }

    /// The durable file alone holds everything.
    pub fn checkpoint(&self) {
        let connection = rusqlite::Connection::open(self.path(DURABLE)).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// What the durable file holds now.
    pub fn copy(&self, to: &str) {
        let _ = fs::remove_file(self.path(to));
        let connection = rusqlite::Connection::open(self.path(DURABLE)).unwrap();
        connection.execute("VACUUM INTO ?1", [self.path(to).to_str().unwrap()]).unwrap();
    }

    /// Somebody restores that.
    pub fn restore(&self, from: &str) {
        remove(&self.path(DURABLE));
        fs::rename(self.path(from), self.path(DURABLE)).unwrap();
    }
}

pub fn open(directory: &Path, clock: &Arc<Manual>) -> EmbeddedStore {
    EmbeddedStore::open(directory, clock.clone(), boot()).unwrap()
}

fn remove(path: &Path) {
    for side in SIDES {
        let mut name = path.as_os_str().to_owned();
        name.push(side);
        let _ = fs::remove_file(name);
    }
}

impl Fixture for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    fn restart(&self) -> bool {
        self.clock.pass(Duration::from_secs(1));
        self.lose_beats();
        true
    }

    fn lose(&self, doing: &mut dyn FnMut()) -> bool {
        self.copy("before");
        self.clock.pass(Duration::from_millis(10));
        doing();
        self.clock.pass(Duration::from_millis(10));
        self.restore("before");
        true
    }

    fn renews_leases(&self) -> bool {
        true
    }
}

/// A file system of its own below a test's directory, where we may make one.
pub struct Mount(PathBuf);

impl Mount {
    /// `None`, with the reason printed, where mounting is not permitted.
    pub fn tmpfs(directory: &Path, options: &str) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(directory).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(directory.to_owned())),
            Ok(output) => {
                println!("skipped: cannot mount: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    pub fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a connection may still be open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
