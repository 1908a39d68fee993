//! Reports of a unit that leaks, dies, is started again, is fixed and soaked; time is turned by hand.

use std::time::Duration;

use scupper_detect::{Reason, Verdict};
use scupper_model::{
    Bytes, Certificate, Comparison, EVENT_SCHEMA, EndedBy, Event, EventKind, Fatal, History, HowEnded,
    Identity, Judged, LimitLevel, MemoryChange, MemoryKind, Pid, Profile, Resource, ResourceChange,
    ResourceKind, RunId, SoakOutcome, SoakResult, StartTime, Timestamp, Verification, Watched,
};
use uuid::Uuid;

use super::onset::{Onset, onset};
use super::uptime::{Met, Uptime};
use super::*;
use crate::incident::{Recorded, sha256};

const START: u64 = 1_767_323_045_000;
const HOUR: u64 = 3_600_000;
const MIB: u64 = 1 << 20;
const COMMAND: &str = "gunicorn app:app -w 2";

fn at(minutes: u64) -> Timestamp {
    Timestamp(START + minutes * 60_000)
}

fn worker() -> Identity {
    Identity {
        pid: Pid::new(71).unwrap(),
        start_time: StartTime(9),
        boot_id: "dbd84afd-811e-495f-92fb-cb306f93cefd".parse().unwrap(),
    }
}

/// Events, each with the number of its place for an id.
#[derive(Default)]
struct Scene(Vec<Event>);

impl Scene {
    fn add(&mut self, minutes: u64, run: u128, kind: EventKind) -> Uuid {
        let id = Uuid::from_u128(0x1000 + self.0.len() as u128);
        self.0.push(Event {
            schema: EVENT_SCHEMA.to_owned(),
            id,
            at: at(minutes),
            unit: "web".parse().unwrap(),
            run: RunId(Uuid::from_u128(run)),
            kind,
        });
        id
    }

    fn started(&mut self, minutes: u64, run: u128, start: u64, command: &str) -> Uuid {
        let kind = EventKind::UnitStarted {
            main: worker(),
            command: command.to_owned(),
            profile: Profile::Web,
            start,
            cgroup: None,
        };
        self.add(minutes, run, kind)
    }

    fn source(&self, state: &str) -> Source {
        let subject = Subject {
            id: "ISS-0007".to_owned(),
            title: "Memory of web grows".to_owned(),
            state: state.to_owned(),
            priority: "high".to_owned(),
            owner: Some("ana".to_owned()),
            unit: Some("web".parse().unwrap()),
            opened: Some(at(120)),
            ..Subject::default()
        };
        let recorded = |event: &Event| Recorded {
            event: event.clone(),
            sha256: sha256(&serde_json::to_vec(event).unwrap()),
        };
        let events = self.0.iter().map(recorded).collect();
        Source { events, ..Source::new(subject, at(2000)) }
    }
}

fn verdict(verdict: Verdict, slope: f64, value: u64) -> EventKind {
    EventKind::VerdictChanged {
        series: Watched::Memory,
        target: Some(worker()),
        name: Some("gunicorn".to_owned()),
        value,
        previous: Verdict::Unknown,
        judged: Box::new(Judged {
            verdict,
            confidence: Some(0.97),
            slope_per_hour: Some(slope),
            slope_interval: Some((slope * 0.9, slope * 1.1)),
            time_to_limit_seconds: Some(1800),
            reasons: vec![Reason { tag: "rising_floor".into(), text: "its floor rose for 2 h".into() }],
            ..Judged::default()
        }),
    }
}

/// Flat for an hour, then 60 MiB each hour.
fn history() -> EventKind {
    let values = (0..240_u32).map(|n| 200 * MIB + u64::from(n.saturating_sub(80)) * MIB * 3 / 4).collect();
    EventKind::SeriesRecorded {
        history: Box::new(History {
            series: Watched::Memory,
            target: Some(worker()),
            name: Some("gunicorn".to_owned()),
            seconds_before: (0..240).map(|n| f64::from(239 - n) * 45.0).collect(),
            values,
            because: "leaking".to_owned(),
            pattern: None,
        }),
    }
}

