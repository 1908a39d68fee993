//! Every event is read back as it was written, and is as loud as it should be.

use std::time::Duration;

use super::*;
use crate::{
    BootId, EndedBy, Grows, HowEnded, MemoryChange, MemoryKind, Pattern, Pid, ResourceChange, ResourceKind,
    StartTime, Stretch, Work,
};

#[test]
fn a_verdict_is_read_back_and_is_as_loud_as_it_is_bad() {
    let changed = |verdict, previous, urgent| EventKind::VerdictChanged {
        series: Watched::Memory,
        target: None,
        name: None,
        value: 1 << 20,
        previous,
        judged: Box::new(Judged {
            verdict,
            confidence: Some(0.9),
            slope_per_hour: Some(1.5),
            slope_interval: Some((1.0, 2.0)),
            time_to_limit_seconds: Some(60),
            urgent,
            reasons: vec![Reason { tag: "rising_floor".into(), text: "it rose".into() }],
            ..Judged::default()
        }),
    };
    for (kind, severity) in [
        (changed(Verdict::Leaking, Verdict::Growing, true), Severity::Warning),
        (changed(Verdict::Growing, Verdict::Growing, true), Severity::Warning),
        (changed(Verdict::Growing, Verdict::Stable, false), Severity::Notice),
        (changed(Verdict::Stable, Verdict::Leaking, false), Severity::Notice),
        (changed(Verdict::Stable, Verdict::Unknown, false), Severity::Routine),
    ] {
        assert_eq!(kind.severity(), severity, "{kind:?}");
        let text = serde_json::to_string(&kind).unwrap();
        assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
    }
}

#[test]
fn what_attach_and_reap_record_is_read_back_under_its_name() {
    let target = Identity {
        pid: Pid::new(7).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    };
    let (name, command) = ("node".to_owned(), "node server.js".to_owned());
    let because = "it ended".to_owned();
    let (by, message) = ("a person".to_owned(), "many".to_owned());
    let rss_bytes = Some(Bytes::mib(3));
    for (kind, severity) in [
        (EventKind::Attached { target, name: name.clone(), command, processes: 3 }, Severity::Routine),
        (
            EventKind::Detached {
                target,
                name: name.clone(),
                because: because.clone(),
                processes: 0,
                leaking: 1,
            },
            Severity::Notice,
        ),
        (EventKind::ReapPlanned { processes: 4, certain: 2, likely: 2, rss_bytes, by }, Severity::Notice),
        (EventKind::ReapConfirmed { processes: 3, left: 1, after_ms: 2000 }, Severity::Notice),
        (
            EventKind::ReapFinished { ended: 3, forced: 1, left: 1, freed_bytes: None, because },
            Severity::Notice,
        ),
        (EventKind::BrakeApplied { dead: 9, members: 10, allowed: 3, message }, Severity::Warning),
        (
            EventKind::SignalSent { target, name, signal: 15, reason: SignalReason::HeldIdle },
            Severity::Notice,
        ),
    ] {
        assert_eq!(kind.severity(), severity, "{kind:?}");
        let json = serde_json::to_value(&kind).unwrap();
        assert_eq!(json["event"], kind.name());
        assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), kind);
    }
}

#[test]
fn the_result_of_a_soak_is_read_back() {
    let of = |outcome| EventKind::SoakFinished {
        soak: Box::new(SoakResult {
            outcome,
            passed: outcome == SoakOutcome::Passed,
            lasted_ms: 1500,
            operations: Some(1550),
            required_operations: Some(1550),
            base_bytes: Some(Bytes::mib(40)),
            max_bytes: Some(Bytes::mib(50)),
            growth_bytes: Some(-4096),
            max_growth_bytes: None,
            bytes_per_operation: Some(0.5),
            bytes_per_operation_interval: Some((-0.5, 1.5)),
            slope_bytes_per_hour: None,
            slope_interval: None,
            verdict: Verdict::Unknown,
            left_behind: 0,
            reasons: vec![Reason { tag: "operations".into(), text: "1550 of 1550".into() }],
        }),
    };
    for (outcome, severity) in [
        (SoakOutcome::Passed, Severity::Routine),
        (SoakOutcome::Failed, Severity::Warning),
        (SoakOutcome::CouldNotLook, Severity::Warning),
    ] {
        let kind = of(outcome);
        assert_eq!((kind.severity(), kind.name()), (severity, "soak_finished"));
        let text = serde_json::to_string(&kind).unwrap();
        assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
    }
}

