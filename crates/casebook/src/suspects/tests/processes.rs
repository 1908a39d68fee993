//! Of several processes, starts and runs, facts are never mixed.

use super::*;

/// Two workers that leak alike are one suspect; what each of them grew by is added up.
#[test]
fn workers_of_one_name_are_one_suspect() {
    let of = |pid| {
        let mut of = judged(Watched::StdioChildren, Verdict::Leaking, 1800.0);
        of.per_operation = Some(PerOperation { slope: 0.5, low: 0.4, high: 0.6, operations: 200 });
        EventKind::VerdictChanged {
            series: Watched::StdioChildren,
            target: Some(who(pid)),
            name: Some("gunicorn".into()),
            value: 40,
            previous: Verdict::Unknown,
            judged: Box::new(of),
        }
    };
    let ranking = expect(vec![of(8), of(9)], Cause::ChildTree, "");
    let first = ranking.first().unwrap();
    assert_eq!(first.processes.len(), 2, "{first:#?}");
    assert_eq!((first.per_hour, first.per_operation), (Some(3600.0), Some(1.0)));
}

#[test]
fn only_the_process_that_is_asked_for_is_told_of() {
    let of = |pid, series| verdict_of(Some(who(pid)), series, Verdict::Leaking, 3600.0);
    let events = run(vec![of(8, Watched::Threads), of(9, Watched::Sockets)]);
    let ranking = rank(&Known { events: &events, now: None, only: Some(who(9)) });
    assert_eq!(ranking.first().unwrap().cause, Cause::Sockets);
    assert!(ranking.suspects.iter().all(|suspect| suspect.cause != Cause::Threads));
    // A pid that was another process before is not it.
    let other = Identity { start_time: StartTime(2), ..who(9) };
    let ranking = rank(&Known { events: &events, now: None, only: Some(other) });
    assert_eq!(ranking.first().unwrap().cause, Cause::Unknown);
}

#[test]
fn a_running_unit_says_as_much_as_its_events() {
    let series = SeriesNow {
        series: Watched::CloseWait,
        target: None,
        name: None,
        value: 80,
        judged: judged(Watched::CloseWait, Verdict::Leaking, 3600.0),
    };
    let process = ProcessNow { identity: who(7), name: "python3".into(), role: "main".into() };
    let now = Now { series: vec![series], processes: vec![process], ..Now::default() };
    let ranking = rank(&Known { events: &[], now: Some(&now), only: None });
    let first = ranking.first().unwrap();
    assert_eq!((first.cause, first.processes[0].identity), (Cause::Sockets, who(7)));
    assert!(first.evidence_for.iter().all(|evidence| evidence.id.is_none()) && ranking.seen.live);
    assert!(first.checks[0].command.contains("pid=7,"), "{:?}", first.checks);
}

/// What is counted of a tree begins anew with each start of its unit: a restart is no fall and no plateau.
#[test]
fn a_restart_is_no_plateau() {
    for series in [Watched::Descriptors, Watched::Memory] {
        let (cause, rate) = match series {
            Watched::Memory => (Cause::RetainedHeap, HOUR_OF_MIB),
            _ => (Cause::Descriptors, 3600.0),
        };
        let life = |verdict, rate| verdict_of(None, series, verdict, rate);
        let again = vec![life(Verdict::Leaking, rate), started(born(8, 500)), life(Verdict::WarmingUp, 0.0)];
        let other = vec![started(born(8, 500)), life(Verdict::Stable, 0.0)];
        for events in [run(again), runs(vec![vec![started(who(7)), life(Verdict::Leaking, rate)], other])] {
            let ranking = rank(&Known { events: &events, ..Known::default() });
            let first = ranking.first().unwrap();
            assert_eq!((first.cause, first.per_hour), (cause, Some(rate)), "{ranking:#?}");
            let against = &first.evidence_against;
            assert!(against.iter().all(|one| !one.text.contains("since")), "{first:#?}");
            // That it did not do so after the restart is said.
            assert!(against.iter().any(|one| one.text.contains("started again")), "{first:#?}");
        }
    }
}

