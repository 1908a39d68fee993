//! Agents: through our own client and without one; and that none of them is another.

use std::time::Duration;

use scupper_fleet::wire::Token;
use scupper_fleet::{
    Answer, Beat, Clock, Directive, Epoch, Incarnation, Item, ItemKind, Members, MemoryUse, Process,
    Registered, Registration, Remote, Report, Standing, Store, Timing, Written,
};
use scupper_model::Bytes;

use super::super::token::hash_of;
use super::super::{Rate, Rates};
use super::world::{HOST, To, World};

fn registration(id: &str, nonce: &str) -> Registration {
    Registration {
        id: id.parse().unwrap(),
        // As long as one that nobody guesses.
        nonce: format!("{nonce}-0123456789abcdef").parse().unwrap(),
        ttl: Duration::from_mins(2),
        takeover: false,
        earlier: None,
        coordinator: None,
        process: Process { host: "there".parse().unwrap(), identity: None },
        secret: None,
    }
}

fn accepted(registered: Registered) -> Epoch {
    match registered {
        Registered::Accepted { epoch, .. } => epoch,
        other => panic!("{other:?}"),
    }
}

fn item(kind: ItemKind, name: &str, value: Option<&[u8]>) -> Item {
    Item { kind, name: name.to_owned(), value: value.map(<[u8]>::to_vec) }
}

fn host() -> Token {
    HOST.parse().unwrap()
}

#[test]
fn an_agents_life_through_our_client_is_that_of_a_store_over_tcp_and_unix() {
    let world = World::new();
    let remotes = [Remote::tcp("127.0.0.1", world.port, Some(host())), Remote::unix(&world.socket)];
    for (remote, id) in remotes.iter().zip(["tcp", "unix"]) {
        let asked = registration(id, &format!("nonce-{id}"));
        let epoch = accepted(remote.register(&asked).unwrap());
        // Sent twice it is one registration, whose token still holds.
        assert_eq!(accepted(remote.register(&asked).unwrap()), epoch);
        let other = remote.register(&registration(id, "other")).unwrap();
        assert!(matches!(other, Registered::Taken { remaining } if remaining > Duration::ZERO), "{other:?}");

        let who = asked.incarnation(epoch);
        let memory = MemoryUse { rss: Some(Bytes(5)), ..MemoryUse::default() };
        let report = Report { state: "working".to_owned(), verdict: None, memory };
        let beat = Beat { who: who.clone(), report: Some(report.clone()) };
        assert_eq!(
            remote.beat(std::slice::from_ref(&beat)).unwrap().answers,
            [Answer::Accepted { directive: None }]
        );
        world.store.direct(&who.id, Some(Directive::Drain)).unwrap();
        let beaten = remote.beat(&[beat]).unwrap();
        assert_eq!(beaten.answers, [Answer::Accepted { directive: Some(Directive::Drain) }]);
        assert_eq!(beaten.now, world.clock.wall());
        let view = world.store.agent(&who.id).unwrap().unwrap();
        assert_eq!((view.standing, view.report, view.epoch), (Standing::Active, Some(report), Some(epoch)));
        assert_eq!(view.coordinator.unwrap().as_str(), "c1");
        assert_eq!(view.process.unwrap().host.as_str(), "there");

        let hostile: Vec<u8> = (0..=255).collect();
        for (kind, name) in [(ItemKind::State, ""), (ItemKind::Task, "t:1"), (ItemKind::Deps, "d")] {
            let put = |value| remote.put(&who, &item(kind, name, value)).unwrap();
            assert_eq!(remote.get(&who.id, kind, name).unwrap(), None);
            assert_eq!(put(Some(&hostile)), Written::Accepted);
            assert_eq!(remote.get(&who.id, kind, name).unwrap().as_ref(), Some(&hostile));
            assert_eq!(put(None), Written::Accepted);
            assert_eq!(remote.get(&who.id, kind, name).unwrap(), None);
        }
        assert_eq!(remote.put(&who, &item(ItemKind::State, "", Some(b"{}"))).unwrap(), Written::Accepted);
        assert!(remote.depart(&who, "SIGTERM", &Timing::DEFAULT).unwrap().is_some_and(|keys| keys > 0));
        assert!(world.store.agent(&who.id).unwrap().is_none());
        // It is over, and whoever still holds its name hears so.
        assert!(remote.beat(&[Beat { who, report: None }]).is_err(), "its token is forgotten here");
    }
}

