//! Rankings of hand-made events: for each class of leak its suspect comes first, and where nothing is known that is said.

use scupper_detect::{PerOperation, Reason, Verdict};
use scupper_model::{
    Bytes, Certificate, Class, Comparison, EVENT_SCHEMA, EndedBy, Event, EventKind, Fatal, Grows, History,
    HowEnded, Identity, Judged, LimitLevel, MemoryChange, MemoryKind, Pattern, Pid, Profile, Resource,
    ResourceChange, ResourceKind, RunId, SoakOutcome, SoakResult, StartTime, Stretch, Timestamp, Watched,
    Work,
};

use super::*;

mod causes;
mod compared;
mod memory;
mod processes;
mod unknown;
mod warned;

const MIB: u64 = 1 << 20;

fn who(pid: i32) -> Identity {
    born(pid, 1)
}

/// A process that began so many hundredths of a second after the boot.
fn born(pid: i32, ticks: u64) -> Identity {
    let boot_id = "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap();
    Identity { pid: Pid::new(pid).unwrap(), start_time: StartTime(ticks), boot_id }
}

fn started(main: Identity) -> EventKind {
    EventKind::UnitStarted {
        main,
        command: "python3 app.py".into(),
        profile: Profile::Web,
        start: 1,
        cgroup: None,
    }
}

/// The main process has ended; how large it was and what it said last is not known.
fn certificate(name: &str, how: HowEnded, by: EndedBy) -> Certificate {
    Certificate {
        identity: who(7),
        name: name.into(),
        role: "main".into(),
        how,
        by,
        lived: std::time::Duration::from_secs(9),
        last_rss_bytes: None,
        peak_rss_bytes: None,
        growth_bytes: None,
        heap_limit_bytes: None,
        fatal: None,
        last_lines: Vec::new(),
    }
}

fn exited(certificate: Certificate) -> EventKind {
    EventKind::UnitExited { certificate: Box::new(certificate) }
}

/// Events of one run, a second apart.
fn run(kinds: Vec<EventKind>) -> Vec<Event> {
    runs(vec![std::iter::once(started(who(7))).chain(kinds).collect()])
}

/// Events of several runs, one after the other.
fn runs(runs: Vec<Vec<EventKind>>) -> Vec<Event> {
    let kinds =
        (1..).zip(runs).flat_map(|(run, kinds): (u32, _)| kinds.into_iter().map(move |kind| (run, kind)));
    kinds
        .enumerate()
        .map(|(at, (run, kind))| Event {
            schema: EVENT_SCHEMA.into(),
            id: format!("00000000-0000-7000-8000-{at:012}").parse().unwrap(),
            at: Timestamp(1_700_000_000_000 + 1000 * at as u64),
            unit: "web".parse().unwrap(),
            run: RunId(format!("00000000-0000-7000-8000-0000000001{run:02}").parse().unwrap()),
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
        until_peak: None,
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
        assert!(!suspect.checks.is_empty() && suspect.score <= Some(99), "{suspect:#?}");
        for evidence in suspect.evidence_for.iter().chain(&suspect.evidence_against) {
            assert!(evidence.id.is_some() && evidence.at.is_some(), "{evidence:?}");
        }
    }
    let scores: Vec<Option<u8>> = ranking.suspects.iter().map(|suspect| suspect.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    ranking
}

fn soak(outcome: SoakOutcome) -> EventKind {
    EventKind::SoakFinished {
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
    }
}