/// Processes that lived one after the other do not leak twice as fast together; those beside each other do.
#[test]
fn rates_of_processes_that_followed_each_other_are_not_added() {
    let leaks = |who: Identity| verdict_of(Some(who), Watched::Memory, Verdict::Leaking, HOUR_OF_MIB);
    let (one, two) = (born(8, 10), born(9, 12));
    let beside = ranked(vec![leaks(one), leaks(two)]);
    assert_eq!(beside.first().unwrap().per_hour, Some(2.0 * HOUR_OF_MIB));
    let restarted = ranked(vec![leaks(who(7)), started(born(9, 400)), leaks(born(9, 400))]);
    let first = restarted.first().unwrap();
    assert_eq!((first.per_hour, first.processes.len()), (Some(HOUR_OF_MIB), 2), "{first:#?}");
    let recycled = EventKind::RecycleStarted {
        target: one,
        name: "python3".into(),
        role: "worker".into(),
        reason: scupper_model::SignalReason::Leak,
        rss_bytes: None,
    };
    let after = born(9, 320);
    let replaced = ranked(vec![leaks(one), recycled, leaks(after)]);
    assert_eq!(replaced.first().unwrap().per_hour, Some(HOUR_OF_MIB), "{replaced:#?}");
    // Of a process that is gone no limit is ahead.
    let mut of = judged(Watched::Memory, Verdict::Leaking, HOUR_OF_MIB);
    of.time_to_limit_seconds = Some(60);
    let told = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: Some(who(7)),
        name: None,
        value: 1,
        previous: Verdict::Growing,
        judged: Box::new(of),
    };
    assert_eq!(ranked(vec![told.clone()]).first().unwrap().time_to_limit_seconds, Some(60));
    let gone = ranked(vec![told, started(born(9, 400))]);
    assert_eq!(gone.first().unwrap().time_to_limit_seconds, None, "{gone:#?}");
}

/// What its unit says as a whole is said of one process only where that is all there is of it.
#[test]
fn of_one_process_only_its_own_facts_count() {
    let of = |pid, series| verdict_of(Some(who(pid)), series, Verdict::Stable, 0.0);
    let tree = || verdict_of(None, Watched::Descriptors, Verdict::Leaking, 3600.0);
    let fatal = |pid| EventKind::FatalMessage {
        fatal: Box::new(Fatal {
            runtime: "v8".into(),
            message: "heap out of memory".into(),
            freed_mib: vec![0.1, 0.2],
            pid,
            ..Fatal::default()
        }),
    };
    let soak = || soak(SoakOutcome::Failed);
    let only = |kinds, pid| {
        let events = run(kinds);
        rank(&Known { events: &events, now: None, only: Some(who(pid)) })
    };
    // A worker, and the main process of several: neither is accused of what the tree did.
    let several = || vec![of(8, Watched::Memory), tree(), fatal(None), soak(), of(7, Watched::Memory)];
    for pid in [8, 7] {
        let ranking = only(several(), pid);
        assert_eq!(ranking.first().unwrap().cause, Cause::NotALeak, "{ranking:#?}");
        assert!(ranking.unknown.iter().any(|said| said.contains("whole unit")), "{:?}", ranking.unknown);
    }
    // It is the whole tree, or it is named.
    assert_eq!(only(vec![tree()], 7).first().unwrap().cause, Cause::Descriptors);
    assert_eq!(only(vec![soak()], 7).first().unwrap().cause, Cause::RetainedHeap);
    let named = only(vec![of(8, Watched::Memory), fatal(Some(8))], 8);
    assert_eq!(named.first().unwrap().cause, Cause::RetainedHeap, "{named:#?}");
    // The same of what a running unit says.
    let series = SeriesNow {
        series: Watched::Descriptors,
        target: None,
        name: None,
        value: 80,
        judged: judged(Watched::Descriptors, Verdict::Leaking, 3600.0),
    };
    let process = |pid, role: &str| ProcessNow { identity: who(pid), name: "x".into(), role: role.into() };
    let processes = vec![process(7, "main"), process(8, "worker")];
    let now = Now { series: vec![series], processes, ..Now::default() };
    let ranking = rank(&Known { events: &[], now: Some(&now), only: Some(who(7)) });
    assert_eq!(ranking.first().unwrap().cause, Cause::Unknown, "{ranking:#?}");
}
