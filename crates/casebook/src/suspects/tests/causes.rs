//! What is counted: each class of leak by its own evidence, and what explains what.

use super::*;

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
    assert!(memory.evidence_against.is_empty() && memory.score >= Some(50), "{memory:#?}");
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
    assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < Some(40)), "{ranking:#?}");
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
    assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < Some(20)), "{ranking:#?}");
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
        assert_eq!(first.strength, Some(Strength::Weak));
        assert!(first.unknown.iter().any(|unknown| unknown.contains("without end")), "{first:#?}");
    }
    let killed = HowEnded::Signaled { signal: 9, core_dumped: false };
    let oom = EndedBy::OomKiller { cgroup: "/x".into(), count_before: 0, count_after: 1 };
    expect(vec![exited(certificate("node", killed, oom))], Cause::RetainedHeap, "");
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
    assert!(ranking.first().unwrap().score > Some(70), "{ranking:#?}");
}

/// A limit that one process crossed speaks of that one, not of another that piles up the same.
#[test]
fn a_limit_speaks_of_who_crossed_it() {
    let leaks = verdict_of(Some(who(7)), Watched::Threads, Verdict::Leaking, 3600.0);
    let crossed = EventKind::LimitCrossed {
        resource: Resource::Threads,
        level: LimitLevel::Hard,
        value: 600,
        limit: 500,
        culprit: Some(who(9)),
        culprit_name: Some("java".into()),
        culprit_value: None,
        growth_per_second: None,
        action: "kill".into(),
    };
    let ranking = expect(vec![leaks, crossed], Cause::Threads, "");
    let of = |name: &str| {
        let lead =
            ranking.suspects.iter().find(|suspect| suspect.processes.iter().any(|one| one.name == name));
        lead.is_some_and(|lead| lead.evidence_for.iter().any(|one| one.text.contains("crossed their limit")))
    };
    assert!(of("java") && !of("python3"), "{ranking:#?}");
}
