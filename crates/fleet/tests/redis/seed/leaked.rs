//! Keys that the seed's own code left of agents that are in no registry any more.
//! Rows shown here: R098, R099.

use scupper_fleet::{Kept, Store};

use super::*;

/// As its coordinator leaves them when it dies after `SREM` (F4c), and its agent when it shuts down (F15): without a time limit.
const LEFT: [&str; 6] = [
    "agent:deps:coder-1",
    "agent:memory:coder-1",
    "agent:state:coder-1",
    "agent:task:coder-1:7",
    "agent:task:coder-1:fix a bug",
    "cleanup:lock:coder-1",
];

/// Nobody has touched this key for so long.
fn untouched(redis: &Redis, key: &str, secs: u32) {
    let restore = "return redis.call('RESTORE', KEYS[1], ARGV[2], redis.call('DUMP', KEYS[1]), 'REPLACE', 'IDLETIME', ARGV[1])";
    let left = redis.ask(&["PTTL", key]);
    let limit = left.trim_start_matches(':').parse::<i64>().unwrap().max(0).to_string();
    assert_eq!(redis.ask(&["EVAL", restore, "1", key, &secs.to_string(), &limit]), "+OK");
}

fn set(redis: &Redis, key: &str) {
    let made = if key.starts_with("agent:memory:") {
        redis.ask(&["HSET", key, "rss", "1"])
    } else {
        redis.ask(&["SET", key, "x"])
    };
    assert!([":1", "+OK"].contains(&made.as_str()), "{made}");
    untouched(redis, key, 700);
}

fn keys(redis: &Redis) -> Vec<String> {
    redis.redis().leaked().unwrap().unwrap().keys.into_iter().map(|key| key.key).collect()
}

#[test]
fn r099_what_agents_left_that_are_in_no_registry_is_found_and_deleted_and_nothing_else() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    for key in LEFT {
        set(&redis, key);
    }
    // Whoever is a member keeps what begins with his name, also where a shorter name is nobody's.
    let ours = scene.living("ours");
    let task = scupper_fleet::Item { kind: ItemKind::Task, name: "t".to_owned(), value: Some(b"x".to_vec()) };
    scene.store.put(&ours, &task).unwrap();
    beat(&redis, "coder-2:b", 0, "180000");
    beat(&redis, "coder-10", 0, "180000");
    for key in [
        "agent:task:ours:t",
        "agent:task:coder-2:b:1",
        "agent:state:coder-10",
        "agent:task:coder-10:1",
        "agent:deps:coder-10",
    ] {
        set(&redis, key);
    }
    // About to become a member; being cleaned up after by the seed; just touched; with a limit; somebody else's.
    assert_eq!(redis.ask(&["SETEX", "agent:heartbeat:new", "180", "{}"]), "+OK");
    set(&redis, "agent:state:new");
    assert_eq!(redis.ask(&["SET", "cleanup:lock:busy", "1795333740123", "NX", "EX", "300"]), "+OK");
    set(&redis, "agent:state:busy");
    set(&redis, "agent:state:fresh");
    untouched(&redis, "agent:state:fresh", 590);
    set(&redis, "agent:memory:limited");
    assert_eq!(redis.ask(&["EXPIRE", "agent:memory:limited", "3600"]), ":1");
    set(&redis, "agent:state:an other program's");
    set(&redis, "agent:taps:coder-1");
    set(&redis, "clean:state:coder-1");

    let before = redis.ask(&["DBSIZE"]);
    let leaked = redis.redis().leaked().unwrap().unwrap();
    assert_eq!(leaked.keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>(), LEFT);
    assert!(leaked.keys.iter().all(|key| (700..760).contains(&key.untouched_secs)), "{leaked:?}");
    assert_eq!(redis.ask(&["DBSIZE"]), before, "a look changes nothing");
    let kept: Vec<_> = leaked.kept.into_iter().collect();
    // Of ours the task, of coder-2:b one, of coder-10 three, of the new one one; the lock beside what it protects.
    assert_eq!(
        kept,
        [(Kept::Member, 6), (Kept::Busy, 1), (Kept::Touched, 1), (Kept::Limited, 2), (Kept::Unknown, 1)]
    );

    // Somebody of that name came between the look and the word.
    beat(&redis, "coder-1", 0, "180000");
    let names = LEFT.map(str::to_owned);
    assert_eq!(redis.redis().delete_leaked(&names).unwrap(), ["cleanup:lock:coder-1"]);
    assert_eq!(redis.ask(&["DEL", "agent:heartbeat:coder-1"]), ":1");
    assert_eq!(redis.ask(&["SREM", "agents:active", "coder-1"]), ":1");
    let mut all = names.to_vec();
    all.extend(
        ["agent:state:coder-10", "agent:heartbeat:coder-10", "agents:active", "agent:state:new"]
            .map(str::to_owned),
    );
    assert_eq!(redis.redis().delete_leaked(&all).unwrap(), LEFT[..5]);
    assert_eq!(keys(&redis), Vec::<String>::new());
    for key in
        ["agent:state:coder-10", "agent:task:ours:t", "agent:state:an other program's", "agent:taps:coder-1"]
    {
        assert!(exists(&redis, key), "{key}");
    }
}

#[test]
fn a_lock_that_never_ends_is_found_by_when_it_was_taken() {
    let redis = Redis::for_seed();
    // A sweep tries it again and again: it is never untouched.
    let now: u64 = redis.redis().beat(&[]).unwrap().now.0;
    assert_eq!(redis.ask(&["SET", "cleanup:lock:old", &(now - 700_000).to_string()]), "+OK");
    assert_eq!(redis.ask(&["SET", "cleanup:lock:young", &(now - 100_000).to_string()]), "+OK");
    assert_eq!(redis.ask(&["SET", "cleanup:lock:odd", "somebody"]), "+OK");
    assert_eq!(keys(&redis), ["cleanup:lock:old"]);
}

#[test]
fn where_the_set_cannot_be_read_nothing_is_leaked() {
    let redis = Redis::for_seed();
    set(&redis, "agent:state:coder-1");
    assert_eq!(keys(&redis), ["agent:state:coder-1"]);
    assert_eq!(redis.ask(&["SET", "agents:active", "of another type"]), "+OK");
    assert_eq!(keys(&redis), Vec::<String>::new());
    let names = ["agent:state:coder-1".to_owned()];
    assert_eq!(redis.redis().delete_leaked(&names).unwrap(), Vec::<String>::new());
    assert_eq!(redis.ask(&["DEL", "agents:active"]), ":1");
    assert_eq!(redis.redis().delete_leaked(&names).unwrap(), names);

    let lean = Redis::lean();
    set(&lean, "agent:state:coder-1");
    assert_eq!(lean.redis().leaked().unwrap(), None, "with seed=off these are left alone");
    assert_eq!(lean.redis().delete_leaked(&names).unwrap(), Vec::<String>::new());
}
