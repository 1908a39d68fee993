//! The writer against everything a file can do to it: locked, full, damaged, read-only, gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Mount, NOW, is_sound, loud, messages, notice, open, routine, wait_for};
use rusqlite::Connection;
use scupper_evidence::{Options, Query, Store, Writer};
use scupper_model::{Bytes, Timestamp};
use tempfile::tempdir;

const LONG: Duration = Duration::from_secs(20);

fn writer(path: &Path) -> Writer {
    Writer::new(path.to_owned(), Options::default(), || NOW)
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file of ours with something in it, and the connection that holds its lock.
fn locked(path: &Path) -> Connection {
    drop(open(path));
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn nothing_exists_until_something_is_worth_keeping() {
    let home = tempdir().unwrap();
    let path = home.path().join("state/e");
    let writer = writer(&path);
    for n in 1..=200 {
        writer.record(routine(n));
    }
    assert!(files(home.path()).is_empty());
    writer.record(loud("now"));
    wait_for("all on disk", || if writer.written() == 201 { Ok(()) } else { Err(writer.written()) });
    let all = messages(&path);
    assert_eq!((all.len(), all[200].as_str()), (201, "trouble: now"));
    assert_eq!(writer.error(), None);
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost, report.error), (201, 0, None));
    assert_eq!(files(path.parent().unwrap()), ["e"], "no side files left");
}

#[test]
fn routine_events_are_written_at_the_end_or_when_they_are_many() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let first = writer(&path);
    first.record(routine(1));
    assert_eq!(first.close(LONG).written, 1);
    let second = writer(&path);
    for n in 0..256 {
        second.record(routine(n));
    }
    wait_for("a full ring", || if second.written() == 256 { Ok(()) } else { Err(second.written()) });
    assert_eq!(second.close(LONG).lost, 0);
    assert_eq!(messages(&path).len(), 257);
    // Nothing at all to say touches nothing.
    let silent = home.path().join("silent");
    let report = writer(&silent).close(Duration::ZERO);
    assert_eq!(report, scupper_evidence::CloseReport::default());
    assert!(!silent.exists());
}

#[test]
fn a_dropped_writer_still_writes_once() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let dropped = writer(&path);
    dropped.record(routine(1));
    drop(dropped);
    wait_for("the event", || match path.exists().then(|| Store::open_read_only(&path)) {
        Some(Ok(Some(store))) if store.events(&Query::default()).is_ok_and(|all| all.len() == 1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_lock_delays_and_loses_nothing_within_the_queue() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let lock = locked(&path);
    let writer = writer(&path);
    for n in 0..1_024 {
        writer.record(notice(n));
    }
    wait_for("the trouble to be told", || match writer.error() {
        Some(error) if error.contains("another process has locked it") => Ok(()),
        other => Err(other),
    });
    assert_eq!((writer.written(), writer.lost()), (0, 0));
    lock.execute_batch("ROLLBACK").unwrap();
    wait_for("all of it", || if writer.written() == 1_024 { Ok(()) } else { Err(writer.error()) });
    assert_eq!(writer.error(), None);
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost), (1_024, 0));
    assert_eq!(messages(&path), (0..1_024).map(|n| format!("number {n}")).collect::<Vec<_>>());
}

#[test]
fn what_does_not_fit_is_counted_and_told() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let lock = locked(&path);
    let writer = writer(&path);
    for n in 0..1_100 {
        writer.record(notice(n));
    }
    assert_eq!(writer.lost(), 76);
    wait_for("the trouble to be told", || writer.error().map(|_| ()).ok_or(()));
    lock.execute_batch("ROLLBACK").unwrap();
    wait_for("the rest", || if writer.written() == 1_024 { Ok(()) } else { Err(writer.error()) });
    writer.record(notice(5_000));
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost), (1_025, 76));
    let all = messages(&path);
    let gaps: Vec<_> = all.iter().filter(|message| message.starts_with("gap of")).collect();
    assert_eq!(gaps.len(), 1, "told once");
    assert!(gaps[0].starts_with("gap of 76: ") && gaps[0].contains("locked"), "{gaps:?}");
    assert_eq!(all.len(), 1_026);
}

#[test]
fn closing_takes_no_longer_than_it_may() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let lock = locked(&path);
    let writer = writer(&path);
    writer.record(notice(1));
    writer.record(routine(1));
    let report = writer.close(Duration::from_millis(100));
    assert_eq!((report.written, report.lost), (0, 2));
    drop(lock);
    assert!(messages(&path).is_empty());
}

