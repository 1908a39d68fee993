//! Agents, coordinators and readers that were written to seed 004, beside ours.

use std::time::Duration;

use redis::Commands;
use scupper_fleet::{
    AgentId, Beat, Claim, Happened, ItemKind, Members, MemoryUse, Phase, Reaped, Reason, Registered,
    Registration, Report, Standing, Sweep, Swept,
};
use scupper_model::{Bytes, Identity, Timestamp};
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

/// The seed's unit tests (R112), as they stand there: heartbeats without a time limit, judged by their timestamp.
#[test]
fn r112_the_seeds_unit_tests() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    beat(&redis, "stale-agent", -180_000, "");
    let (swept, cleaned) = detect_and_clean(&scene);
    assert_eq!((swept.claims.len(), cleaned.len()), (1, 1));
    assert_eq!((swept.claims[0].reason, swept.claims[0].epoch), (Reason::StaleHeartbeat, None));
    assert!(swept.claims[0].idle >= Some(Duration::from_mins(3)), "{:?}", swept.claims[0].idle);
    assert!(!is_active(&redis, "stale-agent") && !exists(&redis, "agent:heartbeat:stale-agent"));

    beat(&redis, "healthy-agent", -30_000, "");
    let (swept, cleaned) = detect_and_clean(&scene);
    assert_eq!((swept.claims.len(), cleaned.len(), swept.members), (0, 0, 1));
    assert!(is_active(&redis, "healthy-agent"));
}

/// The seed's chaos test (R113), with its time passed by hand. What was wrong with it there: it sleeps for 180 s while the
/// background sweep, which runs every 60 s and takes 120 s for dead, has already cleaned up, and then expects its own sweep to
/// find them again; and of ten agents a random 30 % may be none, which then proves nothing. Here the sweeps are the background,
/// all of them count, and three of ten crash.
#[test]
fn r113_the_seeds_chaos_test() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let names: Vec<String> = (0..10).map(|number| format!("agent-{number}")).collect();
    let crashed = ["agent-1", "agent-4", "agent-7"];
    let (mut passed, mut cleaned) = (Duration::ZERO, Vec::new());
    for name in &names {
        beat(&redis, name, 0, "180000");
    }
    while passed < Duration::from_mins(3) {
        redis.pass(scene.timing.tick);
        passed += scene.timing.tick;
        if passed.as_secs() % 30 == 0 {
            for name in names.iter().filter(|name| !crashed.contains(&name.as_str())) {
                beat(&redis, name, 0, "180000");
            }
        }
        for claim in scene.sweep("a").claims {
            scene.reap_all(&claim);
            cleaned.push(claim.id.to_string());
        }
    }
    cleaned.sort();
    assert_eq!(cleaned, crashed);
    assert_eq!(redis.ask(&["SCARD", "agents:active"]), ":7");
}

/// The same in real time, with nothing scaled and nothing passed by hand.
#[test]
#[ignore = "takes three to four minutes of real time"]
#[expect(clippy::disallowed_methods, reason = "it takes the time that it takes")]
fn heavy_r113_the_seeds_chaos_test_in_real_time() {
    let redis = Redis::start();
    let scene = Scene::unswept(&redis);
    let crashed = ["agent-1", "agent-4", "agent-7"];
    let begin = std::time::Instant::now();
    let (mut last, mut cleaned) = (None::<std::time::Instant>, Vec::new());
    while cleaned.len() < crashed.len() {
        assert!(begin.elapsed() < Duration::from_mins(4), "{cleaned:?}");
        if last.is_none_or(|last| last.elapsed() >= scene.timing.interval) {
            for number in 0..10 {
                let name = format!("agent-{number}");
                if last.is_none() || !crashed.contains(&name.as_str()) {
                    beat(&redis, &name, 0, "180000");
                }
            }
            last = Some(std::time::Instant::now());
        }
        for claim in scene.sweep("a").claims {
            scene.reap_all(&claim);
            cleaned.push(claim.id.to_string());
        }
        std::thread::sleep(scene.timing.tick);
    }
    cleaned.sort();
    assert_eq!(cleaned, crashed);
    assert_eq!(redis.ask(&["SCARD", "agents:active"]), ":7");
}

