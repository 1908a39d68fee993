//! Servers that are away, full, closed to us or no registry at all, and what they hold when somebody else has written it.

use std::time::Duration;

use scupper_fleet::{
    Answer, Beat, Members, MemoryUse, Phase, Reaped, RedisLimits, RedisStore, Registered, Report, Standing,
    Store, StoreError, Sweep,
};
use scupper_model::Bytes;

use crate::fixture::{Redis, address, limits, store, until};
use crate::redis_server::RedisServer;
use crate::suite::Fixture;
use crate::suite::scene::{Scene, id};

/// An error with all that it says.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn refusal<T: std::fmt::Debug>(said: Result<T, StoreError>) -> String {
    chain(&said.expect_err("a refusal"))
}

/// R116, and F9 of the seed: the server is killed, comes up again after five minutes from what it had saved, and with it the
/// heartbeats have run out, ours and the seed's. Two of the agents have died meanwhile.
#[test]
fn r116_an_outage_of_five_minutes_costs_nobody_his_life() {
    let redis = Redis::for_seed();
    let scene = Scene::new(&redis);
    let living: Vec<_> = (0..8).map(|number| scene.living(&format!("alive-{number}"))).collect();
    for number in 0..2 {
        scene.doomed(&format!("coder-{number}"));
    }
    let beat_of_seed = || {
        let json = r#"{"agentId":"seed-1","timestamp":1}"#;
        assert_eq!(redis.ask(&["SET", "agent:heartbeat:seed-1", json, "PX", "180000"]), "+OK");
        redis.ask(&["SADD", "agents:active", "seed-1"]);
    };
    beat_of_seed();
    scene.beat_all();
    scene.sweep("a");
    redis.server().save();
    redis.server().kill();
    let beats: Vec<_> = living.iter().map(|who| Beat { who: who.clone(), report: None }).collect();
    for _ in 0..3 {
        let error = redis.redis().beat(&beats).expect_err("nobody answers");
        assert!(error.is_outage(), "{error}");
        let said = chain(&error);
        assert!(said.contains("does not answer while sending heartbeats"), "{said}");
        assert_eq!(said.matches("(os error").count(), 1, "each cause is said once: {said}");
        assert!(redis.redis().sweep(&scene.sweep_of("a")).expect_err("nobody answers").is_outage());
    }
    redis.server().restart();
    redis.pass(Duration::from_mins(5));
    // The next call after the wait between two attempts gets through.
    let first = until("an answer", || redis.redis().sweep(&scene.sweep_of("a")).ok());
    assert!(matches!(first.phase, Phase::Grace { .. }) && first.claims.is_empty(), "{:?}", first.phase);
    assert_eq!(first.unclaimed.len(), 10, "all of them look dead");
    let mut claimed = Vec::new();
    for _ in 0..40 {
        redis.pass(scene.timing.tick);
        scene.beat_all();
        beat_of_seed();
        for claim in scene.sweep("a").claims {
            assert!(matches!(scene.reap(&claim), Reaped::Completed { .. }));
            claimed.push(claim.id.to_string());
        }
    }
    claimed.sort();
    assert_eq!(claimed, ["coder-0", "coder-1"]);
    assert!(living.iter().all(|who| scene.lives(who)));
    assert_eq!(redis.ask(&["SISMEMBER", "agents:active", "seed-1"]), ":1");
}

#[test]
fn a_server_that_hangs_is_away_and_comes_back() {
    let server = RedisServer::start();
    let limits =
        RedisLimits { answer: Duration::from_millis(200), connect: Duration::from_millis(400), ..limits() };
    let store = RedisStore::open_with(&address(&server.url()), limits).unwrap();
    store.check().unwrap();
    server.pause();
    for _ in 0..2 {
        let error = store.status().expect_err("it hangs");
        assert!(error.is_outage(), "{}", chain(&error));
    }
    server.resume();
    until("an answer", || store.status().ok());
}

#[test]
fn a_server_that_was_never_there_is_said_to_be_away() {
    let error = store("redis+unix:///nowhere/redis.sock").check().expect_err("nobody there");
    let said = chain(&error);
    assert!(error.is_outage() && said.contains("redis+unix:///nowhere/redis.sock"), "{said}");
    assert!(said.contains("is it running"), "{said}");
}

#[test]
fn scripts_that_the_server_forgot_are_sent_again() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.living("coder-1");
    assert_eq!(redis.ask(&["SCRIPT", "FLUSH"]), "+OK");
    assert!(scene.lives(&who));
    scene.task(&who, "t", "x");
}

