//! What a registry in Redis costs its server: sweeps with one orphan in a hundred, an idle tick, heartbeats; and seed 004's
//! design beside it, on the same data. Starts a redis-server of its own, on a Unix socket; nothing is left behind.
//!
//! `cargo run --release -p scupper-fleet --example fleet_cost -- [AGENTS...]` (1000 and 100000 where nothing is said).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement")]
#![allow(clippy::disallowed_methods, reason = "it reads the clock")]
#![allow(clippy::cast_precision_loss, reason = "for people to read")]

#[path = "../../crates/fleet/tests/common/redis_server.rs"]
mod redis_server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Connection, cmd};
use redis_server::RedisServer;
use scupper_detect::Verdict;
use scupper_fleet::coordinator::{Coordinator, Looked, OnLost, Processes, Setup};
use scupper_fleet::testing::Manual;
use scupper_fleet::{
    Address, Beat, Clock, Incarnation, Item, ItemKind, Members, MemoryUse, Process, Reaped, RedisStore,
    Registered, Registration, Report, Store, Sweep, Timing,
};
use scupper_model::Bytes;

const UNRELATED: usize = 1_000_000;
const ROUNDS: usize = 1000;

/// What the server did between two moments.
struct Cost {
    cpu: Duration,
    commands: u64,
    wall: Duration,
}

struct Bench {
    connection: Connection,
    store: Arc<RedisStore>,
    server: RedisServer,
}

impl Bench {
    fn open_again(&self, query: &str) -> RedisStore {
        let Ok(Address::Redis(address)) = (self.server.url() + query).parse() else { panic!("an address") };
        RedisStore::open(&address).unwrap()
    }

    fn start(query: &str) -> Self {
        let server = RedisServer::start();
        let connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let Ok(Address::Redis(address)) = (server.url() + query).parse() else { panic!("an address") };
        Self { connection, store: Arc::new(RedisStore::open(&address).unwrap()), server }
    }

    fn used(&mut self) -> (Duration, u64) {
        let info: String = cmd("INFO").arg("cpu").query(&mut self.connection).unwrap();
        let cpu = ["used_cpu_user:", "used_cpu_sys:"]
            .iter()
            .filter_map(|name| info.lines().find_map(|line| line.strip_prefix(name)))
            .map(|secs| Duration::from_secs_f64(secs.trim().parse().unwrap()))
            .sum();
        // All that was called, also inside of scripts; without our own questions.
        let info: String = cmd("INFO").arg("commandstats").query(&mut self.connection).unwrap();
        let calls = info.lines().filter(|line| !line.starts_with("cmdstat_info:"));
        let calls =
            calls.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
        (cpu, calls.sum())
    }

    fn cost(&mut self, doing: impl FnOnce(&mut Self)) -> Cost {
        let (cpu, commands) = self.used();
        let begin = Instant::now();
        doing(self);
        let wall = begin.elapsed();
        let after = self.used();
        Cost { cpu: after.0.saturating_sub(cpu), commands: after.1 - commands, wall }
    }

    /// The same without what the server does by itself meanwhile (it expires keys, and makes room).
    fn net(&mut self, doing: impl FnOnce(&mut Self)) -> Cost {
        let cost = self.cost(doing);
        let rest = self.cost(|_| std::thread::sleep(cost.wall));
        Cost { cpu: cost.cpu.saturating_sub(rest.cpu), ..cost }
    }

    /// Keys that are nobody's: what a keyspace scan has to pass.
    fn fill(&mut self) {
        for part in 0..10 {
            let script = "for i = 1, ARGV[1] do redis.call('SET', 'other:' .. ARGV[2] .. ':' .. i, i) end";
            let () = cmd("EVAL")
                .arg(script)
                .arg(0)
                .arg(UNRELATED / 10)
                .arg(part)
                .query(&mut self.connection)
                .unwrap();
        }
    }

