//! What is read of the seed's keys: names, lists, what is not understood, and how often it is looked for.

use super::*;

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
