//! Who is found, claimed and cleaned up after, and what is said of it.
//! Rows shown here: R095.

use std::cell::Cell;
use std::collections::BTreeSet;

use scupper_fleet::coordinator::{Coordinator, OnLost};
use scupper_fleet::{Beat, Directive, Happened, Members, Phase, Reason, Store};
use scupper_model::FleetFact;

use crate::scene::{Scene, TIMING, secs};

/// Past the grace of a registry that nobody has swept before.
fn open(scene: &Scene, coordinator: &mut Coordinator, agents: &[scupper_fleet::Incarnation]) {
    scene.pass(secs(65), &mut [coordinator], agents);
    assert_eq!(coordinator.view().read().phase, Some(Phase::Open));
}

#[test]
fn r095_orphans_are_told_of_only_where_there_are_any() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let agents = scene.registered("agent", 10);
    open(&scene, &mut a, &agents);
    scene.pass(secs(300), &mut [&mut a], &agents);
    assert!(scene.told("orphans_detected").is_empty() && scene.told("cleanup_started").is_empty());
    assert!(!scene.events().iter().any(|event| matches!(event, Happened::OrphansDetected { .. })));
    assert_eq!(scene.members(), 10);
}

#[test]
fn r093_r094_one_that_stops_is_cleaned_up_after_and_counted_when_it_is_done() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let agents = scene.registered("agent", 10);
    scene.tasks(&agents[0], 3);
    open(&scene, &mut a, &agents);
    scene.pass(secs(110), &mut [&mut a], &agents[1..]);
    assert!(scene.completed().is_empty(), "its last heartbeat is less than 120 s old");
    scene.pass(secs(30), &mut [&mut a], &agents[1..]);
    assert_eq!(scene.completed(), ["agent-0"]);
    assert_eq!(scene.members(), 9);
    let view = a.view().read();
    assert_eq!(view.done.detected.get(&Reason::StaleHeartbeat), Some(&1));
    assert_eq!(view.done.cleaned.get(&Reason::StaleHeartbeat), Some(&1));
    assert!(view.done.keys_deleted >= 3 && view.members == Some(9) && view.cleanups == 0, "{view:?}");
    let FleetFact::OrphansDetected { count, agents, healthy } = &scene.told("orphans_detected")[0] else {
        panic!()
    };
    assert_eq!((*count, agents.as_slice(), *healthy), (1, &["agent-0".to_owned()][..], 9));
    let names: Vec<_> = scene.facts.lock().unwrap().iter().map(FleetFact::name).collect();
    let tail = &names[names.len() - 3..];
    assert_eq!(tail, ["cleanup_started", "orphans_detected", "cleanup_completed"]);
}

#[test]
fn r100_one_that_cannot_be_cleaned_up_stops_nobody_and_is_tried_again() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let living = scene.registered("living", 20);
    let dead = scene.registered("dead", 3);
    open(&scene, &mut a, &living);
    scene.store.refuse("dead-1", true);
    scene.pass(secs(125), &mut [&mut a], &living);
    let done: BTreeSet<_> = scene.completed().into_iter().collect();
    assert_eq!(done, BTreeSet::from(["dead-0".to_owned(), "dead-2".to_owned()]));
    let failed = scene.told("cleanup_failed");
    assert!(failed.len() >= 2, "{failed:?}");
    let waits: Vec<u64> = failed
        .iter()
        .map(|fact| match fact {
            FleetFact::CleanupFailed { message, retry_ms, .. } => {
                assert!(message.contains("OOM command not allowed"), "{message}");
                *retry_ms
            }
            _ => unreachable!(),
        })
        .collect();
    assert!(waits[0] <= 100 && waits.iter().all(|wait| *wait <= 5000), "{waits:?}");
    scene.store.refuse("dead-1", false);
    scene.pass(secs(130), &mut [&mut a], &living);
    assert_eq!(scene.completed().len(), dead.len());
    assert_eq!(scene.members(), 20);
    assert_eq!(scene.told("orphans_detected").len(), 1, "what is taken on again is no new orphan");
}

/// Two of them die in the middle of it; nobody says of a cleanup that it is over but whoever finishes it.
#[test]
fn r101_five_coordinators_and_a_hundred_orphans_each_is_cleaned_up_after_once() {
    let scene = Scene::chunked(2);
    let mut coordinators: Vec<Coordinator> =
        ["a", "b", "c", "d", "e"].iter().map(|id| scene.coordinator(id)).collect();
    let living = scene.registered("living", 300);
    let dead = scene.registered("dead", 100);
    for who in &dead {
        scene.tasks(who, 5);
    }
    let mut all: Vec<&mut Coordinator> = coordinators.iter_mut().collect();
    scene.pass(secs(118), &mut all, &living);
    // Two of those who hold claims die in the middle of it, one after the other: the second has taken on what the first
    // began.
    for _ in 0..2 {
        let mut dying = coordinators.remove(0);
        let steps = Cell::new(0);
        let dies = || steps.replace(steps.get() + 1) >= 30;
        for _ in 0..1000 {
            if steps.get() > 30 {
                break;
            }
            dying.turn(&dies);
            scene.pass(secs(1), &mut [], &living);
        }
        assert!(dying.cleanups() > 50 && steps.get() > 30, "{} {}", dying.cleanups(), steps.get());
    }
    assert!(scene.store.claims(None, 1000).unwrap().entries.len() > 50);
    let mut all: Vec<&mut Coordinator> = coordinators.iter_mut().collect();
    scene.pass(secs(180), &mut all, &living);
    let completed = scene.completed();
    let once: BTreeSet<_> = completed.iter().collect();
    assert_eq!((completed.len(), once.len()), (100, 100));
    assert!(once.iter().all(|id| id.starts_with("dead-")));
    assert_eq!(scene.members(), 300);
    assert!(scene.store.claims(None, 1000).unwrap().entries.is_empty());
    let cleaned: u64 = coordinators.iter().flat_map(|c| c.view().read().done.cleaned.into_values()).sum();
    assert!(cleaned <= 100);
}

