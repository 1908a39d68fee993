//! Who is claimed, and who is not.
//! Rows shown here: R097.

use std::collections::HashSet;
use std::time::Duration;

use scupper_fleet::{
    AgentId, Happened, Incarnation, ItemKind, Phase, Reaped, Reason, Registration, Standing, Sweep, Swept,
    Timing,
};
use scupper_model::allowed;

use super::Fixture;
use super::scene::{Scene, id, process};

const MILLI: Duration = Duration::from_millis(1);

pub fn r093_a_lease_ends_after_its_last_millisecond(fixture: &dyn Fixture) {
    if !fixture.is_exact() {
        return;
    }
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.wait(scene.timing.ttl.saturating_sub(MILLI));
    for _ in 0..2 {
        assert_eq!(scene.sweep("a").claims, []);
        assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Active);
        fixture.pass(MILLI);
    }
    let claim = scene.claim("a");
    assert_eq!((claim.id, claim.reason), (who.id, Reason::StaleHeartbeat));
    assert_eq!(claim.idle, Some(scene.timing.ttl + MILLI));
}

pub fn r093_an_agents_own_lease_counts(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let ttl = scene.timing.ttl / 4;
    let short = scene.accepted(&Registration { ttl, ..scene.registration("short") });
    let long = scene.accepted(&Registration { ttl: scene.timing.ttl * 3, ..scene.registration("long") });
    scene.wait(ttl + scene.timing.tick);
    assert_eq!(scene.claim("a").id, short.id);
    scene.expire();
    assert_eq!(scene.sweep("a").claims.iter().filter(|claim| claim.id == long.id).count(), 0);
    assert!(scene.lives(&long));
}

/// I3.
pub fn who_beats_is_never_claimed(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let living: Vec<_> = (0..20).map(|number| scene.living(&format!("coder-{number}"))).collect();
    let tick = scene.timing.tick;
    let ticks = scene.timing.ttl.as_millis() * 3 / tick.as_millis();
    for _ in 0..ticks {
        fixture.pass(tick);
        scene.beat_all();
        let swept = scene.sweep("a");
        assert_eq!((swept.claims, swept.members), (Vec::new(), 20));
    }
    assert!(living.iter().all(|who| scene.lives(who)));
}

pub fn r097_who_beats_again_before_the_claim_is_spared(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.task(&who, "t", "x");
    scene.expire();
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Expired);
    assert!(scene.lives(&who));
    assert_eq!(scene.sweep("a").claims, []);
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Active);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("x"));
}

pub fn a_claim_says_what_is_known(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let registration = Registration {
        coordinator: Some(id("serve-1")),
        process: process("host-7"),
        ..scene.registration("coder-1")
    };
    let who = scene.accepted(&registration);
    let mark = scene.last_event();
    scene.expire();
    let seen = scene.store.agent(&who.id).unwrap().unwrap().last_seen;
    let swept = scene.sweep("a");
    assert_eq!((swept.phase, swept.members, swept.claims.len()), (Phase::Open, 0, 1));
    let claim = &swept.claims[0];
    assert_eq!((&claim.id, claim.epoch), (&who.id, Some(who.epoch)));
    assert_eq!((claim.reason, claim.taken_on), (Reason::StaleHeartbeat, false));
    assert_eq!(claim.last_seen, seen);
    assert!(claim.idle > Some(scene.timing.ttl), "{:?}", claim.idle);
    assert_eq!(claim.process, Some(process("host-7")));
    assert_eq!(claim.coordinator, Some(id("serve-1")));
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Reaping);
    let (agent_id, reason) = (who.id, Reason::StaleHeartbeat);
    let said = scene.said_of("coder-1", mark.as_ref());
    assert_eq!(said, [Happened::CleanupStarted { agent_id, reason, taken_on: false }]);
}

