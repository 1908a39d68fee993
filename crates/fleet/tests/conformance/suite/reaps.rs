//! Cleanups.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use scupper_fleet::{
    AgentId, Claim, CoordinatorId, Fence, Happened, ItemKind, Process, Reaped, Reason, Standing, Sweep,
    Written,
};
use scupper_model::{BootId, Identity, Pid, StartTime};

use super::Fixture;
use super::scene::{Scene, completions, id, process};

/// Tasks that take three steps of 500 keys.
const MANY: usize = 1100;

pub fn keys_go_in_steps_and_their_sum_is_exact(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, MANY);
    scene.expire();
    let claim = scene.claim("a");
    let mut steps = Vec::new();
    let all = loop {
        match scene.reap(&claim) {
            Reaped::More { deleted } => steps.push(deleted),
            Reaped::Completed { deleted } => break deleted,
            other => panic!("{other:?}"),
        }
        assert_eq!(completions(&scene.said_of("coder-1", mark.as_ref())).len(), 0);
    };
    assert!(steps.len() >= 2 && steps.iter().all(|deleted| *deleted <= 500), "{steps:?}");
    assert_eq!(all, own + MANY as u64);
    assert_eq!(completions(&scene.said_of("coder-1", mark.as_ref())), [all]);
    assert_eq!(scene.reap(&claim), Reaped::Completed { deleted: all }, "asked again");
    assert_eq!(scene.store.agent(&who.id).unwrap().map(|view| view.id), None);
    assert_eq!(scene.store.epitaph(&who.id).unwrap().map(|(_, why)| why), Some(Reason::StaleHeartbeat));
    assert_eq!(scene.store.claims(None, 10).unwrap().entries, []);
}

/// R101, and I4: the mutation that this alone finds is a fence that stays the same.
pub fn r101_a_cleanup_is_taken_on_and_the_old_claim_is_stale(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, MANY);
    scene.expire();
    let first = scene.claim("a");
    assert!(matches!(scene.reap(&first), Reaped::More { .. }));
    scene.wait(scene.timing.claim_lease + scene.timing.tick);
    let second = scene.claim("b");
    assert!(second.taken_on && second.fence > first.fence, "{second:?}");
    assert_eq!((&second.id, second.epoch, second.reason), (&who.id, first.epoch, first.reason));
    // The first one only slept.
    assert_eq!(scene.reap(&first), Reaped::Stale);
    assert!(matches!(scene.reap(&second), Reaped::More { .. }));
    assert_eq!(scene.reap(&first), Reaped::Stale);
    assert_eq!(scene.reap_all(&second), own + MANY as u64);
    assert_eq!(scene.reap(&first), Reaped::Stale);
    let said = scene.said_of("coder-1", mark.as_ref());
    assert_eq!(completions(&said), [own + MANY as u64]);
    let began = said.iter().filter_map(|what| match what {
        Happened::CleanupStarted { taken_on, .. } => Some(*taken_on),
        _ => None,
    });
    assert_eq!(began.collect::<Vec<_>>(), [false, true]);
}

pub fn a_cleanup_is_its_holders_while_its_lease_holds(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    scene.doomed("coder-1");
    scene.expire();
    let claim = scene.claim("a");
    scene.wait(scene.timing.claim_lease / 2);
    assert_eq!(scene.sweep("b").claims, []);
    scene.reap_all(&claim);
}

pub fn every_step_renews_the_lease(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.tasks(&who, MANY);
    scene.expire();
    let claim = scene.claim("a");
    for _ in 0..2 {
        scene.wait(scene.timing.claim_lease / 3 * 2);
        assert_eq!(scene.sweep("b").claims, []);
        assert!(matches!(scene.reap(&claim), Reaped::More { .. }));
    }
    scene.wait(scene.timing.claim_lease / 3 * 2);
    assert_eq!(scene.sweep("b").claims, []);
    scene.reap_all(&claim);
}

/// I5.
pub fn a_departure_half_way_is_finished_by_a_sweep(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, MANY);
    let own_claim = scene.store.leave(&who, "SIGTERM", &scene.timing).unwrap().unwrap();
    assert!(matches!(scene.reap(&own_claim), Reaped::More { .. }));
    // The agent dies here.
    assert_eq!(scene.sweep("a").claims, []);
    scene.wait(scene.timing.claim_lease + scene.timing.tick);
    let claim = scene.claim("a");
    assert_eq!((claim.reason, claim.taken_on), (Reason::Shutdown, true));
    assert_eq!(scene.store.leave(&who, "SIGTERM", &scene.timing).unwrap(), None);
    assert_eq!(scene.reap(&own_claim), Reaped::Stale);
    assert_eq!(scene.reap_all(&claim), own + MANY as u64);
    assert_eq!(completions(&scene.said_of("coder-1", mark.as_ref())), [own + MANY as u64]);
    assert_eq!(scene.store.epitaph(&who.id).unwrap().map(|(_, why)| why), Some(Reason::Shutdown));
}

