//! The front matter of three versions made one, key by key, in the person's document.

use super::Conflict;
use crate::document::{Document, DocumentError, Value};

/// What a person has set themselves is never set back, and that is no conflict.
const STICKY: [&str; 2] = ["status", "priority"];
/// Of a value that is shown.
const LONGEST_SHOWN: usize = 200;

pub(super) fn merge(
    base: Option<&Document>,
    theirs: &mut Document,
    ours: &Document,
) -> Result<Vec<Conflict>, DocumentError> {
    let keys: Vec<(String, Value)> =
        ours.keys().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    let mut conflicts = Vec::new();
    let mut before: Option<&str> = None;
    for (key, new) in &keys {
        let old = base.and_then(|base| base.get(&[key]));
        let have = theirs.get(&[key]).cloned();
        match (old, have) {
            // They took the key away.
            (Some(_), None) => {}
            (None, None) => match before.filter(|before| theirs.get(&[before]).is_some()) {
                Some(before) => theirs.set_after(before, key, new)?,
                None => theirs.set(&[key], new)?,
            },
            (old, Some(have)) => {
                let merged = value(old, &have, new, key, &mut conflicts);
                theirs.set(&[key], &merged)?;
            }
        }
        before = Some(key);
    }
    // What ours has no longer, and they never changed.
    for (key, old) in base.iter().flat_map(|base| base.keys()) {
        if ours.get(&[key]).is_none() && theirs.get(&[key]) == Some(old) {
            theirs.remove(&[key])?;
        }
    }
    Ok(conflicts)
}

fn value(
    old: Option<&Value>,
    have: &Value,
    new: &Value,
    place: &str,
    conflicts: &mut Vec<Conflict>,
) -> Value {
    if old == Some(have) || have == new {
        return new.clone();
    }
    if old == Some(new) || STICKY.contains(&place) {
        return have.clone();
    }
    match (have, new) {
        (Value::Map(have), Value::Map(new)) => Value::Map(map(old, have, new, place, conflicts)),
        (Value::List(have), Value::List(new)) => {
            let old = old.and_then(Value::as_list).unwrap_or_default();
            // Theirs without what ours has taken away, and what is new in ours.
            let gone = |item: &&Value| old.contains(item) && !new.contains(item);
            let mut items: Vec<Value> = have.iter().filter(|item| !gone(item)).cloned().collect();
            for item in new {
                if !old.contains(item) && !items.contains(item) {
                    items.push(item.clone());
                }
            }
            Value::List(items)
        }
        _ => {
            conflicts.push(Conflict { place: place.to_owned(), theirs: shown(have), ours: shown(new) });
            have.clone()
        }
    }
}

fn map(
    old: Option<&Value>,
    have: &[(String, Value)],
    new: &[(String, Value)],
    place: &str,
    conflicts: &mut Vec<Conflict>,
) -> Vec<(String, Value)> {
    let find = |entries: &[(String, Value)], key: &str| {
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    };
    let mut merged = Vec::new();
    for (key, have) in have {
        let old = old.and_then(|old| old.get(key));
        match find(new, key) {
            Some(new) => {
                let place = format!("{place}.{key}");
                merged.push((key.clone(), value(old, have, &new, &place, conflicts)));
            }
            // Ours has it no longer.
            None if old == Some(have) => {}
            None => merged.push((key.clone(), have.clone())),
        }
    }
    for (key, new) in new {
        if find(have, key).is_none() && old.and_then(|old| old.get(key)).is_none() {
            merged.push((key.clone(), new.clone()));
        }
    }
    merged
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::List(items) => format!("{} items", items.len()),
        Value::Map(entries) => format!("{} keys", entries.len()),
        other => other.to_word().unwrap_or_default(),
    };
    text.chars().take(LONGEST_SHOWN).collect()
}
