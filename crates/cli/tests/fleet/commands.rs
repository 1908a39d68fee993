//! `scupper fleet`, on a real Redis and on the embedded store.

mod away;

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

/// Keys as seed 004's code leaves them for ever (F4c, F15 of its flaws): its agent is in no set any more.
#[test]
fn r099_leaked_keys_are_listed_and_deleted_only_when_confirmed() {
    let registry = Registry::redis();
    let redis = registry.server.as_ref().unwrap();
    registry.register("lives", LONG);
    let untouched =
        "return redis.call('RESTORE', KEYS[1], 0, redis.call('DUMP', KEYS[1]), 'REPLACE', 'IDLETIME', 700)";
    for key in ["agent:state:gone", "agent:task:gone:1", "agent:task:gone-2:1", "agent:state:lives"] {
        assert_eq!(redis.ask(&["SET", key, "x"]), "+OK");
        assert_eq!(redis.ask(&["EVAL", untouched, "1", key]), "+OK");
    }
    let named = |said: &Value| -> Vec<String> {
        said["keys"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect()
    };
    let (code, said) = registry.json(&["orphans", "--leaked"]);
    assert_eq!((code, &said["schema"]), (1, &json!("scupper.fleet.leaked/1")), "{said}");
    assert_eq!(named(&said), ["agent:state:gone", "agent:task:gone-2:1", "agent:task:gone:1"]);
    assert_eq!(said["kept"], json!({"member": 1}));
    let dry = registry.fleet(&["clean", "--leaked"]);
    assert!(
        dry.code == 1
            && dry.out.contains("agent:task:gone:1")
            && dry.err.contains("nothing was deleted: --yes"),
        "{dry:?}"
    );
    let (code, said) = registry.json(&["clean", "--leaked", "gone", "--yes"]);
    assert_eq!((code, named(&said).len()), (0, 2), "{said}");
    assert_eq!(said["deleted"], json!(["agent:state:gone", "agent:task:gone:1"]));
    let rest = registry.fleet(&["clean", "--leaked", "--yes"]);
    assert!(rest.code == 0 && rest.out.contains("1 of 1 keys deleted"), "{rest:?}");
    assert_eq!(redis.ask(&["EXISTS", "agent:state:lives"]), ":1");
    let events = registry.fleet(&["events"]);
    assert!(events.out.contains("event=leaked_keys_deleted count=2"), "{events:?}");
    let none = registry.fleet(&["orphans", "--leaked"]);
    assert!(none.code == 0 && none.err.contains("clean: no leaked keys"), "{none:?}");
    let embedded = Registry::embedded();
    embedded.register("lives", LONG);
    assert_eq!(embedded.fleet(&["orphans", "--leaked"]).code, 0);
    let lean = format!("{}?seed=off", registry.url);
    let unseen = registry.fleet(&["orphans", "--leaked", "--registry", &lean]);
    assert!(unseen.code == 2 && unseen.err.contains("nobody looked for leaked ones"), "{unseen:?}");
}
