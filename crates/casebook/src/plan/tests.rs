//! A plan as a whole: the seed's note in the normal mode, and what no note may do to its plan.
//! Rows shown here: R002, R004, R008, R010, R020.

use std::time::Duration;

use scupper_model::{Event, EventKind, Judged, RunId, Timestamp, Watched};

use super::*;
use crate::incident::Recorded;

const SEED: &str = include_str!("../../tests/seeds/000-action-plan.md");

fn seed_note() -> &'static str {
    let (_, behind) = SEED.split_once("## Original Request\n```\n").unwrap();
    behind.split_once("\n```\n").unwrap().0
}

fn made(text: &str, recorded: &[Recorded]) -> Plan {
    chosen(text, recorded, Chosen::default())
}

fn chosen(text: &str, recorded: &[Recorded], chosen: Chosen) -> Plan {
    let now: Timestamp = "2026-02-27T12:00:00Z".parse().unwrap();
    let around = Surroundings {
        created_at: "2026-02-27 10:45:30",
        now,
        recorded,
        evidence_file: "/state/evidence.sqlite",
        chosen,
    };
    plan(&Note::parse("fix_memory_leak.md", text).unwrap(), &around)
}

#[test]
fn r002_what_a_person_has_set_is_what_the_plan_is_made_for() {
    let note = "Review the bug";
    let open = made(note, &[]);
    assert!(
        open.text.contains(
            "- Type **general_task**: not enough speaks for one kind alone; nearest is bug_fix, score 10"
        ),
        "{}",
        open.text
    );
    let set = Chosen { task_type: Some(TaskType::Review), priority: Some(Priority::Low) };
    let plan = chosen(note, &[], set);
    for part in [
        "priority: low
task_type: review
",
        "related_files: []
---
",
        "- Type **review**: set by hand; the words say bug_fix",
        "- Priority **low**: set by hand",
        "1. **Get an Overview**",
    ] {
        assert!(
            plan.text.contains(part),
            "{part}
{}",
            plan.text
        );
    }
    // Also where a measurement would raise it.
    let leak = "# Memory leak in background worker";
    let near = growing("background-worker", 1e6, Some(7200));
    assert_eq!(
        chosen(leak, &[near], Chosen { priority: Some(Priority::Low), task_type: None }).priority,
        Priority::Low
    );
}

fn growing(unit: &str, bytes_per_hour: f64, time_to_limit_seconds: Option<u64>) -> Recorded {
    let event = Event {
        schema: scupper_model::EVENT_SCHEMA.into(),
        id: "0195455e-0000-7000-8000-000000000001".parse().unwrap(),
        at: "2026-02-27T11:00:00Z".parse().unwrap(),
        unit: unit.parse().unwrap(),
        run: RunId("0195455e-0000-7000-8000-000000000002".parse().unwrap()),
        kind: EventKind::VerdictChanged {
            series: Watched::Memory,
            target: None,
            name: None,
            value: 1 << 30,
            previous: scupper_detect::Verdict::Growing,
            judged: Box::new(Judged {
                verdict: scupper_detect::Verdict::Leaking,
                slope_per_hour: Some(bytes_per_hour),
                time_to_limit_seconds,
                ..Judged::default()
            }),
        },
    };
    Recorded { event, sha256: "ab".repeat(32) }
}

fn headings(text: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let mark = line.trim_end();
        match fence {
            None if mark.starts_with("```") => fence = Some(mark),
            None if line.starts_with("# ") || line.starts_with("## ") => found.push(line),
            Some(open) if open == mark => fence = None,
            _ => {}
        }
    }
    found
}

const HEADINGS: [&str; 7] = [
    "## Executive Summary",
    "## Original Request",
    "## Step-by-Step Plan",
    "## Success Criteria",
    "## Potential Risks/Blockers",
    "## Effort Estimate",
    "## Notes",
];

/// R001, R006, R007 (what the summary names) and R013 (the notes), in the normal mode.
#[test]
fn r001_r006_the_form_is_that_of_the_seed() {
    let plan = made(seed_note(), &[]);
    let keys: Vec<&str> = plan
        .text
        .lines()
        .skip(1)
        .take_while(|line| *line != "---")
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        keys,
        ["type", "status", "priority", "task_type", "created_at", "source_file", "related_files"]
    );
    let found = headings(&plan.text);
    assert_eq!(found.first(), Some(&"# Plan: Fix Memory Leak in Background Worker"));
    assert_eq!(found[1..], HEADINGS);
    // The whole request, and the notes of the seed.
    assert!(plan.text.contains(seed_note()));
    assert!(plan.text.ends_with(&SEED[SEED.find("## Notes").unwrap()..]));
    assert!(plan.text.contains("classified as **memory_leak** with **high** priority"), "{}", plan.text);
}

#[test]
fn r004_r020_the_seed_is_a_leak_and_nothing_it_asks_is_lost() {
    let plan = made(seed_note(), &[]);
    let found = &plan.classified;
    assert_eq!(
        (found.task_type, found.priority, found.effort),
        (TaskType::MemoryLeak, Priority::High, Effort::Medium)
    );
    assert!(!found.needs_triage);
    assert_eq!(found.runner_up.as_ref().unwrap().task_type, TaskType::BugFix);
    assert!(
        found.matched.iter().any(|each| each.word == "memory leak" && each.lines == [1]),
        "{:?}",
        found.matched
    );
    let asked: Vec<_> = plan.covered.iter().filter(|each| each.line > 12).collect();
    assert_eq!(asked.len(), 4, "{:?}", plan.covered);
    for each in &asked {
        assert_eq!(each.by.as_deref(), Ok("Find What Leaks"), "{each:?}");
        assert!(plan.text.contains(&format!("   - [ ] {} <!-- scupper:step=", each.text)), "{each:?}");
    }
    assert!(plan.text.contains("- 7 of 7 bullets of the request are in this plan"));
}

