//! Hosts of their own, and a cable that is pulled. Each host is a network namespace with a name of its own, behind a
//! bridge in another one, where the registry listens. Nothing of it is reachable from outside, and nothing of it has a
//! name outside: a namespace lives as long as a `cat` does whose standard input this test holds, its cables with it.
//!
//! Needs root. Where no namespaces can be made, it says so and tests nothing.

mod host;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use scupper_fleet::{AgentView, Epoch, Happened, Phase, Store};
use serde_json::Value;

use self::host::{Host, ip};
use crate::redis_server::RedisServer;
use crate::scene::{PATIENCE, Running, Scene, kill, pids, wait_for};

const TERM: i32 = 15;
const KILL: i32 = 9;
const LEASE_LOST: i32 = 75;
const REGISTRY: &str = "10.66.0.1";
/// What is said, once each, of whoever is cleaned up after from another host: its own is asked to look at the process.
const CLEANED: [&str; 4] = ["orphan", "cleanup_started", "cleanup_completed", "process_delegated"];

/// The cables between the hosts, and the registry where they meet.
struct Net {
    server: RedisServer,
    store: Arc<dyn Store>,
    middle: Host,
}

impl Net {
    /// `None` where namespaces cannot be made.
    fn new() -> Option<Self> {
        let tried = Command::new("unshare").args(["--net", "--uts", "true"]).output().unwrap();
        if !tried.status.success() {
            eprintln!("skipped: {}", String::from_utf8_lossy(&tried.stderr).trim());
            return None;
        }
        let middle = Host::new("registry");
        let server = middle.inside(|| {
            ip(&["link", "add", "br0", "type", "bridge"]);
            ip(&["addr", "add", &format!("{REGISTRY}/24"), "dev", "br0"]);
            ip(&["link", "set", "br0", "up"]);
            RedisServer::start_with(&["--port", "6379", "--bind", REGISTRY, "--protected-mode", "no"])
        });
        // The test looks through the server's Unix socket, which no cable leads to.
        let store = scupper_fleet::open(&server.url().parse().unwrap(), None).unwrap();
        Some(Self { server, store, middle })
    }

    /// A host at the end of this cable.
    fn host(&self, name: &'static str, cable: u8) -> Host {
        let host = Host::new(name);
        let (port, holder) = (port(cable), host.holder.id().to_string());
        self.middle.inside(|| {
            ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &holder]);
            ip(&["link", "set", &port, "master", "br0", "up"]);
        });
        host.inside(|| {
            ip(&["addr", "add", &format!("10.66.0.{}/24", 10 + cable), "dev", "eth0"]);
            ip(&["link", "set", "eth0", "up"]);
        });
        host
    }

    /// Pulls a cable at the far end: connections stay open, and hear nothing.
    fn pull(&self, cable: u8) {
        self.middle.inside(|| ip(&["link", "set", &port(cable), "down"]));
    }

    fn plug(&self, cable: u8) {
        self.middle.inside(|| ip(&["link", "set", &port(cable), "up"]));
    }

    fn member(&self, id: &str) -> Option<AgentView> {
        self.store.agent(&id.parse().unwrap()).unwrap()
    }

    fn epoch(&self, agent: &Agent) -> Epoch {
        wait_for("it is a member", PATIENCE, || {
            self.member(agent.id).and_then(|view| view.epoch).ok_or_else(|| agent.scene.text("stderr"))
        })
    }

    fn wait_for_coordinators(&self, ids: &[&str]) {
        wait_for("these coordinate, and nobody holds them back", PATIENCE, || {
            let status = self.store.status().unwrap();
            let there: Vec<_> = status.coordinators.iter().map(|one| one.id.as_str()).collect();
            let all = ids.iter().all(|id| there.contains(id)) && there.len() == ids.len();
            if all && status.phase == Phase::Open { Ok(()) } else { Err(format!("{status:?}")) }
        });
    }

    fn happened(&self) -> Vec<(u64, Happened)> {
        let events = self.store.events(None, 10_000).unwrap();
        events.into_iter().map(|(_, event)| (event.at.0, event.what)).collect()
    }

    /// How often what happened to whom.
    fn tally(&self) -> BTreeMap<(String, String), usize> {
        let mut tally = BTreeMap::new();
        let mut count = |what: &str, who: &Value| {
            *tally.entry((who.as_str().unwrap().to_owned(), what.to_owned())).or_default() += 1;
        };
        for (_, what) in self.happened() {
            let said = serde_json::to_value(&what).unwrap();
            if what.agent().is_some() {
                count(said["type"].as_str().unwrap(), &said["agentId"]);
            }
            for orphan in said["orphans"].as_array().into_iter().flatten() {
                count("orphan", &orphan["agentId"]);
            }
        }
        tally
    }

    /// When it was claimed, once everything of it is gone.
    fn wait_for_cleanup(&self, id: &str) -> u64 {
        let of = |what: &Happened| what.agent().is_some_and(|agent| agent.as_str() == id);
        wait_for("it is cleaned up after", PATIENCE, || {
            let happened = self.happened();
            let is_done = |what: &Happened| matches!(what, Happened::CleanupCompleted { .. });
            let started =
                happened.iter().find(|(_, what)| of(what) && matches!(what, Happened::CleanupStarted { .. }));
            match started {
                Some((at, _)) if happened.iter().any(|(_, what)| of(what) && is_done(what)) => Ok(*at),
                _ => Err(format!("{happened:?}")),
            }
        })
    }

    fn was_lost(&self, id: &str) -> bool {
        let lost = |what: &Happened| matches!(what, Happened::CoordinatorLost { coordinator } if coordinator.as_str() == id);
        self.happened().iter().any(|(_, what)| lost(what))
    }

    /// Ends everything, and sees that nothing is left in any of the networks.
    fn end(self, hosts: Vec<Host>) {
        let spaces: Vec<PathBuf> =
            hosts.iter().chain([&self.middle]).map(|host| host.space("net").read_link().unwrap()).collect();
        drop((hosts, self));
        wait_for("nobody is in these networks", PATIENCE, || {
            let there: Vec<i32> = pids()
                .filter(|pid| {
                    fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|space| spaces.contains(&space))
                })
                .collect();
            if there.is_empty() { Ok(()) } else { Err(format!("{there:?}")) }
        });
    }
}

