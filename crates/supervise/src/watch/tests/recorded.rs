//! When a closer look is wished for, and which histories are recorded.

use scupper_model::{Grows, History, MOST_POINTS};

use super::*;

fn history(event: &EventKind) -> &History {
    match event {
        EventKind::SeriesRecorded { history } => history,
        other => panic!("{other:?}"),
    }
}

/// What was suspected of a series, stage by stage.
fn stages(suspicions: &[Suspicion], of: Watched, pid: Option<i32>) -> Vec<Stage> {
    let target = pid.map(identity);
    let of_it = suspicions.iter().filter(|it| it.series == of && it.target == target);
    of_it.map(|it| it.stage).collect()
}

/// Whoever rises is looked at before anything is said of it, so that there is something to compare with.
#[test]
fn what_rises_is_suspected_before_a_verdict_is_said() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50);
    unit.looks(40, |_| {});
    assert_eq!(unit.watch.take_suspicions(), [], "at rest nobody is suspected");
    let mut seen = Vec::new();
    for _ in 0..60 {
        unit.grow(7, 2 * MIB);
        unit.look();
        seen.extend(unit.watch.take_suspicions());
    }
    let of_memory = stages(&seen, Watched::Memory, Some(7));
    assert_eq!(of_memory.first(), Some(&Stage::Suspected), "{seen:?}");
    assert!(of_memory.contains(&Stage::Leaking), "{seen:?}");
    assert_eq!(of_memory.iter().filter(|stage| **stage == Stage::Suspected).count(), 1);
    // Both the process and its tree have risen, at one look.
    assert_eq!(stages(&seen, Watched::Memory, None), [Stage::Suspected]);
    assert_eq!(stages(&seen, Watched::Descriptors, None), []);
}

/// Somebody who warms up and rests is looked at again, when it rises again: a leak is not compared with the warm-up.
#[test]
fn a_later_rise_is_suspected_anew_when_the_process_is_twice_as_old() {
    let mut unit = Unit::new(Plan { grow: None, horizon: Horizon::Short, ..ruled() });
    unit.add(7, Role::Main, 50);
    let mut at = Vec::new();
    unit.looks(800, |unit| {
        if unit.looked < 30 || (unit.looked > 300 && unit.looked.is_multiple_of(100)) {
            unit.grow(7, 3 * MIB);
        }
        let found = unit.watch.take_suspicions();
        at.extend(stages(&found, Watched::Memory, Some(7)).iter().map(|stage| (unit.looked, *stage)));
    });
    let suspected: Vec<u32> =
        at.iter().filter(|(_, stage)| *stage == Stage::Suspected).map(|(looked, _)| *looked).collect();
    assert!((2..=5).contains(&suspected.len()), "{at:?}");
    assert!(suspected[0] < 30 && suspected[1] > 30, "{at:?}");
}

#[test]
fn the_tree_is_suspected_when_no_process_is() {
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    unit.add(7, Role::Main, 50);
    let mut next = 100;
    let mut seen = Vec::new();
    unit.looks(200, |unit| {
        if unit.looked.is_multiple_of(4) {
            unit.add(next, Role::Helper, 10);
            next += 1;
        }
        seen.extend(unit.watch.take_suspicions());
    });
    assert!(stages(&seen, Watched::Children, None).contains(&Stage::Growing), "{seen:?}");
    assert_eq!(stages(&seen, Watched::Memory, None).first(), Some(&Stage::Suspected));
}

