//! The documents that this room grew from: read, and written as they were.

use scupper_casebook::document::{Document, Value};
use scupper_casebook::merge::merge;

const SEEDS: [(&str, &str); 5] = [
    ("000", include_str!("seeds/000-action-plan.md")),
    ("001", include_str!("seeds/001-deployment-readiness-audit.md")),
    ("002", include_str!("seeds/002-node-heap-issue.md")),
    ("003", include_str!("seeds/003-delta-report-async-task-leak.md")),
    ("004", include_str!("seeds/004-agent-lifecycle-safety.md")),
];

/// The seed as other editors save it.
fn forms(text: &str) -> [String; 4] {
    let crlf = text.replace('\n', "\r\n");
    [text.to_owned(), crlf.clone(), format!("\u{feff}{text}"), format!("\u{feff}{crlf}")]
}

#[test]
fn r055_every_seed_survives_byte_for_byte() {
    for (name, seed) in SEEDS {
        for text in forms(seed) {
            let mut document = Document::parse(&text).unwrap();
            assert_eq!(document.text(), text, "{name}");
            // Writing what is there already, and ticking a box twice, changes nothing.
            let keys: Vec<(String, Value)> =
                document.keys().map(|(key, value)| (key.to_owned(), value.clone())).collect();
            for (key, value) in &keys {
                document.set(&[key], value).unwrap();
            }
            for found in document.outline().boxes {
                document.tick(found.line, !found.ticked).unwrap();
                assert_ne!(document.text(), text, "{name}");
                document.tick(found.line, found.ticked).unwrap();
            }
            let body = document.body().to_owned();
            document.set_body(&body);
            assert_eq!(document.text(), text, "{name}");
            assert_eq!(merge(Some(&text), &text, &text).unwrap().text, text, "{name}");
            assert_eq!(merge(None, &text, &text).unwrap().text, text, "{name}");
        }
    }
}

#[test]
fn r055_a_move_changes_its_own_lines_alone() {
    for text in forms(SEEDS[2].1) {
        let mut issue = Document::parse(&text).unwrap();
        issue.set(&["state"], &"archived".into()).unwrap();
        issue.set(&["updated_date"], &"2026-11-22T21:00:00.000Z".into()).unwrap();
        issue.set(&["completion_percentage"], &100.into()).unwrap();
        issue.set(&["state_metadata", "previous_state"], &"done".into()).unwrap();
        issue.set(&["scupper", "forced"], &true.into()).unwrap();
        let new: Vec<&str> = issue.text().lines().collect();
        let added: Vec<&&str> = new.iter().filter(|line| !text.lines().any(|old| old == **line)).collect();
        assert_eq!(
            added,
            [
                &"updated_date: 2026-11-22T21:00:00.000Z",
                &"completion_percentage: 100",
                &"state: archived",
                &"  previous_state: done",
                &"scupper:",
                &"  forced: true",
            ]
        );
        assert_eq!(new.len(), text.lines().count() + 2);
        assert_eq!(issue.text().contains("\r\n"), text.contains("\r\n"));
        assert_eq!(issue.text().replace("\r\n", "").contains('\n'), !text.contains("\r\n"));
    }
}