#[test]
fn r116_five_minutes_without_the_registry_cost_nobody_but_the_dead() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let living = scene.registered("living", 50);
    let dead = scene.registered("dead", 2);
    let everybody: Vec<_> = living.iter().chain(&dead).cloned().collect();
    open(&scene, &mut a, &everybody);
    scene.store.down(true);
    scene.pass(secs(300), &mut [&mut a], &living);
    assert!(a.view().read().lost_since.is_some());
    assert_eq!(scene.told("registry_lost").len(), 1, "said once");
    let asked = scene.store.calls("sweep");
    scene.store.down(false);
    scene.pass(secs(55), &mut [&mut a], &living);
    assert!(asked < 300, "a registry that is away is asked less and less: {asked}");
    assert!(scene.completed().is_empty(), "everybody first has time to beat");
    assert_eq!((scene.told("registry_back").len(), scene.told("fleet_grace").len()), (1, 2));
    scene.pass(secs(20), &mut [&mut a], &living);
    let done: BTreeSet<_> = scene.completed().into_iter().collect();
    assert_eq!(done, BTreeSet::from(["dead-0".to_owned(), "dead-1".to_owned()]));
    assert_eq!(scene.members(), 50);
    assert_eq!(a.view().read().lost_since, None);
}

/// The claims are in hand when the registry goes away: they are not lost, and nothing is said twice.
#[test]
fn r116_an_outage_between_claim_and_cleanup_forgets_nothing() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let living = scene.registered("living", 20);
    scene.registered("dead", 3);
    open(&scene, &mut a, &living);
    scene.store.silent("reap", true);
    scene.pass(secs(65), &mut [&mut a], &living);
    assert_eq!(scene.told("cleanup_started").len(), 3);
    scene.store.silent("reap", false);
    scene.pass(secs(90), &mut [&mut a], &living);
    assert_eq!(scene.completed().len(), 3);
    assert_eq!(scene.told("cleanup_failed").len(), 0, "nobody failed: the registry was away");
}

#[test]
fn agents_of_a_lost_coordinator_are_adopted_drained_or_stopped() {
    for (policy, directive) in [
        (OnLost::Adopt, None),
        (OnLost::Drain, Some(Directive::Drain)),
        (OnLost::Stop, Some(Directive::Stop)),
    ] {
        let scene = Scene::new();
        let mut a = scene.coordinator_with("a", policy, None);
        let mut b = scene.coordinator("b");
        let other = scene.register("other");
        let theirs = scene.register_by("theirs", &*b.batch(), "host-b", None);
        let agents = [other, theirs];
        scene.pass(secs(65), &mut [&mut a, &mut b], &agents);
        scene.pass(secs(80), &mut [&mut a], &agents);
        let [FleetFact::CoordinatorLost { coordinator, policy: said, agents: count }] =
            &scene.told("coordinator_lost")[..]
        else {
            panic!("{:?}", scene.facts.lock().unwrap())
        };
        assert_eq!((coordinator.as_str(), said.as_str(), *count), ("b", policy.as_str(), 1));
        let theirs = scene.store.agent(&agents[1].id).unwrap().unwrap();
        let other = scene.store.agent(&agents[0].id).unwrap().unwrap();
        assert_eq!((theirs.directive, other.directive), (directive, None));
        let adopted = theirs.coordinator.is_some_and(|by| by.as_str() == "a");
        assert_eq!(adopted, policy == OnLost::Adopt);
    }
}

#[test]
fn one_that_ends_on_purpose_is_not_lost() {
    let scene = Scene::new();
    let (mut a, mut b) = (scene.coordinator("a"), scene.coordinator("b"));
    scene.pass(secs(65), &mut [&mut a, &mut b], &[]);
    b.resign("it was asked to end");
    scene.pass(secs(120), &mut [&mut a], &[]);
    assert!(scene.told("coordinator_lost").is_empty());
    assert_eq!(scene.store.status().unwrap().coordinators.len(), 1);
    assert_eq!(scene.told("coordinator_stopped").len(), 1);
    let refused = b.batch().beat(&[Beat { who: scene.register("late"), report: None }]);
    assert!(refused.unwrap_err().is_outage(), "an agent may go elsewhere");
}

#[test]
fn sweeps_are_a_tick_apart_and_do_not_wait_for_each_other() {
    let scene = Scene::new();
    let mut a = scene.coordinator("a");
    let (before, ticks) = (scene.store.calls("sweep"), 100);
    scene.pass(TIMING.tick * ticks, &mut [&mut a], &[]);
    let sweeps = scene.store.calls("sweep") - before;
    assert!((90..=112).contains(&sweeps), "{sweeps}");
}