/// Half of twenty is a mass: it is held for 60 s, and gone within the four minutes of R113 all the same.
#[test]
fn r113_half_of_twenty_within_four_minutes() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let living: Vec<_> = (0..5).map(|number| scene.living(&format!("ours-{number}"))).collect();
    for number in 0..5 {
        scene.doomed(&format!("ours-dead-{number}"));
    }
    for number in 0..10 {
        beat(&redis, &format!("seed-{number}"), 0, "180000");
    }
    let (mut passed, mut cleaned, mut is_held) = (Duration::ZERO, 0, false);
    // Dead after 120 s at most; the four minutes begin when they look it.
    while passed < Duration::from_mins(6) {
        redis.pass(scene.timing.tick);
        passed += scene.timing.tick;
        scene.beat_all();
        if passed.as_secs() % 30 == 0 {
            for number in 0..5 {
                beat(&redis, &format!("seed-{number}"), 0, "180000");
            }
        }
        // Claims are few at a time after a hold: batch 100, a tenth of it at once.
        let swept = scene.sweep("a");
        is_held |= matches!(swept.phase, Phase::Hold { .. });
        for claim in swept.claims {
            scene.reap_all(&claim);
            cleaned += 1;
        }
    }
    assert!(is_held && cleaned == 10, "{cleaned}");
    assert!(living.iter().all(|who| scene.lives(who)));
    assert_eq!(redis.ask(&["SCARD", "agents:active"]), ":10");
}

/// R113: nothing is left of an epic, ten times.
#[test]
fn r113_redis_does_not_grow_over_ten_epics() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let used = || {
        let info = redis.ask(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().to_owned();
        line.trim().parse::<i64>().unwrap()
    };
    let mut sizes = Vec::new();
    for epic in 0..10 {
        for number in 0..30 {
            let who = scene.doomed(&format!("epic-{epic}-{number}"));
            scene.tasks(&who, 5);
            scene.beats(&who);
            scene.store.depart(&who, "done", &scene.timing).unwrap().unwrap();
        }
        sizes.push(used());
    }
    let most = sizes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(most < 5 << 20 && sizes[9] - sizes[0] < 10 << 20, "{sizes:?}");
    assert_eq!(redis.ask(&["KEYS", "agent*"]), "");
    assert_eq!(redis.ask(&["KEYS", "scupper:?0?:[rod]*"]), "", "records, indexes and deadlines are gone");
}

#[test]
fn r093_a_missing_heartbeat_is_an_orphan_only_after_a_while() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    assert_eq!(redis.ask(&["SADD", "agents:active", "coder-1"]), ":1");
    let looked = |only: &str| {
        let only = vec![id(only)];
        scene.store.sweep(&Sweep { asked: true, only, ..scene.sweep_of("person") }).unwrap()
    };
    assert_eq!(looked("coder-1").claims, [], "it may be about to write its first one");
    scene.wait(scene.timing.grace + scene.timing.tick);
    let dry = scene.store.sweep(&Sweep { dry: true, ..scene.sweep_of("person") }).unwrap();
    assert_eq!((dry.unclaimed.len(), dry.unclaimed[0].last_seen), (1, None));
    let claims = looked("coder-1").claims;
    assert_eq!((claims.len(), claims[0].reason, claims[0].last_seen), (1, Reason::MissingHeartbeat, None));
    scene.reap_all(&claims[0]);
    assert!(!is_active(&redis, "coder-1"));
}

/// R093 at the store's clock: what is left of the time limit tells how old a heartbeat is, to the millisecond. The rule itself is
/// tested at 119,999, 120,000 and 120,001 ms in `rules/seed.rs`; here the same in a transaction, in which the server's time
/// stands still, on both sides of the border.
#[test]
fn r093_the_servers_clock_decides_and_no_agents() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    // 125 s slow, and beats; an hour fast, and silent for 170 s.
    beat(&redis, "slow", -125_000, "180000");
    beat(&redis, "fast", 3_600_000, "10000");
    // 115 s old, and one minute more than that.
    beat(&redis, "young", 0, "65000");
    beat(&redis, "old", 0, "59000");
    let dry = scene.store.sweep(&Sweep { dry: true, ..scene.sweep_of("person") }).unwrap();
    let mut dead: Vec<_> = dry.unclaimed.iter().map(|orphan| orphan.agent_id.to_string()).collect();
    dead.sort();
    assert_eq!((dead, dry.members), (vec!["fast".to_owned(), "old".to_owned()], 4));
    let old = dry.unclaimed.iter().find(|orphan| orphan.agent_id.as_str() == "old").unwrap();
    assert!((121_000..130_000).contains(&old.idle_time.unwrap()), "{old:?}");
}

