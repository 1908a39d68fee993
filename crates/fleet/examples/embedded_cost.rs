//! What the embedded store costs: heartbeats, idle sweeps, transitions. Prints a table for bench/fleet/EMBEDDED.md.
//!
//! `cargo run --release -p scupper-fleet --example embedded_cost -- [DIRECTORY] [beats|sweep|changes|only]`

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::cast_precision_loss)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a measurement")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use scupper_fleet::{
    Beat, EmbeddedStore, Incarnation, Item, ItemKind, Members, MemoryUse, Process, Registered, Registration,
    Report, Store, Sweep, SystemClock, Timing, Written,
};
use scupper_model::Bytes;

const LASTS: Duration = Duration::from_secs(4);

fn open(directory: &Path) -> EmbeddedStore {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    EmbeddedStore::open(directory, Arc::new(SystemClock), boot.parse().unwrap()).unwrap()
}

fn register(store: &EmbeddedStore, name: &str) -> Incarnation {
    let registration = Registration {
        id: name.parse().unwrap(),
        nonce: name.parse().unwrap(),
        ttl: Timing::DEFAULT.ttl,
        takeover: false,
        earlier: None,
        coordinator: None,
        process: Process { host: "host-1".parse().unwrap(), identity: None },
        secret: None,
    };
    match store.register(&registration).unwrap() {
        Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
        other => panic!("{other:?}"),
    }
}

fn sweep() -> Sweep {
    Sweep {
        coordinator: "a".parse().unwrap(),
        host: "host-1".parse().unwrap(),
        timing: Timing::DEFAULT,
        dry: false,
        asked: false,
        only: Vec::new(),
    }
}

fn members(store: &EmbeddedStore, count: usize) -> Vec<Incarnation> {
    (0..count).map(|number| register(store, &format!("agent-{number}"))).collect()
}

fn beats(agents: &[Incarnation], reports: bool) -> Vec<Beat> {
    let memory = MemoryUse { rss: Some(Bytes::mib(64)), ..MemoryUse::default() };
    let report = Report { state: "working".to_owned(), verdict: None, memory };
    agents.iter().map(|who| Beat { who: who.clone(), report: reports.then(|| report.clone()) }).collect()
}

/// Heartbeats per second of so many stores of the same files, each in a thread of its own, with all agents in turn.
fn rate(directory: &Path, agents: &[Incarnation], batch: usize, stores: usize, reports: bool) -> f64 {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    thread::scope(|scope| {
        for part in agents.chunks(agents.len().div_ceil(stores)) {
            let (done, over) = (&done, &over);
            let store = open(directory);
            scope.spawn(move || {
                let calls: Vec<_> = part.chunks(batch).map(|some| beats(some, reports)).collect();
                for call in calls.iter().cycle() {
                    if over.load(Relaxed) {
                        return;
                    }
                    store.beat(call).unwrap();
                    done.fetch_add(call.len() as u64, Relaxed);
                }
            });
        }
        thread::park_timeout(LASTS);
        over.store(true, Relaxed);
    });
    done.load(Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// The middle of so many calls.
fn median(times: usize, mut call: impl FnMut(usize)) -> Duration {
    let mut all: Vec<_> = (0..times)
        .map(|number| {
            let began = Instant::now();
            call(number);
            began.elapsed()
        })
        .collect();
    all.sort();
    all[times / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}

fn measure_beats(directory: &Path) {
    println!("| agents | in one call | stores | heartbeats/s | with a report |");
    println!("|---|---|---|---|---|");
    let store = open(directory);
    let agents = members(&store, 5_000);
    for (count, batch, stores) in [
        (1000, 500, 1),
        (1000, 100, 1),
        (1000, 10, 1),
        (1000, 1, 1),
        (5000, 500, 1),
        (1000, 1, 4),
        (1000, 100, 4),
    ] {
        let some = &agents[..count];
        let (plain, told) =
            (rate(directory, some, batch, stores, false), rate(directory, some, batch, stores, true));
        println!("| {count} | {batch} | {stores} | {plain:.0} | {told:.0} |");
    }
}

/// For strace: 20,200 heartbeats between two lines, 200 calls with 100 and 200 with one.
fn only_beats(directory: &Path) {
    let store = open(directory);
    let agents = members(&store, 100);
    let (call, one) = (beats(&agents, true), beats(&agents[..1], false));
    println!("begin");
    for _ in 0..200 {
        store.beat(&call).unwrap();
        store.beat(&one).unwrap();
    }
    println!("end");
}

fn measure_sweeps(directory: &Path) {
    println!("| agents | idle sweep | dry sweep |");
    println!("|---|---|---|");
    let store = open(directory);
    let mut agents = Vec::new();
    for count in [100, 1000, 10_000, 50_000] {
        agents.extend((agents.len()..count).map(|number| register(&store, &format!("agent-{number}"))));
        for call in agents.chunks(500) {
            store.beat(&beats(call, false)).unwrap();
        }
        store.sweep(&sweep()).unwrap();
        let idle = median(2000, |_| assert!(store.sweep(&sweep()).unwrap().claims.is_empty()));
        let dry = Sweep { dry: true, ..sweep() };
        let dry = median(2000, |_| assert!(store.sweep(&dry).unwrap().unclaimed.is_empty()));
        println!("| {count} | {} | {} |", micros(idle), micros(dry));
    }
}

fn measure_changes(directory: &Path) {
    let store = open(directory);
    let mut agents = Vec::new();
    let came = median(200, |number| agents.push(register(&store, &format!("agent-{number}"))));
    let item = Item { kind: ItemKind::State, name: String::new(), value: Some(vec![7; 200]) };
    let wrote =
        median(200, |number| assert_eq!(store.put(&agents[number], &item).unwrap(), Written::Accepted));
    let left = median(200, |number| {
        assert!(store.depart(&agents[number], "done", &Timing::DEFAULT).unwrap().is_some());
    });
    println!("| registration | write of 200 bytes | departure (claim and cleanup) |");
    println!("|---|---|---|");
    println!("| {} | {} | {} |", micros(came), micros(wrote), micros(left));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let what = arguments.next().unwrap_or_default();
    if what == "only" {
        return only_beats(tempfile::tempdir_in(&place).unwrap().path());
    }
    for (name, measure) in [
        ("beats", measure_beats as fn(&Path)),
        ("sweep", measure_sweeps as fn(&Path)),
        ("changes", measure_changes as fn(&Path)),
    ] {
        if what.is_empty() || what == name {
            // Many registrations, each on the disk, would be all that is measured.
            let memory = Path::new("/dev/shm");
            let place = if name == "sweep" && memory.is_dir() { memory } else { place.as_path() };
            let directory = tempfile::tempdir_in(place).unwrap();
            measure(directory.path());
            println!();
        }
    }
}