#[test]
fn a_wrong_password_is_told_and_never_shown() {
    let server = RedisServer::start_with(&["--requirepass", "right-SECRET"]);
    let with = |who: &str| store(&format!("{}?{who}", server.url()));
    for (who, store) in [
        ("wrong", with("password=wrong-SECRET")),
        ("none", with("seed=on")),
        ("nobody", with("user=x&password=y")),
    ] {
        let said = refusal(store.check());
        assert!(said.contains("the user or the password is missing or wrong"), "{who}: {said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
    let right = with("password=right-SECRET");
    right.check().unwrap();
    assert!(!format!("{}", address(&format!("{}?password=right-SECRET", server.url()))).contains("SECRET"));
}

#[test]
fn an_acl_user_needs_our_keys_and_the_seeds_and_no_more() {
    let server = RedisServer::start();
    let rules = [
        "ACL",
        "SETUSER",
        "agents",
        "on",
        ">pw",
        "resetchannels",
        "&agent:lifecycle",
        "&system:alerts",
        "~scupper:*",
        "~agent:*",
        "~agents:active",
        "~cleanup:lock:*",
        "~memory:baseline",
        "-@all",
        "+@read",
        "+@write",
        "+@connection",
        "+@scripting",
        "+@pubsub",
        "+info",
        "+time",
        "-keys",
    ];
    assert_eq!(server.ask(&rules), "+OK");
    assert_eq!(
        server.ask(&["ACL", "SETUSER", "reader", "on", ">pw", "~scupper:*", "-@all", "+@read", "+info"]),
        "+OK"
    );
    let store_of = |user: &str| store(&format!("{}?user={user}&password=pw", server.url()));
    store_of("agents").check().unwrap();
    let said = refusal(store_of("reader").check());
    assert!(said.contains("this user may not do that"), "{said}");
}

#[test]
fn an_evicting_server_is_refused_with_the_reason() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let server = RedisServer::start_with(&["--maxmemory-policy", policy]);
        let said = refusal(store(&server.url()).check());
        assert!(said.contains(policy) && said.contains("maxmemory-policy noeviction"), "{said}");
    }
}

/// F19: a heartbeat that is refused because the memory is full would look like a death.
#[test]
fn a_full_server_still_takes_heartbeats() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.living("coder-1");
    scene.doomed("coder-2");
    scene.expire();
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    let refused = redis.ask(&["SET", "x", "y"]);
    assert!(refused.starts_with("-OOM"), "{refused}");
    assert_eq!(scene.beats(&who), Answer::Accepted { directive: None });
    let claim = scene.claim("a");
    scene.reap_all(&claim);
    redis.redis().check().unwrap();
}

/// Before Redis 7 a script cannot say that it may run all the same: then it is told what is wrong.
#[test]
fn an_older_server_that_is_full_is_told_of() {
    let redis = Redis::of("", RedisStore::as_before_redis_7);
    let scene = Scene::new(&redis);
    let who = scene.doomed("coder-1");
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    let said = refusal(redis.redis().beat(&[Beat { who, report: None }]));
    assert!(said.contains("its memory is full: raise maxmemory"), "{said}");
    assert!(refusal(redis.redis().check()).contains("its memory is full"));
}