#[test]
fn r096_a_lock_of_the_seed_is_respected_and_ours_has_an_owner() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    beat(&redis, "coder-1", -180_000, "");
    let ours = scene.doomed("ours-1");
    scene.expire();
    for lock in ["cleanup:lock:coder-1", "cleanup:lock:ours-1"] {
        assert_eq!(redis.ask(&["SET", lock, "1795333740123", "NX", "EX", "300"]), "+OK");
    }
    scene.wait(scene.timing.seed_period);
    assert_eq!(scene.sweep("a").claims, [], "somebody else is at it");
    assert!(is_active(&redis, "coder-1") && scene.lives(&ours));
    assert_eq!(redis.ask(&["DEL", "cleanup:lock:coder-1", "cleanup:lock:ours-1"]), ":2");
    let claim = claim_of(&scene, "coder-1");
    assert_eq!(redis.ask(&["GET", "cleanup:lock:coder-1"]), format!("a:{:016}", claim.fence.0));
    let left: u64 = redis.ask(&["TTL", "cleanup:lock:coder-1"])[1..].parse().unwrap();
    assert!((250..=300).contains(&left), "{left}");
    // It runs out in the middle, and somebody else takes it: his stays.
    assert_eq!(redis.ask(&["SET", "cleanup:lock:coder-1", "another"]), "+OK");
    scene.reap_all(&claim);
    assert_eq!(redis.ask(&["GET", "cleanup:lock:coder-1"]), "another");
}

