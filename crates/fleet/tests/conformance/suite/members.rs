//! Agents come, beat, write and leave.
//! Rows shown here: R098.

use scupper_fleet::{
    Answer, BEATS_LIMIT, Beat, Directive, Epoch, Happened, Incarnation, Item, ItemKind, MemoryUse, Reaped,
    Reason, Registered, Registration, Report, SecretHash, Standing, Written,
};
use scupper_model::Bytes;

use super::Fixture;
use super::scene::{Scene, completions, id, process};

pub fn a_member_beats_and_is_seen(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let mark = scene.last_event();
    let registration = Registration {
        coordinator: Some(id("serve-1")),
        secret: Some(SecretHash([7; 32])),
        ..scene.registration("coder-1")
    };
    let who = scene.accepted(&registration);
    let report = Report {
        state: "busy".to_owned(),
        verdict: Some(scupper_detect::Verdict::Growing),
        memory: MemoryUse { rss: Some(Bytes::mib(50)), heap_used: Some(Bytes(7)), ..MemoryUse::default() },
    };
    let beaten = scene.store.beat(&[Beat { who: who.clone(), report: Some(report.clone()) }]).unwrap();
    assert_eq!(beaten.answers, [Answer::Accepted { directive: None }]);
    let view = scene.store.agent(&who.id).unwrap().unwrap();
    assert_eq!((view.epoch, view.standing), (Some(who.epoch), Standing::Active));
    assert_eq!(view.report, Some(report));
    assert_eq!(view.process, Some(process("host-1")));
    assert_eq!((view.coordinator, view.secret), (Some(id("serve-1")), Some(SecretHash([7; 32]))));
    assert!(view.last_seen >= view.since && view.deadline > view.last_seen, "{:?}", view.deadline);
    let ttl = u64::try_from(scene.timing.ttl.as_millis()).unwrap();
    assert_eq!(view.deadline.unwrap().0, view.last_seen.unwrap().0 + ttl);
    let (agent_id, epoch, host) = (who.id.clone(), who.epoch, id("host-1"));
    // Heartbeats are published, and the history is not made of them.
    let said = scene.said_of("coder-1", mark.as_ref());
    assert_eq!(said, [Happened::AgentRegistered { agent_id, epoch, host }]);
    let status = scene.store.status().unwrap();
    assert_eq!((status.members, status.expired, status.claims), (1, 0, 0));
    assert_eq!(scene.store.agent(&id("coder-2")).unwrap().map(|view| view.id), None);
    let nobody = Incarnation { id: id("coder-2"), epoch: who.epoch };
    assert_eq!(scene.beats(&nobody), Answer::Fenced { by: None });
    assert_eq!(scene.put(&nobody, ItemKind::State, "", "x"), Written::Fenced { by: None });
}

pub fn the_same_nonce_is_the_same_registration(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let mark = scene.last_event();
    let registration = scene.registration("coder-1");
    let who = scene.accepted(&registration);
    scene.wait(scene.timing.ttl / 2);
    let later = Registration { process: process("host-2"), ..registration };
    assert_eq!(scene.accepted(&later), who);
    // The lease is a fresh one.
    scene.wait(scene.timing.ttl / 4 * 3);
    let view = scene.store.agent(&who.id).unwrap().unwrap();
    assert_eq!((view.standing, view.process), (Standing::Active, Some(process("host-2"))));
    assert_eq!(scene.said_of("coder-1", mark.as_ref()).len(), 1);
    assert!(scene.lives(&who));
}

/// Sent again through another coordinator, whose token is another one: the agent has the token of the answer that it got.
pub fn a_registration_sent_again_has_the_secret_that_came_with_it(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let first = Registration { secret: Some(SecretHash([1; 32])), ..scene.registration("coder-1") };
    let who = scene.accepted(&first);
    let secret = || scene.store.agent(&who.id).unwrap().unwrap().secret;
    assert_eq!(secret(), Some(SecretHash([1; 32])));
    // Nothing but the secret is another one; then the process is too.
    let again = Registration { secret: Some(SecretHash([2; 32])), ..first.clone() };
    assert_eq!(scene.accepted(&again), who);
    assert_eq!(secret(), Some(SecretHash([2; 32])));
    let moved = Registration { secret: Some(SecretHash([3; 32])), process: process("host-2"), ..first };
    assert_eq!(scene.accepted(&moved), who);
    assert_eq!(secret(), Some(SecretHash([3; 32])));
    // Another registration of that name changes nothing.
    let other = Registration { secret: Some(SecretHash([4; 32])), ..scene.registration("coder-1") };
    assert!(matches!(scene.register(&other), Registered::Taken { .. }));
    assert_eq!(secret(), Some(SecretHash([3; 32])));
}

