//! R029, R071, R120: helpers and connections that pile up, and what kind of leak it is.

use scupper_model::{Class, Judged};

use super::*;

const SERVER: Option<Kind> = Some(Kind::Stdio);

/// The newest status of a series.
fn series(unit: &mut Unit, of: Watched, pid: Option<i32>) -> Option<crate::control::SeriesStatus> {
    let target = pid.map(identity);
    unit.watch.all(unit.now).into_iter().find(|status| status.series == of && status.target == target)
}

fn class(unit: &mut Unit) -> Class {
    unit.watch.standing(unit.now).class.unwrap()
}

/// A server with so many helpers at first, and one more at every so manieth look.
fn with_helpers(first: i32, every: Option<u32>) -> Unit {
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    (unit.kind, unit.parent) = (SERVER, 7);
    unit.add(7, Role::Main, 50);
    for pid in 0..first {
        unit.add(100 + pid, Role::Helper, 10);
    }
    let mut next = 200;
    unit.looks(400, |unit| {
        unit.watch.set_operations(u64::from(unit.looked));
        if every.is_some_and(|every| unit.looked.is_multiple_of(every)) {
            unit.add(next, Role::Helper, 10);
            next += 1;
        }
    });
    unit
}

/// R029: a helper that every request starts anew is a leak of the worker, with its rate per request; one that is started
/// once is none.
#[test]
fn r029_a_leak_per_request_is_told_from_a_persistent_singleton() {
    let mut leaking = with_helpers(1, Some(5));
    let status = series(&mut leaking, Watched::StdioChildren, Some(7)).unwrap();
    assert_eq!(
        (status.judged.verdict, status.judged.class),
        (Verdict::Leaking, Class::ChildTree),
        "{status:?}"
    );
    let rate = status.judged.per_operation.unwrap();
    assert!((rate.slope - 0.2).abs() < 0.02 && rate.low <= 0.2 && rate.high >= 0.2, "{rate:?}");
    assert!(
        leaking.told(Watched::StdioChildren, Some(7)).contains(&Verdict::Leaking),
        "{:?}",
        leaking.events
    );
    assert_eq!((leaking.standing(), class(&mut leaking)), (Verdict::Leaking, Class::ChildTree));
    let outlives = |event: &&EventKind| matches!(event, EventKind::HelperOutlives { .. });
    assert_eq!(leaking.events.iter().filter(outlives).count(), 20, "each once, and no more than twenty");

    let mut healthy = with_helpers(1, None);
    let status = series(&mut healthy, Watched::StdioChildren, Some(7)).unwrap();
    assert_eq!((status.value, status.judged.verdict), (1, Verdict::Stable));
    assert_eq!((healthy.standing(), class(&mut healthy)), (Verdict::Stable, Class::NotALeak));
    let (helpers, counts) = healthy.watch.helpers(&healthy.look);
    assert_eq!((helpers[0].outlives.outlives, counts[0].outliving), (Some(false), 0), "{helpers:?}");
    assert_eq!(healthy.events.iter().filter(outlives).count(), 0);
}

/// R029: a pool that fills up and stays is none either.
#[test]
fn r029_a_pool_of_helpers_that_is_full_is_no_leak() {
    let mut unit = Unit::new(Plan { grow: None, ..ruled() });
    (unit.kind, unit.parent) = (SERVER, 7);
    unit.add(7, Role::Main, 50);
    for pid in 100..110 {
        unit.looks(4, |_| {});
        unit.add(pid, Role::Helper, 10);
    }
    unit.looks(360, |_| {});
    let status = series(&mut unit, Watched::StdioChildren, Some(7)).unwrap();
    assert!(status.value == 10 && status.judged.verdict < Verdict::Growing, "{status:?}");
    let (helpers, _) = unit.watch.helpers(&unit.look);
    assert!(helpers.iter().all(|helper| helper.outlives.outlives != Some(true)), "{helpers:?}");
}

/// A process whose descriptors and connections somebody moves.
fn with_connections(mut meanwhile: impl FnMut(&mut Unit)) -> Unit {
    let mut unit = Unit::new(Plan { grow: None, descriptors: Some(1024), ..ruled() });
    unit.add(7, Role::Main, 50);
    unit.connections = Some(Connections { descriptor_limit: Some(4096), ..Connections::default() });
    unit.looks(400, |unit| meanwhile(unit));
    unit
}

/// R071: connections that the other side closed pile up, and the descriptors run out in so many hours.
#[test]
fn r071_connections_that_nobody_closes_are_a_leak_of_sockets_with_the_time_that_is_left() {
    let mut unit = with_connections(|unit| {
        let connections = unit.connections.as_mut().unwrap();
        (connections.sockets, connections.close_wait) = (connections.sockets + 1, connections.close_wait + 1);
        connections.connected += 1;
        unit.descriptors += 1;
    });
    for of in [Watched::CloseWait, Watched::Descriptors, Watched::Sockets] {
        let status = series(&mut unit, of, None).unwrap();
        let Judged { verdict, class, time_to_limit_seconds, slope_per_hour, .. } = status.judged;
        assert_eq!((verdict, class), (Verdict::Leaking, Class::Sockets), "{of}");
        // 2 a second: 403 of 4,096 are open.
        let left = time_to_limit_seconds.unwrap();
        assert!((1750..1950).contains(&left), "{of}: {left}");
        assert!((slope_per_hour.unwrap() - 7200.0).abs() < 100.0);
    }
    assert_eq!(class(&mut unit), Class::Sockets);
    assert!(unit.told(Watched::CloseWait, None).contains(&Verdict::Leaking));
}

/// R071: a pool whose connections the server closes now and then, and which opens them anew, is none.
#[test]
fn r071_a_pool_that_closes_what_was_closed_is_no_leak() {
    let mut unit = with_connections(|unit| {
        let connections = unit.connections.as_mut().unwrap();
        (connections.sockets, connections.connected) = (10, 10);
        connections.close_wait = u64::from(unit.looked % 7);
        unit.descriptors = 13;
    });
    let status = series(&mut unit, Watched::CloseWait, None).unwrap();
    assert!(status.judged.verdict < Verdict::Growing, "{status:?}");
    assert_eq!(class(&mut unit), Class::NotALeak);
}

/// R120: files that pile up are no sockets, and what was not counted is unknown.
#[test]
fn r120_descriptors_are_told_from_sockets_where_these_were_counted() {
    let mut files = with_connections(|unit| unit.descriptors += 1);
    assert_eq!((files.standing(), class(&mut files)), (Verdict::Leaking, Class::Descriptors));
    let mut unread = with_connections(|unit| {
        unit.descriptors += 1;
        unit.connections = None;
    });
    assert_eq!((unread.standing(), class(&mut unread)), (Verdict::Leaking, Class::Unknown));
}

/// R120: memory of the tree that its helpers bring is theirs; memory of a process has no class that can be seen from outside.
#[test]
fn r120_memory_is_of_the_child_tree_where_that_grows_and_unknown_elsewhere() {
    let mut tree = with_helpers(1, Some(5));
    let status = series(&mut tree, Watched::Memory, None).unwrap();
    assert!(status.judged.verdict >= Verdict::Growing, "{status:?}");
    assert_eq!(status.judged.class, Class::ChildTree);
    let mut memory = Unit::new(Plan { grow: None, ..ruled() });
    memory.add(7, Role::Main, 50).looks(400, |unit| unit.grow(7, MIB));
    assert_eq!((memory.standing(), class(&mut memory)), (Verdict::Leaking, Class::Unknown));
}
