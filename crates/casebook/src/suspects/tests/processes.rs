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
    let now = Now { at: None, series: vec![series], processes: vec![process] };
    let ranking = rank(&Known { events: &[], now: Some(&now), only: None });
    let first = ranking.first().unwrap();
    assert_eq!((first.cause, first.processes[0].identity), (Cause::Sockets, who(7)));
    assert!(first.evidence_for.iter().all(|evidence| evidence.id.is_none()) && ranking.seen.live);
    assert!(first.checks[0].command.contains("pid=7,"), "{:?}", first.checks);
}