pub fn a_second_process_of_a_name_is_refused(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.living("coder-1");
    scene.wait(scene.timing.interval);
    let Registered::Taken { remaining } = scene.register(&scene.registration("coder-1")) else {
        panic!("the name of a living one was given away")
    };
    assert!(!remaining.is_zero() && remaining <= scene.timing.ttl, "{remaining:?}");
    assert!(scene.lives(&who));
}

pub fn a_takeover_fences_and_inherits(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let old = scene.living("coder-1");
    scene.task(&old, "t", "old");
    let takeover = Registration { takeover: true, ..scene.registration("coder-1") };
    let new = scene.accepted(&takeover);
    assert!(new.epoch > old.epoch);
    assert_eq!(scene.beats(&old), Answer::Fenced { by: Some(new.epoch) });
    assert_eq!(scene.put(&old, ItemKind::Task, "t", "zombie"), Written::Fenced { by: Some(new.epoch) });
    assert_eq!(scene.store.leave(&old, "SIGTERM", &scene.timing).unwrap(), None);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("old"));
    assert_eq!(scene.store.epitaph(&old.id).unwrap().map(|(_, why)| why), Some(Reason::TakenOver));
    let back = Registration { earlier: Some(old.epoch), ..scene.registration("coder-1") };
    assert!(matches!(scene.register(&back), Registered::Dead { .. }));
    assert!(scene.lives(&new));
    // What was inherited goes with the heir.
    scene.store.depart(&new, "done", &scene.timing).unwrap().unwrap();
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t"), None);
}

pub fn every_incarnation_has_a_larger_epoch(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let mut last = Epoch(0);
    for round in 0..6 {
        let takeover = round % 2 == 1;
        let who = scene.accepted(&Registration { takeover, ..scene.registration("coder-1") });
        assert!(who.epoch > last && who.epoch.0 < 1 << 53, "{} after {last}", who.epoch);
        last = who.epoch;
        if takeover {
            scene.store.depart(&who, "done", &scene.timing).unwrap().unwrap();
        }
    }
}

/// I1.
pub fn a_zombie_writes_nothing(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let zombie = scene.doomed("coder-1");
    scene.task(&zombie, "t", "first life");
    scene.expire();
    let claim = scene.claim("a");
    let is_refused = |by: Option<Epoch>| {
        assert_eq!(scene.beats(&zombie), Answer::Fenced { by });
        assert_eq!(scene.put(&zombie, ItemKind::Task, "t", "zombie"), Written::Fenced { by });
        assert_eq!(scene.put(&zombie, ItemKind::State, "", "zombie"), Written::Fenced { by });
        assert_eq!(scene.store.leave(&zombie, "SIGTERM", &scene.timing).unwrap(), None);
    };
    is_refused(None);
    scene.reap_all(&claim);
    is_refused(None);
    assert_eq!(scene.get("coder-1", ItemKind::State, ""), None);
    let heir = scene.living("coder-1");
    scene.task(&heir, "t", "second life");
    is_refused(Some(heir.epoch));
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("second life"));
    assert!(matches!(scene.reap(&claim), Reaped::Completed { .. }), "it was, and nothing is the heir's");
    assert!(scene.lives(&heir));
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("second life"));
}

pub fn a_name_is_busy_while_it_is_cleaned_up(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.task(&who, "t", "x");
    scene.expire();
    let claim = scene.claim("a");
    let again = scene.registration("coder-1");
    assert_eq!(scene.register(&again), Registered::Busy);
    let takeover = Registration { takeover: true, ..scene.registration("coder-1") };
    assert_eq!(scene.register(&takeover), Registered::Busy);
    let back = Registration { earlier: Some(who.epoch), ..scene.registration("coder-1") };
    assert!(matches!(scene.register(&back), Registered::Dead { .. }));
    scene.reap_all(&claim);
    assert!(scene.accepted(&again).epoch > who.epoch);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t"), None);
}

