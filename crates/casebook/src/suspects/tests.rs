//! Rankings of hand-made events: for each class of leak its suspect comes first, and where nothing is known that is said.

use scupper_detect::{PerOperation, Reason, Verdict};
use scupper_model::{
    Bytes, Certificate, Class, Comparison, EVENT_SCHEMA, EndedBy, Event, EventKind, Fatal, Grows, History,
    HowEnded, Identity, Judged, LimitLevel, MemoryChange, MemoryKind, Pattern, Pid, Profile, Resource,
    ResourceChange, ResourceKind, RunId, SoakOutcome, SoakResult, StartTime, Stretch, Timestamp, Watched,
    Work,
};

use super::*;

const MIB: u64 = 1 << 20;

fn who(pid: i32) -> Identity {
    let boot_id = "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap();
    Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(1), boot_id }
}

/// Events of one run, a second apart.
fn run(kinds: Vec<EventKind>) -> Vec<Event> {
    let started = EventKind::UnitStarted {
        main: who(7),
        command: "python3 app.py".into(),
        profile: Profile::Web,
        start: 1,
        cgroup: None,
    };
    let events = std::iter::once(started).chain(kinds).enumerate();
    events
        .map(|(at, kind)| Event {
            schema: EVENT_SCHEMA.into(),
            id: format!("00000000-0000-7000-8000-{at:012}").parse().unwrap(),
            at: Timestamp(1_700_000_000_000 + 1000 * at as u64),
            unit: "web".parse().unwrap(),
            run: RunId("00000000-0000-7000-8000-0000000000ff".parse().unwrap()),
            kind,
        })
        .collect()
}

fn ranked(kinds: Vec<EventKind>) -> Ranking {
    rank(&Known { events: &run(kinds), ..Known::default() })
}

fn judged(series: Watched, verdict: Verdict, per_hour: f64) -> Judged {
    Judged {
        verdict,
        slope_per_hour: (per_hour > 0.0).then_some(per_hour),
        class: Class::of(series, verdict),
        reasons: vec![Reason { tag: "keeps_more".into(), text: "keeps more".into() }],
        ..Judged::default()
    }
}

/// What is thought of a series: of process 7 for memory, of the tree for what is counted in a tree of one.
fn verdict(series: Watched, verdict: Verdict, per_hour: f64) -> EventKind {
    verdict_of((series == Watched::Memory).then(|| who(7)), series, verdict, per_hour)
}

fn verdict_of(target: Option<Identity>, series: Watched, verdict: Verdict, per_hour: f64) -> EventKind {
    EventKind::VerdictChanged {
        series,
        target,
        name: target.map(|_| "python3".into()),
        value: 100,
        previous: Verdict::Unknown,
        judged: Box::new(judged(series, verdict, per_hour)),
    }
}

fn change(kind: ResourceKind, what: &str, before: u64, after: u64) -> ResourceChange {
    ResourceChange { kind, what: what.into(), before, after, bytes_before: None, bytes: None }
}

fn compared(memory: &[(MemoryKind, u64, u64)], resources: Vec<ResourceChange>) -> EventKind {
    compared_in("python3", memory, resources)
}

fn compared_in(name: &str, memory: &[(MemoryKind, u64, u64)], resources: Vec<ResourceChange>) -> EventKind {
    let memory = memory.iter().map(|(kind, before, after)| MemoryChange {
        kind: *kind,
        before: Some(before * MIB),
        after: Some(after * MIB),
    });
    let comparison = Comparison {
        target: who(7),
        name: name.into(),
        role: "main".into(),
        tree: false,
        series: Watched::Memory,
        because: "leaking".into(),
        after_ms: 20_000,
        operations: None,
        memory: memory.collect(),
        resources,
        more_changes: 0,
        unread: Vec::new(),
    };
    EventKind::ResourcesCompared { comparison: Box::new(comparison) }
}

fn history(values: Vec<u64>, pattern: Option<Pattern>) -> EventKind {
    let count = values.len();
    let seconds_before = (0..count).map(|at| scupper_detect::exact((count - 1 - at) as u64)).collect();
    let history = History {
        series: Watched::Memory,
        target: Some(who(7)),
        name: Some("python3".into()),
        seconds_before,
        values: values.into_iter().map(|value| value * MIB).collect(),
        because: "leaking".into(),
        pattern: pattern.map(Box::new),
    };
    EventKind::SeriesRecorded { history: Box::new(history) }
}