pub fn r114_an_objection_gives_everything_back(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.task(&who, "t", "x");
    scene.expire();
    let mark = scene.last_event();
    let claim = scene.claim("a");
    assert!(scene.store.object(&who.id, &id("b"), "its process works").unwrap());
    assert_eq!(scene.reap(&claim), Reaped::Aborted);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("x"));
    assert_eq!(scene.store.agent(&who.id).unwrap().unwrap().standing, Standing::Active);
    assert_eq!(scene.sweep("a").claims, []);
    assert!(scene.lives(&who));
    assert_eq!(scene.put(&who, ItemKind::Task, "t", "y"), Written::Accepted);
    assert!(!scene.store.object(&who.id, &id("b"), "again").unwrap());
    assert!(!scene.store.object(&id("nobody"), &id("b"), "who?").unwrap());
    let said = scene.said_of("coder-1", mark.as_ref());
    assert_eq!(
        said.iter().filter(|what| matches!(what, Happened::CleanupAborted { .. })).count(),
        1,
        "{said:?}"
    );
    scene.expire();
    let later = scene.claim("b");
    assert!(later.fence > claim.fence && !later.taken_on, "{later:?}");
    assert!(matches!(scene.reap(&claim), Reaped::Stale | Reaped::Aborted));
    scene.reap_all(&later);
}

/// I2: what has lost a part of its state does not come back to life.
pub fn an_objection_comes_before_the_first_deletion(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.doomed("coder-1");
    scene.tasks(&who, MANY);
    let left = scene.doomed("coder-2");
    let own = scene.store.leave(&left, "SIGTERM", &scene.timing).unwrap().unwrap();
    assert!(!scene.store.object(&left.id, &id("b"), "no").unwrap(), "it has left by itself");
    scene.reap_all(&own);
    scene.expire();
    let claim = scene.claim("a");
    assert!(matches!(scene.reap(&claim), Reaped::More { .. }));
    assert!(!scene.store.object(&who.id, &id("b"), "late").unwrap());
    scene.reap_all(&claim);
}

pub fn a_made_up_claim_deletes_nothing(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let who = scene.living("coder-1");
    scene.task(&who, "t", "x");
    let doomed = scene.doomed("coder-2");
    scene.task(&doomed, "t", "x");
    scene.expire();
    let claim = scene.claim("a");
    for fence in [Fence(0), Fence(claim.fence.0 - 1), Fence(claim.fence.0 + 1), Fence((1 << 53) - 1)] {
        assert_eq!(scene.reap(&Claim { fence, ..claim.clone() }), Reaped::Stale);
    }
    assert_eq!(scene.get("coder-2", ItemKind::Task, "t").as_deref(), Some("x"));
    let made_up = Claim { id: who.id.clone(), epoch: Some(who.epoch), ..claim };
    assert_eq!(scene.reap(&made_up), Reaped::Stale);
    assert_eq!(scene.get("coder-1", ItemKind::Task, "t").as_deref(), Some("x"));
    assert!(scene.lives(&who));
}

pub fn r115_a_process_elsewhere_is_delegated_once(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let identity = Identity {
        pid: Pid::try_from(4711).unwrap(),
        start_time: StartTime(99),
        boot_id: "6b1f0a52-3c7e-4f1d-9a8b-2d5e7c9f0a13".parse::<BootId>().unwrap(),
    };
    let elsewhere = Process { host: id("host-2"), identity: Some(identity) };
    let here = process("host-1");
    let (far, near) = (scene.doomed("coder-1"), scene.doomed("coder-2"));
    scene.tasks(&far, MANY);
    scene.expire();
    let mark = scene.last_event();
    for claim in scene.sweep("a").claims {
        let process = if claim.id == far.id { &elsewhere } else { &here };
        while matches!(scene.store.reap(&claim, Some(process), &scene.timing).unwrap(), Reaped::More { .. }) {
        }
    }
    let of = |host: &str| scene.store.delegated(&id(host)).unwrap();
    assert_eq!(of("host-2"), [(far.clone(), elsewhere)]);
    assert_eq!(of("host-1"), [(near, here)]);
    let said = scene.said_after(mark.as_ref());
    let told: Vec<_> = said.iter().filter(|what| matches!(what, Happened::ProcessDelegated { .. })).collect();
    let (agent_id, process) = (far.id.clone(), Some(identity));
    assert_eq!(told, [&Happened::ProcessDelegated { agent_id, host: id("host-2"), process }]);
    scene.store.settle(&id("host-1"), &far).unwrap();
    assert_eq!(of("host-2").len(), 1, "another host's");
    scene.store.settle(&id("host-2"), &far).unwrap();
    assert_eq!(of("host-2"), []);
}

