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

/// What front matter is refused for, and the line it is said of.
#[test]
fn front_matter_that_cannot_be_read_for_certain_is_refused_with_its_line() {
    let bomb: String = ('b'..'l')
        .map(|name| {
            let before = char::from_u32(u32::from(name) - 1).unwrap();
            format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(","))
        })
        .collect();
    let cases = [
        ("---\na: 1\n".to_owned(), 1, "never ends"),
        ("---\na: 1\nb: 2\na: 2\n---\n".to_owned(), 4, "the key `a` stands there twice"),
        ("---\nm:\n  a: 1\n  \"a\": 2\n---\n".to_owned(), 4, "the key `a` stands there twice"),
        ("---\na:\n\tb: 1\n---\n".to_owned(), 3, "a tab is no indentation"),
        ("---\n\ta: 1\n---\n".to_owned(), 2, "a tab is no indentation"),
        ("---\n- a\n---\n".to_owned(), 2, "no list of `key: value`"),
        (format!("---\na: &a [x,x,x,x,x,x,x,x,x]\n{bomb}---\n"), 6, "more than 50000 values"),
        (format!("---\na: {}{}\n---\n", "[".repeat(40), "]".repeat(40)), 2, "more than 16 deep"),
        (format!("---\na: 1\nb: {}\n---\n", "x".repeat(10 << 20)), 3, "a value has more than 1 MiB"),
        (format!("---\na: |\n{}---\n", "  xxxxxxxx\n".repeat(200_000)), 3, "a value has more than 1 MiB"),
        ("---\na: \"x\n---\n".to_owned(), 2, "unclosed quote"),
        ("---\na: b: c\n---\n".to_owned(), 2, "mapping values are not allowed"),
        ("---\na: 1\n...\nb: 2\n---\n".to_owned(), 4, "ends it in the middle"),
        ("---\na: *none\n---\n".to_owned(), 2, "unknown anchor"),
        ("---\na: \u{1}\n---\n".to_owned(), 2, "unexpected character"),
    ];
    for (text, line, problem) in cases {
        let error = Document::parse(&text).unwrap_err().to_string();
        let head: String = text.chars().take(60).collect();
        assert!(error.starts_with(&format!("line {line}: ")) && error.contains(problem), "{head:?}: {error}");
        assert!(!error.contains('\n') && error.len() < 200, "{error}");
    }
}

#[test]
fn what_is_no_front_matter_is_body() {
    for text in ["", "\n---\na: 1\n---\n", "# x\n---\na: 1\n---\n", "----\na\n", " ---\n", "text"] {
        let document = parsed(text);
        assert!(!document.has_front_matter() && document.body() == text, "{text:?}");
    }
    for text in ["---\n---\n", "---\n# nothing\n---\nbody", "\u{feff}---\r\n---\r\n"] {
        let document = parsed(text);
        assert!(document.has_front_matter() && document.keys().next().is_none(), "{text:?}");
    }
    assert_eq!(parsed("\u{feff}text").body(), "text");
}