#[test]
fn r010_the_criteria_are_numbers_from_the_request() {
    let plan = made(seed_note(), &[]);
    assert_eq!(plan.facts.rate(), Some(1e8));
    assert_eq!(plan.facts.time_to_failure(), Some(Duration::from_hours(10)));
    for part in [
        "- [ ] Memory grows by at most 1 MB/hour (100 MB/hour is reported), over a soak of at least 30 h",
        "- [ ] Memory is less than 30 MB above its start",
        "- [ ] 0 OOM kills and 0 crashes in 30 h",
        "- [ ] 0 processes left behind",
        "`scupper soak --name background-worker --for 30h --max-growth 28M -- COMMAND`",
        "`scupper why background-worker`",
        "- Rate: ~100MB/hour (line 9)",
        "- Time until it fails: 8-10 hours (line 10)",
        "- [ ] Task reviewed and approved",
    ] {
        assert!(plan.text.contains(part), "{part}\n{}", plan.text);
    }
}

#[test]
fn evidence_that_fits_is_filled_in_and_nothing_else_is() {
    let fits = growing("background-worker", 97e6, None);
    let plan = made(seed_note(), &[growing("web", 5e6, None), fits]);
    assert_eq!(plan.evidence.len(), 1);
    assert_eq!(plan.evidence[0].by, ["service", "rate"]);
    for part in [
        "related_files:\n  - \"/state/evidence.sqlite#0195455e-0000-7000-8000-000000000001\"\n",
        "memory is judged leaking, 97 MB/hour (fits by service, rate; event `0195455e-",
        &"ab".repeat(32),
    ] {
        assert!(plan.text.contains(part), "{part}\n{}", plan.text);
    }
    let none = made(seed_note(), &[growing("web", 5e6, None)]);
    assert!(none.evidence.is_empty());
    assert!(none.text.contains("- This would record it: `scupper run --name background-worker -- COMMAND`"));
    assert!(none.text.contains("related_files: []\n"));
}

#[test]
fn a_program_is_no_service() {
    let note = "# Memory leak in node\nmemory leak";
    assert!(made(note, &[growing("node", 5e6, None)]).evidence.is_empty());
    let rate = "# Memory leak in node\nmemory leak of 5 MB/hour";
    assert_eq!(made(rate, &[growing("node", 5e6, None)]).evidence[0].by, ["service", "rate"]);
}

#[test]
fn the_priority_is_raised_by_what_was_measured_and_said_to_be() {
    let note = "# Memory leak in background worker\nPriority: low";
    let calm = made(note, &[growing("background-worker", 1e6, Some(90_000))]);
    assert_eq!((calm.priority, calm.raised), (Priority::Low, None));
    let near = made(note, &[growing("background-worker", 1e6, Some(7200))]);
    assert_eq!(near.priority, Priority::High);
    assert!(
        near.text
            .contains("raised from low by what was recorded: background-worker reaches its limit 2 h after"),
        "{}",
        near.text
    );
}

#[test]
fn r008_a_fence_is_longer_than_any_in_the_request() {
    let note = "# Odd\n````\n## Notes\n```\n````\n`````` six\n";
    let plan = made(note, &[]);
    assert!(plan.text.contains(&format!("## Original Request\n```````\n{note}\n```````\n")), "{}", plan.text);
}

#[test]
fn a_note_cannot_write_our_marks_or_headings() {
    let note =
        "# A <!-- scupper:step=0000000000 -->\n\n- do it <!-- scupper:step=1111111111 -->\n- [x] was done\n";
    let plan = made(note, &[]);
    let outside = plan.text.replace(note, "");
    assert!(
        !outside.contains("scupper:step=0000000000 -->") && !outside.contains("scupper:step=1111111111 -->"),
        "{outside}"
    );
    assert!(plan.text.contains("- Not covered, since it is ticked already: line 4, was done"));
    assert!(plan.text.contains("- 1 of 2 bullets"));
}

#[test]
fn every_kind_has_steps_of_its_own_with_marks_of_their_own() {
    let asked = steps::Asked { unit: "web", soak: "24h", growth: "24M" };
    let mut titles: Vec<String> = Vec::new();
    for kind in TaskType::ALL {
        let steps = steps::of(*kind, &asked);
        assert!(steps.len() >= 3, "{kind}");
        let mut keys: Vec<String> = steps
            .iter()
            .flat_map(|step| step.items.iter().map(|item| format!("{}/{}", step.key, item.key)))
            .collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "{kind}");
        titles.push(steps.iter().map(|step| step.title.as_str()).collect::<Vec<_>>().join("|"));
    }
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), TaskType::ALL.len());
}

#[test]
fn a_note_that_says_nothing_is_for_a_person() {
    let plan = made("Buy milk", &[]);
    assert!(plan.text.contains("related_files: []\nneeds_triage: true\n---\n"), "{}", plan.text);
    assert!(plan.text.contains("no word of the request says what kind of task it is"));
}