pub fn a_dry_sweep_changes_nothing(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let doomed = scene.doomed("coder-1");
    scene.living("coder-2");
    scene.expire();
    let mark = scene.last_event();
    for asked in [false, true] {
        let dry = Sweep { dry: true, asked, ..scene.sweep_of("a") };
        let swept = scene.store.sweep(&dry).unwrap();
        assert_eq!((swept.phase, swept.claims, swept.members), (Phase::Open, Vec::new(), 2));
        let [orphan] = &swept.unclaimed[..] else { panic!("{:?}", swept.unclaimed) };
        assert_eq!((&orphan.agent_id, orphan.reason), (&doomed.id, Reason::StaleHeartbeat));
        assert!(orphan.idle_time > Some(u64::try_from(scene.timing.ttl.as_millis()).unwrap()));
    }
    assert_eq!(scene.said_after(mark.as_ref()), []);
    assert_eq!(scene.store.status().unwrap().coordinators, []);
    // Not even the guard takes it for a look: nobody has swept for longer than the gap that is allowed.
    let dry = Sweep { dry: true, ..scene.sweep_of("a") };
    fixture.pass(scene.timing.max_gap + scene.timing.tick);
    assert!(matches!(scene.store.sweep(&dry).unwrap().phase, Phase::Grace { .. }));
    assert!(matches!(scene.sweep("a").phase, Phase::Grace { .. }));
    assert!(scene.lives(&doomed));
}

pub fn a_person_names_whom_to_claim(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    for number in 0..3 {
        scene.doomed(&format!("coder-{number}"));
    }
    let living = scene.living("alive");
    scene.expire();
    let only = vec![id("coder-1"), living.id.clone(), id("nobody")];
    let sweep = Sweep { asked: true, only, ..scene.sweep_of("person") };
    let claims = scene.store.sweep(&sweep).unwrap().claims;
    assert_eq!(claims.iter().map(|claim| claim.id.as_str()).collect::<Vec<_>>(), ["coder-1"]);
    // A person is no coordinator.
    assert_eq!(scene.store.status().unwrap().coordinators, []);
    assert!(scene.lives(&living));
}

pub fn a_sweep_claims_a_batch(fixture: &dyn Fixture) {
    let mut scene = Scene::new(fixture);
    scene.timing = Timing { batch: 4, ..scene.timing };
    for number in 0..30 {
        scene.living(&format!("alive-{number}"));
    }
    let doomed: HashSet<AgentId> =
        (0..10).map(|number| scene.doomed(&format!("coder-{number}")).id).collect();
    scene.expire();
    let mut claimed = Vec::new();
    for most in [4, 4, 2, 0] {
        let claims = scene.sweep("a").claims;
        assert_eq!(claims.len(), most);
        claimed.extend(claims.into_iter().map(|claim| claim.id));
    }
    assert_eq!(claimed.len(), 10);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), doomed);
}

/// Fourteen members; five of them do not beat any more.
fn a_mass(fixture: &dyn Fixture) -> (Scene<'_>, Vec<Incarnation>) {
    let mut scene = Scene::new(fixture);
    scene.timing = Timing { batch: 20, ..scene.timing };
    for number in 0..9 {
        scene.living(&format!("alive-{number}"));
    }
    let doomed = (0..5).map(|number| scene.doomed(&format!("coder-{number}"))).collect();
    scene.expire();
    (scene, doomed)
}

pub fn r116_too_many_dead_are_held_and_then_trickle(fixture: &dyn Fixture) {
    let (scene, doomed) = a_mass(fixture);
    let mark = scene.last_event();
    let (tick, hold) = (scene.timing.tick, scene.timing.hold);
    let swept = scene.sweep("a");
    let Phase::Hold { until, dead: 5, members: 14 } = swept.phase else { panic!("{:?}", swept.phase) };
    assert!(until > swept.now);
    let named: HashSet<_> = swept.unclaimed.iter().map(|orphan| orphan.agent_id.clone()).collect();
    assert_eq!(named, doomed.iter().map(|who| who.id.clone()).collect());
    let mut waited = Duration::ZERO;
    while waited + tick < hold {
        let swept = scene.sweep("b");
        assert_eq!(swept.claims, [], "claimed in a hold");
        if swept.now < until {
            assert!(matches!(swept.phase, Phase::Hold { .. }), "{:?}", swept.phase);
        }
        fixture.pass(tick);
        waited += tick;
        scene.beat_all();
    }
    fixture.pass(tick * 2);
    scene.beat_all();
    // A tenth of the batch, twenty, with each sweep.
    let mut claimed = HashSet::new();
    for most in [2, 2, 1, 0] {
        let swept = scene.sweep("a");
        assert_eq!((swept.phase, swept.claims.len()), (Phase::Open, most));
        claimed.extend(swept.claims.into_iter().map(|claim| claim.id));
    }
    assert_eq!(claimed, named);
    let told: Vec<_> = scene
        .said_after(mark.as_ref())
        .into_iter()
        .filter(|what| matches!(what, Happened::HoldStarted { .. }))
        .collect();
    assert_eq!(told, [Happened::HoldStarted { dead: 5, members: 14, until: until.0 }]);
}

