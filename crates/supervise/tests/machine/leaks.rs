//! What leaks, and what was left behind.

use std::time::Duration;

use scupper_model::{EventKind, HowEnded, Policy, RecyclePolicy, RestartPolicy, SignalReason};
use scupper_supervise::unit::{Input, Settings};

use super::world::*;

/// R021, R022: a process of these habits under these settings, and when the machine began to recycle it for its leak.
fn recycled_at(
    settings: Settings,
    mut habits: Habits,
    mut then: impl FnMut(u64, &mut Habits),
) -> Option<u64> {
    habits.leak = 1;
    let mut world = World::new(settings, habits);
    for second in 0..1000 {
        then(second, &mut world.habits);
        world.pass(1000);
        let leak = |e: &EventKind| matches!(e, EventKind::RecycleStarted { reason: SignalReason::Leak, .. });
        if world.events.iter().any(leak) {
            return Some(second);
        }
    }
    None
}

fn on_leak(policy: Policy) -> Settings {
    Settings { recycle: RecyclePolicy::OnLeak, ..settings(RestartPolicy::Never, policy, None, None, false) }
}

/// R021: what leaks waits for a quiet moment, and is replaced in it.
#[test]
fn r021_a_leak_is_recycled_in_a_quiet_moment() {
    let quiet_from = |from: u64| {
        move |second: u64, habits: &mut Habits| {
            habits.known_leak = (second >= 60).then(|| limit_in(9000));
            habits.busy = if second < from { 0.5 } else { 0.01 };
        }
    };
    // The simulated processor time is use times age: a drop of the use stops it for long.
    let at = recycled_at(on_leak(Policy::Kill), habits(), quiet_from(300)).unwrap();
    assert!((300..315).contains(&at), "{at}");
    let idle = recycled_at(on_leak(Policy::Kill), Habits { busy: 0.0, ..habits() }, quiet_from(0)).unwrap();
    assert!((60..70).contains(&idle), "{idle}");
    for policy in [Policy::Observe, Policy::Alert] {
        assert_eq!(recycled_at(on_leak(policy), habits(), quiet_from(300)), None);
    }
    let never = Settings { recycle: RecyclePolicy::Never, ..on_leak(Policy::Kill) };
    assert_eq!(recycled_at(never, habits(), quiet_from(300)), None);
}

/// R022: where no quiet moment comes, it is replaced five minutes before its limit, or after nine tenths of the way.
#[test]
fn r022_a_leak_is_recycled_before_its_limit_however_busy_it_is() {
    let left = |first: u64| {
        move |second: u64, habits: &mut Habits| {
            habits.known_leak = Some(limit_in(first.saturating_sub(second)));
        }
    };
    let at = recycled_at(on_leak(Policy::Kill), habits(), left(700)).unwrap();
    assert!((400..=402).contains(&at), "{at}");
    let slow = Settings { grace: Duration::from_secs(200), ..on_leak(Policy::Kill) };
    let at = recycled_at(slow, habits(), left(700)).unwrap();
    assert!((300..=302).contains(&at), "twice the grace: {at}");
    // 10,000 s at first: a tenth of it is more than five minutes.
    let at = recycled_at(on_leak(Policy::Kill), habits(), |second, habits| {
        habits.known_leak = Some(limit_in(if second < 100 { 10_000 } else { 999 }));
    });
    assert!(at.is_some_and(|at| (100..=102).contains(&at)), "{at:?}");
}

/// A worker is drained alone, and the unit goes on; one at a time.
#[test]
fn workers_that_leak_are_replaced_one_at_a_time() {
    let habits = Habits { workers: 2, leak: 1, known_leak: Some(limit_in(10)), ..habits() };
    let mut world = World::new(on_leak(Policy::Kill), habits);
    world.processes[0].leak = 0;
    for _ in 0..200 {
        world.pass(50);
        let dying = world.processes.iter().filter(|p| p.dies_at.is_some()).count();
        assert!(dying <= 1);
    }
    assert_eq!(world.spawns.len(), 1, "the master stays");
    let roles: Vec<&str> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::RecycleStarted { role, reason: SignalReason::Leak, .. } => Some(role.as_str()),
            _ => None,
        })
        .collect();
    assert!(roles.len() >= 2 && roles.iter().all(|role| *role == "worker"), "{roles:?}");
}

/// A leak whose replacement leaks at once is not replaced without end.
#[test]
fn a_leak_is_recycled_within_the_budget() {
    let habits = Habits { leak: 1, known_leak: Some(limit_in(1)), ..habits() };
    let mut world = World::new(on_leak(Policy::Kill), habits);
    world.pass(300_000);
    assert!((3..20).contains(&world.spawns.len()), "{}", world.spawns.len());
}

/// What ends by itself just after its command was not left behind; what has to be ended was.
#[test]
fn fail_on_leak_turns_success_into_failure_for_what_is_left() {
    let failing =
        |policy| Settings { fail_on_leak: true, ..settings(RestartPolicy::Never, policy, None, None, false) };
    for (dies_after, code) in [(Some(500), 0), (None, 1)] {
        let habits = Habits { helpers: 1, leaves_helpers: true, ignores_term: true, ..habits() };
        let mut world = World::new(failing(Policy::Kill), habits);
        world.pass(500);
        let now = world.now;
        world.processes[1].dies_at = dies_after.map(|after| now + Duration::from_millis(after));
        world.end_main(HowEnded::Exited { code: 0 });
        world.pass(10_000);
        assert_eq!(world.finished, Some(code), "{dies_after:?}");
    }
    // A leak that was found, and a command that failed by itself.
    for (own, code) in [(0, 1), (7, 7)] {
        let mut world = World::new(failing(Policy::Observe), habits());
        world.pass(500);
        world.give(Input::LeakFound);
        world.end_main(HowEnded::Exited { code: own });
        world.pass(3_000);
        assert_eq!(world.finished, Some(code));
    }
}
