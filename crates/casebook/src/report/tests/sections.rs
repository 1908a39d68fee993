//! The sections that the first reports had, each with what it has to show.
//! Rows shown here: R053, R061, R076, R081.

use scupper_model::{EndedBy, Fatal, SoakOutcome, Timestamp};

use super::super::proof::failed_since_done;
use super::super::*;
use super::{COMMAND, Scene, at, death, headings, leaked, rendered, seed, soak, verification};

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
fn r053_r061_what_was_soaked_is_told_by_every_kind_and_no_lint_contradicts_it() {
    use crate::lint::{Nowhere, Rule, lint};

    let boxes = |text: &str| -> Vec<bool> {
        let tasks = text.split_once("\n## Tasks\n").unwrap().1.split_once("\n## ").unwrap().0;
        tasks.lines().filter(|line| line.starts_with("- [")).map(|line| line.starts_with("- [x] ")).collect()
    };
    assert_eq!(boxes(&rendered(&leaked().source("active"), Kind::Issue)), [false; 3]);
    let mut scene = leaked();
    scene.started(300, 2, 1, COMMAND);
    scene.add(900, 2, soak(SoakOutcome::Passed));
    let mut source = scene.source("done");
    source.named.push(facts::Named { what: "805e2406ed".to_owned(), by: "ana".to_owned(), at: at(250) });
    let audit = rendered(&source, Kind::Audit);
    assert!(audit.contains("\n**Status**: Complete\n"), "{audit}");
    let (_, current) = audit.split_once("\n### Current State\n").unwrap();
    assert!(current.contains("- **Before:** ") && current.contains("- **After:** Soak PASS"), "{audit}");
    let unmeasured = |text: &str| {
        let findings = lint(text, &Nowhere).findings;
        findings.iter().filter(|finding| finding.rule == Rule::ResolvedWithoutMeasure).count()
    };
    assert_eq!(unmeasured(&audit), 0, "{audit}");
    assert_eq!(unmeasured(&audit.replace("- **After:** ", "- Later: ")), 1);
    assert_eq!(boxes(&rendered(&source, Kind::Issue)), [false, true, true]);
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
fn r081_a_command_that_fails_after_it_was_done_speaks_against_it() {
    let mut scene = leaked();
    let against = |scene: &Scene, moves: &[(Timestamp, String)]| {
        let mut source = scene.source("done");
        source.subject.moves = moves.to_vec();
        failed_since_done(&source.plain(), &source.subject)
    };
    let done = [(at(500), "done".to_owned())];
    scene.add(400, 3, verification(1));
    assert_eq!(against(&scene, &done), Vec::<String>::new(), "it was known when it was called done");
    let id = scene.add(600, 3, verification(1));
    let expected = format!("`pytest tests/test_leak.py`: FAILED with exit code 1 (event {id})");
    assert_eq!(against(&scene, &done), [expected]);
    assert_eq!(against(&scene, &[]), Vec::<String>::new(), "nobody says that it is done");
    scene.add(700, 3, verification(0));
    assert_eq!(against(&scene, &done), Vec::<String>::new(), "the last run of a command is what holds");
}