fn death(by: EndedBy, fatal: Option<Fatal>) -> EventKind {
    EventKind::UnitExited {
        certificate: Box::new(Certificate {
            identity: worker(),
            name: "gunicorn".to_owned(),
            role: "main".to_owned(),
            how: HowEnded::Signaled { signal: 9, core_dumped: false },
            by,
            lived: Duration::from_hours(3),
            last_rss_bytes: Some(Bytes::mib(320)),
            peak_rss_bytes: None,
            growth_bytes: None,
            heap_limit_bytes: None,
            fatal,
            last_lines: Vec::new(),
        }),
    }
}

fn oom() -> EventKind {
    death(EndedBy::OomKiller { cgroup: "/scupper/web".to_owned(), count_before: 0, count_after: 1 }, None)
}

fn soak(outcome: SoakOutcome) -> EventKind {
    EventKind::SoakFinished {
        soak: Box::new(SoakResult {
            outcome,
            passed: outcome == SoakOutcome::Passed,
            lasted_ms: 9 * HOUR,
            operations: Some(90_000),
            required_operations: None,
            base_bytes: Some(Bytes::mib(200)),
            max_bytes: Some(Bytes::mib(210)),
            growth_bytes: Some(1 << 20),
            max_growth_bytes: None,
            bytes_per_operation: None,
            bytes_per_operation_interval: None,
            slope_bytes_per_hour: Some(100_000.0),
            slope_interval: Some((-50_000.0, 250_000.0)),
            verdict: Verdict::Stable,
            left_behind: 0,
            reasons: Vec::new(),
        }),
    }
}

fn verification(exit_code: i32) -> EventKind {
    EventKind::VerificationRan {
        verification: Box::new(Verification {
            incident: "ISS-0007".to_owned(),
            command: "pytest tests/test_leak.py".to_owned(),
            directory: "/srv/app".to_owned(),
            tests: vec!["tests/test_leak.py::test_flat".to_owned()],
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
            exit_code: Some(exit_code),
            signal: None,
            timed_out_ms: None,
            took_ms: 12_000,
        }),
    }
}

/// Started, leaked, compared, died of OOM, started again.
fn leaked() -> Scene {
    let mut scene = Scene::default();
    scene.started(0, 1, 1, COMMAND);
    scene.add(150, 1, verdict(Verdict::Growing, 60.0 * 1_048_576.0, 290 * MIB));
    scene.add(170, 1, verdict(Verdict::Leaking, 60.0 * 1_048_576.0, 310 * MIB));
    scene.add(180, 1, history());
    let change =
        |kind, before: u64, after: u64| MemoryChange { kind, before: Some(before), after: Some(after) };
    let comparison = Comparison {
        target: worker(),
        name: "gunicorn".to_owned(),
        role: "main".to_owned(),
        tree: false,
        series: Watched::Memory,
        because: "leaking".to_owned(),
        after_ms: HOUR / 2,
        operations: Some(1000),
        memory: vec![change(MemoryKind::Heap, 100 * MIB, 190 * MIB), change(MemoryKind::File, MIB, MIB)],
        resources: vec![ResourceChange {
            kind: ResourceKind::Socket,
            what: "tcp CLOSE_WAIT outbound to 127.0.0.1:8301".to_owned(),
            before: 3,
            after: 400,
            bytes_before: None,
            bytes: None,
        }],
        more_changes: 0,
        unread: Vec::new(),
    };
    scene.add(180, 1, EventKind::ResourcesCompared { comparison: Box::new(comparison) });
    scene.add(190, 1, oom());
    scene.add(190, 1, EventKind::UnitRestarting { cause: "it died".to_owned(), restarts: 1, delay_ms: 1000 });
    scene.started(191, 1, 2, COMMAND);
    scene
}

fn headings(text: &str) -> Vec<String> {
    let mut fence = None;
    let heading = |line: &&str| {
        let trimmed = line.trim_start();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            Some(open) if ticks >= open && trimmed.trim_matches('`').is_empty() => fence = None,
            _ => {}
        }
        line.starts_with('#') && fence.is_none()
    };
    text.lines().filter(heading).map(|line| line.trim_end().to_owned()).collect()
}

