//! Registries that are away, none, or hold what others have written.

use super::*;

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
