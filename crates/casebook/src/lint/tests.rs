//! The seeds, and a good document of each kind.
//! Rows shown here: R081.

use super::*;

const PLAN: &str = include_str!("../../tests/seeds/000-action-plan.md");
const AUDIT: &str = include_str!("../../tests/seeds/001-deployment-readiness-audit.md");
const ISSUE: &str = include_str!("../../tests/seeds/002-node-heap-issue.md");
const DELTA: &str = include_str!("../../tests/seeds/003-delta-report-async-task-leak.md");
const PROTOCOL: &str = include_str!("../../tests/seeds/004-agent-lifecycle-safety.md");

fn count(linted: &Linted, severity: Severity) -> usize {
    linted.findings.iter().filter(|finding| finding.severity == severity).count()
}

fn rules(linted: &Linted, rule: Rule) -> Vec<usize> {
    linted.findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.line).collect()
}

#[test]
fn seed_000_passes_and_four_bullets_of_its_request_are_not_covered() {
    let linted = lint(PLAN, &Nowhere);
    assert_eq!(linted.paper, Paper::Plan);
    assert_eq!(
        (count(&linted, Severity::Error), count(&linted, Severity::Warning)),
        (0, 0),
        "{:#?}",
        linted.findings
    );
    assert_eq!(rules(&linted, Rule::NotCovered), [31, 32, 33, 34]);
    assert_eq!(rules(&linted, Rule::CriterionWithoutNumber).len(), 1);
    assert!(!rules(&linted, Rule::Placeholder).is_empty());
}

#[test]
fn seed_001_passes_and_has_no_owner_and_no_evidence() {
    let linted = lint(AUDIT, &Nowhere);
    assert_eq!(linted.paper, Paper::Audit);
    assert_eq!(count(&linted, Severity::Error), 0, "{:#?}", linted.findings);
    assert_eq!(rules(&linted, Rule::NoOwner), [1]);
    assert_eq!(rules(&linted, Rule::NoEvidence), [1]);
    assert!(!rules(&linted, Rule::NotCovered).is_empty());
    assert_eq!(rules(&linted, Rule::Placeholder), [77, 78]);
}

#[test]
fn r060_seed_002_contradicts_itself() {
    let linted = lint(ISSUE, &Nowhere);
    assert_eq!(linted.paper, Paper::Incident);
    assert!(count(&linted, Severity::Error) >= 4, "{:#?}", linted.findings);
    assert_eq!(rules(&linted, Rule::DoneWithoutEvidence).len(), 1);
    assert_eq!(rules(&linted, Rule::DoneWithoutSoak).len(), 1);
    assert_eq!(rules(&linted, Rule::StatusContradiction).len(), 2);
    assert_eq!(rules(&linted, Rule::HomePath).len(), 1);
    assert_eq!(rules(&linted, Rule::EffortUnknown).len(), 1);
    // Three tasks, two criteria, the notes.
    assert_eq!(rules(&linted, Rule::Placeholder), [159, 160, 161, 164, 165, 168]);
    // "completely eliminated", "COMPLETE RESOLUTION", "All validation passed".
    assert!(!rules(&linted, Rule::ClaimWithoutNumber).is_empty());
    // What holds is not found fault with.
    for rule in [
        Rule::BodyDiffers,
        Rule::Transition,
        Rule::TimeBackwards,
        Rule::UpdatedBeforeHistory,
        Rule::KeyMissing,
    ] {
        assert_eq!(rules(&linted, rule), [0; 0], "{rule}");
    }
}