pub fn a_lease_that_ended_is_free_only_after_its_cleanup(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let first = scene.doomed("coder-1");
    scene.task(&first, "t", "x");
    scene.expire();
    let again = scene.registration("coder-1");
    assert_eq!(scene.register(&again), Registered::Busy);
    assert_eq!(scene.store.agent(&first.id).unwrap().unwrap().standing, Standing::Expired);
    scene.reap_all(&scene.claim("a"));
    let second = scene.accepted(&again);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t"), None);
    scene.expire();
    let third = scene.accepted(&Registration { takeover: true, ..scene.registration("coder-1") });
    assert_eq!(scene.beats(&second), Answer::Fenced { by: Some(third.epoch) });
}

pub fn what_an_agent_keeps_is_its_own(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let (one, two) = (scene.living("coder-1"), scene.living("coder-2"));
    for (who, value) in [(&one, "of one"), (&two, "of two")] {
        for (kind, name) in [(ItemKind::State, ""), (ItemKind::Task, "t"), (ItemKind::Deps, "t")] {
            assert_eq!(scene.put(who, kind, name, &format!("{kind:?} {value}")), Written::Accepted);
        }
    }
    assert_eq!(scene.get("coder-1", ItemKind::State, "").as_deref(), Some("State of one"));
    assert_eq!(scene.get("coder-2", ItemKind::Task, "t").as_deref(), Some("Task of two"));
    assert_eq!(scene.get("coder-2", ItemKind::Deps, "t").as_deref(), Some("Deps of two"));
    assert_eq!(scene.get("coder-2", ItemKind::Task, "u"), None);
    // Any bytes.
    let bytes = vec![0, 255, b'\n', b'*'];
    let item = Item { kind: ItemKind::Task, name: "t".to_owned(), value: Some(bytes.clone()) };
    assert_eq!(scene.store.put(&one, &item).unwrap(), Written::Accepted);
    assert_eq!(scene.store.get(&one.id, ItemKind::Task, "t").unwrap(), Some(bytes));
    assert_eq!(scene.store.put(&one, &Item { value: None, ..item }).unwrap(), Written::Accepted);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t"), None);
    assert_eq!(scene.get("coder-1", ItemKind::Deps, "t").as_deref(), Some("Deps of one"));
}

pub fn r098_names_are_no_prefixes(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let names = ["agent-10", "agent-11", "agent-1-b", "agent-1.", "agent", "agent_1"];
    for name in names {
        let who = scene.living(name);
        scene.put(&who, ItemKind::State, "", name);
        scene.put(&who, ItemKind::Task, "0", name);
        scene.put(&who, ItemKind::Deps, "1", name);
    }
    let doomed = scene.doomed("agent-1");
    scene.put(&doomed, ItemKind::State, "", "x");
    scene.task(&doomed, "0", "x");
    scene.expire();
    let own = scene.own_keys();
    assert_eq!(scene.reap_all(&scene.claim("a")), own + 2);
    for name in names {
        for (kind, item) in [(ItemKind::State, ""), (ItemKind::Task, "0"), (ItemKind::Deps, "1")] {
            assert_eq!(scene.get(name, kind, item).as_deref(), Some(name), "{kind:?}");
        }
        assert_eq!(scene.store.agent(&id(name)).unwrap().unwrap().standing, Standing::Active);
    }
    assert_eq!(scene.get("agent-1", ItemKind::Task, "0"), None);
}

/// `agent:task:` + id + `:` + name, read by eye, is the same text for both.
pub fn names_with_colons_do_not_meet(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let (short, long) = (scene.doomed("team"), scene.living("team:coder"));
    scene.task(&short, "coder:t", "of team");
    scene.task(&long, "t", "of coder");
    assert_eq!(scene.get("team", ItemKind::Task, "coder:t").as_deref(), Some("of team"));
    scene.expire();
    scene.reap_all(&scene.claim("a"));
    assert_eq!(scene.get("team", ItemKind::Task, "coder:t"), None);
    assert_eq!(scene.get("team:coder", ItemKind::Task, "t").as_deref(), Some("of coder"));
}

pub fn odd_items_are_refused(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.living("coder-1");
    for (kind, name, bytes) in [
        (ItemKind::State, "x", 1),
        (ItemKind::Task, "", 1),
        (ItemKind::Task, "*", 1),
        (ItemKind::Deps, "a b", 1),
        (ItemKind::State, "", 64 * 1024 + 1),
    ] {
        let item = Item { kind, name: name.to_owned(), value: Some(vec![b'x'; bytes]) };
        assert!(scene.store.put(&who, &item).is_err(), "{kind:?} `{name}` of {bytes} bytes");
    }
    let most = Item { kind: ItemKind::State, name: String::new(), value: Some(vec![b'x'; 64 * 1024]) };
    assert_eq!(scene.store.put(&who, &most).unwrap(), Written::Accepted);
}