fn pattern(grows: Grows) -> Pattern {
    Pattern {
        work: Work::Operations,
        grows,
        idle: Some(Stretch { seconds: 20.0, growth_bytes: 0, work: 0 }),
        busy: Some(Stretch { seconds: 20.0, growth_bytes: 40 << 20, work: 900 }),
        bursts: 0,
        burst_share: None,
        rest_seconds: None,
        since_peak_seconds: 0.0,
        since_peak_work: 0,
        fell_bytes: 0,
    }
}

const HOUR_OF_MIB: f64 = 3600.0 * 1_048_576.0;

fn memory_leaks() -> EventKind {
    verdict(Watched::Memory, Verdict::Leaking, HOUR_OF_MIB)
}

#[track_caller]
fn expect(kinds: Vec<EventKind>, cause: Cause, what: &str) -> Ranking {
    let ranking = ranked(kinds);
    let first = ranking.first().unwrap();
    assert_eq!(first.cause, cause, "{ranking:#?}");
    assert!(first.what.as_deref().unwrap_or_default().contains(what), "{first:#?}");
    for suspect in &ranking.suspects {
        assert_eq!(suspect.class, suspect.cause.class());
        assert!(!suspect.checks.is_empty() && suspect.score <= 99, "{suspect:#?}");
        for evidence in suspect.evidence_for.iter().chain(&suspect.evidence_against) {
            assert!(evidence.id.is_some() && evidence.at.is_some(), "{evidence:?}");
        }
    }
    let scores: Vec<u8> = ranking.suspects.iter().map(|suspect| suspect.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    ranking
}

/// R034, R120: each class of leak that can be told from outside is named first, by what was recorded of it alone.
#[test]
fn r120_each_class_is_ranked_first_by_its_own_evidence() {
    use ResourceKind as Kind;
    let leaks = |series| verdict(series, Verdict::Leaking, 3600.0);
    let of_kind = |kind, what: &str| compared(&[], vec![change(kind, what, 3, 90)]);
    for (kinds, cause, what) in [
        (
            vec![leaks(Watched::CloseWait), leaks(Watched::Sockets), leaks(Watched::Descriptors)],
            Cause::Sockets,
            "",
        ),
        (
            vec![
                leaks(Watched::Descriptors),
                of_kind(Kind::Socket, "tcp CLOSE_WAIT outbound to 127.0.0.1:#"),
            ],
            Cause::Sockets,
            "CLOSE_WAIT",
        ),
        (
            vec![leaks(Watched::Descriptors), of_kind(Kind::DeletedFile, "/tmp/upload-#")],
            Cause::DeletedFiles,
            "/tmp/upload",
        ),
        (vec![leaks(Watched::Descriptors), of_kind(Kind::Pipe, "pipe")], Cause::Pipes, "pipe"),
        (
            vec![leaks(Watched::Descriptors), of_kind(Kind::File, "/var/log/#")],
            Cause::Descriptors,
            "/var/log",
        ),
        (vec![leaks(Watched::Descriptors)], Cause::Descriptors, ""),
        (vec![leaks(Watched::Threads), memory_leaks()], Cause::Threads, ""),
        (
            vec![leaks(Watched::Browsers), verdict_of(None, Watched::Memory, Verdict::Leaking, 1e9)],
            Cause::ChildTree,
            "",
        ),
        (vec![leaks(Watched::Children)], Cause::ChildTree, ""),
        (vec![leaks(Watched::Zombies)], Cause::ChildTree, ""),
        (vec![memory_leaks()], Cause::RetainedHeap, ""),
        (vec![memory_leaks(), compared(&[(MemoryKind::Shared, 1, 90)], vec![])], Cause::SharedMemory, ""),
        (
            vec![
                memory_leaks(),
                compared(&[(MemoryKind::Stack, 1, 90)], vec![change(Kind::Thread, "python3", 1, 80)]),
            ],
            Cause::Threads,
            "",
        ),
    ] {
        expect(kinds, cause, what);
    }
}

#[test]
fn memory_is_told_by_its_place_and_by_what_it_grows_along() {
    let ranking = expect(
        vec![
            memory_leaks(),
            history((0..60).map(|at| 40 + 2 * at).collect(), Some(pattern(Grows::WithLoad))),
            compared(&[(MemoryKind::Heap, 10, 120), (MemoryKind::Anonymous, 30, 31)], vec![]),
        ],
        Cause::RetainedHeap,
        "C heap",
    );
    let first = ranking.first().unwrap();
    assert_eq!((first.grows, first.strength), (Grows::WithLoad, Strength::Strong));
    let said = |part: &str| first.evidence_for.iter().any(|evidence| evidence.text.contains(part));
    assert!(
        said("grows with work") && said("nothing worth a word was given back") && said("native code"),
        "{first:#?}"
    );
    assert!(first.unknown.iter().any(|unknown| unknown.contains("which object or line")), "{first:#?}");
    // What would look the same stands beside it.
    let others: Vec<Cause> = ranking.suspects.iter().skip(1).map(|suspect| suspect.cause).collect();
    assert!(others.contains(&Cause::CachePlateau) && others.contains(&Cause::AllocatorTrapped), "{others:?}");
    let idle = ranked(vec![memory_leaks(), history((0..60).collect(), Some(pattern(Grows::WhileIdle)))]);
    assert_eq!(idle.first().unwrap().grows, Grows::WhileIdle);
    let node = ranked(vec![memory_leaks(), compared_in("node", &[(MemoryKind::Anonymous, 30, 130)], vec![])]);
    assert!(node.first().unwrap().evidence_for.iter().any(|evidence| evidence.text.contains("JavaScript")));
}

/// R028: bursts after rest are named, whether the detector or the recording says so.
#[test]
fn r028_bursts_after_rest_are_named() {
    let mut of_detector = judged(Watched::Memory, Verdict::Leaking, HOUR_OF_MIB);
    of_detector.reasons.push(Reason {
        tag: "bursts_after_idle".into(),
        text: "it grows in bursts after rest: 4 of them".into(),
    });
    let told = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: Some(who(7)),
        name: Some("python3".into()),
        value: 1,
        previous: Verdict::Stable,
        judged: Box::new(of_detector),
    };
    let recorded = Pattern {
        bursts: 4,
        burst_share: Some(0.9),
        rest_seconds: Some(30.0),
        ..pattern(Grows::Undetermined)
    };
    for kinds in [vec![told], vec![memory_leaks(), history((0..60).collect(), Some(recorded))]] {
        let ranking = expect(kinds, Cause::RetainedHeap, "");
        let first = ranking.first().unwrap();
        assert_eq!(first.grows, Grows::WithLoad);
        assert!(
            first.evidence_for.iter().any(|evidence| evidence.text.contains("bursts after rest")),
            "{first:#?}"
        );
    }
}

