//! The file itself: made private, queried, shared by many, trimmed, refused when it is not ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{NOW, at, is_sound, kept, loud, messages, notice, open, routine};
use scupper_evidence::{EvidenceError, Options, Query, SCHEMA_VERSION, Store};
use scupper_model::{Bytes, EventKind, Identity, Pid, Profile, RunId, StartTime, Timestamp, redact_command};
use tempfile::tempdir;

#[test]
fn file_and_directories_are_private() {
    let home = tempdir().unwrap();
    let path = home.path().join("state/scupper/evidence.sqlite");
    assert!(Store::open_read_only(&path).unwrap().is_none());
    let mut store = open(&path);
    store.insert(&[notice(1)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_file_name("evidence.sqlite-wal")), 0o600);
    drop(store);
    let left: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["evidence.sqlite"], "no side files left");
}

#[test]
fn queries_select_and_order() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let mut store = open(&path);
    let mut other = notice(3);
    other.unit = "db".parse().unwrap();
    other.run = RunId(uuid::Uuid::from_u128(9));
    // Written late, happened early.
    store.insert(&[notice(1), notice(5), other.clone(), routine(2)]).unwrap();

    let moments = |query: &Query| -> Vec<u64> {
        store.events(query).unwrap().into_iter().map(|s| s.event.unwrap().at.0 - NOW.0).collect()
    };
    assert_eq!(moments(&Query::default()), [1, 2, 3, 5]);
    assert_eq!(moments(&Query { newest: Some(2), ..Query::default() }), [3, 5]);
    assert_eq!(moments(&Query { newest: Some(0), ..Query::default() }), [0; 0]);
    assert_eq!(moments(&Query { after_row: Some(1), ..Query::default() }), [5, 3, 2]);
    assert_eq!(moments(&Query { after_row: Some(0), newest: Some(3), ..Query::default() }), [5, 3, 2]);
    assert_eq!(moments(&Query { unit: Some("db".parse().unwrap()), ..Query::default() }), [3]);
    for (pattern, found) in
        [("d?", &[3][..]), ("*b", &[1, 2, 3, 5]), ("*d*", &[3]), ("[d]b", &[]), ("d", &[])]
    {
        let unit_pattern = Some(pattern.to_owned());
        assert_eq!(moments(&Query { unit_pattern, ..Query::default() }), found, "{pattern}");
    }
    assert_eq!(moments(&Query { run: Some(other.run), ..Query::default() }), [3]);
    assert_eq!(moments(&Query { id: Some(other.id), ..Query::default() }), [3]);
    assert_eq!(moments(&Query { id: Some(uuid::Uuid::nil()), ..Query::default() }), [0; 0]);
    let mut lines = Vec::new();
    let one = Query { id: Some(other.id), ..Query::default() };
    store
        .visit_lines(&one, |_, line| {
            lines.push(line.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(lines, [serde_json::to_vec(&other).unwrap()], "the line as it was written");
    assert_eq!(
        moments(&Query { kinds: vec!["signal_received".into(), "none".into()], ..Query::default() }),
        [2]
    );
    let span =
        Query { since: Some(Timestamp(NOW.0 + 2)), until: Some(Timestamp(NOW.0 + 5)), ..Query::default() };
    assert_eq!(moments(&span), [2, 3]);
    let all = Query {
        unit: Some("web".parse().unwrap()),
        kinds: vec!["limits_changed".into()],
        newest: Some(1),
        ..span.clone()
    };
    assert_eq!(moments(&all), [0; 0]);

    let mut seen = 0;
    store
        .visit(&Query::default(), |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 2);
    assert_eq!(
        store.events(&Query::default()).unwrap().pop().unwrap().event.unwrap(),
        notice_like(5, &store)
    );

    // A process by its number: as it stands in an identity, not in what somebody wrote.
    let who = |pid| Identity {
        pid: Pid::new(pid).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap(),
    };
    let told = at(EventKind::Trouble { message: r#"of "pid":47, and 47"#.into() }, Timestamp(NOW.0 + 6));
    store
        .insert(&[at(kept(who(47)), Timestamp(NOW.0 + 7)), at(kept(who(471)), Timestamp(NOW.0 + 8)), told])
        .unwrap();
    let moments = |pid| -> Vec<u64> {
        let query = Query { pid: Pid::new(pid), ..Query::default() };
        store.events(&query).unwrap().into_iter().map(|stored| stored.event.unwrap().at.0 - NOW.0).collect()
    };
    assert_eq!((moments(47), moments(471), moments(4)), (vec![7], vec![8], vec![]));
}

fn notice_like(n: u64, store: &Store) -> scupper_model::Event {
    let mut expected = notice(n);
    let last = store.events(&Query { newest: Some(1), ..Query::default() }).unwrap().pop().unwrap();
    expected.id = last.event.unwrap().id;
    expected
}

#[test]
fn an_event_written_twice_is_there_once() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let mut store = open(&path);
    let event = notice(1);
    store.insert(std::slice::from_ref(&event)).unwrap();
    store.insert(&[event, notice(2)]).unwrap();
    assert_eq!(messages(&path), ["number 1", "number 2"]);
}

#[test]
fn what_cannot_be_read_is_shown_as_it_is() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let mut store = open(&path);
    store.insert(&[notice(1)]).unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    for (uuid, body) in [
        ("a", "'TELEPORTED'"),
        ("b", "'not json'"),
        ("c", "x'fffe00'"),
        ("d", "zeroblob(1100000)"),
        ("e", "'[[[['"),
    ] {
        let newer = serde_json::to_string(&notice(1)).unwrap().replace("limits_changed", "teleported");
        let body = body.replace("TELEPORTED", &newer);
        raw.execute_batch(&format!(
            "INSERT INTO events (uuid, at_ms, unit, run, kind, severity, body)
             VALUES ('{uuid}', -5, 'web', 'r', 'teleported', 'notice', {body})"
        ))
        .unwrap();
    }
    drop(raw);
    store.insert(&[notice(2)]).unwrap();
    let all = store.events(&Query { after_row: Some(0), ..Query::default() }).unwrap();
    assert_eq!(all.len(), 7);
    assert_eq!(all.iter().filter(|stored| stored.event.is_ok()).count(), 2);
    let strange = all[1].event.as_ref().unwrap_err();
    assert_eq!((strange.kind.as_str(), strange.at), ("teleported", Timestamp(0)));
    assert!(strange.body.contains("number 1") && strange.why.contains("teleported"), "{strange:?}");
    assert!(all[4].event.as_ref().unwrap_err().body.len() <= 1 << 20);
}

#[test]
fn a_newer_schema_and_a_foreign_database_are_refused() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    drop(open(&path));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(raw);
    for error in
        [Store::open(&path, &Options::default()).unwrap_err(), Store::open_read_only(&path).unwrap_err()]
    {
        assert!(matches!(error, EvidenceError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("made by a newer scupper"), "{error}");
    }

    let foreign = home.path().join("bookmarks.sqlite");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = Store::open(&foreign, &Options::default()).unwrap_err();
    assert!(matches!(error, EvidenceError::Foreign { .. }), "{error}");
    assert!(matches!(Store::open_read_only(&foreign), Err(EvidenceError::Foreign { .. })));
}

#[test]
fn an_empty_file_becomes_one_of_ours() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    fs::write(&path, b"").unwrap();
    assert!(Store::open_read_only(&path).unwrap().is_none());
    open(&path).insert(&[notice(1)]).unwrap();
    assert_eq!(messages(&path), ["number 1"]);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let setting = |name| raw.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, String>(0)).unwrap();
    assert_eq!(setting("journal_mode"), "wal");
    let vacuum: i32 = raw.query_row("PRAGMA auto_vacuum", [], |r| r.get(0)).unwrap();
    assert_eq!(vacuum, 2, "incremental");
}