    /// Members with a state and two tasks each; none of them looks dead.
    fn members(&mut self, count: usize) -> Vec<Incarnation> {
        let who: Vec<_> = (0..count)
            .map(|number| {
                let registration = Registration {
                    id: format!("agent-{number}").parse().unwrap(),
                    nonce: format!("n-{number}").parse().unwrap(),
                    ttl: Duration::from_hours(24),
                    takeover: false,
                    earlier: None,
                    coordinator: None,
                    process: Process { host: "host-1".parse().unwrap(), identity: None },
                    secret: None,
                };
                match self.store.register(&registration).unwrap() {
                    Registered::Accepted { epoch, .. } => registration.incarnation(epoch),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        for who in &who {
            for (kind, name) in [(ItemKind::State, ""), (ItemKind::Task, "1"), (ItemKind::Task, "2")] {
                let item = Item { kind, name: name.to_owned(), value: Some(b"{}".to_vec()) };
                self.store.put(who, &item).unwrap();
            }
        }
        let memory =
            MemoryUse { rss: Some(Bytes::mib(50)), heap_used: Some(Bytes::mib(20)), ..MemoryUse::default() };
        let report = Some(Report { state: "busy".to_owned(), verdict: None, memory });
        for some in who.chunks(500) {
            let beat = |who: &Incarnation| Beat { who: who.clone(), report: report.clone() };
            self.store.beat(&some.iter().map(beat).collect::<Vec<_>>()).unwrap();
        }
        who
    }

    /// They have said for a while what they take, as in a fleet that has run for longer than the window of a leak.
    fn were_there(&mut self, members: &[Incarnation]) {
        let (secs, _): (u64, u64) = cmd("TIME").query(&mut self.connection).unwrap();
        for minute in secs / 60 - 6..=secs / 60 {
            let mut set = cmd("HSET");
            set.arg(format!("scupper:{{0}}:mem:{minute}"));
            for who in members {
                set.arg(format!("{:016}|{}", who.epoch.0, who.id)).arg(50 << 20);
            }
            let () = set.query(&mut self.connection).unwrap();
        }
    }

    fn sweep() -> Sweep {
        Sweep {
            coordinator: "bench".parse().unwrap(),
            host: "host-1".parse().unwrap(),
            timing: Timing { batch: 500, ..Timing::DEFAULT },
            dry: false,
            asked: false,
            only: Vec::new(),
        }
    }

    /// The first sweep begins a grace; this ends it.
    fn open(&mut self) {
        self.store.sweep(&Self::sweep()).unwrap();
        let () = cmd("HSET").arg("scupper:{0}:meta").arg("grace").arg(0).query(&mut self.connection).unwrap();
    }

    /// One in a hundred was silent for too long.
    fn orphan(&mut self, members: usize) -> usize {
        let orphans = members / 100;
        let (secs, _): (usize, usize) = cmd("TIME").query(&mut self.connection).unwrap();
        let past = (secs - 1000) * 1000;
        for number in 0..orphans {
            let id = format!("agent-{}", number * 100);
            let () = cmd("ZADD")
                .arg("scupper:{0}:dl")
                .arg(past + number)
                .arg(id)
                .query(&mut self.connection)
                .unwrap();
        }
        orphans
    }

    fn sweep_and_reap(&mut self) -> (usize, Duration) {
        let (mut cleaned, mut longest) = (0, Duration::ZERO);
        let sweep = Self::sweep();
        loop {
            let begin = Instant::now();
            let swept = self.store.sweep(&sweep).unwrap();
            longest = longest.max(begin.elapsed());
            if swept.claims.is_empty() {
                return (cleaned, longest);
            }
            for claim in swept.claims {
                while !matches!(
                    self.store.reap(&claim, None, &sweep.timing).unwrap(),
                    Reaped::Completed { .. }
                ) {}
                cleaned += 1;
            }
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros_each(cost: &Cost, count: usize) -> f64 {
    cost.cpu.as_secs_f64() * 1e6 / count as f64
}

fn sweeps(agents: usize) {
    for (seed, query) in [("without seed 004's keys", "?seed=off"), ("with seed 004's keys", "")] {
        let mut bench = Bench::start(query);
        bench.fill();
        bench.members(agents);
        bench.open();
        let idle = bench.net(|bench| {
            for _ in 0..ROUNDS {
                bench.store.sweep(&Bench::sweep()).unwrap();
            }
        });
        println!(
            "| idle tick, {agents} agents, {seed} | {:.4} ms | {:.1} | |",
            millis(idle.cpu) / ROUNDS as f64,
            idle.commands as f64 / ROUNDS as f64
        );
        turns(&mut bench, agents, seed);
        let orphans = bench.orphan(agents);
        let mut done = (0, Duration::ZERO);
        let cost = bench.cost(|bench| done = bench.sweep_and_reap());
        assert_eq!(done.0, orphans);
        println!(
            "| sweep and cleanup, {orphans} orphans of {agents} agents, {seed} | {:.2} ms | {} | {:.0} ms |",
            millis(cost.cpu),
            cost.commands,
            millis(cost.wall)
        );
        if query.is_empty() {
            // Once a minute one coordinator looks for members that were written to the seed; here there are none.
            let look = Sweep { dry: true, ..Bench::sweep() };
            let cost = bench.cost(|bench| drop(bench.store.sweep(&look).unwrap()));
            println!(
                "| a look for the seed's own agents among {agents} of ours (one a minute) | {:.2} ms | {} | {:.0} ms |",
                millis(cost.cpu),
                cost.commands,
                millis(cost.wall)
            );
        }
    }
}

/// What goes along with the heartbeats of a measurement.
#[derive(Clone, Copy)]
enum Along {
    /// The lease alone.
    Nothing,
    /// A report that is another one every time.
    News,
    /// As agents send them every 30 s: of two heartbeats one is the first of a minute, and of twenty one has news.
    AsTheyAre,
}

/// Heartbeats of 100 agents.
fn beats() {
    let report = |mib: u64| {
        let memory = MemoryUse {
            rss: Some(Bytes::mib(mib)),
            heap_used: Some(Bytes::mib(mib / 2)),
            ..MemoryUse::default()
        };
        Some(Report { state: "busy".to_owned(), verdict: Some(Verdict::Stable), memory })
    };
    let of = |along: Along, call: usize, number: usize| match along {
        Along::Nothing => None,
        Along::News => report(if call.is_multiple_of(2) { 50 } else { 75 }),
        Along::AsTheyAre if !call.is_multiple_of(2) => None,
        Along::AsTheyAre => report(if ((call / 2 + number) / 10).is_multiple_of(2) { 50 } else { 75 }),
    };
    for (name, query, along) in [
        ("lean", "?seed=off", Along::Nothing),
        ("lean, with news in each", "?seed=off", Along::News),
        ("lean, as agents send them", "?seed=off", Along::AsTheyAre),
        ("mirrored every second time", "", Along::Nothing),
        ("mirrored, with news in each", "", Along::News),
        ("mirrored, as agents send them", "", Along::AsTheyAre),
    ] {
        let mut bench = Bench::start(query);
        // A minute is over with every call.
        bench.store = Arc::new(bench.open_again(query).sampled_every(Duration::from_millis(1)));
        let members = bench.members(100);
        bench.were_there(&members);
        for (how, size) in [("100 in one call", 100), ("one by one", 1)] {
            let calls = if size == 1 { 200 } else { 2000 };
            let cost = bench.net(|bench| {
                for call in 0..calls {
                    let beat = |(number, who): (usize, &Incarnation)| Beat {
                        who: who.clone(),
                        report: of(along, call, number),
                    };
                    let beats: Vec<Beat> = members.iter().enumerate().map(beat).collect();
                    for some in beats.chunks(size) {
                        bench.store.beat(some).unwrap();
                    }
                }
            });
            println!(
                "| heartbeat, {how}, {name} | {:.2} us | | |",
                micros_each(&cost, calls * members.len())
            );
        }
    }
}

/// Ten minutes of an idle coordinator, all that it does once a minute among it. Its clock is turned by hand.
fn turns(bench: &mut Bench, agents: usize, seed: &str) {
    let clock = Arc::new(Manual::new());
    let setup = Setup {
        id: "bench".parse().unwrap(),
        host: "host-1".parse().unwrap(),
        registry: "bench".to_owned(),
        timing: Timing::DEFAULT,
        on_lost: OnLost::Adopt,
        leak_window: None,
    };
    let store: Arc<dyn Store> = Arc::clone(&bench.store) as Arc<dyn Store>;
    let mut coordinator = Coordinator::new(
        setup,
        store,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Some(Arc::new(Nobody)),
        Arc::new(drop),
    );
    let mut turn = |bench: &mut Bench, count: usize| {
        for number in 0..count {
            if number % 12 == 0 {
                // The server's clock goes on as it likes: the look for the seed's agents is due once a minute.
                let () = cmd("HSET")
                    .arg("scupper:{0}:meta")
                    .arg("sscan")
                    .arg(0)
                    .query(&mut bench.connection)
                    .unwrap();
            }
            coordinator.turn(&|| false);
            clock.pass(Timing::DEFAULT.tick * 12 / 10);
        }
    };
    turn(bench, 12);
    let cost = bench.net(|bench| turn(bench, 600));
    println!(
        "| idle turn of a coordinator, {agents} agents, {seed} | {:.4} ms | {:.1} | |",
        millis(cost.cpu) / 600.0,
        cost.commands as f64 / 600.0
    );
}

/// Ends no process.
struct Nobody;

impl Processes for Nobody {
    fn look_at(&self, _: &Incarnation, _: &Process) -> bool {
        false
    }

    fn looked_at(&self) -> Vec<Looked> {
        Vec::new()
    }
}

/// Seed 004's heartbeat, and its sweep; of the cleanups one is measured and multiplied, since all are alike.
fn seed(agents: usize) {
    let mut bench = Bench::start("");
    let cost = bench.cost(|bench| {
        for round in 0..200 {
            for number in 0..100 {
                let id = format!("agent-{number}");
                let json = format!(r#"{{"agentId":"{id}","timestamp":{round},"pid":1,"memoryUsage":{{"rss":1}},"state":"x"}}"#);
                let key = format!("agent:heartbeat:{id}");
                let () = cmd("SETEX").arg(key).arg(180).arg(&json).query(&mut bench.connection).unwrap();
                let () = cmd("SADD").arg("agents:active").arg(&id).query(&mut bench.connection).unwrap();
                let () = cmd("PUBLISH").arg("agent:lifecycle").arg(&json).query(&mut bench.connection).unwrap();
            }
        }
    });
    println!("| seed 004: heartbeat, three round trips | {:.2} us | | |", micros_each(&cost, 20_000));
    bench.fill();
    for number in 0..agents {
        let id = format!("agent-{number}");
        for key in ["heartbeat", "state", "task", "deps"] {
            let () =
                cmd("SET").arg(format!("agent:{key}:{id}")).arg("{}").query(&mut bench.connection).unwrap();
        }
        let () = cmd("SADD").arg("agents:active").arg(&id).query(&mut bench.connection).unwrap();
    }
    let found = bench.cost(|bench| {
        let active: Vec<String> = cmd("SMEMBERS").arg("agents:active").query(&mut bench.connection).unwrap();
        for id in active {
            let _: Option<String> =
                cmd("GET").arg(format!("agent:heartbeat:{id}")).query(&mut bench.connection).unwrap();
        }
    });
    let cleaned = bench.cost(|bench| {
        for pattern in
            ["heartbeat:agent-0", "memory:agent-0", "state:agent-0", "task:agent-0*", "deps:agent-0*"]
        {
            let mut cursor = "0".to_owned();
            loop {
                let (next, keys): (String, Vec<String>) = cmd("SCAN")
                    .arg(&cursor)
                    .arg("MATCH")
                    .arg(format!("agent:{pattern}"))
                    .arg("COUNT")
                    .arg(100)
                    .query(&mut bench.connection)
                    .unwrap();
                if !keys.is_empty() {
                    let () = cmd("DEL").arg(keys).query(&mut bench.connection).unwrap();
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
    });
    let orphans = agents / 100;
    println!(
        "| seed 004: finding the orphans of {agents} agents | {:.0} ms | {} | {:.0} ms |",
        millis(found.cpu),
        found.commands,
        millis(found.wall)
    );
    println!(
        "| seed 004: cleaning up after one of them (measured) | {:.0} ms | {} | {:.0} ms |",
        millis(cleaned.cpu),
        cleaned.commands,
        millis(cleaned.wall)
    );
    println!(
        "| seed 004: the whole sweep, {orphans} orphans (extrapolated from one) | {:.1} s | {} | {:.0} s |",
        (found.cpu + cleaned.cpu * u32::try_from(orphans).unwrap()).as_secs_f64(),
        found.commands + cleaned.commands * orphans as u64,
        (found.wall + cleaned.wall * u32::try_from(orphans).unwrap()).as_secs_f64()
    );
}

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let agents = if given.is_empty() { vec![1000, 100_000] } else { given };
    println!("| what | server CPU | commands | wall |\n|---|---|---|---|");
    beats();
    for agents in agents {
        sweeps(agents);
        seed(agents);
    }
}
