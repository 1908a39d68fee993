//! Memory: its place, its curve, and what stopped.

use super::*;

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
    assert_eq!((first.grows, first.strength), (Grows::WithLoad, Some(Strength::Strong)));
    // Its curve saw more than the two looks did.
    assert_eq!((first.grown, first.grown_at_least), (Some(118.0 * 1_048_576.0), false));
    let said = |part: &str| first.evidence_for.iter().any(|evidence| evidence.text.contains(part));
    assert!(
        said("grows with work") && said("it never fell by more than") && said("native code"),
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
        assert!(ranking.suspects.iter().skip(1).all(|suspect| suspect.score < Some(40)), "{ranking:#?}");
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
fn a_soak_that_passed_speaks_against_and_one_that_failed_for() {
    let score =
        |kinds| ranked(kinds).suspects.iter().find(|s| s.cause == Cause::RetainedHeap).and_then(|s| s.score);
    let alone = score(vec![memory_leaks()]);
    assert!(score(vec![memory_leaks(), soak(SoakOutcome::Failed)]) > alone);
    assert!(score(vec![memory_leaks(), soak(SoakOutcome::Passed)]) < alone);
    assert_eq!(score(vec![memory_leaks(), soak(SoakOutcome::CouldNotLook)]), alone);
    expect(vec![soak(SoakOutcome::Passed)], Cause::NotALeak, "");
    expect(vec![soak(SoakOutcome::Failed)], Cause::RetainedHeap, "");
}

/// That there is no new peak says something where as much was done since, for as long, as while it grew; and it says it once.
#[test]
fn no_new_peak_counts_only_beside_comparable_work() {
    let flat = || (0..60).map(|at| 40 + at.min(30)).collect::<Vec<u64>>();
    let until = |seconds, work| Some(Stretch { seconds, growth_bytes: 30 << 20, work });
    let of = |since_peak_seconds, since_peak_work, until_peak, values| {
        let told = Pattern {
            idle: None,
            busy: None,
            since_peak_seconds,
            since_peak_work,
            until_peak,
            ..pattern(Grows::Undetermined)
        };
        ranked(vec![verdict(Watched::Memory, Verdict::Growing, HOUR_OF_MIB), history(values, Some(told))])
    };
    let against = |ranking: &Ranking| {
        let heap = ranking.suspects.iter().find(|suspect| suspect.cause == Cause::RetainedHeap);
        heap.map_or(0, |heap| heap.evidence_against.iter().map(|one| one.points).sum::<i32>())
    };
    // As much work, for as long: a flat end and no new peak are one sign.
    let used = of(29.0, 900, until(30.0, 1000), flat());
    assert_eq!(used.first().unwrap().cause, Cause::CachePlateau, "{used:#?}");
    assert_eq!(against(&used), -25, "{used:#?}");
    // A tick of work is no work: nothing is concluded, and that is said.
    let rests = of(29.0, 1, until(30.0, 1000), flat());
    let first = rests.first().unwrap();
    assert_eq!((first.cause, against(&rests)), (Cause::RetainedHeap, 0), "{rests:#?}");
    assert!(first.unknown.iter().any(|said| said.contains("much less was done")), "{first:#?}");
    // As much work in a moment after hours of growth is none either.
    let growing: Vec<u64> = (0..60).map(|at| 40 + at).collect();
    assert_eq!(against(&of(16.0, 600, until(36_000.0, 1_000_000), growing)), 0);
    // Where nobody counted, a flat end is a weak sign that says so.
    let uncounted = of(29.0, 900, None, flat());
    assert_eq!(against(&uncounted), -12, "{uncounted:#?}");
}