fn seed(number: usize) -> &'static str {
    match number {
        1 => include_str!("../../tests/seeds/001-deployment-readiness-audit.md"),
        2 => include_str!("../../tests/seeds/002-node-heap-issue.md"),
        _ => include_str!("../../tests/seeds/003-delta-report-async-task-leak.md"),
    }
}

fn rendered(source: &Source, kind: Kind) -> String {
    let text = render(source, kind, None).unwrap();
    // For looking at: SCUPPER_KEEP_REPORT=DIR cargo nextest run -p scupper-casebook report
    if let Some(folder) = std::env::var_os("SCUPPER_KEEP_REPORT") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{}.md", kind.name())), &text).unwrap();
    }
    text
}

#[test]
fn r053_an_audit_has_the_headings_of_the_seed() {
    let text = rendered(&leaked().source("active"), Kind::Audit);
    let (ours, theirs) = (headings(&text), headings(seed(1)));
    assert_eq!(ours[1..], theirs[1..]);
    assert_eq!(ours[0], "# Deployment Readiness Audit - Memory of web grows");
    let header =
        "\n\n**Date**: 2026-01-03\n**Status**: In Progress\n**Priority**: High\n\n## Problem Statement\n\n";
    assert!(text.contains(header), "{text}");
    assert!(text.contains("\n1. **") && text.contains("\n   - Each leak: "), "{text}");
    for criterion in ["Visibility", "Identification", "Remediation", "Prevention"] {
        assert!(text.contains(&format!(". **{criterion}**: ")), "{criterion}: {text}");
    }
    assert!(!text.contains("\n\n\n"), "{text}");
}

#[test]
fn r061_an_issue_has_the_headings_of_the_seed() {
    let mut scene = leaked();
    let fatal = Fatal {
        runtime: "v8".to_owned(),
        message: "JavaScript heap out of memory".to_owned(),
        uptime_ms: Some(386_615),
        ..Fatal::default()
    };
    scene.add(200, 1, death(EndedBy::Itself, Some(fatal)));
    let text = rendered(&scene.source("active"), Kind::Issue);
    let body = seed(2).rsplit_once("\n---\n").unwrap().1;
    let theirs: Vec<String> = headings(body);
    let priority = |heading: &String| heading.split(':').next().unwrap_or_default().to_owned();
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (headings(&text).iter().map(priority).collect(), theirs.iter().map(priority).collect());
    assert_eq!(ours, theirs);
    for group in [
        "Memory Configuration Issues",
        "Cache Accumulation",
        "Subprocess Memory Leaks",
        "Connection Management",
    ] {
        assert!(text.contains(&format!(". **{group}:**\n   - ")), "{group}: {text}");
    }
    for fix in ["Immediate", "Cache Management", "Subprocess Lifecycle", "Memory Circuit Breaker"] {
        assert!(text.contains(&format!(". **{fix}**: ")), "{fix}: {text}");
    }
    assert!(text.contains("**Error Stack**: JavaScript heap out of memory after 386615ms runtime"), "{text}");
    assert!(
        text.contains("**Framework Version**: unknown") && text.contains("**Date Reported**: 2026-01-02")
    );
    assert!(text.contains("tcp CLOSE\\_WAIT outbound") || text.contains("tcp CLOSE_WAIT outbound"), "{text}");
    assert!(!text.contains("\n\n\n"), "{text}");
}

#[test]
fn r076_a_delta_report_has_the_header_and_the_headings_of_the_seed() {
    let text = rendered(&leaked().source("active"), Kind::Delta);
    let header = "# Δ-Report: Memory of web grows\n\n**Date:** 2026-01-03 12:24  \n**Severity:** P1 - High  \n**Owner:** ana  \n\
                  **Status:** IN PROGRESS  \n\n## Summary\n";
    assert!(text.starts_with(header), "{text}");
    let ours = headings(&text);
    let theirs = headings(seed(3));
    let both: Vec<&String> = ours.iter().filter(|heading| theirs.contains(heading)).collect();
    assert_eq!(both, theirs[1..].iter().collect::<Vec<_>>());
    assert!(!text.contains("\n\n\n"), "{text}");
    for (priority, severity) in [("critical", "P0 - Critical"), ("low", "P3 - Low"), ("odd", "unknown")] {
        let mut source = leaked().source("active");
        priority.clone_into(&mut source.subject.priority);
        assert!(
            rendered(&source, Kind::Delta).contains(&format!("**Severity:** {severity}  \n")),
            "{priority}"
        );
    }
}

