//! Limits: what is done about one, and to whom.

use std::time::Duration;

use scupper_model::{Bytes, EventKind, Identity, LimitLevel, Limits, Policy, RestartPolicy, UnitPhase};
use scupper_supervise::unit::{Bounds, Effect, Input, Look, Role, Seen, Settings, Unit};

use super::world::*;

/// Safety rule 8: the hard limit stays armed during a drain.
#[test]
fn safety_8_hard_limit_is_armed_during_a_drain() {
    let settings = settings(RestartPolicy::OnFailure, Policy::Kill, Some(50), Some(60), false);
    let mut world = World::new(settings, Habits { leak: 20, ignores_term: true, ..habits() });
    world.pass(2_100);
    assert_eq!(world.unit.phase(), UnitPhase::Draining);
    world.pass(700);
    assert!(
        world.spawns.len() == 2 || world.unit.phase() != UnitPhase::Draining,
        "not killed past the hard limit"
    );
    assert!(
        world.events.iter().any(|e| matches!(e, EventKind::LimitCrossed { level: LimitLevel::Hard, .. }))
    );
}

/// R042: workers are drained one at a time, with spacing, and the master is never signalled.
#[test]
fn r042_workers_are_drained_one_at_a_time() {
    let settings = settings(RestartPolicy::Never, Policy::Kill, Some(100), None, false);
    let mut world = World::new(settings, Habits { workers: 2, leak: 0, ..habits() });
    for process in world.processes.iter_mut().filter(|p| p.role != Role::Main) {
        process.leak = 20;
    }
    world.pass(15_000);
    let started = world.events.iter().filter(|e| matches!(e, EventKind::RecycleStarted { .. })).count();
    assert!(started >= 2, "{started} workers drained");
    let main = world.main.unwrap();
    assert_eq!(world.processes.iter().find(|p| p.identity == main).unwrap().terms, 0);
    let mut under_way = 0_i32;
    for event in &world.events {
        match event {
            EventKind::RecycleStarted { .. } => under_way += 1,
            EventKind::RecycleCompleted { .. } => under_way -= 1,
            _ => {}
        }
        assert!(under_way <= 1, "two workers drained at once");
    }
}

/// R067: a helper that outlives its time is ended, and killed after the grace.
#[test]
fn r067_a_helper_that_outlives_its_time_is_ended() {
    let settings = settings(RestartPolicy::Never, Policy::Kill, None, None, true);
    let mut world = World::new(settings, Habits { helpers: 1, ignores_term: true, ..habits() });
    world.pass(4_900);
    assert_eq!(world.processes.len(), 2);
    world.pass(500);
    assert_eq!(world.processes.len(), 1, "the helper is still there after lifetime and grace");
    assert!(world.main.is_some());
}

/// A limit below what the unit needs at rest is said, and does not become a restart loop.
#[test]
fn a_soft_limit_below_the_size_at_rest_is_no_restart_loop() {
    let settings = settings(RestartPolicy::Always, Policy::Kill, Some(5), None, false);
    let mut world = World::new(settings, habits());
    world.pass(60_000);
    assert_eq!(world.spawns.len(), 1);
    assert!(world.events.iter().any(|e| matches!(e, EventKind::LimitUnreachable { .. })));
}

/// R045: observe records, and touches nothing.
#[test]
fn r045_observe_touches_nothing() {
    let settings = settings(RestartPolicy::Never, Policy::Observe, Some(50), Some(60), true);
    let mut world = World::new(settings, Habits { leak: 30, helpers: 1, ..habits() });
    world.pass(10_000);
    assert!(world.kills.is_empty());
    assert!(world.processes.iter().all(|p| p.terms == 0));
    assert!(world.events.iter().any(|e| matches!(e, EventKind::LimitCrossed { .. })));
}

/// R045: `recycle` drains past a hard limit, and what is recorded is the limit there is: the hard one.
#[test]
fn r045_recycle_drains_past_a_hard_limit_and_says_so() {
    let settings = settings(RestartPolicy::Never, Policy::Recycle, None, Some(60), false);
    let mut world = World::new(settings, Habits { leak: 30, ..habits() });
    world.pass(2_500);
    let crossed: Vec<_> = world.events.iter().filter_map(limit_crossed).collect();
    assert_eq!(crossed, [(LimitLevel::Hard, "drain: policy")]);
    assert_eq!((world.spawns.len(), world.kills.len()), (2, 0));
}