#[test]
fn whoever_was_taken_over_hears_that_it_is_over_and_by_whom() {
    let world = World::new();
    let (first, second) = (Remote::unix(&world.socket), Remote::unix(&world.socket));
    let asked = registration("a", "first");
    let old = asked.incarnation(accepted(first.register(&asked).unwrap()));
    let taking = Registration { takeover: true, ..registration("a", "second") };
    let new = accepted(second.register(&taking).unwrap());
    assert!(new > old.epoch);
    let fenced = Answer::Fenced { by: Some(new) };
    assert_eq!(first.beat(&[Beat { who: old.clone(), report: None }]).unwrap().answers, [fenced]);
    // With the token it had, too, and nothing is written.
    let first = Remote::unix(&world.socket);
    assert!(first.put(&old, &item(ItemKind::State, "", Some(b"late"))).is_err());
    assert_eq!(world.store.get(&old.id, ItemKind::State, "").unwrap(), None);
}

#[test]
fn nobody_beats_writes_or_leaves_for_another_not_even_the_host() {
    let world = World::new();
    let (epoch, own) = world.join("agent-1");
    let (_, others) = world.join("agent-10");
    let strange = "x".repeat(64);
    world.tcp().ask("PUT", &format!("/v1/agents/agent-1/items/state?epoch={epoch}"), Some(&own), b"mine");
    let before = world.store.agent(&"agent-1".parse().unwrap()).unwrap().unwrap();
    world.clock.pass(Duration::from_secs(10));
    let requests = [
        ("POST", format!("/v1/agents/agent-1/heartbeat?epoch={epoch}")),
        ("PUT", format!("/v1/agents/agent-1/items/state?epoch={epoch}")),
        ("PUT", format!("/v1/agents/agent-1/items/task/t?epoch={epoch}")),
        ("DELETE", format!("/v1/agents/agent-1/items/state?epoch={epoch}")),
        ("DELETE", format!("/v1/agents/agent-1?epoch={epoch}")),
    ];
    for way in [world.tcp(), world.unix()] {
        for (method, path) in &requests {
            for (token, status, code) in [
                (None, 401, "unauthorized"),
                (Some(HOST), 403, "forbidden"),
                (Some(others.as_str()), 403, "forbidden"),
                (Some(strange.as_str()), 403, "forbidden"),
                (Some("short"), 401, "unauthorized"),
            ] {
                let got = way.ask(method, path, token, b"");
                assert_eq!(
                    (got.status, got.code().as_str()),
                    (status, code),
                    "{way:?} {method} {path} {token:?}"
                );
            }
        }
    }
    assert_eq!(
        world.store.agent(&before.id).unwrap().unwrap(),
        before,
        "nothing was renewed, written or ended"
    );
    assert_eq!(world.store.get(&before.id, ItemKind::State, "").unwrap().as_deref(), Some(&b"mine"[..]));
    // What it may: its own, and nobody else's even to read.
    let read =
        |token: Option<&str>| world.tcp().ask("GET", "/v1/agents/agent-1/items/state", token, b"").status;
    assert_eq!([read(Some(&own)), read(Some(HOST)), read(Some(&others)), read(None)], [200, 200, 403, 401]);
    for path in ["/v1/agents", "/v1/agents/agent-1", "/v1/status", "/v1/events", "/metrics"] {
        assert_eq!(world.tcp().ask("GET", path, Some(&own), b"").status, 401, "{path}");
        assert_eq!(world.tcp().ask("GET", path, None, b"").status, 401, "{path}");
        assert_eq!(world.tcp().ask("GET", path, Some(HOST), b"").status, 200, "{path}");
        assert_eq!(world.unix().ask("GET", path, None, b"").status, 200, "{path}");
    }
    assert_eq!(world.tcp().ask("POST", "/v1/agents/new", Some(&own), b"").status, 401);
    // And its own it may.
    for (method, path) in &requests {
        assert_eq!(world.tcp().ask(method, path, Some(&own), b"").status, 200, "{method} {path}");
    }
    assert_eq!(world.tcp().ask("GET", "/v1/agents/agent-10", Some(HOST), b"").status, 200, "no prefix of it");
}

