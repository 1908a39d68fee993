//! Agents, coordinators and readers that were written to seed 004, beside ours.
//! Rows shown here: R090, R091, R102, R104.

mod cleaning;
mod leaked;
mod own;
mod reading;

use std::time::Duration;

use redis::Commands;
use scupper_fleet::{
    AgentId, Beat, Claim, Happened, ItemKind, Members, MemoryUse, Phase, Reaped, Reason, Registered,
    Registration, Report, Standing, Sweep, Swept,
};
use scupper_model::{Bytes, Identity};
use serde_json::Value;

use crate::fixture::Redis;
use crate::suite::Fixture;
use crate::suite::scene::{Scene, completions, id};

/// What an agent of the seed does every 30 s, with the server's time and so many ms added to it: SETEX, SADD.
const BEAT: &str = r#"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('SET', 'agent:heartbeat:' .. ARGV[1], string.format('{"agentId":"%s","timestamp":%.0f,"pid":7,"memoryUsage":{},"state":"x"}', ARGV[1], now))
if ARGV[3] ~= '' then redis.call('PEXPIRE', 'agent:heartbeat:' .. ARGV[1], ARGV[3]) end
redis.call('SADD', 'agents:active', ARGV[1])
return 'beat'"#;

/// A heartbeat of the seed: by how much its clock is wrong, and how long it is kept, in ms; for ever where nothing is said.
fn beat(redis: &Redis, id: &str, clock: i64, kept: &str) {
    assert_eq!(redis.ask(&["EVAL", BEAT, "0", id, &clock.to_string(), kept]), "beat");
}

fn is_active(redis: &Redis, id: &str) -> bool {
    redis.ask(&["SISMEMBER", "agents:active", id]) == ":1"
}

fn exists(redis: &Redis, key: &str) -> bool {
    redis.ask(&["EXISTS", key]) == ":1"
}

/// The seed's `detectAndCleanupOrphans()`: what was found, and who was cleaned up.
fn detect_and_clean(scene: &Scene<'_>) -> (Swept, Vec<AgentId>) {
    // Its look at the seed's agents is due.
    scene.wait(scene.timing.seed_period);
    let swept = scene.sweep("seed-test");
    let mut cleaned = Vec::new();
    for claim in &swept.claims {
        scene.reap_all(claim);
        cleaned.push(claim.id.clone());
    }
    (swept, cleaned)
}

fn claim_of(scene: &Scene<'_>, name: &str) -> Claim {
    scene.wait(scene.timing.seed_period);
    let claims = scene.sweep("a").claims;
    claims.into_iter().find(|claim| claim.id.as_str() == name).expect("a claim")
}

#[test]
fn r090_r091_r102_readers_of_the_seed_see_our_agents() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let client = redis::Client::open(redis.server().url()).unwrap();
    let (mut reader, mut listener) = (client.get_connection().unwrap(), client.get_connection().unwrap());
    let mut channel = listener.as_pubsub();
    channel.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    channel.subscribe("agent:lifecycle").unwrap();
    let mut registration = scene.registration("coder-1");
    registration.process.identity = Some(
        serde_json::from_str::<Identity>(
            r#"{"pid":4711,"start_time":99,"boot_id":"6b1f0a52-3c7e-4f1d-9a8b-2d5e7c9f0a13"}"#,
        )
        .unwrap(),
    );
    let who = scene.accepted(&registration);
    // From the first moment on, or a coordinator of the seed would take it for dead.
    assert!(exists(&redis, "agent:heartbeat:coder-1") && is_active(&redis, "coder-1"));
    let memory = MemoryUse { rss: Some(Bytes(5000)), heap_used: Some(Bytes(7)), ..MemoryUse::default() };
    let report = Report { state: "busy".to_owned(), verdict: None, memory };
    let beaten = redis.redis().beat(&[Beat { who: who.clone(), report: Some(report) }]).unwrap();
    let json: String = reader.get("agent:heartbeat:coder-1").unwrap();
    let said: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(said["agentId"], "coder-1");
    assert_eq!(said["timestamp"], beaten.now.0, "the server's time, whatever an agent's clock says");
    assert_eq!((&said["pid"], &said["state"]), (&Value::from(4711), &Value::from("busy")));
    assert_eq!((&said["memoryUsage"]["rss"], &said["memoryUsage"]["heapUsed"]), (&5000.into(), &7.into()));
    assert_eq!((&said["host"], &said["startTime"]), (&Value::from("host-1"), &Value::from(99)));
    assert_eq!(said["epoch"], who.epoch.0);
    let left: i64 = reader.pttl("agent:heartbeat:coder-1").unwrap();
    assert!((150_000..=180_000).contains(&left), "{left}");
    let kept: std::collections::HashMap<String, u64> = reader.hgetall("agent:memory:coder-1").unwrap();
    assert_eq!((kept["rss"], kept["heapUsed"], kept["timestamp"]), (5000, 7, beaten.now.0));
    let left: i64 = reader.ttl("agent:memory:coder-1").unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    let mut heard = Vec::new();
    while !heard.iter().any(|said: &Value| said["type"] == "heartbeat_sent") {
        let message: String = channel.get_message().unwrap().get_payload().unwrap();
        heard.push(serde_json::from_str(&message).unwrap());
    }
    let last = heard.last().unwrap();
    assert_eq!((&last["agentId"], &last["timestamp"]), (&"coder-1".into(), &beaten.now.0.into()));
    // Without news every second beat is mirrored: a reader waits for 60 s at most, of the 120 s he allows.
    for _ in 0..2 {
        assert_eq!(redis.ask(&["DEL", "agent:heartbeat:coder-1"]), ":1");
        assert!(scene.lives(&who) && !exists(&redis, "agent:heartbeat:coder-1"));
        assert!(scene.lives(&who) && exists(&redis, "agent:heartbeat:coder-1"));
    }
    scene.task(&who, "t", "x");
    assert!(exists(&redis, "agent:task:coder-1:t"));
    scene.store.depart(&who, "done", &scene.timing).unwrap().unwrap();
    // R092: a beat that was under way brings nothing back.
    assert!(!scene.lives(&who));
    assert!(!is_active(&redis, "coder-1"));
    assert_eq!(redis.ask(&["KEYS", "agent*"]), "");
}

