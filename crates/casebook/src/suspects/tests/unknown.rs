//! What is not known is said, and what makes no sense breaks nothing.

use super::*;

#[test]
fn what_is_not_known_is_said() {
    let first =
        |ranking: &Ranking| ranking.first().map(|suspect| (suspect.cause, suspect.unknown.clone())).unwrap();
    let (cause, unknown) = first(&rank(&Known::default()));
    assert_eq!(cause, Cause::Unknown);
    assert!(unknown[0].contains("no verdict"), "{unknown:?}");
    let young = ranked(vec![verdict(Watched::Memory, Verdict::Unknown, 0.0)]);
    let (cause, unknown) = first(&young);
    assert_eq!((cause, young.first().unwrap().class), (Cause::Unknown, RowClass::Unknown));
    assert!(unknown[0].contains("too little"), "{unknown:?}");
    // Memory alone names neither its place nor what it grows along.
    let bare = ranked(vec![verdict(Watched::Memory, Verdict::Growing, HOUR_OF_MIB)]);
    assert_eq!(bare.first().unwrap().strength, Some(Strength::Weak));
    assert!(bare.unknown.iter().any(|unknown| unknown.contains("was not recorded")), "{:?}", bare.unknown);
    let lost = ranked(vec![EventKind::EvidenceGap { lost: 3, message: String::new() }]);
    assert!(lost.unknown[0].contains("3 events were lost"), "{:?}", lost.unknown);
}

/// What comes from a process is data: it turns no terminal, and no command that is shown runs it.
#[test]
fn names_and_commands_of_strangers_are_data() {
    let mut events = run(vec![compared_in(
        "ev\u{1b}[31mil\nname",
        &[],
        vec![change(ResourceKind::Pipe, "pi\u{202e}pe\u{7}", 1, 90)],
    )]);
    let EventKind::UnitStarted { command, .. } = &mut events[0].kind else { panic!() };
    *command = "sh -c 'rm -rf /; $(x)'".into();
    let ranking = rank(&Known { events: &events, ..Known::default() });
    let first = ranking.first().unwrap();
    assert_eq!(first.cause, Cause::Pipes);
    let text = serde_json::to_string(&ranking.suspects).unwrap();
    assert!(!text.contains("\\u001b") && !text.contains('\u{202e}') && !text.contains("rm -rf"), "{text}");
    assert!(first.checks.iter().any(|check| check.command.ends_with("-- COMMAND")), "{:?}", first.checks);
}

#[test]
fn numbers_that_make_no_sense_break_nothing() {
    let mut of = judged(Watched::Memory, Verdict::Leaking, f64::NAN);
    of.slope_per_hour = Some(f64::NAN);
    let broken = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: None,
        name: None,
        value: u64::MAX,
        previous: Verdict::Leaking,
        judged: Box::new(of),
    };
    let history = EventKind::SeriesRecorded {
        history: Box::new(History {
            series: Watched::Memory,
            target: None,
            name: None,
            seconds_before: vec![f64::INFINITY, -1.0, f64::NAN],
            values: vec![u64::MAX],
            because: String::new(),
            pattern: None,
        }),
    };
    let comparison = compared(
        &[(MemoryKind::Heap, 0, 1 << 40)],
        vec![
            change(ResourceKind::Socket, "", u64::MAX, u64::MAX),
            change(ResourceKind::Socket, "", 0, u64::MAX),
        ],
    );
    let ranking = ranked(vec![broken, history, comparison]);
    assert!(!ranking.suspects.is_empty());
    // The same events give the same ranking.
    let again = ranked(vec![memory_leaks()]);
    assert_eq!(again, ranked(vec![memory_leaks()]));
}

/// That the cause is not known is no suspicion: it has no score, no strength and no unit, and stands behind whoever is suspected
/// a little.
#[test]
fn unknown_has_no_score_and_stands_last() {
    let nothing = rank(&Known::default());
    let json = serde_json::to_value(&nothing).unwrap();
    for none in ["score", "strength", "unit"] {
        assert!(json["suspects"][0][none].is_null(), "{none}: {json:#}");
    }
    assert_eq!((nothing.suspects.len(), nothing.named()), (1, None));
    // It grew once, and is flat since: nobody is named.
    let grew = || verdict(Watched::Threads, Verdict::Growing, 3600.0);
    let ranking = ranked(vec![grew(), verdict(Watched::Threads, Verdict::Stable, 0.0)]);
    let causes: Vec<Cause> = ranking.suspects.iter().map(|suspect| suspect.cause).collect();
    assert_eq!(causes, [Cause::Threads, Cause::Unknown], "{ranking:#?}");
    assert_eq!((ranking.named(), ranking.suspects[1].score), (None, None));
    assert!(ranking.unknown[0].contains("too little speaks for any of these"), "{:?}", ranking.unknown);
    assert_eq!(ranked(vec![grew()]).named().unwrap().cause, Cause::Threads);
}