/// Flattened parts must not share a key: what is written has to be read back.
#[test]
fn a_death_is_read_back_whoever_ended_it() {
    let identity = Identity {
        pid: Pid::new(7).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    };
    let hows = [
        HowEnded::Exited { code: 1 },
        HowEnded::Signaled { signal: 15, core_dumped: false },
        HowEnded::NotStarted { code: 127 },
        HowEnded::Unknown,
    ];
    let bys = [
        EndedBy::Itself,
        EndedBy::Scupper { reason: SignalReason::HardLimit },
        EndedBy::Forwarded { passed_on: 15, sender: Some(1) },
        EndedBy::OomKiller { cgroup: "/x".into(), count_before: 0, count_after: 1 },
        EndedBy::Unknown,
    ];
    for (how, by) in hows.into_iter().flat_map(|how| bys.iter().map(move |by| (how, by.clone()))) {
        let certificate = Certificate {
            identity,
            name: "x".into(),
            role: "main".into(),
            how,
            by,
            lived: Duration::from_secs(1),
            last_rss_bytes: Some(Bytes(1)),
            peak_rss_bytes: None,
            growth_bytes: Some(-1),
            heap_limit_bytes: None,
            fatal: Some(crate::Fatal::default()),
            last_lines: vec!["a".into()],
        };
        let event = Event {
            schema: EVENT_SCHEMA.into(),
            id: uuid::Uuid::nil(),
            at: Timestamp(1_700_000_000_123),
            unit: "web".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind: EventKind::UnitExited { certificate: Box::new(certificate) },
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        assert!(text.contains("\"event\":\"unit_exited\""));
    }
}

/// A fact of the fleet stands beside all others: one tag, read back through the whole event.
#[test]
fn what_happens_in_a_fleet_is_read_back_under_its_name() {
    let agent = || "coder-1".to_owned();
    let target = Identity {
        pid: Pid::new(7).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    };
    let facts = [
        (
            FleetFact::AgentRegistered {
                agent: agent(),
                epoch: 1_790_000_000_000_001,
                registry: "redis://h".into(),
                resumed: false,
            },
            Severity::Routine,
        ),
        (
            FleetFact::LeaseLost { agent: agent(), epoch: 2, how: "fenced".into(), action: "exit".into() },
            Severity::Warning,
        ),
        (
            FleetFact::ProcessDelegated { agent: agent(), host: "h".into(), target: Some(target) },
            Severity::Notice,
        ),
        (
            FleetFact::CleanupFailed { agent: agent(), attempts: 2, message: "no".into(), retry_ms: 200 },
            Severity::Error,
        ),
        (
            FleetFact::FleetLeak {
                growth_bytes: 104_857_601,
                growth_percent: 10.5,
                baseline_bytes: Bytes::mib(1000),
                current_bytes: Bytes::mib(1101),
                members: 3,
                window_ms: 300_000,
            },
            Severity::Error,
        ),
    ];
    for (fact, severity) in facts {
        let name = fact.name();
        let event = Event {
            schema: EVENT_SCHEMA.into(),
            id: uuid::Uuid::nil(),
            at: Timestamp(1_700_000_000_123),
            unit: "serve".parse().unwrap(),
            run: RunId(uuid::Uuid::nil()),
            kind: EventKind::Fleet(fact),
        };
        assert_eq!((event.kind.severity(), event.kind.name()), (severity, name));
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], name);
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
    let unknown = serde_json::json!({ "event": "no_such_event", "agent": "a" });
    assert!(serde_json::from_value::<EventKind>(unknown).is_err());
}

#[test]
fn what_suspects_are_ranked_by_is_read_back_and_an_older_record_too() {
    let target = Identity {
        pid: Pid::new(7).unwrap(),
        start_time: StartTime(1),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse::<BootId>().unwrap(),
    };
    let stretch = Stretch { seconds: 12.5, growth_bytes: -4096, work: 3 };
    let pattern = Pattern {
        work: Work::ProcessorTime,
        grows: Grows::WithLoad,
        idle: Some(stretch),
        busy: None,
        bursts: 3,
        burst_share: Some(0.5),
        rest_seconds: None,
        since_peak_seconds: 0.5,
        since_peak_work: 9,
        fell_bytes: 4096,
        until_peak: Some(stretch),
    };
    let history = History {
        series: Watched::Memory,
        target: Some(target),
        name: Some("node".into()),
        seconds_before: vec![1.5, 0.0],
        values: vec![1 << 30, u64::MAX],
        because: "leaking".into(),
        pattern: Some(Box::new(pattern)),
    };
    let comparison = Comparison {
        target,
        name: "node".into(),
        role: "worker".into(),
        tree: true,
        series: Watched::CloseWait,
        because: "growing".into(),
        after_ms: 1,
        operations: None,
        memory: vec![MemoryChange { kind: MemoryKind::Arena, before: None, after: Some(3) }],
        resources: vec![ResourceChange {
            kind: ResourceKind::InotifyWatch,
            what: "watch".into(),
            before: 0,
            after: 1,
            bytes_before: None,
            bytes: Some(1),
        }],
        more_changes: 2,
        unread: vec!["threads: gone".into()],
    };
    for kind in [
        EventKind::SeriesRecorded { history: Box::new(history) },
        EventKind::ResourcesCompared { comparison: Box::new(comparison) },
    ] {
        assert_eq!(kind.severity(), Severity::Routine);
        let mut json = serde_json::to_value(&kind).unwrap();
        assert_eq!(json["event"], kind.name());
        assert_eq!(serde_json::from_value::<EventKind>(json.clone()).unwrap(), kind);
        let fields = json.as_object_mut().unwrap();
        for later in ["pattern", "tree", "more_changes", "unread"] {
            fields.remove(later);
        }
        assert!(serde_json::from_value::<EventKind>(json).is_ok());
    }
}

#[test]
fn a_verification_is_read_back_and_wakes_nobody() {
    let verification = crate::Verification {
        incident: "ISS-0001".to_owned(),
        command: "cargo test".to_owned(),
        directory: "/srv/app".to_owned(),
        tests: vec!["tests/leak.py::test_flat".to_owned()],
        commit: None,
        exit_code: None,
        signal: Some(9),
        timed_out_ms: Some(1000),
        took_ms: 1200,
    };
    assert!(!verification.passed());
    let kind = EventKind::VerificationRan { verification: Box::new(verification) };
    let text = serde_json::to_string(&kind).unwrap();
    assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
    assert!(text.contains(r#""event":"verification_ran""#), "{text}");
    assert_eq!((kind.severity(), kind.name()), (Severity::Routine, "verification_ran"));
}