#[test]
fn closing_waits_for_a_lock_that_goes_away() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let lock = locked(&path);
    let writer = writer(&path);
    writer.record(notice(1));
    wait_for("the trouble to be told", || writer.error().map(|_| ()).ok_or(()));
    let closing = std::thread::spawn(move || writer.close(LONG));
    std::thread::park_timeout(Duration::from_millis(50));
    drop(lock);
    let report = closing.join().unwrap();
    assert_eq!((report.written, report.lost, report.error), (1, 0, None));
}

fn aside(directory: &Path) -> Vec<String> {
    files(directory).into_iter().filter(|name| name.contains(".corrupt-")).collect()
}

#[test]
fn garbage_is_moved_aside_and_a_new_file_started() {
    let home = tempdir().unwrap();
    let path = home.path().join("evidence.sqlite");
    fs::write(&path, vec![0x5a; 10_000]).unwrap();
    let writer = writer(&path);
    writer.record(notice(1));
    assert_eq!(writer.close(LONG).written, 1);
    assert_eq!(aside(home.path()), ["evidence.sqlite.corrupt-20261122T074900Z"]);
    assert_eq!(fs::read(home.path().join(&aside(home.path())[0])).unwrap(), vec![0x5a; 10_000]);
    let all = messages(&path);
    assert!(all[0].starts_with("trouble: the evidence file was damaged and moved to"), "{all:?}");
    assert_eq!(all[1..], ["number 1"]);
}

#[test]
fn a_truncated_file_is_moved_aside() {
    let home = tempdir().unwrap();
    let path = home.path().join("evidence.sqlite");
    open(&path).insert(&(0..500).map(notice).collect::<Vec<_>>()).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    let writer = writer(&path);
    writer.record(notice(1));
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost, report.error), (1, 0, None));
    assert_eq!(aside(home.path()).len(), 1);
    assert!(is_sound(&path));
}

#[test]
fn damage_while_writing_is_survived_by_all_who_share_the_file() {
    let home = tempdir().unwrap();
    let path = home.path().join("evidence.sqlite");
    let writers: Vec<Writer> = (0..4).map(|_| writer(&path)).collect();
    let record = |n: u64| writers.iter().for_each(|writer| writer.record(notice(n)));
    let wait = |n: u64| {
        for writer in &writers {
            wait_for("a batch", || if writer.written() == n { Ok(()) } else { Err(writer.error()) });
        }
    };
    for n in 1..=50 {
        record(n);
    }
    wait(50);
    // Somebody writes over the whole file and its WAL.
    for name in ["evidence.sqlite", "evidence.sqlite-wal"] {
        let file = home.path().join(name);
        if let Ok(length) = fs::metadata(&file).map(|metadata| metadata.len()) {
            use std::io::Write;
            let garbage = vec![0x5a; usize::try_from(length).unwrap()];
            fs::File::options().write(true).open(&file).unwrap().write_all(&garbage).unwrap();
        }
    }
    for n in 51..=100 {
        record(n);
    }
    wait(100);
    // A batch may still have gone into the damaged file, by a connection that had not yet met the damage; what comes
    // after somebody moved that file aside goes into the new one.
    let moved_aside = || aside(home.path()).iter().any(|name| name.ends_with('Z'));
    let mut last = 100;
    while !moved_aside() {
        last += 1;
        assert!(last < 1000, "the damage is never noticed: {:?}", files(home.path()));
        record(last);
        wait(last);
    }
    last += 1;
    record(last);
    wait(last);
    for writer in writers {
        assert_eq!(writer.close(LONG).lost, 0);
    }
    assert_eq!(
        aside(home.path()).iter().filter(|name| name.ends_with('Z')).count(),
        1,
        "{:?}",
        files(home.path())
    );
    assert!(is_sound(&path));
    let all = messages(&path);
    let number = format!("number {last}");
    assert_eq!(all.iter().filter(|message| **message == number).count(), 4);
    assert!(all.iter().any(|message| message.starts_with("trouble: the evidence file was damaged")));
}

#[test]
fn damaged_files_do_not_pile_up() {
    let home = tempdir().unwrap();
    let path = home.path().join("evidence.sqlite");
    for second in 0..6 {
        fs::write(&path, vec![0x5a; 10_000]).unwrap();
        let writer =
            Writer::new(path.clone(), Options::default(), move || Timestamp(NOW.0 + second / 2 * 1_000));
        writer.record(notice(second));
        assert_eq!(writer.close(LONG).written, 1);
    }
    assert_eq!(aside(home.path()).len(), 3, "{:?}", files(home.path()));
}

