//! Several processes on the same files: killed at any moment, racing each other.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use scupper_fleet::{
    Answer, Beat, EmbeddedStore, Incarnation, Item, ItemKind, Members, Phase, Process, Registered,
    Registration, Standing, Store, Sweep, SystemClock, Timing, Written, depart,
};

use crate::fixture::{DURABLE, Embedded, boot};
use crate::suite::scene::{Scene, id};

const PLACE: &str = "SCUPPER_TEST_FLEET";
const NAME: &str = "SCUPPER_TEST_NAME";

fn at(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Arc::new(SystemClock), boot()).unwrap()
}

fn registration(name: &str, nonce: &str) -> Registration {
    Registration {
        id: id(name),
        nonce: id(nonce),
        ttl: Duration::from_hours(1),
        takeover: false,
        earlier: None,
        coordinator: None,
        process: Process { host: id("host-1"), identity: None },
        secret: None,
    }
}

fn come(store: &EmbeddedStore, name: &str, nonce: &str) -> Incarnation {
    let registration = registration(name, nonce);
    match store.register(&registration).unwrap() {
        Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
        other => panic!("{name}: {other:?}"),
    }
}

fn beat(store: &EmbeddedStore, who: &Incarnation) -> Answer {
    store.beat(&[Beat { who: who.clone(), report: None }]).unwrap().answers[0]
}

/// This program again, in the part of a child; ended with the value.
struct Other(Child);

