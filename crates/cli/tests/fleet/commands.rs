//! `scupper fleet`, on a real Redis and on the embedded store.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use scupper_fleet::{Directive, Phase, Reaped, Sweep, Timing};
use serde_json::{Value, json};

use crate::registry::{Answer, LONG, Registry, agent};
use crate::scene::{PATIENCE, Scene, wait_for};

/// Each of these on both stores.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(#[test] fn $name() { super::$name(&super::Registry::redis()); })+
        }
        mod embedded {
            $(#[test] fn $name() { super::$name(&super::Registry::embedded()); })+
        }
    };
}

on_both!(
    status_says_whether_somebody_should_look,
    agents_are_listed_a_page_at_a_time,
    a_look_and_a_dry_run_change_nothing,
    r116_how_long_nobody_may_have_swept_follows_the_lease,
    r094_clean_counts_what_was_completed,
    naming_one_orphan_says_nothing_of_the_others,
    who_is_no_orphan_is_refused,
    r116_the_brake_holds_back_coordinators_and_no_person,
    r101_a_cleanup_that_was_abandoned_is_finished,
    locks_name_who_cleans_up,
    drain_asks_and_takes_it_back,
    more_than_one_is_asked_only_when_confirmed,
    events_are_told_and_followed,
);

fn status_says_whether_somebody_should_look(registry: &Registry) {
    registry.out_of_grace();
    registry.register("a1", LONG);
    let nobody = registry.fleet(&["status"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.err.contains("nobody coordinates"), "{nobody:?}");

    // A coordinator, whose lease is long enough for a loaded machine.
    let lease = Timing { claim_lease: LONG, max_gap: LONG, ..Timing::DEFAULT };
    registry.sweep(|sweep| Sweep { timing: lease, ..sweep });
    let (code, said) = registry.json(&["status"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        (&said["schema"], &said["members"], &said["expired"]),
        (&json!("scupper.fleet.status/1"), &json!(1), &json!(0))
    );
    assert_eq!((&said["coordinators"][0]["id"], &said["phase"]), (&json!("c1"), &json!("open")));

    registry.orphans(&["a2"]);
    let expired = registry.fleet(&["status"]);
    assert_eq!(expired.code, 1, "{expired:?}");
    assert!(expired.err.contains("1 member has not been heard of"), "{expired:?}");
}

fn agents_are_listed_a_page_at_a_time(registry: &Registry) {
    // More than one page of the command where that costs little; every registration of the embedded store is synced.
    let many = if registry.server.is_some() { 1_203 } else { 53 };
    let ids: BTreeSet<String> = (0..many).map(|n| format!("a{n}")).collect();
    for id in &ids {
        registry.register(id, LONG);
    }
    registry.register_on("h2", "elsewhere", LONG);
    let named = |said: &Value| -> Vec<String> {
        said["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|agent| agent["id"].as_str().unwrap().to_owned())
            .collect()
    };

    let (code, all) = registry.json(&["agents", "--all", "--host", "h1"]);
    assert_eq!((code, &all["schema"], &all["next"]), (0, &json!("scupper.fleet.agents/1"), &Value::Null));
    assert_eq!(named(&all).into_iter().collect::<BTreeSet<_>>(), ids);
    assert_eq!(all["shown"], json!(many));

    let mut seen = BTreeSet::new();
    let mut next: Option<String> = None;
    loop {
        let mut args = vec!["agents", "--limit", "500"];
        if let Some(next) = &next {
            args.extend(["--from", next]);
        }
        let (_, page) = registry.json(&args);
        seen.extend(named(&page));
        let Some(more) = page["next"].as_str() else { break };
        next = Some(more.to_owned());
    }
    assert_eq!(seen.len(), many + 1);

    let (_, few) = registry.json(&["agents", "--limit", "5"]);
    assert!(few["next"].is_string() && named(&few).len() < many, "{few}");
    let (_, one) = registry.json(&["agents", "a1?", "--all"]);
    assert_eq!(named(&one).len(), 10);
    let (_, other) = registry.json(&["agents", "--host", "h2", "--all"]);
    assert_eq!((named(&other), &other["agents"][0]["host"]), (vec!["elsewhere".to_owned()], &json!("h2")));
    let (_, none) = registry.json(&["agents", "--standing", "reaping", "--all"]);
    assert_eq!((named(&none).len(), &none["shown"]), (0, &json!(0)));
    let table = registry.fleet(&["agents", "elsewhere"]);
    assert!(table.out.starts_with("AGENT") && table.out.contains("elsewhere  active"), "{table:?}");
}

fn a_look_and_a_dry_run_change_nothing(registry: &Registry) {
    registry.out_of_grace();
    registry.register("lives", LONG);
    registry.orphans(&["o1", "o2"]);
    let before = registry.everything();
    let (code, said) = registry.json(&["orphans"]);
    assert_eq!((code, &said["orphansDetected"], &said["healthyAgents"]), (1, &json!(2), &json!(1)), "{said}");
    let (code, said) = registry.json(&["clean"]);
    assert_eq!((code, &said["mode"], &said["orphansCleaned"]), (1, &json!("dry_run"), &json!(0)), "{said}");
    let shown = registry.fleet(&["clean"]);
    assert!(shown.out.contains("o1") && shown.err.contains("a dry run: --yes"), "{shown:?}");
    for look in ["status", "agents", "locks", "events"] {
        registry.fleet(&[look]);
    }
    assert_eq!(registry.everything(), before);
}

fn r116_how_long_nobody_may_have_swept_follows_the_lease(registry: &Registry) {
    registry.out_of_grace();
    let phase = |args: &[&str]| registry.json(args).1["phase"].clone();
    // A gap is a quarter of the lease: here 750 ms, and 30 s.
    wait_for("nobody has swept for long enough", PATIENCE, || match phase(&["orphans", "--ttl", "3s"]) {
        grace if grace == "grace" => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(phase(&["orphans"]), json!("open"));
    assert_eq!(registry.fleet(&["clean", "--ttl", "1ms"]).code, 2);
}

fn r094_clean_counts_what_was_completed(registry: &Registry) {
    registry.out_of_grace();
    let lives = registry.register("lives", LONG);
    registry.orphans(&["o1", "o2"]);
    let (code, said) = registry.json(&["clean", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["schema"], json!("scupper.fleet.clean/1"));
    assert_eq!(
        (&said["orphansDetected"], &said["orphansCleaned"], &said["healthyAgents"]),
        (&json!(2), &json!(2), &json!(1)),
        "{said}"
    );
    let orphans: BTreeSet<&str> = said["orphans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|orphan| orphan["agentId"].as_str().unwrap())
        .collect();
    assert_eq!(orphans, BTreeSet::from(["o1", "o2"]));
    assert!(!registry.has("o1") && !registry.has("o2"));
    assert_eq!(registry.epoch("lives"), Some(lives.epoch));
    let (code, said) = registry.json(&["orphans"]);
    assert_eq!((code, &said["orphansDetected"]), (0, &json!(0)), "{said}");
    // Who cleans up by hand coordinates nothing, and nobody is missed later.
    assert_eq!(registry.status().coordinators, vec![]);
    let events = registry.fleet(&["events", "--json"]).out;
    for kind in ["orphans_detected", "cleanup_started", "cleanup_completed"] {
        assert!(events.contains(kind), "{kind}: {events}");
    }
}

fn naming_one_orphan_says_nothing_of_the_others(registry: &Registry) {
    registry.out_of_grace();
    registry.orphans(&["o1", "o2", "o10"]);
    let (code, said) = registry.json(&["clean", "o1", "--yes"]);
    assert_eq!((code, &said["orphansCleaned"]), (0, &json!(1)), "{said}");
    assert!(!registry.has("o1") && registry.has("o2") && registry.has("o10"));
    assert_eq!((registry.status().expired, registry.status().claims), (2, 0));
}

fn who_is_no_orphan_is_refused(registry: &Registry) {
    registry.out_of_grace();
    registry.register("lives", LONG);
    registry.orphans(&["o1"]);
    let answer = registry.fleet(&["clean", "lives", "nobody", "o1", "--yes"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.err.contains("lives is not cleaned up after: it lives"), "{answer:?}");
    assert!(answer.err.contains("nobody is not cleaned up after: no such agent"), "{answer:?}");
    assert!(registry.has("lives") && !registry.has("o1"));
}

fn r116_the_brake_holds_back_coordinators_and_no_person(registry: &Registry) {
    registry.out_of_grace();
    for n in 0..6 {
        registry.register(&format!("lives{n}"), LONG);
    }
    registry.orphans(&["o1", "o2", "o3", "o4", "o5", "o6"]);
    let hold = Timing { hold: LONG, claim_lease: LONG, max_gap: LONG, ..Timing::DEFAULT };
    let swept = registry.sweep(|sweep| Sweep { timing: hold, ..sweep });
    assert!(matches!(swept.phase, Phase::Hold { .. }) && swept.claims.is_empty(), "{swept:?}");
    let status = registry.fleet(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(status.err.contains("clean-up is held"), "{status:?}");
    for look in ["status", "orphans", "clean"] {
        let (_, said) = registry.json(&[look]);
        assert_eq!((&said["phase"], &said["dead"], &said["of"]), (&json!("hold"), &json!(6), &json!(12)));
        assert!(said["until"].is_string(), "{said}");
    }
    assert_eq!(registry.json(&["status"]).1["members"], json!(12));
    let (_, said) = registry.json(&["clean", "--yes"]);
    assert_eq!((&said["orphansCleaned"], &said["healthyAgents"]), (&json!(6), &json!(6)), "{said}");
}

fn r101_a_cleanup_that_was_abandoned_is_finished(registry: &Registry) {
    registry.out_of_grace();
    registry.orphans(&["o1"]);
    let short = Timing { claim_lease: Duration::from_millis(30), max_gap: LONG, ..Timing::DEFAULT };
    let swept = registry.sweep(|sweep| Sweep { timing: short, ..sweep });
    assert_eq!(swept.claims.len(), 1);
    wait_for("the claim has ended", PATIENCE, || {
        let claim = registry.store.claims(None, 10).unwrap().entries.remove(0);
        if claim.until < registry.status().now { Ok(()) } else { Err(format!("{claim:?}")) }
    });
    let (code, said) = registry.json(&["clean", "--yes"]);
    assert_eq!((code, &said["orphansCleaned"]), (0, &json!(1)), "{said}");
    assert!(!registry.has("o1"));
    assert_eq!(registry.store.reap(&swept.claims[0], None, &Timing::DEFAULT).unwrap(), Reaped::Stale);
}

fn locks_name_who_cleans_up(registry: &Registry) {
    registry.out_of_grace();
    let none = registry.fleet(&["locks"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""), "{none:?}");
    registry.orphans(&["o1"]);
    let lease = Timing { claim_lease: LONG, max_gap: LONG, ..Timing::DEFAULT };
    let claims = registry.sweep(|sweep| Sweep { timing: lease, ..sweep }).claims;
    let (code, said) = registry.json(&["locks"]);
    let lock = &said["claims"][0];
    assert_eq!((code, &lock["agent"], &lock["coordinator"]), (0, &json!("o1"), &json!("c1")), "{said}");
    assert_eq!(
        (&lock["fence"], &lock["reason"]),
        (&json!(claims[0].fence.0), &json!("stale_heartbeat")),
        "{said}"
    );
    let shown = registry.fleet(&["locks"]).out;
    assert!(shown.starts_with("AGENT") && shown.contains("stale_heartbeat"), "{shown}");
}

fn drain_asks_and_takes_it_back(registry: &Registry) {
    registry.register("a1", LONG);
    let asked = || registry.store.agent(&agent("a1")).unwrap().unwrap().directive;
    let answer = registry.fleet(&["drain", "a1"]);
    assert_eq!((answer.code, asked()), (0, Some(Directive::Drain)), "{answer:?}");
    let again = registry.fleet(&["drain", "a1"]);
    assert!(again.code == 0 && again.err.contains("asked already"), "{again:?}");
    let (_, shown) = registry.json(&["agents", "a1"]);
    assert_eq!(shown["agents"][0]["directive"], json!("drain"));
    let answer = registry.fleet(&["drain", "a1", "--undo"]);
    assert_eq!((answer.code, asked()), (0, None), "{answer:?}");
    let unknown = registry.fleet(&["drain", "a2"]);
    assert!(unknown.code == 2 && unknown.err.contains("no agent a2"), "{unknown:?}");
}

fn more_than_one_is_asked_only_when_confirmed(registry: &Registry) {
    for id in ["coder-1", "coder-2", "tester-1"] {
        registry.register(id, LONG);
    }
    registry.register_on("h2", "coder-3", LONG);
    let asked = || -> BTreeSet<String> {
        let all = registry.store.agents(None, 500).unwrap().entries;
        all.into_iter().filter(|agent| agent.directive.is_some()).map(|agent| agent.id.to_string()).collect()
    };
    let dry = registry.fleet(&["drain", "coder-*"]);
    assert_eq!((dry.code, asked().len()), (1, 0), "{dry:?}");
    assert!(dry.err.contains("a dry run: --yes asks all 3"), "{dry:?}");
    let (code, said) = registry.json(&["drain", "coder-*", "--host", "h1", "--yes"]);
    assert_eq!((code, &said["asked"]), (0, &json!(["coder-1", "coder-2"])), "{said}");
    assert_eq!(asked(), BTreeSet::from(["coder-1".to_owned(), "coder-2".to_owned()]));
    let (code, _) = registry.json(&["drain", "--all", "--yes"]);
    assert_eq!((code, asked().len()), (0, 4));
    let (code, _) = registry.json(&["drain", "--all", "--undo", "--yes"]);
    assert_eq!((code, asked().len()), (0, 0));
    assert_eq!(registry.fleet(&["drain"]).code, 2);
    assert_eq!(registry.fleet(&["drain", "a*b", "--yes"]).code, 2);
}

fn events_are_told_and_followed(registry: &Registry) {
    registry.register("coder-1", LONG);
    registry.register("coder-10", LONG);
    let told = registry.fleet(&["events", "--agent", "coder-1"]);
    assert_eq!(told.out.lines().count(), 1, "{told:?}");
    assert!(told.out.contains(" event=agent_registered agent_id=coder-1 epoch="), "{told:?}");
    assert_eq!(registry.fleet(&["events", "-n", "1"]).out.lines().count(), 1);
    assert_eq!(registry.fleet(&["events", "--since", "1h"]).out.lines().count(), 2);

    let mut follower = registry.command(&["events", "-f", "--json", "-n", "1", "--agent", "coder-*"]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    // The one that was there; so it follows by now.
    assert_eq!(next()["agentId"], json!("coder-10"));
    registry.register("tester-1", LONG);
    registry.register("coder-2", LONG);
    let event = next();
    assert_eq!(
        (&event["schema"], &event["type"], &event["agentId"]),
        (&json!("scupper.fleet.event/1"), &json!("agent_registered"), &json!("coder-2")),
        "{event}"
    );
    assert!(event["id"].is_string() && event["timestamp"].is_u64(), "{event}");
    drop(lines);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_follower_waits_for_a_registry_that_is_away() {
    let mut registry = Registry::redis();
    registry.register("a1", LONG);
    let mut follower = registry.command(&["events", "-f"]);
    let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut remarks = BufReader::new(follower.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("agent_id=a1"));
    let server = registry.server.as_mut().unwrap();
    server.kill();
    let away = remarks.next().unwrap().unwrap();
    assert!(away.contains("does not answer") && away.ends_with("waiting for it"), "{away}");
    server.restart();
    assert_eq!(remarks.next().unwrap().unwrap(), "the registry answers again");
    registry.register("a2", LONG);
    assert!(lines.next().unwrap().unwrap().contains("agent_id=a2"));
    drop(lines);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_registry_that_is_away_or_none_is_one_clear_line() {
    let scene = Scene::new();
    let nothing_there = scene.path("no.sock");
    let away = format!("redis+unix://{}?password=s3cret", nothing_there.display());
    for (url, said) in [
        (away.as_str(), "does not answer"),
        ("redis://user:s3cret@127.0.0.1:1", "does not answer"),
        ("postgres://user:s3cret@db", "is no registry"),
        ("http://127.0.0.1:9465", "coordinator"),
    ] {
        for command in ["status", "agents", "orphans", "clean", "locks", "events"] {
            let answer = Answer::of(scene.scupper(&["fleet", command, "--registry", url]).output().unwrap());
            assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{command} {url}: {answer:?}");
            assert!(
                answer.err.starts_with("error: ") && answer.err.contains(said),
                "{command} {url}: {answer:?}"
            );
            assert!(
                answer.err.lines().count() <= 2 && !answer.err.contains("s3cret"),
                "{command} {url}: {answer:?}"
            );
        }
    }
}

#[test]
fn a_registry_that_goes_away_is_no_orphan() {
    let mut registry = Registry::redis();
    registry.out_of_grace();
    registry.orphans(&["o1"]);
    registry.server.as_mut().unwrap().kill();
    let answer = registry.fleet(&["clean", "--yes", "--json"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{answer:?}");
}

#[test]
fn help_never_shows_the_address_of_the_environment() {
    let scene = Scene::new();
    let mut help = scene.scupper(&["fleet", "status", "--help"]);
    let answer = Answer::of(help.env("SCUPPER_REGISTRY", "redis://u:s3cret@h").output().unwrap());
    assert!(
        answer.code == 0 && answer.out.contains("SCUPPER_REGISTRY") && !answer.out.contains("s3cret"),
        "{answer:?}"
    );
}

/// R117, safety 12: whatever stands in a registry is shown as text, or as unknown.
#[test]
fn what_others_have_written_is_text() {
    let registry = Registry::redis();
    registry.out_of_grace();
    registry.register("a1", LONG);
    let server = registry.server.as_ref().unwrap();
    let odd = "\u{1b}[2Jevil\nAGENT\u{202e}";
    for (key, field) in [("rec:a1", "host"), ("rec:a1", "process"), ("who", "a1")] {
        server.ask(&["HSET", &format!("scupper:{{0}}:{key}"), field, odd]);
    }
    let heartbeat =
        json!({ "agentId": "s1", "timestamp": registry.status().now.0, "state": odd }).to_string();
    for (id, text) in [("s1", heartbeat.as_str()), ("s2", "{trunca"), ("s3", odd)] {
        server.ask(&["SET", &format!("agent:heartbeat:{id}"), text]);
        server.ask(&["SADD", "agents:active", id]);
    }
    for foreign in ["*", odd] {
        server.ask(&["SADD", "agents:active", foreign]);
        server.ask(&["ZADD", "scupper:{0}:dl", "1", foreign]);
        server.ask(&["ZADD", "scupper:{0}:ids", "0", foreign]);
    }
    for command in ["status", "agents", "orphans", "clean", "locks", "events"] {
        let answer = registry.fleet(&[command]);
        let said = answer.out.clone() + &answer.err;
        assert!([0, 1].contains(&answer.code), "{command}: {answer:?}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{command}: {answer:?}");
        let json = registry.command(&[command, "--json"]).output().unwrap();
        assert!(!json.stdout.contains(&0x1b), "{command}: {json:?}");
    }
    let (_, all) = registry.json(&["agents", "--all"]);
    let listed: Vec<&str> =
        all["agents"].as_array().unwrap().iter().map(|agent| agent["id"].as_str().unwrap()).collect();
    assert_eq!(BTreeSet::from_iter(listed), BTreeSet::from(["a1", "s1", "s2", "s3"]), "{all}");
    // Nobody is cleaned up after for it.
    registry.fleet(&["clean", "--yes"]);
    assert!(registry.has("a1"));
    for id in ["s1", "s2", "s3"] {
        assert_eq!(server.ask(&["SISMEMBER", "agents:active", id]), ":1", "{id}");
    }
}

/// Nobody has swept this registry before: everybody first gets time to beat, from a person as well.
#[test]
fn r116_clean_waits_for_the_end_of_a_grace() {
    let registry = Registry::redis();
    registry.orphans(&["o1"]);
    let looked = registry.fleet(&["orphans", "--ttl", "6s"]);
    assert!(looked.code == 1 && looked.err.contains("clean-up is in grace"), "{looked:?}");
    let answer = registry.fleet(&["clean", "--yes", "--ttl", "6s"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.err.contains("waiting for its end") && answer.out.contains("cleaned up after o1"),
        "{answer:?}"
    );
    let events = registry.fleet(&["events"]).out;
    let place = |kind: &str| events.find(kind).unwrap_or_else(|| panic!("{kind}: {events}"));
    assert!(place("grace_started") < place("cleanup_started"), "{events}");
}

/// R094, R100: a cleanup that fails is counted by nobody, is told, and stops no other.
#[test]
fn r100_a_cleanup_that_fails_stops_no_other() {
    let registry = Registry::redis();
    registry.out_of_grace();
    registry.orphans(&["o1", "o2", "o3"]);
    let server = registry.server.as_ref().unwrap();
    // What should be a list of the keys that it owns is none.
    server.ask(&["SET", "scupper:{0}:own:o2", "odd"]);
    let (code, said) = registry.json(&["clean", "--yes"]);
    assert_eq!(
        (code, &said["orphansDetected"], &said["orphansCleaned"]),
        (1, &json!(3), &json!(2)),
        "{said}"
    );
    assert_eq!(said["left"][0]["agent"], json!("o2"), "{said}");
    assert!(!said["left"][0]["because"].as_str().unwrap().is_empty(), "{said}");
    assert!(registry.has("o2") && !registry.has("o1") && !registry.has("o3"));
    assert_eq!(registry.json(&["locks"]).1["claims"][0]["agent"], json!("o2"));
}

/// R112: seed 004's own two tests, with the keys as it writes them.
#[test]
fn r112_agents_of_the_seed_are_cleaned_up_after_and_kept() {
    let registry = Registry::redis();
    registry.out_of_grace();
    let server = registry.server.as_ref().unwrap();
    let now = registry.status().now.0;
    for (id, age) in [("stale-agent", 180_000), ("healthy-agent", 30_000)] {
        let heartbeat = json!({ "agentId": id, "timestamp": now - age }).to_string();
        server.ask(&["SET", &format!("agent:heartbeat:{id}"), &heartbeat]);
        server.ask(&["SADD", "agents:active", id]);
    }
    let (code, said) = registry.json(&["orphans"]);
    assert_eq!((code, &said["orphansDetected"], &said["healthyAgents"]), (1, &json!(1), &json!(1)), "{said}");
    assert_eq!(said["orphans"][0]["reason"], json!("stale_heartbeat"), "{said}");
    let (code, said) = registry.json(&["clean", "--yes"]);
    assert_eq!(
        (code, &said["orphansDetected"], &said["orphansCleaned"]),
        (0, &json!(1), &json!(1)),
        "{said}"
    );
    assert_eq!(server.ask(&["SISMEMBER", "agents:active", "stale-agent"]), ":0");
    assert_eq!(server.ask(&["SISMEMBER", "agents:active", "healthy-agent"]), ":1");
    let deaf = registry.fleet(&["drain", "healthy-agent"]);
    assert!(deaf.code == 2 && deaf.err.contains("cannot be asked"), "{deaf:?}");
}

#[test]
fn to_look_makes_no_file() {
    let scene = Scene::new();
    for command in ["status", "agents", "orphans", "clean", "locks", "events"] {
        let answer = Answer::of(scene.scupper(&["fleet", command]).output().unwrap());
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{command}: {answer:?}");
        assert!(answer.err.starts_with("error: there is no registry in "), "{command}: {answer:?}");
    }
    assert_eq!(std::fs::read_dir(scene.path("state")).unwrap().count(), 0);
    let state = scene.path("state").display().to_string();
    let open = scupper_fleet::open(&format!("embedded:{state}/scupper").parse().unwrap(), None).unwrap();
    assert_eq!(open.status().unwrap().members, 0);
    let answer = Answer::of(scene.scupper(&["fleet", "agents"]).output().unwrap());
    assert_eq!((answer.code, answer.err.as_str()), (0, "no such agents are registered here\n"), "{answer:?}");
}
