//! What the tests share: events by number, waiting with a deadline, a file system that is full or read-only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(dead_code, unreachable_pub, reason = "every test binary uses its part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use scupper_evidence::{Options, Query, Store};
use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, SignalReason, Timestamp};
use uuid::Uuid;

pub const NOW: Timestamp = Timestamp(1_795_333_740_000);

pub fn at(kind: EventKind, at: Timestamp) -> Event {
    Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: Uuid::now_v7(),
        at,
        unit: "web".parse().unwrap(),
        run: RunId(Uuid::from_u128(7)),
        kind,
    }
}

/// Something worth keeping, told apart by its number.
pub fn notice(n: u64) -> Event {
    at(EventKind::LimitsChanged { message: format!("number {n}") }, Timestamp(NOW.0 + n))
}

/// Something that waits for company.
pub fn routine(n: i32) -> Event {
    let kind = EventKind::SignalReceived { signal: n, sender: None, sender_name: None };
    at(kind, Timestamp(NOW.0 + u64::from(n.unsigned_abs())))
}

pub fn loud(message: &str) -> Event {
    at(EventKind::Trouble { message: message.to_owned() }, NOW)
}

pub fn kept(target: scupper_model::Identity) -> EventKind {
    EventKind::SignalSent { target, name: "x".into(), signal: 15, reason: SignalReason::Stop }
}

pub fn open(path: &Path) -> Store {
    Store::open(path, &Options::default()).unwrap()
}

/// The kinds and messages of everything in a file.
pub fn messages(path: &Path) -> Vec<String> {
    let store = Store::open_read_only(path).unwrap().expect("a file");
    let all = store.events(&Query { after_row: Some(0), ..Query::default() }).unwrap();
    all.into_iter().map(|stored| message(&stored.event.unwrap())).collect()
}

pub fn message(event: &Event) -> String {
    match &event.kind {
        EventKind::LimitsChanged { message } => message.clone(),
        EventKind::Trouble { message } => format!("trouble: {message}"),
        EventKind::EvidenceGap { lost, message } => format!("gap of {lost}: {message}"),
        other => other.name().to_owned(),
    }
}

pub fn is_sound(path: &Path) -> bool {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap() == "ok"
}

/// Waits until it is so; says what was seen last when it does not become so in 20 s.
pub fn wait_for<T: std::fmt::Debug>(what: &str, mut look: impl FnMut() -> Result<(), T>) {
    let mut last = None;
    for _ in 0..2_000 {
        match look() {
            Ok(()) => return,
            Err(seen) => last = Some(seen),
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}; last seen: {last:?}");
}

/// A small file system of its own, unmounted when dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// `None`, with the reason printed, where mounting is not permitted.
    pub fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
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
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