#[test]
fn damage_is_named() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    fs::write(&path, b"this is no database, and it is long enough to see that".repeat(50)).unwrap();
    let error = Store::open(&path, &Options::default()).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(error.chain().len() > error.to_string().len(), "{}", error.chain());
    assert!(Store::open_read_only(&path).unwrap_err().is_damage());
}

#[test]
fn eight_writers_share_a_file() {
    let home = tempdir().unwrap();
    let path = home.path().join("state/e");
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let path = &path;
            scope.spawn(move || {
                // All of them make the file at the same time.
                let mut store = open(path);
                for batch in 0..50 {
                    let events: Vec<_> = (0..10).map(|n| notice(writer * 500 + batch * 10 + n)).collect();
                    store.insert(&events).unwrap();
                }
            });
        }
    });
    let mut all = messages(&path);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4_000);
    assert!(is_sound(&path));
}

/// Not a test by itself: the child of the test below.
#[test]
fn child_that_writes_for_ever() {
    let Some(path) = std::env::var_os("SCUPPER_TEST_EVIDENCE") else { return };
    let mut store = open(Path::new(&path));
    let id = u64::from(std::process::id()) * 1_000_000;
    for batch in 0..u64::MAX {
        let events: Vec<_> = (0..5).map(|n| notice(id + batch * 5 + n)).collect();
        store.insert(&events).unwrap();
        for n in 0..5 {
            println!("acknowledged number {}", id + batch * 5 + n);
        }
    }
}