#[test]
fn what_grows_is_recorded_with_the_memory_of_its_tree_and_once_in_a_while() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50).add(8, Role::Worker { signal: 15 }, 50);
    unit.looks(40, |_| {});
    unit.looks(60, |unit| unit.grow(8, 2 * MIB));
    let now = unit.now;
    let suspicion = Suspicion { target: Some(identity(8)), series: Watched::Memory, stage: Stage::Leaking };
    let recorded = unit.watch.histories_of(&suspicion, now);
    let told: Vec<_> = recorded.iter().map(|event| (history(event).series, history(event).target)).collect();
    assert_eq!(told, [(Watched::Memory, None), (Watched::Memory, Some(identity(8)))]);
    for event in &recorded {
        let History { seconds_before, values, because, .. } = history(event);
        assert_eq!((because.as_str(), seconds_before.len()), ("leaking", values.len()));
        assert!(values.len() > 10 && values.len() <= MOST_POINTS);
        assert!(seconds_before.windows(2).all(|pair| pair[0] > pair[1]), "{seconds_before:?}");
        assert!(seconds_before.last().is_some_and(|last| *last < 1.0));
        assert!(values.last().unwrap() - values.first().unwrap() >= 100 * MIB, "{values:?}");
    }
    assert_eq!(unit.watch.histories_of(&suspicion, now + Duration::from_mins(9)), []);
    assert_eq!(unit.watch.histories_of(&suspicion, now + Duration::from_mins(10)).len(), 2);
    // It ends: what was recorded before is recorded to its end.
    unit.processes.pop();
    unit.look();
    let parting = unit.watch.take_parting();
    assert_eq!(parting.len(), 1);
    assert_eq!(
        (history(&parting[0]).target, history(&parting[0]).because.as_str()),
        (Some(identity(8)), "ended")
    );
    assert_eq!(unit.watch.take_parting(), []);
}

/// What was calm in a short life is worth nothing; a soak is compared with others, so it always is.
#[test]
fn at_the_end_only_what_was_worth_it_is_recorded() {
    let mut calm = Unit::new(ruled());
    calm.add(7, Role::Main, 50);
    calm.looks(40, |unit| unit.grow(7, 4096));
    let now = calm.now;
    assert_eq!(calm.watch.histories_at(None, now, "ended"), []);
    let of_soak = calm.watch.histories_at(None, now, "soak");
    assert!(of_soak.iter().any(|event| history(event).series == Watched::Memory), "{of_soak:?}");
    calm.looks(120, |_| {});
    let now = calm.now;
    let after_a_while = calm.watch.histories_at(None, now, "ended");
    assert_eq!(after_a_while.len(), 1);
    assert_eq!(
        (history(&after_a_while[0]).series, history(&after_a_while[0]).target),
        (Watched::Memory, None)
    );
    let mut leaking = Unit::new(ruled());
    leaking.add(7, Role::Main, 50);
    leaking.looks(60, |unit| unit.grow(7, 2 * MIB));
    let now = leaking.now;
    let recycled = leaking.watch.histories_at(Some(identity(7)), now, "recycled");
    assert_eq!(recycled.len(), 2, "{recycled:?}");
}

/// Along what it grows is told with the history.
#[test]
fn a_history_says_along_what_its_memory_grows() {
    let mut unit = Unit::new(ruled());
    unit.add(7, Role::Main, 50);
    let mut operations = 0;
    unit.looks(400, |unit| {
        let busy = (unit.looked / 40).is_multiple_of(2);
        if busy {
            operations += 50;
            unit.grow(7, 512 << 10);
        }
        unit.watch.set_operations(operations);
    });
    let now = unit.now;
    let recorded = unit.watch.histories_at(Some(identity(7)), now, "recycled");
    let patterns: Vec<_> = recorded.iter().filter_map(|event| history(event).pattern.as_deref()).collect();
    assert_eq!(patterns.len(), 2, "{recorded:?}");
    assert!(patterns.iter().all(|pattern| pattern.grows == Grows::WithLoad), "{patterns:?}");
    assert!(patterns.iter().all(|pattern| pattern.bursts >= 4), "R028: {patterns:?}");
}

/// Nobody has to take what was suspected.
#[test]
fn what_nobody_takes_stays_bounded() {
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    unit.add(7, Role::Main, 50);
    for pid in 100..300 {
        unit.add(pid, Role::Helper, 1);
    }
    unit.looks(100, |unit| unit.processes.iter_mut().for_each(|process| process.2 += MIB));
    unit.processes.truncate(1);
    unit.look();
    assert!(unit.watch.take_suspicions().len() <= 32 && unit.watch.take_parting().len() <= 8);
}