#[test]
fn r077_each_why_cites_events_or_is_an_assumption_and_the_last_one_is_proved() {
    let source = leaked().source("active");
    let page = Page::of(&source, Kind::Delta);
    assert_eq!(page.whys.len(), 5, "{:#?}", page.whys);
    for why in &page.whys {
        assert_ne!(why.answer.assumption, !why.answer.evidence.is_empty(), "{why:?}");
        for id in &why.answer.evidence {
            assert!(source.events.iter().any(|recorded| recorded.event.id == *id), "{why:?}");
        }
    }
    assert!(page.whys[4].answer.text.starts_with("It died before any limit"), "{:?}", page.whys[4]);
    assert!(
        page.whys[2].answer.text.contains("CLOSE_WAIT outbound to 127.0.0.1:8301 3 to 400"),
        "{:?}",
        page.whys[2]
    );
    let text = rendered(&source, Kind::Delta);
    assert!(
        text.contains("\n4. **Why is what it holds not given back?** ") && text.contains(" *(assumption)*"),
        "{text}"
    );
    // Without evidence nothing is claimed.
    let nothing = Scene::default().source("active");
    assert!(Page::of(&nothing, Kind::Delta).whys.is_empty());
    assert!(rendered(&nothing, Kind::Delta).contains("nothing that was recorded answers why"));
}

#[test]
fn r079_before_and_after_name_workload_window_and_n() {
    let mut scene = leaked();
    let text = rendered(&scene.source("active"), Kind::Delta);
    assert!(text.contains("- **After:** Not measured: no soak was recorded after the alarm"), "{text}");
    scene.started(300, 2, 1, COMMAND);
    let id = scene.add(900, 2, soak(SoakOutcome::Passed));
    let page = Page::of(&scene.source("active"), Kind::Delta);
    for line in page.before.iter().chain(&page.after) {
        for word in ["window 2026-01-02 ", "n = ", "workload: ", "per hour", COMMAND] {
            assert!(line.text.contains(word), "{word}: {line:?}");
        }
    }
    assert!(
        page.before[0].text.contains("+60 MiB per hour (from +54 MiB per hour to +66 MiB per hour)"),
        "{:?}",
        page.before
    );
    assert!(page.before[0].text.contains("n = 241 values"), "{:?}", page.before);
    assert!(page.after[0].evidence.contains(&id));
    assert_eq!(page.comparable, "Both were measured with the same command.");
    assert!(page.summary.last().unwrap().text.contains("passed afterwards"));

    let mut other = leaked();
    other.started(300, 2, 1, "sleep 9");
    other.add(900, 2, soak(SoakOutcome::Passed));
    let page = Page::of(&other.source("active"), Kind::Delta);
    assert!(page.comparable.starts_with("Not the same workload"));
    assert!(page.summary.last().unwrap().text.contains("not proved"));
}

