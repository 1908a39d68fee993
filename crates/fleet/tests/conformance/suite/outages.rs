//! The registry was away, or has forgotten something.

use std::cell::RefCell;

use scupper_fleet::{
    Answer, Epoch, Happened, ItemKind, Phase, Reaped, Registered, Registration, Standing, Sweep,
};

use super::Fixture;
use super::scene::{Scene, id};

pub fn r116_the_first_sweep_claims_nobody(fixture: &dyn Fixture) {
    let scene = Scene::unswept(fixture);
    let who = scene.doomed("coder-1");
    fixture.pass(scene.timing.ttl + scene.timing.tick);
    let swept = scene.sweep("a");
    let Phase::Grace { until } = swept.phase else { panic!("{:?}", swept.phase) };
    assert!(until > swept.now);
    assert_eq!(swept.claims, []);
    assert_eq!(swept.unclaimed.len(), 1);
    assert!(scene.lives(&who));
}

/// R116, and F9b of the seed: the server was away for longer than every lease.
pub fn r116_after_a_gap_everybody_has_time_to_beat(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let living: Vec<_> = (0..8).map(|number| scene.living(&format!("alive-{number}"))).collect();
    for number in 0..2 {
        scene.doomed(&format!("coder-{number}"));
    }
    let mark = scene.last_event();
    fixture.pass(scene.timing.ttl * 2);
    let swept = scene.sweep("a");
    let Phase::Grace { until } = swept.phase else { panic!("{:?}", swept.phase) };
    let least = scene.timing.grace.max(scene.timing.interval * 2);
    assert!(until.0 >= swept.now.0 + u64::try_from(least.as_millis()).unwrap(), "{until:?}");
    assert_eq!((swept.claims.len(), swept.unclaimed.len(), swept.lost.len()), (0, 10, 0));
    assert!(matches!(scene.store.status().unwrap().phase, Phase::Grace { .. }));
    let graces = scene.said_after(mark.as_ref());
    let graces = graces.iter().filter(|what| matches!(what, Happened::GraceStarted { .. })).count();
    assert_eq!(graces, 1);
    let mut claimed = Vec::new();
    let mut passed = std::time::Duration::ZERO;
    let ticks = least.as_millis() / scene.timing.tick.as_millis() + 2;
    for _ in 0..ticks {
        fixture.pass(scene.timing.tick);
        passed += scene.timing.tick;
        scene.beat_all();
        let swept = scene.sweep("a");
        assert!(passed >= least || swept.claims.is_empty(), "claimed in the grace");
        claimed.extend(swept.claims.into_iter().map(|claim| claim.id.to_string()));
    }
    claimed.sort();
    assert_eq!(claimed, ["coder-0", "coder-1"]);
    assert!(living.iter().all(|who| scene.lives(who)));
}

pub fn r116_a_person_does_not_pass_the_grace(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.doomed("coder-1");
    fixture.pass(scene.timing.ttl * 2);
    let asked = Sweep { asked: true, ..scene.sweep_of("person") };
    for _ in 0..2 {
        let swept = scene.store.sweep(&asked).unwrap();
        assert!(matches!(swept.phase, Phase::Grace { .. }) && swept.claims.is_empty(), "{:?}", swept.phase);
    }
}

/// Agents with leases of 10 s beside a coordinator that counts on 120 s and sweeps every second; the server stands still for
/// 20 s, and nobody could say that it lives.
pub fn r116_an_outage_that_is_short_for_the_coordinator_and_long_for_a_lease_costs_nobody_his_life(
    fixture: &dyn Fixture,
) {
    let mut scene = Scene::new(fixture);
    scene.timing.tick /= 5;
    let (short, outage) = (scene.timing.ttl / 12, scene.timing.max_gap * 2 / 3);
    let of_short_lease = |name: &str| Registration { ttl: short, ..scene.registration(name) };
    let living: Vec<_> = ["s1", "s2"].map(|name| scene.accepted(&of_short_lease(name))).into();
    for who in &living {
        scene.keep(who);
    }
    let doomed = scene.accepted(&of_short_lease("s3"));
    let with_time = scene.living("patient");
    scene.watch();
    fixture.pass(outage);
    let swept = scene.sweep("a");
    assert!(matches!(swept.phase, Phase::Grace { .. }), "{:?}", swept.phase);
    assert_eq!((swept.claims.len(), swept.unclaimed.len()), (0, 3));
    scene.beat_all();
    scene.settle();
    let claim = scene.claim("a");
    assert_eq!(claim.id, doomed.id);
    assert!(living.iter().all(|who| scene.lives(who)));
    scene.reap_all(&claim);
    // All have gone, and with them what was needed for them.
    for who in living.iter().chain([&with_time]) {
        scene.silence(who);
        scene.store.depart(who, "done", &scene.timing).unwrap();
    }
    scene.watch();
    scene.living("patient");
    scene.watch();
    fixture.pass(outage);
    assert_eq!(scene.sweep("a").phase, Phase::Open, "nothing to a lease of {:?}", scene.timing.ttl);
}

