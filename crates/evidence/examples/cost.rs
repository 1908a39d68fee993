//! What evidence costs: resident memory of an open file, time of open + insert + close, bytes per event.
//!
//! `cargo run --release -p scupper-evidence --example cost [DIRECTORY]`

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::cast_precision_loss)]
#![allow(clippy::cast_possible_truncation, reason = "a measurement")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use scupper_evidence::{Options, Query, Store, Writer};
use scupper_model::{EVENT_SCHEMA, Event, EventKind, Identity, RunId, StartTime, Timestamp};

fn event(n: u64) -> Event {
    let target = Identity {
        pid: "4242".parse().unwrap(),
        start_time: StartTime(123_456),
        boot_id: "550e8400-e29b-41d4-a716-446655440000".parse().unwrap(),
    };
    Event {
        schema: EVENT_SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        at: Timestamp(1_795_333_740_000 + n),
        unit: "gunicorn".parse().unwrap(),
        run: RunId(uuid::Uuid::from_u128(7)),
        kind: EventKind::RecycleCompleted {
            target,
            name: "gunicorn".into(),
            role: "worker".into(),
            took_ms: 1_234,
            forced: n.is_multiple_of(2),
        },
    }
}

fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn main() {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = base.join(format!("scupper-cost-{}", std::process::id()));
    let path = directory.join("evidence.sqlite");
    let options = Options::default();

    let before = status("VmRSS");
    let anonymous = status("RssAnon");
    let started = Instant::now();
    let writer = Writer::new(path.clone(), options, || Timestamp(1_795_333_740_000));
    let made = status("VmRSS");
    writer.record(event(0));
    while writer.written() == 0 {
        std::thread::yield_now();
    }
    let open = status("VmRSS");
    let anonymous = (anonymous, status("RssAnon"));
    writer.close(Duration::from_secs(10));
    println!(
        "RSS: {before} KiB before, {made} with an idle writer, {open} with the file open and one event written"
    );
    println!("     of which anonymous: {} KiB before, {} with the file open", anonymous.0, anonymous.1);
    println!("     {} after close; first file, one event, close: {:?}", status("VmRSS"), started.elapsed());

    let mut times: Vec<Duration> = (0..50)
        .map(|n| {
            let started = Instant::now();
            let writer = Writer::new(path.clone(), options, || Timestamp(1_795_333_740_000));
            writer.record(event(n));
            let report = writer.close(Duration::from_secs(10));
            assert_eq!(report.written, 1);
            started.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "open + insert + close of an existing file: median {:?}, worst of 50 {:?}",
        times[25], times[49]
    );

    let mut store = Store::open(&path, &options).unwrap();
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            let started = Instant::now();
            store.insert(&[event(n)]).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("insert of one event, file open: median {:?}, worst of 200 {:?}", times[100], times[199]);

    let started = Instant::now();
    for batch in 0..100 {
        let events: Vec<Event> = (0..1_000).map(|n| event(batch * 1_000 + n)).collect();
        store.insert(&events).unwrap();
    }
    let took = started.elapsed();
    let count = store.events(&Query { newest: Some(1), ..Query::default() }).unwrap()[0].row;
    let size = store.size().unwrap();
    println!(
        "100,000 events in 100 batches: {took:?}; {} bytes per event, RSS {} KiB",
        size.0 / count.cast_unsigned(),
        status("VmRSS")
    );

    let started = Instant::now();
    let newest = store.events(&Query { newest: Some(100), ..Query::default() }).unwrap().len();
    println!("newest {newest} of {count}: {:?}", started.elapsed());
    let kinds = Query { kinds: vec!["unit_exited".into()], ..Query::default() };
    let started = Instant::now();
    store.events(&kinds).unwrap();
    println!("a kind that is not there, of all: {:?}", started.elapsed());

    drop(store);
    let small = Options { max_bytes: scupper_model::Bytes::mib(16), ..options };
    let mut store = Store::open(&path, &small).unwrap();
    let (mut calls, mut longest) = (0, Duration::ZERO);
    loop {
        let started = Instant::now();
        let more = store.retain(Timestamp(1_795_333_740_000)).unwrap().more;
        (calls, longest) = (calls + 1, longest.max(started.elapsed()));
        if !more {
            break;
        }
    }
    println!(
        "trimmed {size} to {}: {calls} calls, longest {longest:?}, RSS {} KiB",
        store.size().unwrap(),
        status("VmRSS")
    );
    drop(store);
    std::fs::remove_dir_all(&directory).unwrap();
}