#[test]
fn kill_in_the_middle_loses_nothing_acknowledged() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_for_ever", "--nocapture"])
            .env("SCUPPER_TEST_EVIDENCE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: String| Some(line.split_once("acknowledged ")?.1.to_owned());
        // KILL wherever it happens to be after so many batches; what it still said counts as well.
        let mut seen = 0;
        for line in lines.by_ref() {
            acknowledged.extend(number(line.unwrap()));
            seen += 1;
            if seen == 20 + round * 37 {
                child.kill().unwrap();
                break;
            }
        }
        acknowledged.extend(lines.map_while(Result::ok).filter_map(number));
        child.wait().unwrap();
        assert!(is_sound(&path));
        let there = messages(&path);
        let missing: Vec<_> = acknowledged.iter().filter(|m| !there.contains(m)).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        assert_eq!(there.len() % 5, 0, "whole batches only");
    }
}

#[test]
fn age_decides_first() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let options = Options { max_age: Duration::from_secs(100), max_bytes: Bytes::mib(64) };
    let mut store = Store::open(&path, &options).unwrap();
    let old: Vec<_> = (0..3_000).map(|n| at(notice(n).kind, Timestamp(NOW.0 - 100_001))).collect();
    store.insert(&old).unwrap();
    store.insert(&[at(notice(7_000).kind, Timestamp(NOW.0 - 100_000)), notice(7_001)]).unwrap();
    let before = store.size().unwrap();

    let first = store.retain(NOW).unwrap();
    assert_eq!(first.events, 2_000, "bounded");
    assert!(first.more);
    let second = store.retain(NOW).unwrap();
    assert_eq!((second.events, second.more), (1_000, false));
    assert_eq!(store.retain(NOW).unwrap(), scupper_evidence::Removed::default());
    assert_eq!(messages(&path), ["number 7000", "number 7001"]);
    assert!(store.size().unwrap().0 < before.0 / 10, "{} of {before}", store.size().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().len(), store.size().unwrap().0, "the file itself shrank");
    // A clock far behind removes nothing.
    assert_eq!(store.retain(Timestamp(0)).unwrap().events, 0);
}

#[test]
fn size_takes_the_oldest() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let options = Options { max_age: Duration::MAX, max_bytes: Bytes::mib(2) };
    let mut store = Store::open(&path, &options).unwrap();
    let total = 20_000;
    let events: Vec<_> = (0..total).map(notice).collect();
    store.insert(&events).unwrap();
    assert!(store.size().unwrap() > Bytes::mib(4));
    let mut calls = 0;
    while store.retain(NOW).unwrap().more {
        calls += 1;
        assert!(calls < 100);
    }
    let size = fs::metadata(&path).unwrap().len();
    assert!(size <= Bytes::mib(2).0, "{size}");
    assert!(size > Bytes::mib(1).0, "no more than needed: {size}");
    let left = messages(&path);
    assert_eq!(left.last().unwrap(), &format!("number {}", total - 1));
    assert_eq!(
        left.first().unwrap(),
        &format!("number {}", total - left.len() as u64),
        "oldest first, no holes"
    );
    assert!(is_sound(&path));
}

#[test]
fn what_a_record_cites_outlives_its_time_and_no_more_than_half_of_the_file() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let options = Options { max_age: Duration::from_secs(10), max_bytes: Bytes::mib(1) };
    let mut store = Store::open(&path, &options).unwrap();
    let old: Vec<_> =
        (0..3_000).map(notice).map(|event| at(event.kind, Timestamp(NOW.0 - 100_000))).collect();
    let later = at(notice(9_000).kind, Timestamp(NOW.0 - 90_000));
    // One of them is not written yet.
    store.keep(&[old[7].id, later.id]).unwrap();
    store.keep(&[old[7].id]).unwrap();
    store.insert(&old).unwrap();
    store.insert(std::slice::from_ref(&later)).unwrap();
    while store.retain(NOW).unwrap().more {}
    assert_eq!(messages(&path), ["number 7", "number 9000"]);
    assert_eq!(store.retain(NOW).unwrap(), scupper_evidence::Removed::default(), "nothing is due");
    // As many as would fill the file: of them the ones that were named first go, like everything else.
    let many: Vec<_> = (0..10_000).map(notice).map(|event| at(event.kind, NOW)).collect();
    store.keep(&many.iter().map(|event| event.id).collect::<Vec<_>>()).unwrap();
    store.insert(&many).unwrap();
    let mut calls = 0;
    while store.retain(NOW).unwrap().more || store.size().unwrap() > Bytes::mib(1) {
        calls += 1;
        assert!(calls < 200, "{}", store.size().unwrap());
    }
    let left = messages(&path);
    assert_eq!(left.last().unwrap(), "number 9999");
    assert!(left.len() > 500, "{}", left.len());
    assert!(is_sound(&path));
}