pub fn r116_a_person_passes_the_brake(fixture: &dyn Fixture) {
    let (scene, _) = a_mass(fixture);
    let dry = scene.store.sweep(&Sweep { dry: true, ..scene.sweep_of("a") }).unwrap();
    assert!(matches!(dry.phase, Phase::Hold { .. }), "{:?}", dry.phase);
    assert!(matches!(scene.sweep("a").phase, Phase::Hold { .. }));
    let status = scene.store.status().unwrap();
    assert!(matches!(status.phase, Phase::Hold { .. }), "{:?}", status.phase);
    let swept = scene.store.sweep(&Sweep { asked: true, ..scene.sweep_of("person") }).unwrap();
    assert_eq!((swept.phase, swept.claims.len()), (Phase::Open, 5));
    assert_eq!(scene.sweep("a").phase, Phase::Open);
}

/// A switch breaks, and ten of 24 agents are cut off: their leases end over one interval, a few with each sweep.
pub fn r116_leases_that_end_one_by_one_are_braked_too(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let cut: Vec<_> = (0..10).map(|number| scene.living(&format!("cut-{number}"))).collect();
    for number in 0..14 {
        scene.living(&format!("alive-{number}"));
    }
    for two in cut.chunks(2) {
        scene.wait(scene.timing.tick / 2);
        for who in two {
            scene.silence(who);
        }
    }
    scene.wait(scene.timing.ttl.saturating_sub(scene.timing.tick * 4));
    let (mut claimed, mut held) = (0, false);
    for _ in 0..20 {
        fixture.pass(scene.timing.tick / 2);
        scene.beat_all();
        let swept = scene.sweep("a");
        claimed += swept.claims.len();
        held |= matches!(swept.phase, Phase::Hold { .. });
        if held {
            break;
        }
    }
    assert!(held, "all {claimed} were claimed, a few at a time");
    assert!(claimed <= allowed(24), "{claimed} were claimed before the hold");
    // The hold lasts, though those that were claimed are of an earlier round before it ends.
    let lasts = scene.timing.hold;
    let mut waited = Duration::ZERO;
    while waited + scene.timing.tick * 2 < lasts {
        fixture.pass(scene.timing.tick);
        waited += scene.timing.tick;
        scene.beat_all();
        assert_eq!(scene.sweep("a").claims, [], "claimed {waited:?} after a hold of {lasts:?} began");
    }
}

pub fn those_who_are_silent_are_suspect(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.doomed("coder-1");
    scene.living("coder-2");
    assert_eq!(scene.sweep("a").suspects, 0);
    scene.wait(scene.timing.suspect + scene.timing.tick);
    let swept = scene.sweep("a");
    assert_eq!((swept.members, swept.suspects, swept.claims.len()), (2, 1, 0));
}

pub fn a_lost_coordinator_is_told_once(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.sweep("lost");
    let mark = scene.last_event();
    let ticks = scene.timing.claim_lease.as_millis() / scene.timing.tick.as_millis() + 2;
    let mut told = Vec::new();
    for _ in 0..ticks {
        for coordinator in ["a", "b"] {
            told.extend(scene.sweep(coordinator).lost);
        }
        let until = scene.store.status().unwrap();
        let names: HashSet<_> = until.coordinators.iter().map(|view| view.id.to_string()).collect();
        assert!(names.contains("a") && names.contains("b"), "{names:?}");
        fixture.pass(scene.timing.tick);
    }
    assert_eq!(told, [id("lost")]);
    let lost = Happened::CoordinatorLost { coordinator: id("lost") };
    assert_eq!(scene.said_after(mark.as_ref()), [lost]);
}