/// R045: with a policy that acts on nothing, a crossing is told whoever has grown, in its order.
#[test]
fn r045_alert_tells_of_both_limits_once() {
    let settings = settings(RestartPolicy::Never, Policy::Alert, Some(5), Some(60), false);
    let mut world = World::new(settings, Habits { leak: 30, ..habits() });
    world.pass(10_000);
    let crossed: Vec<_> = world.events.iter().filter_map(limit_crossed).collect();
    assert_eq!(crossed, [(LimitLevel::Soft, "none: alert"), (LimitLevel::Hard, "none: alert")]);
    assert!(!world.events.iter().any(|e| matches!(e, EventKind::LimitUnreachable { .. })));
}

/// A process that is still starting, or runs away before its growth can be told, is not "at rest".
#[test]
fn a_young_process_that_grows_is_not_at_rest() {
    let (mut unit, main) = started(settings(RestartPolicy::Never, Policy::Kill, Some(5), None, false));
    let mut look = looked(vec![seen(main, Role::Main, 20)]);
    look.slope = Some(4e7);
    assert_eq!(unit.step(Duration::from_millis(500), Input::Look(&look)), []);
    look.slope = Some(1000.0);
    let effects = unit.step(Duration::from_millis(900), Input::Look(&look));
    assert!(
        matches!(effects.as_slice(), [Effect::Record(EventKind::LimitUnreachable { .. })]),
        "{effects:?}"
    );
}

/// What a kept process holds is nobody else's fault: it is said once, and the others live.
#[test]
fn nobody_is_ended_for_what_a_kept_process_holds() {
    for (soft, hard) in [(Some(50), None), (None, Some(50))] {
        let (mut unit, main) = started(settings(RestartPolicy::Always, Policy::Kill, soft, hard, false));
        let helper = Seen { spared: true, ..seen(identity(8), Role::Helper, 90) };
        let mut look = looked(vec![seen(main, Role::Main, 10), helper]);
        look.processes[0].growth = 8 << 20;
        let effects = unit.step(Duration::from_secs(3), Input::Look(&look));
        assert!(
            matches!(effects.as_slice(), [Effect::Record(EventKind::LimitUnreachable { .. })]),
            "{effects:?}"
        );
        assert_eq!(unit.step(Duration::from_secs(4), Input::Look(&look)), []);
        // The others are looked at for the distance that is left to them: 40 MiB, at 5 a second.
        let next = unit.next_look(&look, Duration::from_secs(100), Duration::from_secs(4)).unwrap();
        assert_eq!(next, Duration::from_secs(2));
        // Above it without the kept one as well: then somebody has to go.
        look.processes[0].rss = Some(Bytes::mib(60));
        look.size = Bytes::mib(150);
        let effects = unit.step(Duration::from_secs(5), Input::Look(&look));
        let signal = |e: &Effect| matches!(e, Effect::Signal { .. } | Effect::SignalTree { .. });
        assert!(effects.iter().any(signal), "{effects:?}");
    }
}

/// A limit of few is said again after the number fell well below it, as a limit of many is.
#[test]
fn a_small_limit_is_said_again_after_it_fell() {
    let mut settings = settings(RestartPolicy::Never, Policy::Alert, None, None, false);
    let limits = Limits { children: (Some(2), None), ..Limits::default() };
    settings.bounds = Bounds::resolve(&limits, None);
    let mut world = World::new(settings, Habits { helpers: 3, ..habits() });
    world.pass(1_000);
    let main = world.main.unwrap();
    world.processes.truncate(2);
    world.pass(6_000);
    for _ in 0..2 {
        world.add(main.pid, Role::Helper, 0);
    }
    world.pass(6_000);
    assert_eq!(world.events.iter().filter_map(limit_crossed).count(), 2);
}

fn started(settings: Settings) -> (Unit, Identity) {
    let mut unit = Unit::new(settings, 42);
    unit.step(Duration::ZERO, Input::Begin);
    unit.step(Duration::ZERO, Input::Started(identity(7)));
    (unit, identity(7))
}

fn looked(processes: Vec<Seen>) -> Look {
    let size = processes.iter().filter_map(|p| p.rss).map(|rss| rss.0).sum();
    Look { processes, size: Bytes(size), ..Look::default() }
}

fn seen(identity: Identity, role: Role, mib: u64) -> Seen {
    Seen {
        age: Duration::from_millis(500),
        rss: Some(Bytes::mib(mib)),
        counts: [Some(3), Some(1), Some(0), Some(0)],
        ..Seen::there(identity, role, &"x".into())
    }
}