#[test]
fn rows_are_never_numbered_twice() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let options = Options { max_age: Duration::ZERO, ..Options::default() };
    let mut store = Store::open(&path, &options).unwrap();
    store.insert(&[notice(1), notice(2)]).unwrap();
    assert_eq!(store.retain(Timestamp(NOW.0 + 1_000)).unwrap().events, 2);
    store.insert(&[notice(3)]).unwrap();
    let followed = store.events(&Query { after_row: Some(2), ..Query::default() }).unwrap();
    assert_eq!(followed.len(), 1);
}

#[test]
fn a_read_only_directory_can_be_read() {
    let home = tempdir().unwrap();
    let Some(mount) = common::Mount::tmpfs(home.path(), "size=8m") else { return };
    // A name that means something in an address.
    let path = home.path().join("e%20 ?#.sqlite");
    open(&path).insert(&[notice(1)]).unwrap();
    mount.remount("ro");
    assert_eq!(messages(&path), ["number 1"]);
    let error = Store::open(&path, &Options::default()).map(|mut store| store.insert(&[notice(2)]));
    assert!(
        matches!(error, Err(EvidenceError::Denied { .. }) | Ok(Err(EvidenceError::Denied { .. }))),
        "{error:?}"
    );
    let error = Store::open(&home.path().join("new/e"), &Options::default()).unwrap_err();
    assert!(matches!(error, EvidenceError::Directory { .. }), "{error}");
}

/// Names, sizes and times of all that lies in a directory.
fn listing(directory: &Path) -> Vec<(std::ffi::OsString, u64, std::time::SystemTime)> {
    let mut all: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let found = entry.metadata().unwrap();
            (entry.file_name(), found.len(), found.modified().unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn r118_reading_makes_no_file_and_changes_none() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    open(&path).insert(&[notice(1)]).unwrap();
    let before = listing(home.path());
    assert_eq!(messages(&path), ["number 1"]);
    assert_eq!(listing(home.path()), before, "nobody has it open");

    let mut writer = open(&path);
    writer.insert(&[notice(2)]).unwrap();
    let before = listing(home.path());
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(messages(&path), ["number 1", "number 2"]);
    assert_eq!(listing(home.path()), before, "somebody writes");

    // Files of one who was killed: a copy of what is on disk while it is open.
    let killed = tempdir().unwrap();
    for name in ["e", "e-wal", "e-shm"] {
        fs::copy(home.path().join(name), killed.path().join(name)).unwrap();
    }
    let before = listing(killed.path());
    assert_eq!(messages(&killed.path().join("e")), ["number 1", "number 2"]);
    assert_eq!(listing(killed.path()), before, "whoever wrote is gone");
}

#[test]
fn what_is_no_regular_file_is_an_error() {
    let home = tempdir().unwrap();
    let pipe = home.path().join("e");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, home.path()] {
        let error = Store::open_read_only(path).unwrap_err();
        assert!(error.chain().contains("no regular file"), "{}", error.chain());
        assert!(Store::open(path, &Options::default()).is_err());
    }
}

#[test]
fn a_secret_on_a_command_line_never_reaches_the_file() {
    let home = tempdir().unwrap();
    let path = home.path().join("e");
    let command =
        redact_command([&b"server"[..], b"--api-key", b"CANARY-7f3a", b"--db=pg://u:CANARY-7f3a@h/d"]);
    let main = scupper_model::Identity {
        pid: "17".parse().unwrap(),
        start_time: scupper_model::StartTime(1),
        boot_id: "550e8400-e29b-41d4-a716-446655440000".parse().unwrap(),
    };
    let kind = EventKind::UnitStarted { main, command, profile: Profile::Web, start: 2, cgroup: None };
    let mut store = open(&path);
    store.insert(&[at(kind, NOW), loud("x")]).unwrap();
    for entry in fs::read_dir(home.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
    }
    assert_eq!(store.events(&Query::default()).unwrap().len(), 2);
}
