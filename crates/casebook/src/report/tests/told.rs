//! What happened, in order, and where else.
//! Rows shown here: R050.

use scupper_model::{EndedBy, EventKind, LimitLevel, Resource, Timestamp, Watched};
use uuid::Uuid;

use super::super::onset::{Onset, onset};
use super::super::uptime::{Met, Uptime};
use super::super::*;
use super::{COMMAND, MIB, START, Scene, at, death, leaked, oom, rendered, worker};
use crate::incident::Recorded;

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
