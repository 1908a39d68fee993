//! Documents that people and other programs write.

use scupper_casebook::document::{Document, Value};
use scupper_casebook::merge::merge;

/// A document: read or refused, and edited without a byte elsewhere changing.
pub fn casebook_document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = Document::parse(text) else { return };
    assert_eq!(document.text(), text);
    for found in document.outline().boxes {
        let mut ticked = document.clone();
        ticked.tick(found.line, !found.ticked).expect("a box that is listed can be ticked");
        assert_eq!(ticked.text().len(), text.len());
    }
    let keys: Vec<(String, Value)> =
        document.keys().take(16).map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for (key, value) in &keys {
        let line = document.line_of(&[key]).expect("a key has a line");
        assert!(line > 1 && line < document.body_line());
        let mut edited = document.clone();
        edited.set(&[key], value).expect("what is there need not be written");
        assert_eq!(edited.text(), text);
        if edited.set(&[key], &"another: value".into()).is_err() {
            assert_eq!(edited.text(), text);
            continue;
        }
        assert_eq!(edited.text_of(&[key]), Some("another: value"));
        assert_eq!(edited.body(), document.body());
        let others = |document: &Document| -> Vec<String> {
            document
                .keys()
                .filter(|(other, _)| other != key)
                .map(|(key, value)| format!("{key}={value:?}"))
                .collect()
        };
        assert_eq!(others(&edited), others(&document));
        if edited.remove(&[key]).is_ok() {
            assert_eq!(edited.get(&[key]), None);
            assert_eq!(others(&edited), others(&document));
        }
    }
}

/// Three versions, with a zero byte between them: nothing of the person's is lost, and the same again changes nothing.
pub fn casebook_merge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\0');
    let (Some(theirs), Some(ours)) = (parts.next(), parts.next()) else { return };
    let base = parts.next();
    let Ok(merged) = merge(base, theirs, ours) else { return };
    let was_read = |text: &str| Document::parse(text).ok();
    let Some(person) = was_read(theirs) else { return };
    let done = Document::parse(&merged.text).expect("what was merged can be read");
    let base_body = base.and_then(was_read).map(|base| base.body().to_owned());
    let before = base_body.as_deref().unwrap_or(ours);
    let count = |text: &str, line: &str| text.lines().filter(|other| other.trim_end() == line).count();
    for line in person.body().lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let new = count(person.body(), line).saturating_sub(count(before, line));
        assert!(count(done.body(), line) >= new, "{line:?} is lost");
    }
}