/// What is counted explains memory as long as each piece can be that large.
#[test]
fn a_count_explains_memory_only_where_its_pieces_can_be_so_large() {
    let threads = |per_hour| verdict(Watched::Threads, Verdict::Leaking, per_hour);
    let ranking = expect(vec![memory_leaks(), threads(36_000.0)], Cause::Threads, "");
    let memory = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap).unwrap();
    assert!(memory.evidence_against.iter().any(|evidence| evidence.text.contains("for each")), "{memory:#?}");
    // A thread in ten minutes does not take 600 MiB with it: memory is a suspect in its own right.
    let ranking = ranked(vec![memory_leaks(), threads(6.0)]);
    let memory = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap).unwrap();
    assert!(memory.evidence_against.is_empty() && memory.score >= 50, "{memory:#?}");
    let threads = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::Threads).unwrap();
    assert!(
        threads.evidence_against.iter().any(|evidence| evidence.text.contains("another cause")),
        "{threads:#?}"
    );
}

/// Browsers bring sockets, descriptors, threads and memory of the tree: they are one cause, not five.
#[test]
fn processes_that_pile_up_explain_what_their_tree_counts() {
    let helper = EventKind::HelperOutlives {
        target: who(20),
        name: "chromium".into(),
        kind: "browser".into(),
        started_by: Some(who(7)),
        processes: 5,
        rss_bytes: Some(Bytes::mib(200)),
        operations_before: None,
        operations_seen: None,
        lines: Vec::new(),
        because: "others like it lived 2 s".into(),
    };
    let of_helper = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: Some(who(20)),
        name: Some("chromium".into()),
        value: 1,
        previous: Verdict::Unknown,
        judged: Box::new(judged(Watched::Memory, Verdict::WarmingUp, 0.0)),
    };
    let leaks = |series| verdict(series, Verdict::Leaking, 3600.0);
    let kinds = vec![
        leaks(Watched::Descriptors),
        leaks(Watched::Sockets),
        leaks(Watched::Threads),
        leaks(Watched::Children),
        of_helper,
        verdict_of(None, Watched::Memory, Verdict::Leaking, 1e12),
        verdict_of(Some(who(7)), Watched::Browsers, Verdict::Leaking, 720.0),
        helper,
    ];
    let ranking = expect(kinds, Cause::ChildTree, "chromium");
    assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < 40), "{ranking:#?}");
}