struct Agent {
    id: &'static str,
    running: Running,
    scene: Scene,
}

impl Agent {
    fn steps(&self) -> usize {
        self.scene.text("work").lines().count()
    }

    fn wait_for_work(&self) {
        let before = self.steps();
        wait_for("it works", PATIENCE, || {
            if self.steps() > before { Ok(()) } else { Err(self.scene.text("stderr")) }
        });
    }

    /// When it last did anything, in milliseconds since 1970.
    fn last_step(&self) -> u128 {
        let written = fs::metadata(self.scene.path("work")).unwrap().modified().unwrap();
        written.duration_since(UNIX_EPOCH).unwrap().as_millis()
    }

    fn wait_for(&self, event: &str) -> Value {
        wait_for(event, PATIENCE, || {
            self.scene.events_of(event).into_iter().next().ok_or_else(|| self.scene.text("stderr"))
        })
    }

    /// Its exit code, by itself. What it said stays.
    fn code(self) -> (i32, Scene) {
        (self.running.wait().code().unwrap(), self.scene)
    }

    /// It has lost nothing, works, and leaves when it is told to.
    fn expect_untouched(self, net: &Net, epoch: Epoch) {
        assert_eq!(net.epoch(&self), epoch);
        assert!(self.scene.events_of("lease_lost").is_empty(), "{}", self.scene.text("stderr"));
        self.wait_for_work();
        self.running.signal(TERM);
        let (code, scene) = self.code();
        assert_eq!(code, 7, "{}", scene.text("stderr"));
    }
}

struct Serve {
    running: Running,
    scene: Scene,
}

impl Serve {
    fn told(&self, event: &str) -> usize {
        self.scene.events_of(event).len()
    }

    fn wait_for(&self, event: &str) {
        wait_for(
            event,
            PATIENCE,
            || {
                if self.told(event) > 0 { Ok(()) } else { Err(self.scene.text("stderr")) }
            },
        );
    }

    #[track_caller]
    fn expect_cleaned_nobody(&self) {
        for event in ["orphans_detected", "cleanup_started", "cleanup_completed"] {
            assert_eq!(self.told(event), 0, "{event}: {}", self.scene.text("stderr"));
        }
    }

    fn end(self) {
        self.running.signal(TERM);
        let status = self.running.wait();
        assert!(status.success(), "{status:?} {}", self.scene.text("stderr"));
    }
}