/// Whoever was told may die before it acts: another one is told then, and nobody once it is settled. The event is said once.
pub fn a_lost_coordinator_is_told_again_until_it_is_settled(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.sweep("lost");
    let mark = scene.last_event();
    // The minute of a lease, by those who sweep.
    let told = |names: &[&str]| {
        let mut told = Vec::new();
        let mut left = scene.timing.claim_lease + scene.timing.tick * 2;
        while !left.is_zero() {
            fixture.pass(scene.timing.tick);
            left = left.saturating_sub(scene.timing.tick);
            for name in names {
                told.extend(
                    scene.sweep(name).lost.into_iter().map(|who| ((*name).to_owned(), who.to_string())),
                );
            }
        }
        told
    };
    assert_eq!(told(&["dies"]), [("dies".to_owned(), "lost".to_owned())]);
    let mut both = told(&["a"]);
    both.sort();
    assert_eq!(both, ["dies", "lost"].map(|who| ("a".to_owned(), who.to_owned())));
    let events = [id("lost"), id("dies")].map(|coordinator| Happened::CoordinatorLost { coordinator });
    assert_eq!(scene.said_after(mark.as_ref()), events);
    for who in ["lost", "dies"] {
        scene.store.lost_settled(&id(who)).unwrap();
    }
    assert_eq!(told(&["a", "b"]), []);
    // Who is back is not forgotten because somebody settles late.
    scene.sweep("lost");
    scene.store.lost_settled(&id("lost")).unwrap();
    let known = scene.store.status().unwrap().coordinators;
    assert!(known.iter().any(|view| view.id == id("lost")), "{known:?}");
}

pub fn who_resigns_is_not_lost(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.sweep("gone");
    let of_gone = Registration { coordinator: Some(id("gone")), ..scene.registration("coder-1") };
    let who = scene.accepted(&of_gone);
    scene.keep(&who);
    scene.store.resign(&id("gone")).unwrap();
    assert_eq!(scene.store.status().unwrap().coordinators, []);
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().coordinator, None);
    scene.wait(scene.timing.claim_lease * 2);
    assert_eq!(scene.sweep("a").lost, []);
}

pub fn agents_are_adopted(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    for (name, coordinator) in [("one", "x"), ("two", "x"), ("three", "y")] {
        let coordinator = Some(id(coordinator));
        scene.accepted(&Registration { coordinator, ..scene.registration(name) });
    }
    let of = |name: &str| {
        let view = scene.store.agent(&id(name)).unwrap().unwrap();
        view.coordinator.map(|coordinator| coordinator.to_string())
    };
    assert_eq!(scene.store.adopt(&id("x"), Some(&id("y"))).unwrap(), 2);
    assert_eq!(scene.store.adopt(&id("x"), None).unwrap(), 0);
    assert_eq!((of("one").as_deref(), of("three").as_deref()), (Some("y"), Some("y")));
    assert_eq!(scene.store.adopt(&id("y"), None).unwrap(), 3);
    assert_eq!(of("two"), None);
}

pub fn one_coordinator_has_the_turn(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let turn = |what: &str, by: &str| scene.store.take_turn(what, &id(by), scene.timing.ttl).unwrap();
    assert!(turn("memory", "a"));
    assert!(!turn("memory", "b"));
    assert!(turn("memory", "a"), "whoever has it keeps it");
    assert!(turn("garbage", "b"));
    fixture.pass(scene.timing.ttl + scene.timing.tick);
    assert!(turn("memory", "b"));
    assert!(!turn("memory", "a"));
}

/// So that a coordinator need not ask where there is nothing.
pub fn a_sweep_says_whether_there_is_more_to_ask_for(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.living("living");
    scene.doomed("doomed");
    let said = |swept: &Swept| (swept.expired, swept.cleanups, swept.delegated);
    assert_eq!(said(&scene.sweep("a")), (0, 0, 0));
    scene.wait(scene.timing.ttl + scene.timing.tick);
    let dry = scene.store.sweep(&Sweep { dry: true, ..scene.sweep_of("a") }).unwrap();
    assert_eq!(said(&dry), (1, 0, 0));
    let swept = scene.sweep("a");
    assert_eq!(said(&swept), (0, 1, 0), "claimed");
    let claim = swept.claims[0].clone();
    fixture.pass(scene.timing.objection);
    scene.beat_all();
    let reaped = scene.store.reap(&claim, Some(&process("host-1")), &scene.timing).unwrap();
    assert!(matches!(reaped, Reaped::Completed { .. }), "{reaped:?}");
    assert_eq!(said(&scene.sweep("a")), (0, 0, 1));
    let elsewhere = Sweep { host: id("host-2"), ..scene.sweep_of("b") };
    assert_eq!(said(&scene.store.sweep(&elsewhere).unwrap()), (0, 0, 0));
}