/// The same where nobody told of a helper by itself: what the tree counts is not the main process's.
#[test]
fn children_that_nobody_named_explain_what_their_tree_counts() {
    let grows = |series, per_hour| verdict_of(None, series, Verdict::Growing, per_hour);
    let kinds = vec![
        grows(Watched::Children, 7200.0),
        grows(Watched::Descriptors, 240_000.0),
        grows(Watched::Threads, 73_000.0),
        grows(Watched::Memory, 6e11),
        compared(&[], vec![change(ResourceKind::Child, "chromium --type=renderer", 1, 6)]),
    ];
    let ranking = expect(kinds, Cause::ChildTree, "chromium");
    assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < 20), "{ranking:#?}");
}

#[test]
fn what_stopped_or_was_given_back_is_no_leak() {
    let warming = judged(Watched::Memory, Verdict::WarmingUp, 0.0);
    let over = |reason: &str, verdict| EventKind::VerdictChanged {
        series: Watched::Memory,
        target: Some(who(7)),
        name: Some("python3".into()),
        value: 1,
        previous: Verdict::Growing,
        judged: Box::new(Judged {
            verdict,
            reasons: vec![Reason { tag: reason.to_owned().into(), text: "as it says".into() }],
            ..warming.clone()
        }),
    };
    let grows = || verdict(Watched::Memory, Verdict::Growing, HOUR_OF_MIB);
    for (kinds, cause) in [
        (vec![over("slowing_down", Verdict::WarmingUp)], Cause::CachePlateau),
        (vec![grows(), over("flat_end", Verdict::WarmingUp)], Cause::CachePlateau),
        (vec![grows(), over("given_back", Verdict::Stable)], Cause::AllocatorTrapped),
        (
            vec![
                verdict(Watched::Memory, Verdict::Stable, 0.0),
                verdict(Watched::Descriptors, Verdict::Stable, 0.0),
            ],
            Cause::NotALeak,
        ),
        (
            vec![
                verdict(Watched::Memory, Verdict::Growing, HOUR_OF_MIB),
                compared(&[(MemoryKind::File, 1, 90)], vec![]),
            ],
            Cause::NotALeak,
        ),
    ] {
        let ranking = expect(kinds, cause, "");
        assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < 40), "{ranking:#?}");
    }
    // It grew, was flat at its end and used again while work went on: a cache at its bound.
    let curve = (0..40).map(|at| 40 + at.min(20)).collect();
    let flat = Pattern { since_peak_seconds: 20.0, since_peak_work: 400, ..pattern(Grows::WithLoad) };
    expect(vec![grows(), history(curve, Some(flat))], Cause::CachePlateau, "");
    // It grew, and half of it was given back at rest.
    let curve = (0..30).map(|at| 40 + 2 * at).chain([98, 60, 60, 60, 60, 61, 60, 60]).collect();
    let given_back = Pattern {
        fell_bytes: 40 << 20,
        since_peak_seconds: 20.0,
        since_peak_work: 0,
        ..pattern(Grows::WithLoad)
    };
    let ranking = ranked(vec![grows(), history(curve, Some(given_back))]);
    let trapped = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::AllocatorTrapped).unwrap();
    assert!(trapped.evidence_for.iter().any(|evidence| evidence.text.contains("fell by")), "{ranking:#?}");
}

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
    assert_eq!(bare.first().unwrap().strength, Strength::Weak);
    assert!(bare.unknown.iter().any(|unknown| unknown.contains("was not recorded")), "{:?}", bare.unknown);
    let lost = ranked(vec![EventKind::EvidenceGap { lost: 3, message: String::new() }]);
    assert!(lost.unknown[0].contains("3 events were lost"), "{:?}", lost.unknown);
}

