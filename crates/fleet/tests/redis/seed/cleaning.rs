//! When an agent of the seed is an orphan, and what is deleted of it.
//! Rows shown here: R096, R097, R098.

use super::*;

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