#[test]
fn r080_only_commands_that_were_run_count_and_prevention_is_a_rule_that_is_on() {
    let mut scene = leaked();
    let text = rendered(&scene.source("active"), Kind::Delta);
    assert!(
        text.contains("No command was run for this report.") && text.contains("No test was run"),
        "{text}"
    );
    scene.add(400, 3, verification(1));
    let text = rendered(&scene.source("active"), Kind::Delta);
    assert!(
        text.contains("- `pytest tests/test_leak.py`: FAILED with exit code 1, took 12 s, at 2026-01-02 "),
        "{text}"
    );
    let id = scene.add(401, 3, verification(0));
    let mut source = scene.source("active");
    let text = rendered(&source, Kind::Delta);
    // The last run of a command is what holds.
    let line = "- `pytest tests/test_leak.py`: exit code 0, took 12 s, at 2026-01-02 09:45:05 UTC, commit 0123456789ab";
    assert!(text.contains(line) && !text.contains("\n- `pytest tests/test_leak.py`: FAILED"), "{text}");
    assert!(text.contains(&format!("(evidence: `{id}`)")), "{text}");
    assert!(
        text.contains("\n- `tests/test_leak.py::test_flat`: exit code 0 of `pytest tests/test_leak.py`"),
        "{text}"
    );

    assert!(
        text.contains("- Whether a rule contains it the next time is unknown: whether the unit runs cannot be told. Owner: ana; date: not set."),
        "{text}"
    );
    let rule = |on| Rule {
        what: "soft limit of memory 450 MiB".to_owned(),
        place: "the record of the running unit".to_owned(),
        on,
        recycles: true,
    };
    for (runs, said) in
        [(true, "- No rule is on that would contain it"), (false, "unknown: the unit does not run")]
    {
        source.runs = Some(runs);
        let text = rendered(&source, Kind::Delta);
        assert!(text.contains(said), "{text}");
    }
    source.rules = vec![rule(false)];
    assert!(rendered(&source, Kind::Delta).contains("Rule not on yet: soft limit of memory 450 MiB"));
    source.rules = vec![rule(true)];
    let text = rendered(&source, Kind::Delta);
    assert!(
        text.contains("- Rule on: soft limit of memory 450 MiB") && !text.contains("No rule is on"),
        "{text}"
    );
}

#[test]
fn r081_only_an_incident_that_is_done_is_resolved() {
    let scene = leaked();
    for state in ["planning", "active", "ready_for_qa", "ready_for_deployment", "won_t_do", "archived", "odd"]
    {
        assert!(!rendered(&scene.source(state), Kind::Delta).contains("RESOLVED"), "{state}");
    }
    assert!(rendered(&scene.source("done"), Kind::Delta).contains("**Status:** ✅ RESOLVED  \n"));
    let mut archived = scene.source("archived");
    archived.subject.moves = vec![(at(1), "done".to_owned())];
    assert!(rendered(&archived, Kind::Delta).contains("RESOLVED"));
}

#[test]
fn what_other_units_have_recorded_is_told_beside_the_figures_and_is_no_part_of_them() {
    let scene = leaked();
    let alone = Page::of(&scene.source("active"), Kind::Delta);
    let mut source = scene.source("active");
    let died = |recorded: &Recorded| matches!(recorded.event.kind, EventKind::UnitExited { .. });
    let death = source.events.iter().find(|recorded| died(recorded)).unwrap().clone();
    let unit = |name: &str| name.parse().unwrap();
    source.elsewhere = vec![
        Elsewhere { unit: unit("web-2"), events: vec![death.clone()], unreadable: 2 },
        Elsewhere { unit: unit("web-3"), events: Vec::new(), unreadable: 0 },
    ];
    source.named =
        vec![Named { at: Timestamp(0), what: "CACHE_SIZE=1000 *x*".to_owned(), by: "ana".to_owned() }];
    let page = Page::of(&source, Kind::Delta);
    assert_eq!(page.impact.len(), alone.impact.len() + 2);
    assert!(page.impact.starts_with(&alone.impact) && page.timeline == alone.timeline);
    for kind in [Kind::Audit, Kind::Delta, Kind::Postmortem] {
        let text = render(&source, kind, None).unwrap();
        assert!(text.contains("Seen in `web-2` as well, 1 recorded events: Death of "), "{text}");
        assert!(
            text.contains("2 more cannot be read") && text.contains(&death.event.id.to_string()),
            "{text}"
        );
        assert!(text.contains("`web-3` as well: what happened there is unknown"), "{text}");
        assert!(text.contains("are of the first one alone"), "{text}");
    }
    let text = render(&source, Kind::Delta, None).unwrap();
    assert!(text.contains("## Changes Made\n- **Named:** CACHE"), "{text}");
    assert!(
        text.contains(
            "by ana at 1970-01-01 00:00:00 UTC; it names no lines, so nothing was compared\n\n## Evidence"
        ),
        "{text}"
    );
    assert!(!text.contains("No change is named yet") && text.contains("nothing compares it"), "{text}");
    // They are written by us: another version replaces them.
    let other = render(&scene.source("active"), Kind::Delta, None).unwrap();
    assert!(changes::with_section_of(&text, &other).is_some());
}