#[test]
fn a_limit_or_a_death_without_a_verdict_is_a_weak_suspicion() {
    let crossed = |resource| EventKind::LimitCrossed {
        resource,
        level: LimitLevel::Hard,
        value: 600 * MIB,
        limit: 500 * MIB,
        culprit: Some(who(7)),
        culprit_name: Some("python3".into()),
        culprit_value: None,
        growth_per_second: None,
        action: "kill".into(),
    };
    for (resource, cause) in [
        (Resource::Memory, Cause::RetainedHeap),
        (Resource::Descriptors, Cause::Descriptors),
        (Resource::Threads, Cause::Threads),
        (Resource::Children, Cause::ChildTree),
        (Resource::Sockets, Cause::Sockets),
    ] {
        let ranking = expect(vec![crossed(resource)], cause, "");
        let first = ranking.first().unwrap();
        assert_eq!(first.strength, Strength::Weak);
        assert!(first.unknown.iter().any(|unknown| unknown.contains("without end")), "{first:#?}");
    }
    let certificate = Certificate {
        identity: who(7),
        name: "node".into(),
        role: "main".into(),
        how: HowEnded::Signaled { signal: 9, core_dumped: false },
        by: EndedBy::OomKiller { cgroup: "/x".into(), count_before: 0, count_after: 1 },
        lived: std::time::Duration::from_secs(9),
        last_rss_bytes: None,
        peak_rss_bytes: None,
        growth_bytes: None,
        heap_limit_bytes: None,
        fatal: None,
        last_lines: Vec::new(),
    };
    expect(vec![EventKind::UnitExited { certificate: Box::new(certificate) }], Cause::RetainedHeap, "");
    let fatal = Fatal {
        runtime: "v8".into(),
        message: "heap out of memory".into(),
        freed_mib: vec![0.1, 0.2],
        ..Fatal::default()
    };
    let ranking = expect(
        vec![memory_leaks(), EventKind::FatalMessage { fatal: Box::new(fatal) }],
        Cause::RetainedHeap,
        "v8",
    );
    assert!(ranking.first().unwrap().score > 70, "{ranking:#?}");
}

#[test]
fn a_soak_that_passed_speaks_against_and_one_that_failed_for() {
    let soak = |outcome| EventKind::SoakFinished {
        soak: Box::new(SoakResult {
            outcome,
            passed: outcome == SoakOutcome::Passed,
            lasted_ms: 60_000,
            operations: Some(2000),
            required_operations: None,
            base_bytes: None,
            max_bytes: None,
            growth_bytes: Some(80 << 20),
            max_growth_bytes: Some(Bytes::mib(20)),
            bytes_per_operation: Some(1000.0),
            bytes_per_operation_interval: None,
            slope_bytes_per_hour: None,
            slope_interval: None,
            verdict: Verdict::Unknown,
            left_behind: 0,
            reasons: Vec::new(),
        }),
    };
    let score =
        |kinds| ranked(kinds).suspects.iter().find(|s| s.cause == Cause::RetainedHeap).map_or(0, |s| s.score);
    let alone = score(vec![memory_leaks()]);
    assert!(score(vec![memory_leaks(), soak(SoakOutcome::Failed)]) > alone);
    assert!(score(vec![memory_leaks(), soak(SoakOutcome::Passed)]) < alone);
    assert_eq!(score(vec![memory_leaks(), soak(SoakOutcome::CouldNotLook)]), alone);
    expect(vec![soak(SoakOutcome::Passed)], Cause::NotALeak, "");
    expect(vec![soak(SoakOutcome::Failed)], Cause::RetainedHeap, "");
}

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
