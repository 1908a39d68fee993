//! A record from its opening to its end, and what nobody should get past.

mod moved;
mod proved;
mod read;

use std::time::Duration;

use scupper_detect::{Reason, Verdict as Judged};
use scupper_model::{
    Bytes, EVENT_SCHEMA, Event, EventKind, Judged as Assessment, SoakOutcome, SoakResult, Timestamp,
    UnitName, Watched,
};

use super::*;

const START: u64 = 1_795_000_000_000;

const HOUR: u64 = 3_600_000;

fn at(hours: u64) -> Timestamp {
    Timestamp(START + hours * HOUR)
}

fn event(id: u128, hours: u64, kind: EventKind) -> Recorded {
    let mut made: Event = serde_json::from_value(serde_json::json!({
        "schema": EVENT_SCHEMA, "id": format!("00000000-0000-0000-0000-{id:012}"), "at": at(hours).to_string(),
        "unit": "web", "run": format!("{id:032}"), "event": "trouble", "message": "",
    }))
    .unwrap();
    made.kind = kind;
    let sha256 = sha256(serde_json::to_string(&made).unwrap().as_bytes());
    Recorded { event: made, sha256 }
}

fn leak(id: u128, hours: u64) -> Recorded {
    let judged =
        Assessment { verdict: Judged::Leaking, slope_per_hour: Some(100e6), ..Assessment::default() };
    let kind = EventKind::VerdictChanged {
        series: Watched::Memory,
        target: None,
        name: Some("gunicorn".into()),
        value: 5,
        previous: Judged::Growing,
        judged: Box::new(judged),
    };
    event(id, hours, kind)
}

fn soak_result(outcome: SoakOutcome, lasted_hours: u64) -> SoakResult {
    SoakResult {
        outcome,
        passed: outcome == SoakOutcome::Passed,
        lasted_ms: lasted_hours * HOUR,
        operations: Some(1600),
        required_operations: None,
        base_bytes: Some(Bytes(1)),
        max_bytes: Some(Bytes(2)),
        growth_bytes: Some(1 << 20),
        max_growth_bytes: None,
        bytes_per_operation: None,
        bytes_per_operation_interval: None,
        slope_bytes_per_hour: Some(0.0),
        slope_interval: Some((-1000.0, 1000.0)),
        verdict: Judged::Stable,
        left_behind: 0,
        reasons: vec![Reason { tag: "growth".into(), text: "memory grew by 2 GiB".into() }],
    }
}

fn soak(id: u128, ended: u64, outcome: SoakOutcome, lasted_hours: u64) -> Recorded {
    event(id, ended, EventKind::SoakFinished { soak: Box::new(soak_result(outcome, lasted_hours)) })
}

fn opened() -> Incident {
    let seen = leak(1, 0);
    let episode = episode(&seen.event).unwrap();
    let unit: UnitName = "web".parse().unwrap();
    Incident::open(&Opening {
        id: "ISS-0007",
        title: &episode.title,
        at: at(0),
        by: "scupper",
        priority: episode.priority,
        owner: None,
        description: None,
        episode: Some(&episode),
        unit: Some(&unit),
        run: Some(seen.event.run),
        command: Some("gunicorn app:app --api-key=sk-live-1234567890abcdef"),
        evidence: &[Evidence::of(&seen)],
        suspects: &[],
        required: Required::derive(Some(Duration::from_hours(9)), Some(100e6), None, None),
        related: &[],
        blocked_by: &[],
        time_to_failure: Some(Duration::from_hours(9)),
        file_path: "ISS-0007-web.md",
    })
    .unwrap()
}

fn request(to: State, hours: u64) -> Request<'static> {
    Request::new(to, "ana", at(hours))
}

fn checks(incident: &Incident, soaks: &[Recorded], seen_again: &[Recorded]) -> Checks {
    let after = After {
        change: incident.change().map(|change| change.at),
        units: &incident.units(),
        soaks,
        seen_again,
    };
    let evidence = incident.evidence().into_iter().map(|e| (e.id, Standing::Intact)).collect();
    Checks { soak: verify(&incident.required(), &after), evidence, blocked_by: Vec::new() }
}

/// Fixed: the change was recorded after an hour.
fn fixed() -> Incident {
    let mut incident = opened();
    incident
        .transition(&Request { owner: Some("ana"), ..request(State::Active, 1) }, &Checks::default())
        .unwrap();
    let change = Request { change: Some("4f1c2d9"), ..request(State::ReadyForQa, 2) };
    incident.transition(&change, &Checks::default()).unwrap();
    incident
}