#[test]
fn r050_uptime_without_oom_is_computed_from_events() {
    let met = |scene: &Scene, days: u64, runs| Uptime::of(&scene.0, at(days * 1440), runs).met();
    let mut scene = leaked();
    // Up again since minute 191 of day 0.
    assert_eq!(met(&scene, 7, Some(true)), Met::No);
    assert_eq!(met(&scene, 8, Some(true)), Met::Yes);
    assert_eq!(met(&scene, 8, None), Met::Unknown);
    let uptime = Uptime::of(&scene.0, at(8 * 1440), Some(true));
    assert_eq!((uptime.ooms.len(), uptime.current_ms), (1, Some((8 * 1440 - 191) * 60_000)));
    // Replaced on purpose is no interruption.
    let reason = scupper_model::SignalReason::SoftLimit;
    scene.add(4 * 1440, 1, death(EndedBy::Scupper { reason }, None));
    scene.started(4 * 1440 + 1, 1, 3, COMMAND);
    assert_eq!(met(&scene, 8, Some(true)), Met::Yes);
    // A crash is.
    scene.add(5 * 1440, 1, death(EndedBy::Unknown, None));
    scene.started(5 * 1440 + 1, 1, 4, COMMAND);
    assert_eq!(met(&scene, 8, Some(true)), Met::No);
    assert_eq!(met(&scene, 13, Some(true)), Met::Yes);
    // What died at its hard limit of memory died for want of it.
    scene.add(
        6 * 1440,
        1,
        EventKind::LimitCrossed {
            resource: Resource::Memory,
            level: LimitLevel::Hard,
            value: 600 * MIB,
            limit: 500 * MIB,
            culprit: None,
            culprit_name: None,
            culprit_value: None,
            growth_per_second: None,
            action: "end".to_owned(),
        },
    );
    let reason = scupper_model::SignalReason::HardLimit;
    scene.add(6 * 1440, 1, death(EndedBy::Scupper { reason }, None));
    assert_eq!(met(&scene, 13, Some(true)), Met::No, "it was not started again");
    assert_eq!(Uptime::of(&scene.0, at(13 * 1440), Some(false)).ooms.len(), 2);
    scene.started(6 * 1440 + 1, 1, 5, COMMAND);
    scene.add(7 * 1440, 1, EventKind::EvidenceGap { lost: 3, message: "full".to_owned() });
    assert_eq!(met(&scene, 20, Some(true)), Met::Unknown, "what happened in the gap is not known");
    assert_eq!(met(&Scene::default(), 20, Some(true)), Met::No);
}

#[test]
fn the_onset_is_the_turn_of_the_curve() {
    let scene = leaked();
    let curve = curve::Curve::main(&scene.0).unwrap();
    assert_eq!((curve.series, curve.target), (Watched::Memory, Some(worker())));
    // The history ends at minute 180 and is flat for the first 80 of its 240 values, 45 s each.
    let Some(Onset::At(turn)) = onset(&curve) else { panic!("{:?}", onset(&curve)) };
    let expected = START + 180 * 60_000 - (239 - 80) * 45_000;
    assert!(turn.0.abs_diff(expected) < 5 * 60_000, "{turn} {}", Timestamp(expected));
    let mut flat = curve.clone();
    for (n, (_, value)) in flat.points.iter_mut().enumerate() {
        *value = 200 * MIB + (n as u64 % 3) * MIB;
    }
    assert_eq!(onset(&flat), None);
    for (n, (_, value)) in flat.points.iter_mut().enumerate() {
        *value = 200 * MIB + n as u64 * MIB;
    }
    assert!(matches!(onset(&flat), Some(Onset::FromTheStart(_))));
}

