//! When the writer has a thread. One test alone in its process, because it counts the process's threads.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::time::Duration;

use common::{NOW, loud, notice, open, routine, wait_for};
use rusqlite::Connection;
use scupper_evidence::{Options, Writer};
use tempfile::tempdir;

fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "evidence")
        .count()
}

fn wait_for_threads(count: usize) {
    wait_for("the threads", || if threads() == count { Ok(()) } else { Err(threads()) });
}

#[test]
fn a_thread_lives_only_while_there_is_something_to_write() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let writer = Writer::new(path.clone(), Options::default(), || NOW);
    writer.record(routine(1));
    assert_eq!(threads(), 0);
    writer.record(loud("now"));
    wait_for("both", || if writer.written() == 2 { Ok(()) } else { Err(writer.error()) });
    assert_eq!(threads(), 1);
    assert!(home.path().join("e-wal").exists());
    // After some quiet time thread and connection are gone, and come back.
    writer.record(routine(2));
    wait_for_threads(0);
    assert!(!home.path().join("e-wal").exists());
    writer.record(notice(3));
    wait_for("the rest", || if writer.written() == 4 { Ok(()) } else { Err(writer.error()) });
    assert_eq!(writer.close(Duration::from_secs(20)).lost, 0);
    wait_for_threads(0);

    // An abandoned thread goes by itself, though the lock that kept it stays.
    drop(open(&path));
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = Writer::new(path.clone(), Options::default(), || NOW);
    writer.record(notice(4));
    assert_eq!(writer.close(Duration::from_millis(100)).lost, 1);
    wait_for_threads(0);
}