#[test]
fn seed_003_is_called_resolved_without_a_measurement_and_its_fix_cannot_work() {
    let linted = lint(DELTA, &Nowhere);
    assert_eq!(linted.paper, Paper::Delta);
    assert!(count(&linted, Severity::Error) >= 2, "{:#?}", linted.findings);
    assert_eq!(rules(&linted, Rule::SnippetCannotWork), [32]);
    assert_eq!(rules(&linted, Rule::ResolvedWithoutMeasure).len(), 1);
    // R077: five whys, none of them shown, and the last one is no cause.
    assert_eq!(rules(&linted, Rule::WhyWithoutEvidence).len(), 4);
    assert_eq!(rules(&linted, Rule::LastWhyUnproved).len(), 1);
    // R078: the seed's ranges are as long as what they quote.
    assert_eq!(rules(&linted, Rule::ChangeLength), [0; 0]);
    // R079, R080.
    assert_eq!(rules(&linted, Rule::NotMeasured).len(), 2);
    assert_eq!(rules(&linted, Rule::TestWithoutFile).len(), 3);
    assert_eq!(rules(&linted, Rule::DocumentationWithoutPath).len(), 3);
    assert_eq!(rules(&linted, Rule::VerificationWithoutCommand).len(), 4);
    assert_eq!(rules(&linted, Rule::IssueWithoutLink).len(), 3);
    assert_eq!(rules(&linted, Rule::PreventionWithoutRule).len(), 3);
    assert_eq!(rules(&linted, Rule::Header), [0; 0]);
}

#[test]
fn seed_004_is_another_kind_of_document_and_nothing_of_it_is_wrong() {
    let linted = lint(PROTOCOL, &Nowhere);
    assert_eq!(linted.paper, Paper::Other);
    assert_eq!(count(&linted, Severity::Error), 0, "{:#?}", linted.findings);
}

#[test]
fn front_matter_that_cannot_be_read_is_told_with_its_line_and_the_rest_is_looked_at() {
    for (text, line) in [
        ("---\na: 1\na: 2\n---\nNo resource leaks\n", 3),
        ("---\na:\n\tb: 1\n---\nNo resource leaks\n", 3),
        ("---\na: 1\nNo resource leaks\n", 1),
    ] {
        let linted = lint(text, &Nowhere);
        assert_eq!(rules(&linted, Rule::FrontMatter), [line], "{text:?}: {:?}", linted.findings);
        assert_eq!(rules(&linted, Rule::ClaimWithoutNumber).len(), 1, "{text:?}");
    }
}

#[test]
fn hostile_text_costs_little_and_breaks_nothing() {
    let bomb =
        (1..40).fold(String::new(), |all, n| all + &format!("a{n}: &a{n} [*a{0},*a{0},*a{0}]\n", n - 1));
    let deep = format!("{}x{}", "[".repeat(100_000), "]".repeat(100_000));
    let texts = [
        format!("---\n{bomb}---\nx\n"),
        format!("---\na: {deep}\n---\nx\n"),
        format!("# A\n{}\n", "[a](".repeat(1_000_000)),
        format!("# A\n{}\n", "`".repeat(5_000_000)),
        format!("# A\n{}", "- [ ] Task 1\n".repeat(50_000)),
        format!("# A\n{}", ">".repeat(3_000_000)),
        format!("# \u{394}-Report: x\n## Changes Made\n{}", "- **File:** `a:1-2`\n".repeat(20_000)),
        "<!--".repeat(500_000),
        "\u{202e}\u{0}\u{1b}[31m\r\r\n---\n---\n".to_owned(),
        String::new(),
    ];
    for text in texts {
        let linted = lint(&text, &Nowhere);
        // Four rules say what was not looked at.
        assert!(linted.findings.len() <= MOST_FINDINGS + 4 * super::finding::MOST_NOT_LOOKED + 1);
        for finding in &linted.findings {
            assert!(finding.message.len() < 2_000 && !finding.message.contains('\u{1b}'), "{finding:?}");
        }
    }
}