pub fn who_leaves_leaves_nothing(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, 3);
    scene.put(&who, ItemKind::State, "", "x");
    assert_eq!(scene.store.depart(&who, "SIGTERM", &scene.timing).unwrap(), Some(own + 4));
    assert_eq!(scene.store.depart(&who, "SIGTERM", &scene.timing).unwrap(), None);
    assert_eq!(scene.store.agent(&who.id).unwrap().map(|view| view.id), None);
    assert_eq!(scene.get("coder-1", ItemKind::State, ""), None);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t0"), None);
    assert_eq!(scene.store.epitaph(&who.id).unwrap().map(|(_, why)| why), Some(Reason::Shutdown));
    let said = scene.said_of("coder-1", mark.as_ref());
    let left = Happened::AgentShutdown { agent_id: who.id.clone(), reason: "SIGTERM".to_owned() };
    assert_eq!(said.iter().filter(|what| **what == left).count(), 1, "{said:?}");
    assert_eq!(completions(&said), [own + 4]);
    // R092: a beat that was under way does not bring it back.
    assert_eq!(scene.beats(&who), Answer::Fenced { by: None });
    let back = Registration { earlier: Some(who.epoch), ..scene.registration("coder-1") };
    assert!(matches!(scene.register(&back), Registered::Dead { .. }));
    assert_eq!(scene.store.agent(&who.id).unwrap().map(|view| view.id), None);
}

pub fn only_the_living_incarnation_leaves(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let old = scene.doomed("coder-1");
    scene.store.depart(&old, "done", &scene.timing).unwrap().unwrap();
    let new = scene.living("coder-1");
    scene.task(&new, "t", "x");
    assert_eq!(scene.store.depart(&old, "done", &scene.timing).unwrap(), None);
    assert!(scene.lives(&new));
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("x"));
}

pub fn a_departure_that_is_asked_for_again_goes_on(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, 2);
    let claim = scene.store.leave(&who, "SIGTERM", &scene.timing).unwrap().unwrap();
    assert_eq!(scene.beats(&who), Answer::Fenced { by: None });
    // Its answer was lost.
    let again = scene.store.leave(&who, "SIGTERM", &scene.timing).unwrap().unwrap();
    assert_eq!((again.fence, again.reason), (claim.fence, Reason::Shutdown));
    assert_eq!(scene.reap_all(&again), own + 2);
    let said = scene.said_of("coder-1", mark.as_ref());
    assert_eq!(completions(&said).len(), 1);
    let shutdowns = said.iter().filter(|what| matches!(what, Happened::AgentShutdown { .. }));
    assert_eq!(shutdowns.count(), 1, "{said:?}");
}

pub fn an_agent_is_asked_to_do_something(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.living("coder-1");
    for directive in [Some(Directive::Drain), Some(Directive::Stop), None] {
        assert!(scene.store.direct(&who.id, directive).unwrap());
        assert_eq!(scene.beats(&who), Answer::Accepted { directive });
        assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().directive, directive);
    }
    assert!(!scene.store.direct(&id("coder-2"), Some(Directive::Stop)).unwrap());
    let said = scene.said_of("coder-1", None);
    assert_eq!(said.iter().filter(|what| matches!(what, Happened::Directed { .. })).count(), 2, "{said:?}");
}

pub fn many_beats_are_answered_in_their_order(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let mut beats = Vec::new();
    for number in 0..50 {
        let who = scene.doomed(&format!("coder-{number}"));
        let is_live = number % 7 != 0;
        if !is_live {
            scene.store.depart(&who, "done", &scene.timing).unwrap().unwrap();
        }
        beats.push((Beat { who, report: None }, is_live));
    }
    let sent: Vec<_> = beats.iter().map(|(beat, _)| beat.clone()).collect();
    let answers = scene.store.beat(&sent).unwrap().answers;
    assert_eq!(answers.len(), sent.len());
    for ((beat, is_live), answer) in beats.iter().zip(answers) {
        assert_eq!(matches!(answer, Answer::Accepted { .. }), *is_live, "{}", beat.who);
    }
    assert_eq!(scene.store.beat(&[]).unwrap().answers, []);
    let too_many = vec![sent[1].clone(); BEATS_LIMIT + 1];
    assert!(scene.store.beat(&too_many).is_err());
    assert_eq!(scene.store.beat(&too_many[1..]).unwrap().answers.len(), BEATS_LIMIT);
}