/// R101. One of the five dies in the middle of its work, without a word.
pub fn r101_five_coordinators_clean_a_hundred_orphans_once(fixture: &dyn Fixture) {
    let mut scene = Scene::new(fixture);
    scene.timing.batch = 10;
    let own = scene.own_keys();
    let mark = scene.last_event();
    let living: Vec<_> = (0..5).map(|number| scene.living(&format!("alive-{number}"))).collect();
    for number in 0..100 {
        let who = scene.doomed(&format!("coder-{number}"));
        scene.tasks(&who, number % 4);
    }
    scene.expire();
    let done: Mutex<HashMap<AgentId, Vec<u64>>> = Mutex::default();
    let (dies, timing) = (AtomicBool::new(true), scene.timing);
    let work = |coordinator: &str| {
        let store = fixture.store();
        let name: CoordinatorId = id(coordinator);
        // A hundred dead of 105 are a mass: a person has looked at the list.
        let sweep = Sweep { coordinator: name, asked: true, ..scene_sweep(coordinator, timing) };
        for _ in 0..1000 {
            let claims = store.sweep(&sweep).unwrap().claims;
            if claims.is_empty() {
                return;
            }
            for claim in claims {
                let is_last = claim.id.as_str().len() % 2 == 0;
                if coordinator == "c-0" && is_last && dies.swap(false, SeqCst) {
                    return;
                }
                loop {
                    match store.reap(&claim, None, &sweep.timing).unwrap() {
                        Reaped::More { .. } => {}
                        Reaped::Completed { deleted } => {
                            done.lock().unwrap().entry(claim.id).or_default().push(deleted);
                            break;
                        }
                        other => panic!("{}: {other:?}", claim.id),
                    }
                }
            }
        }
        panic!("there is no end to the claims");
    };
    for round in 0..2 {
        let names: Vec<String> = (round..5).map(|number| format!("c-{number}")).collect();
        std::thread::scope(|threads| {
            for name in &names {
                threads.spawn(|| work(name));
            }
        });
        scene.wait(scene.timing.claim_lease + scene.timing.tick);
    }
    let done = done.into_inner().unwrap();
    let names: HashSet<AgentId> = (0..100).map(|number| id(&format!("coder-{number}"))).collect();
    assert_eq!(done.keys().cloned().collect::<HashSet<_>>(), names);
    let said = scene.said_after(mark.as_ref());
    for number in 0..100_u64 {
        let name = format!("coder-{number}");
        let deleted = own + number % 4;
        assert_eq!(done[&id::<AgentId>(&name)], [deleted], "{name}");
        let of: Vec<_> = said
            .iter()
            .filter(|what| what.agent().is_some_and(|agent| agent.as_str() == name))
            .cloned()
            .collect();
        assert_eq!(completions(&of), [deleted], "{name}");
        assert_eq!(scene.get(&name, ItemKind::Task, "t0"), None);
    }
    assert!(living.iter().all(|who| scene.lives(who)));
    assert_eq!(scene.store.claims(None, 10).unwrap().entries, []);
    assert_eq!(scene.store.status().unwrap().members, 5);
}

fn scene_sweep(coordinator: &str, timing: scupper_fleet::Timing) -> Sweep {
    Sweep {
        coordinator: id(coordinator),
        host: id("host-1"),
        timing,
        dry: false,
        asked: false,
        only: Vec::new(),
    }
}

/// The answer to the last step was lost: whoever asks again, with that claim alone, hears what became of it.
pub fn a_completed_cleanup_is_answered_again(fixture: &dyn Fixture) {
    let scene = Scene::new(fixture);
    let own = scene.own_keys();
    let mark = scene.last_event();
    let who = scene.doomed("coder-1");
    scene.tasks(&who, 3);
    scene.expire();
    let first = scene.claim("a");
    scene.wait(scene.timing.claim_lease + scene.timing.tick);
    let claim = scene.claim("b");
    assert_ne!(first.fence, claim.fence);
    let done = Reaped::Completed { deleted: own + 3 };
    fixture.pass(scene.timing.objection);
    for _ in 0..2 {
        assert_eq!(scene.store.reap(&claim, None, &scene.timing).unwrap(), done);
    }
    assert_eq!(scene.store.reap(&first, None, &scene.timing).unwrap(), Reaped::Stale, "it was taken on");
    let next = scene.doomed("coder-1");
    assert_eq!(scene.store.reap(&claim, None, &scene.timing).unwrap(), done, "the successor is not touched");
    assert!(scene.lives(&next));
    assert_eq!(completions(&scene.said_of("coder-1", mark.as_ref())), [own + 3]);
}
