//! `scupper events`, from an evidence file that the test writes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::SystemTime;

use scupper_evidence::{Options, Store};
use scupper_model::{EVENT_SCHEMA, Event, EventKind, RunId, Timestamp};

use crate::support::Sandbox;

fn event(n: u128, unit: &str, kind: EventKind) -> Event {
    Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::from_u128(n),
        at: Timestamp(u64::try_from(n).unwrap() * 1000),
        unit: unit.parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(1)),
        kind,
    }
}

fn written(sandbox: &Sandbox) -> Store {
    let mut store = Store::open(&sandbox.evidence(), &Options::default()).unwrap();
    store
        .insert(&[
            event(1, "web", EventKind::LimitsChanged { message: "soft 600 MiB".into() }),
            event(2, "api", EventKind::ParentExited { pid: 9 }),
            event(3, "web", EventKind::ParentExited { pid: 10 }),
        ])
        .unwrap();
    store
}

#[test]
fn nothing_recorded_is_no_failure() {
    let answer = Sandbox::new().run(&["events"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""));
    assert!(answer.err.starts_with("nothing was recorded yet in "), "{}", answer.err);
}

#[test]
fn events_are_told_as_they_were_logged() {
    let sandbox = Sandbox::new();
    written(&sandbox);
    assert_eq!(
        sandbox.run(&["events"]).out,
        "at=1970-01-01T00:00:01.000Z unit=web event=limits_changed message=\"soft 600 MiB\"\n\
         at=1970-01-01T00:00:02.000Z unit=api event=parent_exited pid=9\n\
         at=1970-01-01T00:00:03.000Z unit=web event=parent_exited pid=10\n"
    );
}

#[test]
fn events_can_be_chosen() {
    let sandbox = Sandbox::new();
    written(&sandbox);
    let lines = |arguments: &[&str]| sandbox.run(arguments).out.lines().count();
    assert_eq!(lines(&["events", "web"]), 2);
    assert_eq!(lines(&["events", "--kind", "parent_exited"]), 2);
    assert_eq!(lines(&["events", "web", "--kind", "parent_exited", "--kind", "limits_changed"]), 2);
    assert_eq!(lines(&["events", "-n", "1"]), 1);
    assert_eq!(lines(&["events", "--since", "1h"]), 0);
    let state = sandbox.evidence().parent().unwrap().to_str().unwrap().to_owned();
    assert_eq!(lines(&["events", "--state", &state]), 3);
    let unheard = sandbox.run(&["events", "wbe"]);
    assert_eq!((unheard.code, unheard.out.as_str()), (0, ""));
    assert!(unheard.err.starts_with("nothing that was asked for is recorded in "), "{}", unheard.err);
}

#[test]
fn json_is_one_event_a_line() {
    let sandbox = Sandbox::new();
    written(&sandbox);
    let out = sandbox.run(&["events", "--json", "web"]).out;
    let events: Vec<Event> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[1], event(3, "web", EventKind::ParentExited { pid: 10 }));
}

#[test]
fn a_follower_sees_what_comes_and_ends_with_its_reader() {
    let sandbox = Sandbox::new();
    let mut store = written(&sandbox);
    let mut follower =
        sandbox.command(&["events", "web", "-f", "--since", "1h"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap());
    // An event of now, written again and again until the follower shows one: it may not have started yet.
    let shown = std::thread::scope(|scope| {
        let shown = scope.spawn(|| {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line
        });
        for n in 1000_u32.. {
            let mut now = event(u128::from(n), "web", EventKind::ParentExited { pid: 77 });
            now.at = Timestamp::from_system(now_by_the_wall());
            store.insert(&[now]).unwrap();
            std::thread::park_timeout(std::time::Duration::from_millis(50));
            if shown.is_finished() {
                break;
            }
        }
        shown.join().unwrap()
    });
    assert!(shown.contains("event=parent_exited pid=77"), "{shown}");
    drop(lines);
    assert!(follower.wait().unwrap().success());
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn now_by_the_wall() -> SystemTime {
    SystemTime::now()
}

#[test]
fn a_file_that_is_no_evidence_is_told() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.evidence().parent().unwrap()).unwrap();
    std::fs::write(sandbox.evidence(), "a diary\n".repeat(200)).unwrap();
    let answer = sandbox.run(&["events"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.starts_with("error: ") && answer.err.contains("evidence.sqlite"), "{}", answer.err);
}