#[test]
fn a_timeline_goes_from_the_first_sample_to_the_recovery() {
    let mut scene = leaked();
    scene.add(
        175,
        1,
        EventKind::LimitCrossed {
            resource: Resource::Memory,
            level: LimitLevel::Soft,
            value: 310 * MIB,
            limit: 300 * MIB,
            culprit: None,
            culprit_name: None,
            culprit_value: None,
            growth_per_second: None,
            action: "recycle".to_owned(),
        },
    );
    scene.0.sort_by_key(|event| event.at);
    let page = Page::of(&scene.source("active"), Kind::Postmortem);
    let place = |what: &str| {
        let rows = &page.timeline.rows;
        rows.iter().position(|row| row.what.contains(what)).unwrap_or_else(|| panic!("{what}: {rows:#?}"))
    };
    let order = [
        place("First sample of memory of gunicorn (pid 71): 200 MiB"),
        place("Onset: memory of gunicorn"),
        place("Alarm: "),
        place("Containment: soft limit of memory crossed: 310.0 MiB of 300.0 MiB"),
        place("Death of main gunicorn pid 71: SIGKILL by the kernel's OOM killer"),
        place("Recovery: started again"),
    ];
    assert!(order.is_sorted(), "{order:?} {:#?}", page.timeline.rows);
    assert_eq!(page.timeline.from, "the onset");
    assert_eq!(page.timeline.rows[place("Onset")].relative, "+0:00:00");
    assert!(page.timeline.rows.iter().all(|row| !row.evidence.is_empty()));
    let impact: Vec<&str> = page.impact.iter().map(|line| line.text.as_str()).collect();
    assert!(impact[0].contains("Restarts of the unit: 1"), "{impact:?}");
    assert!(impact.iter().any(|line| line.contains("1 min in 1 gap")), "{impact:?}");
    // 160 values that rise by 0.75 MiB, 45 s each.
    assert!(impact.iter().any(|line| line.contains("0.12 GiB-hours")), "{impact:?}");
    assert!(impact.iter().any(|line| line.contains("Requests lost: unknown")), "{impact:?}");
    let text = rendered(&scene.source("active"), Kind::Postmortem);
    for heading in
        ["Trigger", "Detection", "What Went Well", "What Went Wrong", "Where We Got Lucky", "Action Items"]
    {
        assert!(text.contains(&format!("\n## {heading}\n")), "{heading}");
    }
    assert!(!text.contains("\n\n\n"), "{text}");
}

#[test]
fn what_was_told_of_an_earlier_run_is_no_alarm_of_this_one() {
    let mut scene = Scene::default();
    scene.started(0, 9, 1, COMMAND);
    scene.add(1, 9, oom());
    let mut later = leaked();
    for event in &mut later.0 {
        event.at = Timestamp(event.at.0 + 10 * 60_000);
        event.id = Uuid::from_u128(event.id.as_u128() + 0x1000);
    }
    scene.0.append(&mut later.0);
    let page = Page::of(&scene.source("active"), Kind::Postmortem);
    let alarm = page.timeline.rows.iter().find(|row| row.what.starts_with("Alarm: ")).unwrap();
    assert!(alarm.what.contains("verdict leaking"), "{alarm:?}");
    assert!(
        page.detection.text.starts_with("Told 1 h 49 min after it began to grow"),
        "{:?}",
        page.detection
    );
}

#[test]
fn a_long_timeline_keeps_both_ends() {
    let mut scene = Scene::default();
    for n in 0..300 {
        scene.started(n, 1, n + 1, COMMAND);
    }
    let page = Page::of(&scene.source("active"), Kind::Postmortem);
    assert_eq!((page.timeline.rows.len(), page.timeline.left_out), (timeline::MOST_ROWS, 180));
    assert!(page.timeline.rows[0].what.starts_with("Started: "));
    assert!(page.timeline.rows.last().unwrap().what.contains("start 300"));
}