#[test]
fn r097_who_beats_again_is_let_go_until_the_last_moment() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    beat(&redis, "coder-1", -180_000, "");
    assert_eq!(redis.ask(&["SET", "agent:task:coder-1:7", "x"]), "+OK");
    let mark = scene.last_event();
    let claim = claim_of(&scene, "coder-1");
    beat(&redis, "coder-1", 0, "180000");
    assert_eq!(scene.reap(&claim), Reaped::Aborted);
    assert!(is_active(&redis, "coder-1") && exists(&redis, "agent:heartbeat:coder-1"));
    assert!(exists(&redis, "agent:task:coder-1:7") && !exists(&redis, "cleanup:lock:coder-1"));
    assert!(matches!(scene.reap(&claim), Reaped::Aborted | Reaped::Stale));
    let said = scene.said_of("coder-1", mark.as_ref());
    assert!(
        matches!(said[..], [Happened::CleanupStarted { .. }, Happened::CleanupAborted { .. }]),
        "{said:?}"
    );
    // The same text written again is a heartbeat too, where it has a time limit.
    assert_eq!(redis.ask(&["SET", "agent:heartbeat:coder-1", r#"{"timestamp":1}"#, "PX", "110000"]), "+OK");
    let claim = claim_of(&scene, "coder-1");
    assert_eq!(redis.ask(&["SET", "agent:heartbeat:coder-1", r#"{"timestamp":1}"#, "PX", "180000"]), "+OK");
    assert_eq!(scene.reap(&claim), Reaped::Aborted);
}

#[test]
fn r097_a_cleanup_is_told_in_its_order_and_waits_before_it_deletes() {
    let redis = Redis::for_seed();
    let mut scene = Scene::new(&redis);
    let client = redis::Client::open(redis.server().url()).unwrap();
    let mut listener = client.get_connection().unwrap();
    let mut channel = listener.as_pubsub();
    channel.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    beat(&redis, "coder-1", -180_000, "");
    scene.wait(scene.timing.seed_period);
    channel.subscribe("agent:lifecycle").unwrap();
    scene.timing.objection = Duration::from_millis(300);
    let claim = claim_of(&scene, "coder-1");
    assert_eq!(scene.reap_all(&claim), 1);
    let mut heard: Vec<Value> = Vec::new();
    while heard.last().is_none_or(|last| last["type"] != "cleanup_completed") {
        let message: String = channel.get_message().unwrap().get_payload().unwrap();
        heard.push(serde_json::from_str(&message).unwrap());
    }
    let of = |name: &str| heard.iter().position(|said| said["type"] == name).unwrap();
    let (started, completed) = (&heard[of("cleanup_started")], &heard[of("cleanup_completed")]);
    assert!(of("cleanup_started") < of("cleanup_completed"));
    assert_eq!((&started["agentId"], &started["reason"]), (&"coder-1".into(), &"stale_heartbeat".into()));
    assert_eq!((&completed["agentId"], &completed["keysDeleted"]), (&"coder-1".into(), &1.into()));
    let waited = completed["timestamp"].as_u64().unwrap() - started["timestamp"].as_u64().unwrap();
    assert!(waited >= 300, "{waited} ms to object");
}

#[test]
fn r098_keys_of_the_dead_go_and_of_nobody_else() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let dead = ["agent-1", "team"];
    let alive = ["agent-10", "agent-11", "agent-1-b", "team:coder"];
    for name in alive {
        beat(&redis, name, 0, "");
    }
    let ours = scene.living("agent-1:ours");
    scene.task(&ours, "t", "x");
    for name in dead {
        beat(&redis, name, -180_000, "");
    }
    for name in dead.iter().chain(&alive) {
        for kind in ["state", "memory"] {
            redis.ask(&["SET", &format!("agent:{kind}:{name}"), "x"]);
        }
        for kind in ["task", "deps"] {
            redis.ask(&["SET", &format!("agent:{kind}:{name}"), "x"]);
            redis.ask(&["SET", &format!("agent:{kind}:{name}:1:2"), "x"]);
        }
    }
    redis.ask(&["SET", "agent:task:somebody", "x"]);
    redis.ask(&["SET", "agent:taps:agent-1", "x"]);
    let (_, cleaned) = detect_and_clean(&scene);
    assert_eq!(cleaned.len(), 2, "{cleaned:?}");
    assert_eq!(
        redis.ask(&["EXISTS", "agent:state:agent-1", "agent:task:agent-1", "agent:task:agent-1:1:2"]),
        ":0"
    );
    assert_eq!(redis.ask(&["EXISTS", "agent:deps:agent-1", "agent:deps:team:1:2", "agent:task:team"]), ":0");
    for name in alive {
        for kind in ["state", "memory", "task", "deps", "heartbeat"] {
            assert!(exists(&redis, &format!("agent:{kind}:{name}")), "{kind} of {name}");
        }
        for kind in ["task", "deps"] {
            assert!(exists(&redis, &format!("agent:{kind}:{name}:1:2")), "{kind} of {name}");
        }
    }
    assert!(exists(&redis, "agent:task:somebody") && exists(&redis, "agent:taps:agent-1"));
    assert_eq!(scene.get("agent-1:ours", ItemKind::Task, "t").as_deref(), Some("x"));
    // R099: in steps, and never all at once.
    let commands = redis.ask(&["INFO", "commandstats"]);
    assert!(commands.contains("cmdstat_scan:"), "{commands}");
}

#[test]
fn r099_many_keys_go_in_steps_and_keys_is_never_asked() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    beat(&redis, "coder-1", -180_000, "");
    let fill = "for i = 1, 3000 do redis.call('SET', 'agent:task:coder-1:' .. i, 'x') redis.call('SET', 'other:' .. i, 'x') end \
                return 'filled'";
    assert_eq!(redis.ask(&["EVAL", fill, "0"]), "filled");
    // Whatever a test has asked for does not count.
    assert_eq!(redis.ask(&["CONFIG", "RESETSTAT"]), "+OK");
    let only = vec![id("coder-1")];
    let claims = scene.store.sweep(&Sweep { asked: true, only, ..scene.sweep_of("person") }).unwrap().claims;
    let mut steps = Vec::new();
    let all = loop {
        match scene.reap(&claims[0]) {
            Reaped::More { deleted } => steps.push(deleted),
            Reaped::Completed { deleted } => break deleted,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(all, 3001);
    assert!(steps.len() >= 6 && steps.iter().all(|deleted| *deleted <= 500), "{steps:?}");
    assert!(!redis.ask(&["INFO", "commandstats"]).contains("cmdstat_keys"));
    assert_eq!(completions(&scene.said_of("coder-1", None)), [3001]);
}

#[test]
fn r117_what_is_not_understood_is_told_and_left_alone() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    for (name, text) in [
        ("truncated", r#"{"agentId":"truncated","timest"#),
        ("foreign", r#"{"agentId":"somebody-else","timestamp":1}"#),
        ("future", r#"{"agentId":"future","timestamp":4102444800000}"#),
        ("nothing", ""),
    ] {
        assert_eq!(redis.ask(&["SET", &format!("agent:heartbeat:{name}"), text]), "+OK");
        redis.ask(&["SADD", "agents:active", name]);
    }
    redis.ask(&["RPUSH", "agent:heartbeat:wrong-type", "x"]);
    redis.ask(&["SET", "agent:heartbeat:oversized", &"x".repeat(70_000)]);
    redis.ask(&["SADD", "agents:active", "wrong-type", "oversized"]);
    redis.ask(&["SADD", "agents:active", "*", "[a-z]", "a*b", "", "with blank", &"x".repeat(5000)]);
    for number in 0..3 {
        beat(&redis, &format!("dead-{number}"), -180_000, "");
    }
    let (swept, cleaned) = detect_and_clean(&scene);
    assert_eq!(cleaned.len(), 3, "one poisoned heartbeat hides no orphan: {cleaned:?}");
    assert_eq!(swept.trouble.len(), 12, "{:?}", swept.trouble);
    for line in &swept.trouble {
        assert!(line.contains("nothing is done about it") && line.len() < 300, "{line}");
    }
    assert_eq!(redis.ask(&["SCARD", "agents:active"]), ":12");
    for name in ["truncated", "foreign", "future", "nothing", "wrong-type", "oversized"] {
        assert!(exists(&redis, &format!("agent:heartbeat:{name}")), "{name}");
        let view = scene.store.agent(&id(name)).unwrap().unwrap();
        assert_eq!((view.standing, view.epoch), (Standing::Unknown, None), "{name}");
    }
    let listed = scene.store.agents(None, 100).unwrap();
    assert_eq!((listed.entries.len(), listed.next), (6, None));
}

#[test]
fn r117_the_seeds_other_names_are_read_too() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let stale = r#"{"agentId":"coder-1","timestamp":1000}"#;
    redis.ask(&["SADD", "agent:active", "coder-1"]);
    redis.ask(&["SET", "agent:coder-1:heartbeat", stale]);
    beat(&redis, "coder-2", 0, "");
    redis.ask(&["SADD", "agent:active", "coder-2"]);
    let (swept, cleaned) = detect_and_clean(&scene);
    assert_eq!((swept.members, cleaned), (1, vec![id::<AgentId>("coder-1")]));
    assert_eq!(redis.ask(&["SMEMBERS", "agent:active"]), "coder-2");
    assert!(!exists(&redis, "agent:coder-1:heartbeat"));
}

#[test]
fn r117_a_set_of_another_type_is_told_and_ours_go_on() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    redis.ask(&["SET", "agents:active", "x"]);
    let who = scene.living("coder-1");
    scene.doomed("coder-2");
    scene.expire();
    scene.wait(scene.timing.seed_period);
    let swept = scene.sweep("a");
    assert!(
        swept.trouble.iter().any(|line| line.contains("agents:active cannot be read")),
        "{:?}",
        swept.trouble
    );
    assert_eq!(swept.claims.len(), 1);
    scene.reap_all(&swept.claims[0]);
    assert!(scene.lives(&who));
    assert_eq!(redis.ask(&["GET", "agents:active"]), "x");
}

#[test]
fn a_zombie_of_the_seed_is_told_once() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    beat(&redis, "coder-1", -180_000, "");
    detect_and_clean(&scene);
    let mark = scene.last_event();
    // It only slept, and nothing can fence it.
    for _ in 0..2 {
        beat(&redis, "coder-1", 0, "180000");
        let (_, cleaned) = detect_and_clean(&scene);
        assert_eq!(cleaned, []);
    }
    assert_eq!(
        scene.said_of("coder-1", mark.as_ref()),
        [Happened::ZombieDetected { agent_id: id("coder-1") }]
    );
}

#[test]
fn r114_an_objection_spares_an_agent_of_the_seed() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    beat(&redis, "coder-1", -180_000, "");
    let claim = claim_of(&scene, "coder-1");
    assert!(scene.store.object(&claim.id, &id("b"), "its process works").unwrap());
    assert_eq!(scene.reap(&claim), Reaped::Aborted);
    assert!(is_active(&redis, "coder-1") && exists(&redis, "agent:heartbeat:coder-1"));
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
fn agents_of_both_kinds_are_listed_page_by_page() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let mut names: Vec<String> = Vec::new();
    for number in 0..40 {
        names.push(scene.living(&format!("ours-{number}")).id.to_string());
    }
    for number in 0..700 {
        let name = format!("seed-{number}");
        beat(&redis, &name, 0, "180000");
        names.push(name);
    }
    let (mut seen, mut from) = (Vec::new(), None);
    loop {
        let page = scene.store.agents(from.as_deref(), 30).unwrap();
        assert!(page.entries.len() <= 30);
        seen.extend(page.entries.into_iter().map(|view| (view.id.to_string(), view.epoch.is_some())));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(seen.iter().all(|(name, has_epoch)| name.starts_with("ours") == *has_epoch));
    let mut seen: Vec<String> = seen.into_iter().map(|(name, _)| name).collect();
    seen.sort();
    names.sort();
    assert_eq!(seen, names);
}

/// How often the server was asked to do this.
fn calls(redis: &Redis, command: &str) -> u64 {
    let info = redis.ask(&["INFO", "commandstats"]);
    let line = info.lines().find_map(|line| line.trim().strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// A minute of sweeps, of which one looks for the seed's agents: what was found, and the pages that were read for it.
fn minute(scene: &Scene<'_>, redis: &Redis) -> (Swept, u64) {
    let (before, mut all) = (calls(redis, "sscan"), None::<Swept>);
    let mut left = scene.timing.seed_period;
    while !left.is_zero() {
        scene.fixture.pass(scene.timing.tick);
        left -= scene.timing.tick;
        let swept = scene.sweep("a");
        for claim in &swept.claims {
            scene.reap_all(claim);
        }
        match &mut all {
            None => all = Some(swept),
            Some(sum) => {
                sum.claims.extend(swept.claims);
                sum.trouble.extend(swept.trouble);
                sum.members = swept.members;
            }
        }
    }
    (all.unwrap(), calls(redis, "sscan") - before)
}

#[test]
fn the_look_for_the_seeds_agents_passes_ours_by() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    for n in 0..600 {
        let far = Registration { ttl: Duration::from_hours(2), ..scene.registration(&format!("ours-{n}")) };
        scene.accepted(&far);
    }
    assert_eq!(minute(&scene, &redis).1, 0, "only ours are there");
    beat(&redis, "seeds-1", 0, "180000");
    let (swept, pages) = minute(&scene, &redis);
    assert!(pages > 3, "somebody came: {pages}");
    assert_eq!((swept.members, swept.claims.len()), (601, 0));
    for _ in 0..2 {
        beat(&redis, "seeds-1", 0, "180000");
        assert_eq!(minute(&scene, &redis).1, 1, "the one that is known");
    }
    // One comes as another goes: noticed with the next look but one.
    redis.ask(&["SREM", "agents:active", "seeds-1"]);
    redis.ask(&["SADD", "agents:active", "no such name"]);
    minute(&scene, &redis);
    for pages in [4, 1] {
        let (swept, read) = minute(&scene, &redis);
        assert!(if pages == 1 { read == 1 } else { read >= pages }, "{read}");
        assert!(swept.trouble[0].contains("`no such name` in agents:active"), "{:?}", swept.trouble);
    }
    redis.ask(&["SREM", "agents:active", "no such name"]);
    minute(&scene, &redis);
    // Who is known dies, and is cleaned up as ever; then there are only ours again.
    beat(&redis, "seeds-2", 0, "180000");
    assert!(minute(&scene, &redis).1 > 3);
    let mut cleaned = Vec::new();
    for _ in 0..4 {
        cleaned.extend(minute(&scene, &redis).0.claims.into_iter().map(|claim| claim.id));
    }
    assert_eq!(cleaned, [id::<AgentId>("seeds-2")]);
    let (swept, pages) = minute(&scene, &redis);
    assert_eq!((swept.members, pages), (600, 0));
}

#[test]
fn r104_the_baseline_is_the_memory_of_five_minutes_ago() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.doomed("coder-1");
    let Timestamp(now) = scene.store.beat(&[]).unwrap().now;
    let minute = now / 60_000 - 5;
    let field = format!("{:016}|coder-1", who.epoch.0);
    redis.ask(&["HSET", &format!("scupper:{{0}}:mem:{minute}"), &field, "5000", "nonsense", "x"]);
    let taken = scene.store.memory(minute).unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(who, Bytes(5000))]);
    redis.ask(&["HSET", &format!("scupper:{{0}}:sum:{minute}"), "all", "5000", "count", "1"]);
    scene.store.totals(&scene.timing).unwrap();
    let baseline: Value = serde_json::from_str(&redis.ask(&["GET", "memory:baseline"])).unwrap();
    assert_eq!((&baseline["totalRSS"], &baseline["totalAgents"]), (&5000.into(), &1.into()));
    assert_eq!(baseline["timestamp"], minute * 60_000);
    let left: u64 = redis.ask(&["TTL", "memory:baseline"])[1..].parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
}