impl Other {
    fn start(part: &str, directory: &Path, name: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", part, "--nocapture"])
            .env(PLACE, directory)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Transitions without end, each told when it is acknowledged.
#[test]
fn child_that_changes_for_ever() {
    let (Ok(place), Ok(name)) = (std::env::var(PLACE), std::env::var(NAME)) else { return };
    let store = at(Path::new(&place));
    for turn in 0_u64.. {
        let agent = format!("{name}-{turn}");
        println!("acknowledged trying {agent} x x");
        let who = come(&store, &agent, &agent);
        println!("acknowledged came {agent} {} x", who.epoch);
        for item in 0..3 {
            let value = Some(format!("{turn}").into_bytes());
            let item = Item { kind: ItemKind::Task, name: format!("t{item}"), value };
            assert_eq!(store.put(&who, &item).unwrap(), Written::Accepted);
            println!("acknowledged wrote {agent} {} {}", who.epoch, item.name);
            beat(&store, &who);
        }
        if turn % 3 == 2 {
            println!("acknowledged leaving {agent} {} x", who.epoch);
            store.depart(&who, "done", &Timing::DEFAULT).unwrap().unwrap();
            println!("acknowledged left {agent} {} x", who.epoch);
        }
    }
}

/// What is known of an agent of a process that was killed.
#[derive(Default, Debug)]
struct Acknowledged {
    epoch: Option<u64>,
    items: Vec<String>,
    leaving: bool,
    left: bool,
}

fn is_sound(path: &Path) -> bool {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap() == "ok"
}

/// Reads what a child acknowledges, and kills it after so many lines; what it still said counts as well.
fn kill_after(lines: usize, directory: &Path, name: &str) -> BTreeMap<String, Acknowledged> {
    let mut other = Other::start("processes::child_that_changes_for_ever", directory, name);
    let mut reader = BufReader::new(other.0.stdout.take().unwrap()).lines();
    let mut said: Vec<String> = Vec::new();
    let told = |line: String| Some(line.split_once("acknowledged ")?.1.to_owned());
    for line in reader.by_ref() {
        said.extend(told(line.unwrap()));
        if said.len() >= lines {
            other.0.kill().unwrap();
            break;
        }
    }
    said.extend(reader.map_while(Result::ok).filter_map(told));
    other.0.wait().unwrap();
    let mut known = BTreeMap::<String, Acknowledged>::new();
    for line in said {
        let words: Vec<_> = line.split(' ').collect();
        let [what, agent, epoch, item] = words[..] else { panic!("{line}") };
        let entry = known.entry(agent.to_owned()).or_default();
        match what {
            "trying" => {}
            "came" => entry.epoch = Some(epoch.parse().unwrap()),
            "wrote" => entry.items.push(item.to_owned()),
            "leaving" => entry.leaving = true,
            "left" => entry.left = true,
            _ => panic!("{line}"),
        }
    }
    known
}

#[test]
fn heavy_fifty_kills_lose_nothing_that_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let mut transitions = 0;
    for round in 0..50 {
        let known = kill_after(1 + round * 7 % 29, home.path(), &format!("round-{round}"));
        let store = at(home.path());
        for (agent, known) in &known {
            let view = store.agent(&id(agent)).unwrap();
            transitions += known.items.len() + usize::from(known.epoch.is_some()) + usize::from(known.left);
            if known.left {
                assert_eq!(view.map(|view| view.id), None, "{agent} has left");
                assert!(store.epitaph(&id(agent)).unwrap().is_some(), "{agent}");
            }
            let Some(epoch) = known.epoch.filter(|_| !known.leaving) else { continue };
            let view = store.agent(&id(agent)).unwrap().unwrap();
            assert_eq!((view.epoch.map(|epoch| epoch.0), view.standing), (Some(epoch), Standing::Active));
            for item in &known.items {
                let value = store.get(&id(agent), ItemKind::Task, item).unwrap();
                assert!(value.is_some(), "round {round}: {item} of {agent} was acknowledged, and is lost");
            }
        }
    }
    assert!(is_sound(&home.path().join(DURABLE)));
    assert!(transitions > 300, "{transitions} acknowledged transitions show little");
    println!("{transitions} acknowledged transitions in 50 rounds, 0 lost");
}

/// Registers some agents, tells so, and beats until nobody holds its stdin any more; then they leave.
#[test]
fn child_that_beats() {
    let (Ok(place), Ok(name)) = (std::env::var(PLACE), std::env::var(NAME)) else { return };
    let store = at(Path::new(&place));
    let all: Vec<_> = (0..5).map(|number| come(&store, &format!("{name}-{number}"), &name)).collect();
    println!("acknowledged came");
    let mut line = String::new();
    // One line, one round of heartbeats.
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {
        let beats: Vec<_> = all.iter().map(|who| Beat { who: who.clone(), report: None }).collect();
        let answers = store.beat(&beats).unwrap().answers;
        assert!(answers.iter().all(|answer| *answer == Answer::Accepted { directive: None }), "{answers:?}");
        println!("acknowledged beat");
    }
    for who in &all {
        depart(&store, who, "done", &Timing::DEFAULT).unwrap().unwrap();
    }
}

#[test]
fn processes_share_one_registry_without_a_daemon() {
    let home = tempfile::tempdir().unwrap();
    let store = at(home.path());
    let sweep = |name: &str| Sweep {
        coordinator: id(name),
        host: id("host-1"),
        timing: Timing::DEFAULT,
        dry: false,
        asked: false,
        only: Vec::new(),
    };
    let mut others: Vec<_> =
        (0..4).map(|n| Other::start("processes::child_that_beats", home.path(), &format!("p{n}"))).collect();
    let mut readers: Vec<_> =
        others.iter_mut().map(|other| BufReader::new(other.0.stdout.take().unwrap())).collect();
    let hears = |reader: &mut BufReader<_>, word: &str| {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "it has ended before it said `{word}`");
        }
    };
    for reader in &mut readers {
        hears(reader, "acknowledged came");
    }
    for _ in 0..5 {
        for other in &mut others {
            std::io::Write::write_all(other.0.stdin.as_mut().unwrap(), b"beat\n").unwrap();
        }
        let swept = store.sweep(&sweep("a")).unwrap();
        assert_eq!((swept.members, swept.claims.len(), swept.suspects), (20, 0, 0));
        for reader in &mut readers {
            hears(reader, "acknowledged beat");
        }
    }
    for other in &mut others {
        drop(other.0.stdin.take());
        assert!(other.0.wait().unwrap().success());
    }
    let swept = store.sweep(&sweep("a")).unwrap();
    assert_eq!((swept.members, store.status().unwrap().claims), (0, 0));
}