#[test]
fn a_coordinator_that_starts_again_knows_its_agents_by_what_the_registry_kept() {
    let world = World::new();
    let (epoch, token) = world.join("a");
    let path = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    let world = world.after();
    assert_eq!(world.tcp().ask("POST", &path, Some(&"x".repeat(64)), b"").status, 403);
    assert_eq!(world.tcp().ask("POST", &path, Some(&token), b"").status, 200);
    // One that registered elsewhere and has no token: nobody acts for it here.
    let asked = registration("direct", "n");
    let epoch = accepted(world.store.register(&asked).unwrap());
    let path = format!("/v1/agents/direct/heartbeat?epoch={epoch}");
    assert_eq!(world.tcp().ask("POST", &path, Some(&token), b"").status, 403);
}

#[test]
fn an_incarnation_that_is_over_hears_so_whatever_it_shows() {
    let world = World::new();
    let (epoch, token) = world.join("a");
    let old = Incarnation { id: "a".parse().unwrap(), epoch: Epoch(epoch) };
    world.store.depart(&old, "test", &Timing::DEFAULT).unwrap();
    for (method, path) in [
        ("POST", format!("/v1/agents/a/heartbeat?epoch={epoch}")),
        ("PUT", format!("/v1/agents/a/items/state?epoch={epoch}")),
        ("DELETE", format!("/v1/agents/a?epoch={epoch}")),
    ] {
        let got = world.tcp().ask(method, &path, Some(&token), b"");
        assert_eq!((got.status, got.code().as_str()), (409, "fenced"), "{method} {path}");
        assert!(got.json()["epoch"].is_null());
    }
    // By whom hears he who may see the fleet, and who shows what is right for somebody.
    let (new, its_own) = world.join("a");
    let strange = "x".repeat(64);
    let beat = |way: To<'_>, token: &str| {
        let got = way.ask("POST", &format!("/v1/agents/a/heartbeat?epoch={epoch}"), Some(token), b"");
        assert_eq!((got.status, got.code().as_str()), (409, "fenced"), "{got:?}");
        got.json()["epoch"].as_u64()
    };
    assert_eq!([&token, &strange].map(|token| beat(world.tcp(), token)), [None; 2]);
    assert_eq!([HOST, &its_own].map(|token| beat(world.tcp(), token)), [Some(new); 2]);
    assert_eq!([&token, &strange].map(|token| beat(world.unix(), token)), [Some(new); 2]);
    // To a stranger it is the answer about somebody whom there never was.
    let ask = |id: &str| {
        world.tcp().ask("POST", &format!("/v1/agents/{id}/heartbeat?epoch=1"), Some(&strange), b"").body
    };
    assert_eq!(ask("a"), ask("nobody"));
}