#[test]
fn what_is_not_recorded_is_unknown_in_every_report() {
    let nothing = Scene::default().source("planning");
    for kind in Kind::ALL {
        let text = rendered(&nothing, kind);
        assert!(text.contains("nknown") || text.contains("ot known"), "{text}");
        assert!(!text.contains("+0 ") && !text.contains("exit code 0"), "{text}");
    }
    let page = Page::of(&nothing, Kind::Delta);
    assert_eq!(page.impact[0].text, "Unknown: nothing was recorded of the unit.");
    assert!(page.unknown.iter().any(|line| line.text.starts_with("Everything")));
}

#[test]
fn the_appendix_holds_the_digest_of_each_line_and_of_all() {
    let source = leaked().source("active");
    let text = rendered(&source, Kind::Delta);
    for recorded in &source.events {
        assert!(text.contains(&format!("| `{}` |", recorded.event.id)) && text.contains(&recorded.sha256));
    }
    let mut lines = String::new();
    for recorded in &source.events {
        lines.push_str(&recorded.sha256);
        lines.push('\n');
    }
    assert!(text.contains(&sha256(lines.as_bytes())), "{text}");
}

#[test]
fn what_strangers_wrote_stays_text() {
    let hostile = "x`</code><script>alert(1)</script>\n## Prevention\n- **Status:** ✅ RESOLVED\u{1b}[31m|[a](javascript:b)";
    let mut scene = Scene::default();
    scene.started(0, 1, 1, hostile);
    scene.add(1, 1, EventKind::LimitsChanged { message: hostile.to_owned() });
    scene.add(2, 1, EventKind::Trouble { message: hostile.to_owned() });
    let mut source = scene.source("active");
    hostile.clone_into(&mut source.subject.title);
    source.subject.owner = Some(hostile.to_owned());
    source.subject.related = vec![hostile.to_owned()];
    source.changes = vec![changes::Checked {
        change: changes::Change {
            place: "a.py:1-3".parse().unwrap(),
            what: markdown::inline(hostile),
            snippet: Some(format!("```\n{hostile}\n~~~~\n")),
        },
        finding: changes::Finding::NotLooked,
        commit: None,
        modified: None,
    }];
    for kind in Kind::ALL {
        let text = rendered(&source, kind);
        let plain = rendered(&scene.source("active"), kind);
        let without_title = |text: &str| headings(text)[1..].to_vec();
        assert_eq!(without_title(&text), without_title(&plain), "{kind:?}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let mut fence = None;
        for line in text.lines() {
            let trimmed = line.trim_start();
            let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
            match fence {
                None if ticks >= 3 => fence = Some(ticks),
                Some(open) if ticks >= open && trimmed.trim_matches('`').is_empty() => fence = None,
                Some(_) => {}
                None => {
                    // Outside of code nothing of it is markup.
                    let code_free: String = line.split('`').step_by(2).collect();
                    assert!(!code_free.replace("\\<", "").contains("<script"), "{line}");
                    assert!(
                        !line.starts_with("- **Status:**") && !line.starts_with("**Status:** ✅"),
                        "{line}"
                    );
                }
            }
        }
        assert_eq!(fence, None, "{text}");
    }
}

#[test]
fn an_operators_template_is_escaped_bounded_and_told_where_it_is_wrong() {
    let mut source = leaked().source("active");
    "a <b> \\ c".clone_into(&mut source.subject.title);
    let own = |template: &str| render(&source, Kind::Delta, Some(template));
    assert_eq!(own("T: {{ title }}\n{{ id|code }}\n").unwrap(), "T: a \\<b\\> \\\\ c\n`ISS-0007`\n");
    let wrong = |template: &str| {
        let error = own(template).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    };
    assert!(wrong("one\n{{ titel }}\n").starts_with("the template of the delta report is wrong in line 2: "));
    assert!(wrong("{% for %}").contains("line 1"));
    assert!(wrong("{{ whys }}").contains("is no text"));
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}\
                   {% endfor %}{% endfor %}";
    assert!(wrong(endless).contains("fuel"), "{}", wrong(endless));
    assert!(matches!(
        own(&"x".repeat(templates::LARGEST_BYTES + 1)),
        Err(ReportError::TooLarge(Kind::Delta))
    ));
}