#[test]
fn without_the_seed_nothing_is_at_its_keys() {
    let redis = Redis::lean();
    let scene = Scene::new(&redis);
    let who = scene.living("coder-1");
    scene.task(&who, "t", "x");
    scene.beat_all();
    scene.sweep("a");
    for keys in ["agent*", "cleanup*", "memory*"] {
        assert_eq!(redis.ask(&["KEYS", keys]), "");
    }
}

/// I2 for those who know nothing of epochs: whoever has a name keeps it, until he is an orphan or it is taken over on purpose.
#[test]
fn the_name_of_an_agent_of_the_seed_is_taken() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let register = |name: &str| scene.store.register(&scene.registration(name)).unwrap();
    beat(&redis, "sd", 0, "180000");
    redis.ask(&["SET", "agent:state:sd", "precious"]);
    assert!(matches!(register("sd"), Registered::Taken { remaining } if remaining <= Duration::from_mins(2)));
    beat(&redis, "sd", 0, "60000");
    assert_eq!(register("sd"), Registered::Busy, "an orphan, that a sweep has to claim");
    beat(&redis, "for-ever", 0, "");
    assert_eq!(register("for-ever"), Registered::Busy);
    assert_eq!(redis.ask(&["GET", "agent:state:sd"]), "precious");
    assert!(is_active(&redis, "sd"));
    redis.ask(&["DEL", "agent:heartbeat:sd"]);
    assert!(matches!(register("sd"), Registered::Accepted { .. }), "nobody is left who could have it");
    let takeover = Registration { takeover: true, ..scene.registration("for-ever") };
    assert!(matches!(scene.store.register(&takeover).unwrap(), Registered::Accepted { .. }));
}

#[test]
fn r104_the_baseline_is_the_memory_of_five_minutes_ago() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.doomed("coder-1");
    // All of it within one minute of the server's clock.
    let nth = || scene.store.beat(&[]).unwrap().now.0 / 60_000;
    let field = format!("{:016}|coder-1", who.epoch.0);
    let minute = loop {
        let minute = nth() - 5;
        redis.ask(&["HSET", &format!("scupper:{{0}}:mem:{minute}"), &field, "5000", "nonsense", "x"]);
        redis.ask(&["HSET", &format!("scupper:{{0}}:sum:{minute}"), "all", "5000", "count", "1"]);
        scene.store.totals().unwrap();
        if nth() - 5 == minute {
            break minute;
        }
    };
    let taken = scene.store.memory(minute).unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(who, Bytes(5000))]);
    let baseline: Value = serde_json::from_str(&redis.ask(&["GET", "memory:baseline"])).unwrap();
    assert_eq!((&baseline["totalRSS"], &baseline["totalAgents"]), (&5000.into(), &1.into()));
    assert_eq!(baseline["timestamp"], minute * 60_000);
    let left: u64 = redis.ask(&["TTL", "memory:baseline"])[1..].parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
}