#[test]
fn one_that_asks_too_often_waits_and_nobody_else_does() {
    let rate = Rate { burst: 3, per_second: 1 };
    let world = World::with(Rates { agent: rate, ..Rates::DEFAULT });
    let ((a, of_a), (b, of_b)) = (world.join("a"), world.join("b"));
    let beat = |id: &str, epoch: u64, token: &str| {
        world.tcp().ask("POST", &format!("/v1/agents/{id}/heartbeat?epoch={epoch}"), Some(token), b"")
    };
    // Others cannot use its share up.
    for _ in 0..10 {
        assert_eq!(beat("a", a, &of_b).status, 403);
    }
    assert_eq!([0; 3].map(|_| beat("a", a, &of_a).status), [200; 3]);
    let got = beat("a", a, &of_a);
    assert_eq!((got.status, got.code().as_str()), (429, "too_many"));
    assert!(got.head.contains("retry-after: 1"), "{}", got.head);
    assert_eq!(beat("b", b, &of_b).status, 200);
    world.clock.pass(Duration::from_secs(1));
    assert_eq!([beat("a", a, &of_a).status, beat("a", a, &of_a).status], [200, 429]);
}

#[test]
fn whoever_shows_nothing_takes_nothing_of_what_agents_need() {
    let few = Rate { burst: 5, per_second: 1 };
    let world = World::with(Rates { host: few, strangers: few, ..Rates::DEFAULT });
    let (epoch, token) = world.join("a");
    let path = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    for _ in 0..5 {
        assert_eq!(world.tcp().ask("GET", "/healthz", None, b"").status, 200);
    }
    for path in ["/healthz", "/v1/openapi.json", "/v1/agents"] {
        assert_eq!(world.tcp().ask("GET", path, None, b"").status, 429);
    }
    // An agent beats, also one that a coordinator that has just started does not know yet.
    assert_eq!(world.tcp().ask("POST", &path, Some(&token), b"").status, 200);
    let asked = Registration {
        secret: Some(hash_of(&"s".repeat(64))),
        ..registration("unknown", "0123456789abcdef")
    };
    let unknown = accepted(world.store.register(&asked).unwrap());
    let beat = format!("/v1/agents/unknown/heartbeat?epoch={unknown}");
    assert_eq!(world.tcp().ask("POST", &beat, Some(&"s".repeat(64)), b"").status, 200);
    for _ in 0..4 {
        assert_eq!(world.tcp().ask("GET", "/v1/agents", Some(HOST), b"").status, 200);
    }
    assert_eq!(world.tcp().ask("GET", "/v1/agents", Some(HOST), b"").status, 429);
    assert_eq!(world.tcp().ask("POST", &path, Some(&token), b"").status, 200);
}

#[test]
fn tokens_that_are_made_up_for_one_agent_keep_no_other_from_beating_after_a_restart() {
    let looks = Rate { burst: 3, per_second: 1 };
    let before = World::new();
    let agents = ["a", "b", "c"].map(|id| (id, before.join(id)));
    let world = before.after_with(Rates { looks, ..Rates::DEFAULT });
    let strange = "x".repeat(64);
    let ask = |id: &str, epoch: u64, token: &str| {
        let path = format!("/v1/agents/{id}/heartbeat?epoch={epoch}");
        world.tcp().ask("POST", &path, Some(token), b"").status
    };
    let read = |id: &str, token: &str| {
        world.tcp().ask("GET", &format!("/v1/agents/{id}/items/state"), Some(token), b"").status
    };
    assert_eq!([0; 4].map(|_| ask("a", 1, &strange)), [409, 409, 409, 429]);
    assert_eq!([0; 4].map(|_| ask("nobody", 1, &strange)), [409, 409, 409, 429]);
    assert_eq!([0; 4].map(|_| read("a", &strange)), [403, 403, 403, 429]);
    for (id, (epoch, token)) in &agents {
        assert_eq!(ask(id, *epoch, token), 200, "{id}");
        // Known now: it reads as the agent that it is.
        assert_eq!([0; 5].map(|_| read(id, token)), [404; 5], "{id}");
    }
}