pub fn r116_who_is_back_after_an_objection_has_its_short_lease(fixture: &dyn Fixture) {
    let mut scene = Scene::new(fixture);
    scene.timing.tick /= 5;
    let short = Registration { ttl: scene.timing.ttl / 12, ..scene.registration("s1") };
    let who = scene.accepted(&short);
    scene.wait(short.ttl + scene.timing.tick);
    assert_eq!(scene.claim("a").id, who.id);
    assert_eq!(scene.sweep("a").members, 0);
    assert!(scene.store.object(&who.id, &id("b"), "it was heard").unwrap());
    assert!(scene.lives(&who));
    scene.watch();
    fixture.pass(scene.timing.max_gap * 2 / 3);
    let swept = scene.sweep("a");
    assert!(matches!(swept.phase, Phase::Grace { .. }) && swept.claims.is_empty(), "{:?}", swept.phase);
}

pub fn r116_after_a_restart_everybody_has_a_whole_lease(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.living("coder-2");
    scene.expire();
    if !fixture.restart() {
        return;
    }
    let swept = scene.sweep("a");
    let Phase::Grace { until } = swept.phase else { panic!("{:?}", swept.phase) };
    let lease = u64::try_from(scene.timing.ttl.as_millis()).unwrap();
    assert!(until.0 >= swept.now.0 + lease, "its last beat may be lost, and it counts on that one");
    assert_eq!(swept.claims, []);
    scene.settle();
    assert_eq!(scene.claim("a").id, who.id);
}

pub fn an_incarnation_that_was_lost_goes_on(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.living("coder-0");
    let lost = RefCell::new(None);
    if !fixture.lose(&mut || drop(lost.replace(Some(scene.doomed("coder-1"))))) {
        return;
    }
    let who = lost.into_inner().unwrap();
    assert_eq!(scene.beats(&who), Answer::Fenced { by: None });
    // Somebody else's registration hides nothing.
    scene.living("coder-2");
    let back = Registration { earlier: Some(who.epoch), ..scene.registration("coder-1") };
    for _ in 0..2 {
        let said = scene.register(&back);
        let is_resumed =
            matches!(said, Registered::Accepted { epoch, resumed: true, .. } if epoch == who.epoch);
        assert!(is_resumed, "{said:?}");
    }
    scene.task(&who, "t", "x");
    assert!(scene.lives(&who));
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Active);
}

pub fn who_took_over_before_the_loss_still_has_the_name(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let old = scene.living("coder-1");
    let lost = RefCell::new(None);
    let mut takeover = || {
        let takeover = Registration { takeover: true, ..scene.registration("coder-1") };
        lost.replace(Some(scene.accepted(&takeover)));
    };
    if !fixture.lose(&mut takeover) {
        return;
    }
    let new = lost.into_inner().unwrap();
    assert_eq!(scene.beats(&new), Answer::Fenced { by: Some(old.epoch) });
    let back = Registration { earlier: Some(new.epoch), ..scene.registration("coder-1") };
    assert_eq!(scene.accepted(&back), new);
    assert_eq!(scene.beats(&old), Answer::Fenced { by: Some(new.epoch) });
    let back = Registration { earlier: Some(old.epoch), ..scene.registration("coder-1") };
    assert!(matches!(scene.register(&back), Registered::Dead { .. }));
}

pub fn nobody_else_comes_back(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let gone = scene.doomed("coder-1");
    scene.store.depart(&gone, "done", &scene.timing).unwrap().unwrap();
    let doomed = scene.doomed("coder-2");
    scene.expire();
    scene.reap_all(&scene.claim("a"));
    let is_dead = |name: &str, epoch: Epoch| {
        let back = Registration { earlier: Some(epoch), ..scene.registration(name) };
        let said = scene.register(&back);
        assert!(matches!(said, Registered::Dead { .. }), "{name} came back: {said:?}");
        assert_eq!(scene.store.agent(&id(name)).unwrap().map(|view| view.id), None);
    };
    let all = || {
        is_dead("coder-1", gone.epoch);
        is_dead("coder-2", doomed.epoch);
        // Never given to this name, and the store has lost nothing since then.
        is_dead("coder-3", doomed.epoch);
    };
    all();
    if fixture.restart() {
        all();
    }
}

pub fn epochs_and_fences_grow_over_a_loss(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let first = scene.doomed("coder-1");
    scene.task(&first, "t", "x");
    scene.expire();
    let lost = RefCell::new(None);
    let mut doing = || drop(lost.replace(Some((scene.doomed("coder-2"), scene.claim("a")))));
    if !fixture.lose(&mut doing) {
        return;
    }
    let (second, claim) = lost.into_inner().unwrap();
    // The claim was lost: its holder deletes nothing, and the agent may come back until it is claimed again.
    assert_eq!(scene.reap(&claim), Reaped::Stale);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("x"));
    let new = scene.doomed("coder-2");
    assert!(new.epoch > second.epoch, "{} after {}", new.epoch, second.epoch);
    scene.keep(&new);
    scene.settle();
    let again = scene.claim("a");
    assert!(again.id == first.id && again.fence > claim.fence, "{again:?} after {claim:?}");
}
