//! The row of the zombie, with the library: a process is stopped past its lease, swept away, and replaced. Woken, it writes
//! nothing any more and exits with 75, and what its successor wrote is intact. Real processes, a real Redis.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scupper_fleet::agent::{Agent, LEASE_LOST, Leaving};
use scupper_fleet::{
    AgentId, Clock, Item, ItemKind, Members, Reaped, Reason, Store, Sweep, SystemClock, Timing,
};

use crate::redis_server::RedisServer;

const PATIENCE: Duration = Duration::from_secs(30);
const URL: &str = "SCUPPER_TEST_REGISTRY";

fn id() -> AgentId {
    "z-1".parse().unwrap()
}

fn state(value: &str) -> Item {
    Item { kind: ItemKind::State, name: String::new(), value: Some(value.as_bytes().to_vec()) }
}

/// The process of the test below, which starts this binary again with a registry in its environment.
#[test]
#[ignore = "it is the other process of a test"]
fn a_process_that_writes_as_long_as_it_may() {
    let url = std::env::var(URL).unwrap();
    let members: Arc<dyn Members> = scupper_fleet::members(&url.parse().unwrap(), None, None).unwrap();
    let agent = Agent::builder(id(), "here".parse().unwrap(), members)
        .ttl(Duration::from_secs(2))
        .interval(Duration::from_millis(200))
        .drain(Duration::from_secs(1))
        .start()
        .unwrap();
    assert!(agent.wait_until_member(PATIENCE).unwrap());
    loop {
        match agent.put(&state("first")) {
            Ok(()) => println!("written {}", agent.incarnation().map_or(0, |who| who.epoch.0)),
            Err(error) => println!("refused {error}"),
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

struct Process(Child);

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sweeps, and cleans up after whoever is found, until nobody of that name is there.
fn sweep_until_gone(store: &dyn Store) {
    // Its leases are as long as ever; only the waits of whoever sweeps are short.
    let timing = Timing { max_gap: Duration::from_hours(1), ..Timing::DEFAULT.faster(200) };
    let until = SystemClock.since_boot() + PATIENCE;
    while store.agent(&id()).unwrap().is_some() {
        assert!(SystemClock.since_boot() < until, "{:?}", store.agent(&id()).unwrap());
        let sweep = Sweep {
            coordinator: "c-1".parse().unwrap(),
            host: "there".parse().unwrap(),
            timing,
            dry: false,
            asked: false,
            only: Vec::new(),
        };
        for claim in store.sweep(&sweep).unwrap().claims {
            std::thread::park_timeout(timing.objection);
            while let Reaped::More { .. } = store.reap(&claim, None, &timing).unwrap() {}
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_stopped_process_that_wakes_after_its_successor_started_writes_nothing_and_exits_75() {
    let server = RedisServer::start();
    let address = server.url().parse().unwrap();
    let store = scupper_fleet::open(&address, None).unwrap();
    let mut zombie = Command::new(std::env::current_exe().unwrap());
    zombie.args(["--ignored", "--exact", "--nocapture", "zombie::a_process_that_writes_as_long_as_it_may"]);
    zombie.env(URL, server.url()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut zombie = Process(zombie.spawn().unwrap());
    let mut said = BufReader::new(zombie.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("written")), "it never wrote");

    zombie.signal(Signal::STOP);
    sweep_until_gone(store.as_ref());
    let (_, why) = store.epitaph(&id()).unwrap().unwrap();
    assert!(matches!(why, Reason::StaleHeartbeat | Reason::MissingHeartbeat), "{why:?}");
    assert_eq!(store.get(&id(), ItemKind::State, "").unwrap(), None);
    let members: Arc<dyn Members> = scupper_fleet::members(&address, None, None).unwrap();
    let successor = Agent::builder(id(), "here".parse().unwrap(), members).start().unwrap();
    assert!(successor.wait_until_member(PATIENCE).unwrap());
    successor.put(&state("second")).unwrap();

    zombie.signal(Signal::CONT);
    // What it had written before it was stopped is still in the pipe; the first refusal is the end of that.
    let after: Vec<String> = said.skip_while(|line| !line.starts_with("refused")).collect();
    assert!(!after.is_empty(), "it was never refused");
    assert!(after.iter().all(|line| !line.starts_with("written")), "{after:?}");
    assert_eq!(zombie.0.wait().unwrap().code(), Some(LEASE_LOST.into()));
    assert_eq!(successor.get(ItemKind::State, "").unwrap().as_deref(), Some(&b"second"[..]));
    assert!(successor.may_act());
    assert_eq!(successor.leave("done", PATIENCE), Leaving::Left);
}
