//! Whatever a document looks like: an edit changes its own lines, says what it should, and nothing panics.

use proptest::prelude::*;

use super::super::{Document, Value};

/// Entries as people and programs write them; `@` stands for the key.
const ENTRIES: [&str; 18] = [
    "@: word\n",
    "@: 12 # a comment\n",
    "@:\n",
    "@: \"quoted: text\"  # more\n",
    "@: 'it''s'\n",
    "\"@\": x\n",
    "@: |-\n  several lines\n\n    of text\n  # no comment\n",
    "@: >\n  folded\n  lines\n\n",
    "@: \"folded\n  in quotes, # no comment\n  over lines\"\n",
    "@: plain\n  over\n  lines\n",
    "@: []\n",
    "@: [one, \"two, # 2\"] # c\n",
    "@: {a: 1, b: [x]}\n",
    "@:\n  - one\n  # of two\n  - two\n  - a: 1\n    b: |\n      text\n      more\n",
    "@:\n- at the margin\n- again\n",
    "@:\n  a: 1 # one\n\n  # of b\n  b:\n    c: x\n  d: |-\n    text\n    # text\n",
    "@: 2025-07-14T01:32:22.251Z\n",
    "@: [one,\n  two,\n  three]\n",
];

/// What may stand between entries.
const BETWEEN: [&str; 5] = ["", "", "# a comment\n", "\n", "\n# one\n\n# two\n\n"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z /:#\"'\\-\\[\\]{},&*!|>%@`\\\\]{0,12}",
        "[ a-z0-9\n\t\r#:]{0,24}",
        "\\PC{0,8}",
        any::<String>(),
        Just("yes".to_owned()),
        Just("2026-01-02 03:04:05".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("a number", |n| !n.is_nan()).prop_map(Value::Float),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("[a-z ]{1,4}|\\PC{1,3}|true|1", inner, 0..4)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// R055: the lines before an entry and those behind it are the same bytes as before.
    #[test]
    fn r055_untouched_bytes_stay(
        kinds in proptest::collection::vec((0..ENTRIES.len(), 0..BETWEEN.len()), 1..6),
        which in 0..6_usize,
        new in value(),
        kind in 0..4_u8,
        is_crlf in any::<bool>(),
    ) {
        let chunk = |at: usize| {
            let (entry, between) = kinds[at];
            let text = format!("{}{}", BETWEEN[between], ENTRIES[entry].replace('@', &format!("key{at}")));
            if is_crlf { text.replace('\n', "\r\n") } else { text }
        };
        let end = if is_crlf { "\r\n" } else { "\n" };
        let which = which % kinds.len();
        let before: String = (0..which).map(chunk).collect();
        let behind: String = (which + 1..kinds.len()).map(chunk).collect();
        let head = format!("---{end}{before}");
        // Comments and blank lines in front of an entry are nobody's, and stay as well.
        let between = BETWEEN[kinds[which].1].replace('\n', end);
        let tail = format!("{behind}---{end}{end}# Title{end}");
        let text = format!("{head}{}{tail}", chunk(which));
        let mut document = Document::parse(&text).unwrap();
        let key = format!("key{which}");
        match kind {
            0 | 1 => {
                document.set(&[&key], &new).unwrap();
                prop_assert!(document.get(&[&key]).is_some_and(|found| found.says_the_same(&new)));
            }
            2 => document.remove(&[&key]).unwrap(),
            _ => {
                let is_open = document.get(&[&key]).is_some_and(|v| matches!(v, Value::Map(_) | Value::Null));
                let done = document.set(&[&key, "inner"], &new);
                prop_assert_eq!(done.is_ok(), is_open);
            }
        }
        let edited = document.text();
        prop_assert!(edited.starts_with(&format!("{head}{between}")), "{text:?}\n{edited:?}");
        prop_assert!(edited.ends_with(&tail), "{text:?}\n{edited:?}");
        prop_assert!(!is_crlf || !edited.replace("\r\n", "").contains('\n'), "{edited:?}");
        // The same again changes nothing.
        let edited = edited.to_owned();
        if kind < 2 {
            document.set(&[&key], &new).unwrap();
        }
        prop_assert_eq!(document.text(), edited);
    }

    /// Whatever is written is read back, also from a document that has nothing yet.
    #[test]
    fn what_is_written_is_read_back(new in value(), key in "[a-z]{1,5}|\\PC{1,9}") {
        let mut document = Document::parse("# Title\n").unwrap();
        document.set(&[&key, "below"], &new).unwrap();
        prop_assert!(document.get(&[&key, "below"]).unwrap().says_the_same(&new));
        prop_assert_eq!(document.body(), "\n# Title\n");
    }

    /// No text makes the reader panic, and what it reads it keeps.
    #[test]
    fn any_text_is_read_or_refused(
        front in "([a-c: \\-\\[\\]{}\"'|>&*!#\n\t]|\\PC){0,40}",
        body in "([#\\-*+0-9.`~\\[\\]()<>x! \n\t]|\\PC){0,60}",
    ) {
        for text in [format!("---\n{front}\n---\n{body}"), format!("{front}{body}")] {
            let Ok(mut document) = Document::parse(&text) else { continue };
            prop_assert_eq!(document.text(), &text);
            let outline = document.outline();
            for found in &outline.boxes {
                document.tick(found.line, !found.ticked).unwrap();
            }
            let now = document.outline();
            prop_assert_eq!(now.boxes.len(), outline.boxes.len());
            prop_assert!(now.boxes.iter().zip(&outline.boxes).all(|(a, b)| a.ticked != b.ticked && a.line == b.line));
            for found in &outline.boxes {
                document.tick(found.line, found.ticked).unwrap();
            }
            let keys: Vec<String> = document.keys().map(|(key, _)| key.to_owned()).collect();
            for key in &keys {
                let line = document.line_of(&[key]);
                prop_assert!(line.is_some_and(|line| line > 1 && line < document.body_line()));
                // Edited or refused, never half.
                let before = document.text().to_owned();
                if document.set(&[key], &"new".into()).is_err() {
                    prop_assert_eq!(document.text(), before);
                }
            }
            let body = document.body().to_owned();
            prop_assert!(text.ends_with(&body) || !outline.boxes.is_empty());
        }
    }
}