#[test]
fn two_stores_of_one_file_claim_each_orphan_once() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    for number in 0..30 {
        scene.doomed(&format!("dead-{number}"));
        scene.living(&format!("living-{number}"));
    }
    scene.expire();
    let stores: Vec<_> = (0..4).map(|_| Arc::new(embedded.another())).collect();
    let barrier = Arc::new(Barrier::new(stores.len()));
    let sweeps: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(number, store)| {
            let (store, barrier) = (store.clone(), barrier.clone());
            let timing = Timing { batch: 3, ..scene.timing };
            let sweep = Sweep { timing, asked: true, ..scene.sweep_of(&format!("c{number}")) };
            thread::spawn(move || {
                barrier.wait();
                let mut claims = Vec::new();
                for _ in 0..10 {
                    claims.extend(store.sweep(&sweep).unwrap().claims);
                }
                let done = |claim| store.reap(claim, None, &sweep.timing).unwrap();
                assert!(
                    claims.iter().all(|claim| matches!(done(claim), scupper_fleet::Reaped::Completed { .. }))
                );
                claims.into_iter().map(|claim| claim.id.to_string()).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut claimed: Vec<_> = sweeps.into_iter().flat_map(|sweep| sweep.join().unwrap()).collect();
    claimed.sort();
    let mut expected: Vec<_> = (0..30).map(|number| format!("dead-{number}")).collect();
    expected.sort();
    assert_eq!(claimed, expected);
}

#[test]
fn a_heartbeat_is_before_a_claim_or_after_it() {
    let embedded = Embedded::start();
    let scene = Scene::new(&embedded);
    let (sweeper, beater) = (Arc::new(embedded.another()), Arc::new(embedded.another()));
    let all: Vec<_> = (0..200).map(|number| scene.doomed(&format!("agent-{number}"))).collect();
    // Every lease is over; who beats now, before somebody claims him, lives on.
    scene.expire();
    let (start, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let beats = {
        let (start, end, all) = (start.clone(), end.clone(), all.clone());
        thread::spawn(move || {
            let one = |(number, who): (u64, &Incarnation)| {
                start.wait();
                // Sometimes a little later, so that both orders are seen.
                thread::park_timeout(Duration::from_micros(100 * (number % 16)));
                let answer = beat(&beater, who);
                end.wait();
                answer
            };
            (0_u64..).zip(&all).map(one).collect::<Vec<_>>()
        })
    };
    let claims: Vec<_> = all
        .iter()
        .map(|who| {
            // They are more than a sweep believes, and a person has named this one.
            let sweep = Sweep { asked: true, only: vec![who.id.clone()], ..scene.sweep_of("a") };
            start.wait();
            let swept = sweeper.sweep(&sweep).unwrap();
            end.wait();
            assert_eq!(swept.phase, Phase::Open);
            swept.claims.into_iter().next()
        })
        .collect();
    let (mut before, mut after) = (0, 0);
    for ((who, answer), claim) in all.iter().zip(beats.join().unwrap()).zip(claims) {
        let standing = scene.store.agent(&who.id).unwrap().unwrap().standing;
        match (answer, claim) {
            (Answer::Accepted { .. }, None) => {
                assert_eq!(standing, Standing::Active);
                before += 1;
            }
            (Answer::Fenced { by: None }, Some(claim)) => {
                assert_eq!((claim.epoch, standing), (Some(who.epoch), Standing::Reaping));
                after += 1;
            }
            third => panic!("a third order: {third:?}"),
        }
    }
    println!("{before} before, {after} after");
}