/// The answer to a registration was lost, and it was sent again through another coordinator, whose token for it is another
/// one: what this one remembers is no reason to refuse that one, and the registry is asked before anybody is refused.
#[test]
fn a_token_that_another_coordinator_gave_since_is_taken_here() {
    let world = World::new();
    let again = registration("a", "first");
    let asked = format!("{{\"nonce\": \"{}\"}}", again.nonce.as_str());
    let got = world.tcp().ask("POST", "/v1/agents/a", Some(HOST), asked.as_bytes());
    assert_eq!(got.status, 201, "{got:?}");
    let (epoch, old) = (got.json()["epoch"].clone(), got.json()["token"].as_str().unwrap().to_owned());
    let ask = |method: &str, path: &str, token: &str| world.tcp().ask(method, path, Some(token), b"").status;
    let beat = format!("/v1/agents/a/heartbeat?epoch={epoch}");
    assert_eq!(ask("POST", &beat, &old), 200);
    let new = "s".repeat(64);
    let again = Registration { secret: Some(hash_of(&new)), ..again };
    assert_eq!(accepted(world.store.register(&again).unwrap()).0, epoch.as_u64().unwrap());
    assert_eq!(ask("GET", "/v1/agents/a/items/state", &new), 404);
    assert_eq!(ask("POST", &beat, &new), 200);
    // The registry knows one token: of two, the later one.
    assert_eq!(ask("POST", &beat, &old), 403);
    assert_eq!(ask("GET", "/v1/agents/a/items/state", &old), 403);
    assert_eq!(ask("POST", &beat, &new), 200);
}

#[test]
fn tokens_and_names_that_are_made_up_have_one_rate_together_and_right_ones_take_nothing_of_it() {
    let made_up = Rate { burst: 3, per_second: 1 };
    let before = World::new();
    let agents = ["a", "b", "c", "d", "e"].map(|id| (id, before.join(id)));
    let world = before.after_with(Rates { made_up, ..Rates::DEFAULT });
    let strange = "x".repeat(64);
    let ask = |id: &str, epoch: u64, token: &str| {
        let path = format!("/v1/agents/{id}/heartbeat?epoch={epoch}");
        world.tcp().ask("POST", &path, Some(token), b"").status
    };
    for (id, (epoch, token)) in &agents[..4] {
        assert_eq!(ask(id, *epoch, token), 200, "{id}");
    }
    assert_eq!(["n1", "n2", "n3", "n4"].map(|name| ask(name, 1, &strange)), [409, 409, 409, 429]);
    let read = world.tcp().ask("GET", "/v1/agents/n5/items/state", Some(&strange), b"");
    assert_eq!((read.status, read.code().as_str()), (429, "too_many"));
    // Whoever is known is not looked up; whoever is not waits a second.
    let (id, (epoch, token)) = &agents[0];
    assert_eq!(ask(id, *epoch, token), 200);
    let (id, (epoch, token)) = &agents[4];
    assert_eq!(ask(id, *epoch, token), 429);
    world.clock.pass(Duration::from_secs(1));
    assert_eq!(ask(id, *epoch, token), 200);
}

#[test]
fn over_the_unix_socket_a_token_that_is_nobodys_is_paid_for_like_none() {
    let host = Rate { burst: 5, per_second: 1 };
    let world = World::with(Rates { host, ..Rates::DEFAULT });
    let (epoch, token) = world.join("a");
    let strange = "x".repeat(64);
    let ask = |method: &str, path: &str, token: &str| world.unix().ask(method, path, Some(token), b"").status;
    assert_eq!(ask("GET", "/v1/agents", &strange), 200);
    assert_eq!(ask("GET", "/v1/agents/a/items/state", &strange), 404);
    assert_eq!(ask("POST", "/v1/agents/a/heartbeat?epoch=1", &strange), 409);
    assert_eq!(ask("POST", &format!("/v1/agents/a/heartbeat?epoch={epoch}"), &strange), 403);
    for (method, path) in [
        ("GET", "/v1/agents"),
        ("GET", "/v1/agents/a/items/state"),
        ("POST", "/v1/agents/a/heartbeat?epoch=1"),
        ("POST", "/v1/agents/b"),
    ] {
        assert_eq!(ask(method, path, &strange), 429, "{method} {path}");
    }
    assert_eq!(ask("POST", &format!("/v1/agents/a/heartbeat?epoch={epoch}"), &token), 200);
}
