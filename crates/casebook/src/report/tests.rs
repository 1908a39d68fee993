//! Reports of a unit that leaks, dies, is started again, is fixed and soaked; time is turned by hand.

mod sections;
mod told;
mod unknown;

use std::time::Duration;

use scupper_detect::{Reason, Verdict};
use scupper_model::{
    Bytes, Certificate, Comparison, EVENT_SCHEMA, EndedBy, Event, EventKind, Fatal, History, HowEnded,
    Identity, Judged, MemoryChange, MemoryKind, Pid, Profile, ResourceChange, ResourceKind, RunId,
    SoakOutcome, SoakResult, StartTime, Timestamp, Verification, Watched,
};
use uuid::Uuid;

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