/// A whole host loses its network. Two agents and its coordinator are on it: one agent pauses, one ends.
#[test]
fn heavy_r116_a_host_that_is_cut_off_stands_still_before_another_cleans_up_after_it() {
    let Some(net) = Net::new() else { return };
    let (a, b) = (net.host("a", 1), net.host("b", 2));
    let (serve_a, serve_b) = (a.serve(), b.serve());
    let paused = a.agent("a-1", &["--ttl", "8s"]);
    let ended = a.agent("a-2", &["--ttl", "8s", "--on-lease-lost", "exit"]);
    let healthy = [b.agent("b-1", &["--ttl", "8s"]), b.agent("b-2", &["--ttl", "8s"])];
    let epochs = [net.epoch(&healthy[0]), net.epoch(&healthy[1])];
    for agent in [&paused, &ended] {
        net.epoch(agent);
        agent.wait_for_work();
        let said = wait_for("it says where it runs", PATIENCE, || {
            net.member(agent.id).and_then(|view| view.process).ok_or_else(|| agent.scene.text("stderr"))
        });
        assert_eq!(said.host.as_str(), a.name);
    }
    net.wait_for_coordinators(&["a", "b"]);

    net.pull(1);
    assert_eq!(paused.wait_for("lease_lost")["action"], "pause");
    let ended_scene = {
        let (code, scene) = ended.code();
        assert_eq!(code, LEASE_LOST, "{}", scene.text("stderr"));
        scene
    };
    let claimed = [net.wait_for_cleanup("a-1"), net.wait_for_cleanup("a-2")];
    let stood = paused.steps();
    // Both clocks are this machine's.
    assert!(paused.last_step() < u128::from(claimed[0]), "{} {claimed:?}", paused.last_step());
    let last = fs::metadata(ended_scene.path("work")).unwrap().modified().unwrap();
    assert!(last.duration_since(UNIX_EPOCH).unwrap().as_millis() < u128::from(claimed[1]));
    serve_a.wait_for("registry_lost");
    wait_for("the coordinator that is cut off is lost", PATIENCE, || {
        if net.was_lost("a") { Ok(()) } else { Err(format!("{:?}", net.happened())) }
    });
    serve_a.expect_cleaned_nobody();
    assert_eq!(serve_b.told("fleet_hold"), 0, "two of four are no mass");

    net.plug(1);
    let (code, scene) = paused.code();
    assert_eq!(code, LEASE_LOST, "{}", scene.text("stderr"));
    assert!(scene.events_of("lease_regained").is_empty(), "{}", scene.text("stderr"));
    assert_eq!(scene.text("work").lines().count(), stood, "it has done nothing more");
    serve_a.wait_for("registry_back");
    net.wait_for_coordinators(&["a", "b"]);

    serve_a.expect_cleaned_nobody();
    assert_eq!((net.member("a-1"), net.member("a-2")), (None, None));
    let mut expected = BTreeMap::new();
    for id in ["a-1", "a-2", "b-1", "b-2"] {
        expected.insert((id.to_owned(), "agent_registered".to_owned()), 1);
    }
    for what in CLEANED {
        for id in ["a-1", "a-2"] {
            expected.insert((id.to_owned(), what.to_owned()), 1);
        }
    }
    assert_eq!(net.tally(), expected);
    for (agent, epoch) in healthy.into_iter().zip(epochs) {
        agent.expect_untouched(&net, epoch);
    }
    serve_a.end();
    serve_b.end();
    net.end(vec![a, b]);
}

/// A coordinator alone loses its network: the agents of its host have another way to the registry.
#[test]
fn heavy_r116_a_coordinator_that_is_cut_off_cleans_nobody_and_another_takes_over() {
    let Some(net) = Net::new() else { return };
    let (apart, a, b) = (net.host("a", 1), net.host("a", 2), net.host("b", 3));
    let (serve_a, serve_b) = (apart.serve(), b.serve());
    let crashes = a.agent("a-1", &["--ttl", "5s"]);
    let healthy = [a.agent("a-2", &["--ttl", "8s"]), b.agent("b-1", &["--ttl", "8s"])];
    net.epoch(&crashes);
    let epochs = [net.epoch(&healthy[0]), net.epoch(&healthy[1])];
    net.wait_for_coordinators(&["a", "b"]);

    net.pull(1);
    wait_for("it is lost", PATIENCE, || {
        if net.was_lost("a") { Ok(()) } else { Err(format!("{:?}", net.happened())) }
    });
    // Nobody has lost an agent by it. Then one of its host crashes.
    assert_eq!(net.tally().keys().filter(|(_, what)| what != "agent_registered").count(), 0);
    let engine = crashes.running.engine();
    kill(engine, KILL);
    crashes.running.signal(KILL);
    net.wait_for_cleanup("a-1");
    serve_a.wait_for("registry_lost");
    serve_a.expect_cleaned_nobody();
    // What a coordinator says itself comes after what the registry was told.
    serve_b.wait_for("coordinator_lost");
    serve_b.wait_for("cleanup_completed");

    net.plug(1);
    serve_a.wait_for("registry_back");
    net.wait_for_coordinators(&["a", "b"]);
    serve_a.expect_cleaned_nobody();
    let mut expected = BTreeMap::new();
    for id in ["a-1", "a-2", "b-1"] {
        expected.insert((id.to_owned(), "agent_registered".to_owned()), 1);
    }
    for what in CLEANED {
        expected.insert(("a-1".to_owned(), what.to_owned()), 1);
    }
    assert_eq!(net.tally(), expected);
    for (agent, epoch) in healthy.into_iter().zip(epochs) {
        agent.expect_untouched(&net, epoch);
    }
    drop(crashes);
    serve_a.end();
    serve_b.end();
    net.end(vec![apart, a, b]);
}

fn url() -> String {
    format!("redis://{REGISTRY}:6379")
}

fn port(cable: u8) -> String {
    format!("port{cable}")
}