#[test]
fn a_file_that_is_taken_away_is_made_again() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let writer = writer(&path);
    writer.record(notice(1));
    wait_for("the first", || if writer.written() == 1 { Ok(()) } else { Err(writer.error()) });
    fs::rename(&path, home.path().join("rotated")).unwrap();
    for side in ["e-wal", "e-shm"] {
        let _ = fs::remove_file(home.path().join(side));
    }
    writer.record(notice(2));
    assert_eq!(writer.close(LONG).lost, 0);
    assert_eq!(messages(&path), ["number 2"]);
}

#[test]
fn nowhere_to_write_is_said_and_survived() {
    let home = tempdir().unwrap();
    // A file where a directory should be: not even root can make one there.
    let blocked = home.path().join("file");
    fs::write(&blocked, b"x").unwrap();
    let writer = writer(&blocked.join("state/e"));
    for n in 0..2_000 {
        writer.record(notice(n));
    }
    wait_for("the trouble to be told", || match writer.error() {
        Some(error) if error.contains("--state DIR") && error.contains("directory") => Ok(()),
        other => Err(other),
    });
    assert_eq!(writer.lost(), 976);
    let report = writer.close(Duration::from_millis(300));
    assert_eq!((report.written, report.lost), (0, 2_000));
    assert!(report.error.is_some());
}

#[test]
fn a_newer_file_is_left_alone() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    drop(open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let writer = writer(&path);
    writer.record(notice(1));
    let report = writer.close(Duration::from_millis(300));
    assert!(report.error.unwrap().contains("made by a newer scupper"));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(aside(home.path()).is_empty());
}

#[test]
fn a_read_only_directory_is_said_and_recovered_from() {
    let home = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(home.path(), "size=8m") else { return };
    let path = home.path().join("e");
    drop(open(&path));
    mount.remount("ro");
    let writer = writer(&path);
    writer.record(notice(1));
    wait_for("the trouble to be told", || match writer.error() {
        Some(error) if error.contains("no permission") => Ok(()),
        other => Err(other),
    });
    mount.remount("rw");
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost, report.error), (1, 0, None));
}

#[test]
fn a_full_disk_is_survived_and_told() {
    let home = tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(home.path(), "size=400k") else { return };
    let path = home.path().join("e");
    let ballast: PathBuf = home.path().join("ballast");
    drop(open(&path));
    let _ = fs::write(&ballast, vec![0; 1 << 20]);
    let writer = writer(&path);
    for n in 0..1_500 {
        writer.record(notice(n));
    }
    wait_for("the trouble to be told", || match writer.error() {
        Some(error) if error.contains("full") || error.contains("disk") => Ok(()),
        other => Err(other),
    });
    let lost = writer.lost();
    assert!(lost >= 400, "{lost}");
    fs::remove_file(&ballast).unwrap();
    // 400 KiB are not enough for all of it either: what matters is that it goes on and nothing breaks.
    writer.record(loud("room again"));
    let report = writer.close(Duration::from_secs(2));
    assert_eq!(report.written + report.lost, 1_501);
    assert!(is_sound(&path));
}

#[test]
fn a_disk_that_was_full_for_a_while_loses_nothing_within_the_queue() {
    let home = tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(home.path(), "size=4m") else { return };
    let path = home.path().join("e");
    let ballast = home.path().join("ballast");
    drop(open(&path));
    let _ = fs::write(&ballast, vec![0; 8 << 20]);
    let writer = writer(&path);
    for n in 0..1_100 {
        writer.record(notice(n));
    }
    wait_for("the trouble to be told", || writer.error().map(|_| ()).ok_or(()));
    fs::remove_file(&ballast).unwrap();
    let report = writer.close(LONG);
    assert_eq!((report.written, report.lost, report.error), (1_024, 76, None));
    let all = messages(&path);
    assert!(all[0].starts_with("gap of 76: "), "{}", all[0]);
    assert_eq!(all.len(), 1_025);
}

#[test]
fn old_events_go_while_new_ones_come() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let now = Arc::new(AtomicU64::new(NOW.0));
    let clock = Arc::clone(&now);
    let options = Options { max_age: Duration::from_mins(1), max_bytes: Bytes::mib(64) };
    let writer = Writer::new(path.clone(), options, move || Timestamp(clock.load(Ordering::Relaxed)));
    for n in 0..600 {
        writer.record(notice(n));
    }
    wait_for("the first lot", || if writer.written() == 600 { Ok(()) } else { Err(writer.error()) });
    assert_eq!(writer.close(LONG).lost, 0);
    now.store(NOW.0 + 61_000, Ordering::Relaxed);
    let clock = Arc::clone(&now);
    let later = Writer::new(path.clone(), options, move || Timestamp(clock.load(Ordering::Relaxed)));
    later.record(notice(60_500));
    assert_eq!(later.close(LONG).written, 1);
    assert_eq!(messages(&path), ["number 60500"]);
}