/// Memory of helpers that was not read is not 0.
#[test]
fn memory_of_helpers_that_was_not_read_is_said() {
    let helper = |pid, rss_bytes| EventKind::HelperOutlives {
        target: who(pid),
        name: "chromium".into(),
        kind: "browser".into(),
        started_by: Some(who(7)),
        processes: 5,
        rss_bytes,
        operations_before: None,
        operations_seen: None,
        lines: Vec::new(),
        because: "others like it lived 2 s".into(),
    };
    let some = Some(Bytes::mib(200));
    for (helpers, said) in [
        (vec![helper(20, None), helper(21, None)], "`chromium`; their memory was not read: others"),
        (vec![helper(20, some), helper(21, None)], "200.0 MiB in 1 of them; the memory of 1 was not read"),
        (vec![helper(20, some), helper(21, some)], "400.0 MiB together"),
    ] {
        let ranking = expect(helpers, Cause::ChildTree, "chromium");
        let text = &ranking.first().unwrap().evidence_for[0].text;
        assert!(text.contains(said), "{text}");
    }
}

/// That something is flat says nothing of memory that nobody could judge.
#[test]
fn memory_without_a_verdict_is_not_called_calm() {
    let flat = || verdict(Watched::Threads, Verdict::Stable, 0.0);
    let young = ranked(vec![flat(), verdict(Watched::Memory, Verdict::Unknown, 0.0)]);
    assert_eq!(young.named(), None, "{young:#?}");
    assert!(young.first().unwrap().unknown[0].contains("memory"), "{young:#?}");
    let without = ranked(vec![flat()]);
    let first = without.first().unwrap();
    assert_eq!(first.cause, Cause::NotALeak);
    assert!(first.unknown.iter().any(|said| said.contains("no verdict on memory")), "{first:#?}");
    // A soak has measured it.
    let soaked = ranked(vec![verdict(Watched::Memory, Verdict::Unknown, 0.0), soak(SoakOutcome::Passed)]);
    assert_eq!(soaked.first().unwrap().cause, Cause::NotALeak, "{soaked:#?}");
    let sockets = ranked(vec![
        verdict(Watched::Memory, Verdict::Stable, 0.0),
        verdict(Watched::Sockets, Verdict::Unknown, 0.0),
    ]);
    let first = sockets.first().unwrap();
    assert!(first.unknown.iter().any(|said| said.contains("sockets")), "{first:#?}");
}

/// What was cut from a record, and what is said more than once.
#[test]
fn what_was_cut_is_said_and_nothing_twice() {
    let mut cut = compared(&[], vec![change(ResourceKind::Pipe, "pipe", 1, 90)]);
    let EventKind::ResourcesCompared { comparison } = &mut cut else { panic!() };
    comparison.more_changes = 7;
    let ranking = ranked(vec![verdict(Watched::Descriptors, Verdict::Leaking, 3600.0), cut]);
    assert!(ranking.unknown.iter().any(|said| said.contains("7 smaller changes")), "{:?}", ranking.unknown);
    let of = |pid| verdict_of(Some(who(pid)), Watched::Memory, Verdict::Leaking, HOUR_OF_MIB);
    let workers = ranked(vec![of(8), of(9), of(10)]);
    let mut unknown = workers.first().unwrap().unknown.clone();
    let told = unknown.len();
    unknown.sort();
    unknown.dedup();
    assert_eq!(unknown.len(), told, "{unknown:?}");
}

/// As many events as are ever looked at, each of another process and start: they are ranked, and what was left out is said.
#[test]
fn a_file_full_of_strangers_is_ranked() {
    let of = |pid: i32| {
        let who = born(pid, pid.unsigned_abs().into());
        let verdict = verdict_of(Some(who), Watched::Memory, Verdict::Leaking, HOUR_OF_MIB);
        [started(who), verdict, verdict_of(None, Watched::Threads, Verdict::Growing, 1.0)]
    };
    let ranking = ranked((1..6000).flat_map(of).collect());
    assert_eq!(ranking.first().unwrap().cause, Cause::RetainedHeap);
    assert_eq!(ranking.first().unwrap().per_hour, Some(HOUR_OF_MIB), "one after the other");
    assert!(
        ranking.unknown.iter().any(|said| said.contains("older series were left out")),
        "{:?}",
        ranking.unknown
    );
}

/// Numbers that no machine has are ranked like any others, and end nothing.
#[test]
fn absurd_numbers_break_nothing() {
    let pieces = |at: u64| {
        [ResourceKind::Socket, ResourceKind::Pipe, ResourceKind::Thread].map(|kind| change(kind, "x", 1, at))
    };
    let events = run(vec![
        memory_leaks(),
        verdict(Watched::Descriptors, Verdict::Leaking, 3600.0),
        verdict(Watched::Children, Verdict::Growing, 3600.0),
        compared(&[(MemoryKind::Heap, 10, 120), (MemoryKind::Swap, 3, 9)], pieces(90).into()),
        compared(&[], pieces(90).into()),
        history(vec![1, 2, 3, 5, 8], Some(pattern(Grows::WithLoad))),
        EventKind::EvidenceGap { lost: 3, message: String::new() },
        EventKind::EvidenceGap { lost: 3, message: String::new() },
    ]);
    for events in crate::extremes::of(&events) {
        for only in [None, Some(who(7))] {
            let ranking = rank(&Known { events: &events, only, ..Known::default() });
            assert!(ranking.suspects.iter().all(|suspect| suspect.score <= Some(99)), "{ranking:#?}");
        }
    }
}