#[test]
fn words_of_other_readers_are_written_as_text() {
    let cases = [
        ("yes", "\"yes\""),
        ("NO", "\"NO\""),
        ("null", "\"null\""),
        ("~", "\"~\""),
        ("1:30", "\"1:30\""),
        ("0o7", "\"0o7\""),
        ("12", "\"12\""),
        ("1e3", "\"1e3\""),
        (".5", "\".5\""),
        ("", "\"\""),
        (" x", "\" x\""),
        ("a: b", "\"a: b\""),
        ("a #b", "\"a #b\""),
        ("*a", "\"*a\""),
        ("- a", "\"- a\""),
        ("caf\u{e9}", "\"caf\u{e9}\""),
        ("a\tb", "\"a\\tb\""),
        ("\u{1b}[1m\u{202e}", "\"\\x1B[1m\\u202E\""),
        ("say \"x\" \\", "\"say \\\"x\\\" \\\\\""),
        ("2026-02-27 10:45:30", "2026-02-27 10:45:30"),
        ("2025-07-14T02:48:59.917Z", "2025-07-14T02:48:59.917Z"),
        ("2025-07-14T02:48:59.Z", "\"2025-07-14T02:48:59.Z\""),
        ("AI_Employee_Vault/Inbox/fix.md", "AI_Employee_Vault/Inbox/fix.md"),
        ("ready_for_qa", "ready_for_qa"),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\n  b", "|-\n  a\n\n    b"),
        ("\na\nb", "\"\\na\\nb\""),
        (" a\nb", "\" a\\nb\""),
        ("a\n \nb", "\"a\\n \\nb\""),
        ("a\r\nb", "\"a\\r\\nb\""),
        ("a\u{2028}\nb", "\"a\\u2028\\nb\""),
    ];
    for (text, written) in cases {
        let mut document = parsed("");
        document.set(&["key"], &text.into()).unwrap();
        assert_eq!(
            document.text(),
            format!("---\nkey: {written}\n---\n\n").trim_end_matches('\n').to_owned() + "\n"
        );
        assert_eq!(document.text_of(&["key"]), Some(text));
    }
    for (number, written) in [
        (1e20, "1.0e+20"),
        (1.5e-9, "1.5e-9"),
        (0.1, "0.1"),
        (2.0, "2.0"),
        (f64::INFINITY, ".inf"),
        (f64::NAN, ".nan"),
    ] {
        let mut document = parsed("");
        document.set(&["key"], &number.into()).unwrap();
        assert_eq!(document.text(), format!("---\nkey: {written}\n---\n"));
    }
}

#[test]
fn comments_and_blank_lines_stay_where_they_are() {
    let text = "---\n# first\na: 1 # one\nb: [x, \"y # z\"] # it's two\n\n# of c\nc:\n  - one # 1\n  # of two\n  - two\n  - three\n\n# of d\nd: {e: 1, f: 2}\ng: |\n  text\n  # text too\n# last\n---\n";
    let mut document = parsed(text);
    document.set(&["a"], &2.into()).unwrap();
    document.set(&["b"], &Value::List(vec!["w".into()])).unwrap();
    document.set(&["c"], &Value::List(vec!["one".into(), "two".into(), "four".into()])).unwrap();
    document.set(&["d", "f"], &3.into()).unwrap();
    document.set(&["h"], &"new".into()).unwrap();
    let expected = "---\n# first\na: 2 # one\nb: # it's two\n  - w\n\n# of c\nc:\n  - one # 1\n  # of two\n  - two\n  - four\n\n# of d\nd:\n  e: 1\n  f: 3\ng: |\n  text\n  # text too\nh: new\n# last\n---\n";
    assert_eq!(document.text(), expected);
    for key in ["a", "b", "c", "d", "g", "h"] {
        document.remove(&[key]).unwrap();
    }
    assert_eq!(document.text(), "---\n# first\n\n# of c\n\n# of d\n# last\n---\n");
}

#[test]
fn nothing_is_set_below_a_word_and_nothing_behind_a_key_that_is_missing() {
    let mut document = parsed("---\na: word\nm:\n---\n");
    let error = document.set(&["a", "b"], &1.into()).unwrap_err();
    assert_eq!(error, DocumentError::NoMap { line: 2, path: "a".to_owned(), kind: "text" });
    assert!(matches!(document.set_after("x", "y", &1.into()), Err(DocumentError::NoKey { .. })));
    assert_eq!(document.set(&[], &1.into()), Err(DocumentError::NoPath));
    assert!(matches!(document.set(&[&"k".repeat(300)], &1.into()), Err(DocumentError::LongKey { .. })));
    assert_eq!(document.text(), "---\na: word\nm:\n---\n");
    document.set(&["m", "p", "o"], &1.into()).unwrap();
    assert_eq!(document.text(), "---\na: word\nm:\n  p:\n    o: 1\n---\n");
    document.remove(&["m", "p", "o"]).unwrap();
    assert_eq!(document.text(), "---\na: word\nm:\n  p: {}\n---\n");
}

mod properties;