#[test]
fn a_replica_is_refused() {
    // Of nobody who answers: it takes no writes all the same.
    let server = RedisServer::start_with(&["--replicaof", "127.0.0.1", "1"]);
    let said = refusal(store(&server.url()).check());
    assert!(said.contains("it is a replica") && said.contains("primary"), "{said}");
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.living("coder-1");
    assert_eq!(redis.ask(&["REPLICAOF", "127.0.0.1", "1"]), "+OK");
    let said = refusal(redis.redis().beat(&[Beat { who: who.clone(), report: None }]));
    assert!(said.contains("this is a replica, which takes no writes"), "{said}");
    assert_eq!(redis.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert!(scene.lives(&who));
}

#[test]
fn keys_of_another_type_are_an_error_and_no_panic() {
    for key in ["ep", "dl", "meta", "claims", "ev", "coord", "ids"] {
        let redis = Redis::start();
        let scene = Scene::new(&redis);
        let who = scene.living("coder-1");
        let key = format!("scupper:{{0}}:{key}");
        redis.ask(&["DEL", &key]);
        redis.ask(&["SET", &key, "x"]);
        let store = redis.redis();
        let mut errors = Vec::new();
        errors.extend(store.beat(&[Beat { who: who.clone(), report: None }]).err());
        errors.extend(store.sweep(&scene.sweep_of("a")).err());
        errors.extend(store.status().err());
        errors.extend(store.agents(None, 10).err());
        errors.extend(store.claims(None, 10).err());
        errors.extend(store.events(None, 10).err());
        errors.extend(store.register(&scene.registration("coder-2")).err());
        errors.extend(store.depart(&who, "done", &scene.timing).err());
        assert!(!errors.is_empty(), "{key}");
        for error in errors {
            assert!(matches!(error, StoreError::Damaged { .. }), "{key}: {}", chain(&error));
        }
    }
}

/// What an agent says of itself goes along with its heartbeat, and is not its life.
#[test]
fn a_report_that_cannot_be_kept_costs_nobody_his_lease() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.living("coder-1");
    for (n, key) in ["meta", "tot", "big", "rep", "heap"].into_iter().enumerate() {
        let key = format!("scupper:{{0}}:{key}");
        let kept = redis.ask(&["RENAMENX", &key, "kept"]);
        assert!(kept == ":1" || kept.starts_with("-ERR no such key"), "{kept}");
        assert_eq!(redis.ask(&["SET", &key, "x"]), "+OK");
        let size = Some(Bytes((n as u64 + 1) * 1000));
        let memory = MemoryUse { rss: size, heap_used: size, ..MemoryUse::default() };
        let report = Some(Report { memory, ..Report::default() });
        let beaten = redis.redis().beat(&[Beat { who: who.clone(), report }]);
        let beaten = beaten.unwrap_or_else(|error| panic!("{key}: {}", chain(&error)));
        assert_eq!(beaten.answers, [Answer::Accepted { directive: None }], "{key}");
        assert_eq!(redis.ask(&["DEL", &key]), ":1");
        redis.ask(&["RENAMENX", "kept", &key]);
    }
    assert!(scene.lives(&who));
}

/// One odd record stops no sweep, and hides nobody.
#[test]
fn r117_an_odd_record_hides_no_other() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    for number in 0..3 {
        scene.doomed(&format!("coder-{number}"));
    }
    for (name, command) in [
        ("coder-0", ["HSET", "scupper:{0}:rec:coder-0", "process", "{not json"]),
        ("coder-1", ["HSET", "scupper:{0}:rec:coder-1", "secret", "not hex"]),
    ] {
        redis.ask(&command);
        assert!(scene.store.agent(&id(name)).unwrap().is_some(), "{name}");
    }
    assert_eq!(scene.store.agent(&id("coder-1")).unwrap().unwrap().standing, Standing::Unknown);
    redis.ask(&["SET", "scupper:{0}:rec:odd", "x"]);
    redis.ask(&["ZADD", "scupper:{0}:dl", "1", "odd", "1", "not an id"]);
    scene.expire();
    let asked = Sweep { asked: true, ..scene.sweep_of("a") };
    let swept = scene.store.sweep(&asked).unwrap();
    assert_eq!(swept.claims.len(), 3, "{:?}", swept.claims);
    assert_eq!(swept.trouble.len(), 2, "{:?}", swept.trouble);
    for claim in &swept.claims {
        scene.reap_all(claim);
    }
    assert_eq!(redis.ask(&["GET", "scupper:{0}:rec:odd"]), "x");
}

/// F16 and FLUSHALL: whoever lived goes on, as what he was.
#[test]
fn a_flushed_server_takes_everybody_back() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let who = scene.doomed("coder-1");
    assert_eq!(redis.ask(&["FLUSHALL"]), "+OK");
    assert_eq!(scene.beats(&who), Answer::Fenced { by: None });
    let back = scupper_fleet::Registration { earlier: Some(who.epoch), ..scene.registration("coder-1") };
    let said = scene.register(&back);
    assert!(
        matches!(said, Registered::Accepted { epoch, resumed: true, .. } if epoch == who.epoch),
        "{said:?}"
    );
    assert!(scene.lives(&who));
}

/// A page of events that a later version wrote is not the end of the history.
#[test]
fn events_behind_many_that_are_not_understood_are_told() {
    let redis = Redis::start();
    let scene = Scene::new(&redis);
    let before = scene.store.events(None, 100).unwrap().pop().expect("the scene has swept").0;
    let strange = "for _ = 1, 2500 do redis.call('XADD', 'scupper:{0}:ev', '*', 'e', '{\"type\":\"from_the_future\"}') end";
    redis.ask(&["EVAL", strange, "0"]);
    scene.living("a-1");
    let told = scene.store.events(Some(&before), 10).unwrap();
    assert!(matches!(told.as_slice(), [(_, event)] if event.what.agent() == Some(&id("a-1"))), "{told:?}");
}