/// A record whose keys are those of seed 002, with some of them changed.
fn record(changes: &[(&str, &str)]) -> String {
    let body = "# Issue: x\n\n## Tasks\n- [x] Find it\n\n## Notes\nNone.";
    let content = format!("  {}\n", body.replace('\n', "\n  ").replace("  \n", "\n"));
    let mut keys: Vec<(String, String)> = [
        ("issue_id", "ISS-0007"),
        ("title", "x"),
        ("description", "\"\""),
        ("status", "active"),
        ("priority", "high"),
        ("assignee", "ana"),
        ("created_date", "2026-01-01T00:00:00.000Z"),
        ("updated_date", "2026-01-02T00:00:00.000Z"),
        ("estimated_tokens", "10"),
        ("actual_tokens", "5"),
        ("ai_context", "[]"),
        ("sync_status", "local"),
        ("related_tasks", "[]"),
        ("related_issues", "[]"),
        ("completion_percentage", "50"),
        ("blocked_by", "[]"),
        ("blocks", "[]"),
        ("content", "|-\n"),
        ("file_path", "tasks/ISS-0007-x.md"),
        ("state", "active"),
        (
            "state_metadata",
            "\n  transitioned_at: 2026-01-02T00:00:00.000Z\n  transitioned_by: ana\n  previous_state: planning",
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    for (key, value) in changes {
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some(slot) => (*value).clone_into(&mut slot.1),
            None => keys.push(((*key).to_owned(), (*value).to_owned())),
        }
    }
    let lines = keys.iter().fold(String::new(), |all, (key, value)| match value.as_str() {
        "|-\n" => all + &format!("{key}: |-\n{content}"),
        value => all + &format!("{key}: {value}\n"),
    });
    format!("---\n{lines}---\n\n{body}\n")
}

fn found(text: &str) -> Vec<(Severity, Rule)> {
    lint(text, &Nowhere).findings.into_iter().map(|finding| (finding.severity, finding.rule)).collect()
}

#[test]
fn a_record_in_which_everything_goes_together_is_clean() {
    assert_eq!(found(&record(&[])), []);
}

#[test]
fn r060_each_contradiction_of_a_record_is_told() {
    use Severity::{Error, Warning};
    let meta = |state: &str, at: &str| {
        format!("\n  transitioned_at: {at}\n  transitioned_by: ana\n  previous_state: {state}")
    };
    let from_archived = meta("archived", "2026-01-02T00:00:00.000Z");
    let early = meta("planning", "2025-12-31T00:00:00.000Z");
    let late = meta("planning", "2026-01-03T00:00:00.000Z");
    let reason = "\n  transitioned_at: 2026-01-02T00:00:00.000Z\n  previous_state: planning\n  transition_reason: Leak completely eliminated.";
    for (changes, expected) in [
        (vec![("status", "completed")], vec![(Error, Rule::StatusContradiction)]),
        (vec![("completion_percentage", "100")], vec![(Warning, Rule::StatusContradiction)]),
        (vec![("completion_percentage", "140")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("status", "sleeping")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("priority", "urgent")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("priority", "\"\"")], vec![(Warning, Rule::EffortUnknown)]),
        (vec![("estimated_tokens", "0"), ("actual_tokens", "0")], vec![(Warning, Rule::EffortUnknown)]),
        (vec![("estimated_tokens", "-1")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("sync_status", "lost")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("state", "finished")], vec![(Error, Rule::ValueUnknown)]),
        (vec![("issue_id", "7")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("state_metadata", &*from_archived)], vec![(Error, Rule::Transition)]),
        (
            vec![("updated_date", "2025-01-01T00:00:00Z")],
            vec![(Error, Rule::TimeBackwards), (Warning, Rule::UpdatedBeforeHistory)],
        ),
        (vec![("state_metadata", &*early)], vec![(Error, Rule::TimeBackwards)]),
        (vec![("state_metadata", &*late)], vec![(Warning, Rule::UpdatedBeforeHistory)]),
        (vec![("created_date", "last week")], vec![(Error, Rule::TimeUnreadable)]),
        (vec![("assignee", "unassigned")], vec![(Warning, Rule::NoOwner)]),
        (vec![("file_path", "/Users/ana/x.md")], vec![(Warning, Rule::HomePath)]),
        (vec![("content", "other")], vec![(Warning, Rule::BodyDiffers)]),
        (vec![("description", "nowhere else")], vec![(Warning, Rule::BodyDiffers)]),
        (vec![("blocked_by", "[ISS-0007]")], vec![(Error, Rule::LinkedUnknown)]),
        (vec![("blocks", "ISS-0008")], vec![(Warning, Rule::ValueUnknown)]),
        (vec![("state_metadata", reason)], vec![(Warning, Rule::ClaimWithoutNumber)]),
    ] {
        assert_eq!(found(&record(&changes)), expected, "{changes:?}");
    }
}

#[test]
fn r060_done_needs_evidence_and_a_soak_that_is_long_enough() {
    let id = "0198c5f0-7d3a-7c1e-9f00-0123456789ab";
    let hash = "ab".repeat(32);
    let done = |scupper: &str| {
        let meta = "\n  transitioned_at: 2026-01-02T00:00:00.000Z\n  transitioned_by: ana\n  previous_state: ready_for_deployment";
        let changes = [
            ("state", "done"),
            ("status", "completed"),
            ("completion_percentage", "100"),
            ("state_metadata", meta),
            ("scupper", scupper),
        ];
        found(&record(&changes)).into_iter().map(|(_, rule)| rule).collect::<Vec<_>>()
    };
    let evidence = |sha: &str| {
        format!(
            "\n  evidence:\n    - id: {id}\n      kind: verdict_changed\n      at: 2026-01-01T00:00:00.000Z\n      sha256: \"{sha}\"\n"
        )
    };
    let soak = |seconds: u32, verdict: &str| {
        format!(
            "  soak:\n    required:\n      seconds: 86400\n    verdict: {verdict}\n    observed:\n      - unit: web\n        id: {id}\n        \
             at: 2026-01-02T00:00:00.000Z\n        seconds: {seconds}\n        sha256: {hash}"
        )
    };
    assert_eq!(done("{}"), [Rule::DoneWithoutEvidence, Rule::DoneWithoutSoak]);
    let whole = |seconds, verdict| format!("{}{}", evidence(&hash), soak(seconds, verdict));
    // Nobody handed in an evidence file: that is said.
    assert_eq!(done(&whole(90_000, "passed")), [Rule::EvidenceNotChecked]);
    assert_eq!(done(&whole(3_600, "passed")), [Rule::EvidenceNotChecked, Rule::SoakTooShort]);
    assert_eq!(done(&whole(90_000, "refused")), [Rule::EvidenceNotChecked, Rule::DoneWithoutSoak]);
    let unhashed = format!("{}{}", evidence(""), soak(90_000, "passed"));
    assert_eq!(done(&unhashed), [Rule::EvidenceHash, Rule::EvidenceNotChecked]);
}

/// Knows a few things.
struct Somewhere;

impl Surroundings for Somewhere {
    fn now(&self) -> Option<scupper_model::Timestamp> {
        "2026-06-01T00:00:00Z".parse().ok()
    }
    fn recorded(&self, id: &str) -> Recorded {
        if id.ends_with('1') { Recorded::Event("ab".repeat(32)) } else { Recorded::Absent }
    }
    fn incident(&self, id: &str) -> Linked {
        match id {
            "ISS-0001" => Linked::State("done".to_owned()),
            "ISS-0002" => Linked::State("active".to_owned()),
            _ => Linked::Absent,
        }
    }
    fn file(&self, path: &str) -> Known {
        if path == "there.md" { Known::Yes } else { Known::No }
    }
}

fn found_somewhere(text: &str) -> Vec<Rule> {
    lint(text, &Somewhere).findings.into_iter().map(|finding| finding.rule).collect()
}

/// A report that shows what it says.
const GOOD: &str = "# \u{394}-Report: Sessions are kept for ever

**Date:** 2026-01-16 22:02  
**Severity:** P1 - High  
**Owner:** Ana  
**Status:** RESOLVED  

## Summary
Sessions are removed when they end.

## Timeline
| UTC | what |
|---|---|
| 2026-01-15T10:00:00Z | grows |
| 2026-01-15T12:00:00Z | leaks |

## Root Cause Analysis (5-Whys)
1. **Why did it die?** It crossed its limit (`0198c5f0-7d3a-7c1e-9f00-000000000001`).
2. **Why did it grow?** Sessions pile up (assumption).
3. **Why do they?** Nobody removes them: 0198c5f0-7d3a-7c1e-9f00-000000000001.

## Changes Made
- **File:** `app.py:3-4`
- **Change:** Sessions are removed
- **Implementation:**
  ```python
  def end(self):
      SESSIONS.pop(self.id, None)
  ```

## Evidence
- **Before:** grew 100 MB/h over 8 h at 20 requests/s, n=960 samples
- **After:** grew 0.1 MB/h over 30 h at 20 requests/s, n=3600 samples

## Tests Added
- `tests/test_sessions.py::test_end` passed

## Documentation Updated
- `docs/sessions.md`

## Verification
- `pytest -q`: exit code 0, 2026-01-16T21:00:00Z

## Linked Issues
- ISS-0001

## Prevention
- `--mem-soft 450M` is on
- A lint for it, owner Ana, by 2026-03-01
";

#[test]
fn a_report_that_shows_what_it_says_has_no_finding() {
    assert_eq!(found_somewhere(GOOD), [Rule::ChangesNotChecked]);
}

#[test]
fn each_thing_that_a_report_lacks_is_told() {
    let no_tree = |rules: &[Rule]| {
        let mut rules = rules.to_vec();
        rules.push(Rule::ChangesNotChecked);
        rules.sort();
        rules
    };
    for (old, new, expected) in [
        ("P1 - High", "bad", vec![Rule::Header]),
        ("Ana  \n**Status", "Ana\n**Status", vec![Rule::Header]),
        ("2026-01-16 22:02  ", "2027-01-16 22:02  ", vec![Rule::TimeInFuture]),
        ("**Owner:** Ana  ", "**Owner:** unassigned  ", vec![Rule::NoOwner]),
        ("T12:00:00Z | leaks", "T09:00:00Z | leaks", vec![Rule::TimeBackwards]),
        (
            "Nobody removes them: 0198c5f0-7d3a-7c1e-9f00-000000000001.",
            "Bad luck (assumption).",
            vec![Rule::LastWhyUnproved, Rule::TooFewWhys],
        ),
        ("Sessions pile up (assumption).", "Sessions pile up.", vec![Rule::WhyWithoutEvidence]),
        (
            "(`0198c5f0-7d3a-7c1e-9f00-000000000001`)",
            "(`0198c5f0-7d3a-7c1e-9f00-000000000002`)",
            vec![Rule::EvidenceMissing],
        ),
        (
            "(`0198c5f0-7d3a-7c1e-9f00-000000000001`)",
            "(`0198c5f0-7d3a-7c1e-9f00-000000000001` cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd)",
            vec![Rule::EvidenceHash],
        ),
        ("`app.py:3-4`", "`app.py:3-9`", vec![Rule::ChangeLength]),
        (
            "grew 0.1 MB/h over 30 h at 20 requests/s, n=3600 samples",
            "all is well",
            vec![Rule::ResolvedWithoutMeasure, Rule::NotMeasured],
        ),
        ("grew 0.1 MB/h over 30 h at 20 requests/s, n=3600 samples", "grew 0.1 MB", vec![Rule::NotMeasured]),
        ("`tests/test_sessions.py::test_end` passed", "A test of sessions", vec![Rule::TestWithoutFile]),
        (
            "`tests/test_sessions.py::test_end` passed",
            "`tests/test_sessions.py::test_end`",
            vec![Rule::TestWithoutResult],
        ),
        ("- `docs/sessions.md`", "- The guide", vec![Rule::DocumentationWithoutPath]),
        (
            "- `pytest -q`: exit code 0, 2026-01-16T21:00:00Z",
            "- Tests were run",
            vec![Rule::VerificationWithoutCommand],
        ),
        (
            "- `pytest -q`: exit code 0, 2026-01-16T21:00:00Z",
            "- `pytest -q` was run",
            vec![Rule::VerificationIncomplete],
        ),
        (
            "- `pytest -q`: exit code 0, 2026-01-16T21:00:00Z",
            "- `pytest -q`: ended by SIGKILL, 2026-01-16T21:00:00Z",
            vec![],
        ),
        ("- ISS-0001", "- the session issue", vec![Rule::IssueWithoutLink]),
        ("- ISS-0001", "- ISS-0002", vec![Rule::ResolvedIncidentOpen]),
        ("- ISS-0001", "- ISS-0003", vec![Rule::LinkedUnknown]),
        ("- ISS-0001", "- [it](there.md)", vec![]),
        ("- ISS-0001", "- [it](gone.md)", vec![Rule::BrokenLink]),
        ("- `--mem-soft 450M` is on", "- More care", vec![Rule::PreventionWithoutRule]),
        ("## Summary\n", "## Foreword\n", vec![Rule::SectionMissing]),
        ("Sessions are removed when they end.", "TODO", vec![Rule::Placeholder]),
        ("def end(self):", "asyncio.create_task(work())", vec![Rule::SnippetTaskNotKept]),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let mut rules = found_somewhere(&GOOD.replacen(old, new, 1));
        rules.sort();
        let mut expected = no_tree(&expected);
        expected.sort();
        assert_eq!(rules, expected, "{old} -> {new}");
    }
}

#[test]
fn r081_what_is_not_called_resolved_may_have_its_incident_open() {
    let open = GOOD.replace("RESOLVED", "In Progress").replace("- ISS-0001", "- ISS-0002");
    assert_eq!(found_somewhere(&open), [Rule::ChangesNotChecked]);
}

#[test]
fn what_is_done_has_no_open_box() {
    let meta = "\n  transitioned_at: 2026-01-02T00:00:00.000Z\n  previous_state: ready_for_deployment";
    let done = record(&[
        ("state", "done"),
        ("status", "completed"),
        ("completion_percentage", "100"),
        ("state_metadata", meta),
    ]);
    assert_eq!(found(&done).iter().filter(|(_, rule)| *rule == Rule::DoneWithOpenBox).count(), 0);
    let open = done.replace("- [x] Find it", "- [ ] Find it");
    assert_eq!(found(&open).iter().filter(|(_, rule)| *rule == Rule::DoneWithOpenBox).count(), 1);
    let plan = PLAN.replace("status: pending", "status: done");
    assert_eq!(found(&plan).iter().filter(|(_, rule)| *rule == Rule::DoneWithOpenBox).count(), 5);
}

#[test]
fn a_record_from_the_future_is_told() {
    assert_eq!(
        found_somewhere(&record(&[("updated_date", "2027-01-02T00:00:00.000Z")])),
        [Rule::TimeInFuture]
    );
    let missing: Vec<Rule> = found_somewhere(&record(&[]).replace("assignee: ana\n", ""));
    assert_eq!(missing, [Rule::KeyMissing, Rule::NoOwner]);
}

#[test]
fn a_plan_has_its_keys_and_known_words() {
    let rules = |old: &str, new: &str| -> Vec<Rule> {
        assert!(PLAN.contains(old), "{old}");
        let usual = found(PLAN);
        found(&PLAN.replacen(old, new, 1))
            .into_iter()
            .filter(|one| !usual.contains(one))
            .map(|(_, rule)| rule)
            .collect()
    };
    assert_eq!(rules("status: pending", "status: asleep"), [Rule::ValueUnknown]);
    assert_eq!(rules("priority: high\n", ""), [Rule::KeyMissing]);
    assert_eq!(rules("created_at: 2026-02-27 10:45:30", "created_at: soon"), [Rule::TimeUnreadable]);
    assert_eq!(rules("## Effort Estimate", "## Effort"), [Rule::SectionMissing]);
    assert_eq!(rules("status: pending", "status: in_progress"), []);
}

#[test]
fn the_manual_lists_every_rule_with_how_bad_it_is() {
    let manual = include_str!("../../../../docs/casebook.md");
    for rule in Rule::ALL {
        assert!(manual.contains(&format!("| `{rule}` | {} |", rule.severity().word())), "{rule}");
    }
}
