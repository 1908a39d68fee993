//! What is read from a document, and what an edit changes of it.

use super::*;

const ISSUE: &str = include_str!("../../tests/seeds/002-node-heap-issue.md");
const PLAN: &str = include_str!("../../tests/seeds/000-action-plan.md");

fn parsed(text: &str) -> Document {
    Document::parse(text).unwrap()
}

/// The lines that differ: those of the old text, and those of the new one.
fn changed<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (old, new): (Vec<_>, Vec<_>) = (old.split('\n').collect(), new.split('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    (old[head..old.len() - tail].to_vec(), new[head..new.len() - tail].to_vec())
}

#[test]
fn the_issue_of_the_seed_is_read() {
    let issue = parsed(ISSUE);
    let keys: Vec<&str> = issue.keys().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), 21);
    assert_eq!((keys[0], keys[20]), ("issue_id", "state_metadata"));
    assert_eq!(issue.text_of(&["issue_id"]), Some("ISS-0109"));
    assert_eq!(issue.get(&["completion_percentage"]), Some(&Value::Integer(0)));
    assert_eq!(issue.text_of(&["created_date"]), Some("2025-07-14T01:32:22.251Z"));
    assert_eq!(issue.get(&["state_metadata", "automation_eligible"]), Some(&Value::Bool(true)));
    let reason = issue.text_of(&["state_metadata", "transition_reason"]).unwrap();
    assert!(
        reason.starts_with("COMPLETE RESOLUTION") && reason.contains("coordination successful"),
        "{reason}"
    );
    assert!(reason.ends_with("All validation passed.") && !reason.contains('\n'), "{reason}");
    // The body is said once more under a key.
    assert_eq!(issue.text_of(&["content"]).unwrap(), issue.body().trim());
    assert_eq!(issue.line_of(&["status"]), Some(39));
    assert_eq!(issue.line_of(&["state_metadata", "previous_state"]), Some(112));
}

#[test]
fn r055_one_key_changes_one_line() {
    let mut issue = parsed(ISSUE);
    issue.set(&["state"], &"active".into()).unwrap();
    assert_eq!(changed(ISSUE, issue.text()), (vec!["state: done"], vec!["state: active"]));
    let before = issue.text().to_owned();
    issue.set(&["state_metadata", "previous_state"], &"done".into()).unwrap();
    let (old, new) = changed(&before, issue.text());
    assert_eq!((old, new), (vec!["  previous_state: ready_for_deployment"], vec!["  previous_state: done"]));
    // Its folded reason is one value on four lines.
    let before = issue.text().to_owned();
    issue.set(&["state_metadata", "transition_reason"], &"it came back: #3".into()).unwrap();
    let (old, new) = changed(&before, issue.text());
    assert_eq!(old.len(), 4);
    assert_eq!(new, ["  transition_reason: \"it came back: #3\""]);
}

#[test]
fn nothing_is_written_where_the_value_is_there_already() {
    let mut issue = parsed(ISSUE);
    for (key, value) in parsed(ISSUE).keys() {
        issue.set(&[key], value).unwrap();
    }
    assert_eq!(issue.text(), ISSUE);
}

#[test]
fn new_keys_come_last_or_behind_another() {
    let mut issue = parsed(ISSUE);
    issue.set_after("issue_id", "epic_id", &"EP-0001".into()).unwrap();
    issue.set(&["state_metadata", "reviewer"], &"masa".into()).unwrap();
    let history = Value::List(vec![Value::Map(vec![("at".into(), "2026-01-01T00:00:00.000Z".into())])]);
    issue.set(&["scupper", "history"], &history).unwrap();
    let text = issue.text();
    assert!(text.starts_with("---\nissue_id: ISS-0109\nepic_id: EP-0001\ntitle:"), "{text}");
    let end = "    passed.\"\n  reviewer: masa\nscupper:\n  history:\n    - at: 2026-01-01T00:00:00.000Z\n---\n\n# Issue";
    assert!(text.contains(end), "{text}");
    assert_eq!(parsed(text).get(&["scupper", "history"]), Some(&history));
    for path in [&["epic_id"][..], &["state_metadata", "reviewer"], &["scupper"]] {
        issue.remove(path).unwrap();
    }
    assert_eq!(issue.text(), ISSUE);
}

#[test]
fn a_document_without_front_matter_gets_one() {
    let mut note = parsed("# Title\n");
    note.set(&["status"], &"pending".into()).unwrap();
    assert_eq!(note.text(), "---\nstatus: pending\n---\n\n# Title\n");
}

#[test]
fn the_outline_of_the_plan_has_its_boxes_and_not_those_in_code() {
    let plan = parsed(PLAN);
    let outline = plan.outline();
    assert_eq!(outline.headings[0].text, "Plan: Fix Memory Leak in Background Worker");
    assert_eq!(outline.headings.len(), 8);
    assert_eq!((outline.fences.len(), outline.fences[0].line), (1, 17));
    assert_eq!(outline.boxes.len(), 5);
    assert_eq!(outline.boxes[0].section.as_deref(), Some("Success Criteria"));
    assert_eq!(outline.items.iter().filter(|item| item.number.is_some()).count(), 5);
}

#[test]
fn a_tick_changes_one_byte() {
    let mut plan = parsed(PLAN);
    let line = plan.outline().boxes[1].line;
    plan.tick(line, true).unwrap();
    let (old, new) = changed(PLAN, plan.text());
    assert_eq!(old, ["- [ ] Requirements met and verified"]);
    assert_eq!(new, ["- [x] Requirements met and verified"]);
    plan.tick(line, false).unwrap();
    assert_eq!(plan.text(), PLAN);
    assert_eq!(plan.tick(1, true), Err(DocumentError::NoBox { line: 1 }));
}
