//! Edits of the front matter, line by line.
//!
//! Each edit knows several ways, the smallest first. A way proposes a new text; the text is read, and the way was a good one
//! when it says what was wanted and nothing else changed. Where no way is good, nothing is written.

use super::editing::{Editing, Entry, trimmed};
use super::read::Place;
use super::value::{Value, find};
use super::{DocumentError, lines, write};

/// Writes a value under a path.
pub(super) fn set(editing: &mut Editing, path: &[&str], value: &Value) -> Result<(), DocumentError> {
    let (last, above) = path.split_last().ok_or(DocumentError::NoPath)?;
    if let Some(old) = editing.get(path) {
        return if old.says_the_same(value) { Ok(()) } else { replace(editing, path, value) };
    }
    match editing.map_at(above)? {
        // The map has to be made, or is empty.
        None => set(editing, above, &Value::Map(vec![((*last).to_owned(), value.clone())])),
        Some(_) => append(editing, above, None, last, value),
    }
}

/// Writes a value under a key of the front matter; a new key comes behind `after`.
pub(super) fn set_after(
    editing: &mut Editing,
    after: &str,
    key: &str,
    value: &Value,
) -> Result<(), DocumentError> {
    if editing.get(&[key]).is_some() {
        return set(editing, &[key], value);
    }
    if editing.get(&[after]).is_none() {
        return Err(DocumentError::NoKey { key: after.to_owned() });
    }
    append(editing, &[], Some(after), key, value)
}

/// Removes a key that is there.
pub(super) fn remove(editing: &mut Editing, path: &[&str]) -> Result<(), DocumentError> {
    let (last, above) = path.split_last().ok_or(DocumentError::NoPath)?;
    let Some(entry) = editing.entry(path) else { return Ok(()) };
    if let Some(Value::Map(entries)) = editing.get(above)
        && (entries.len() == 1 || !entry.has_own_lines)
    {
        let rest = entries.iter().filter(|(key, _)| key != last).cloned().collect();
        return rewrite(editing, above, &Value::Map(rest));
    }
    let wanted = editing.without(path);
    let text = editing.spliced(entry.start, entry.end, "");
    editing.take(text, &wanted).map_err(|()| editing.uneditable(path))
}

/// Replaces a value by another.
fn replace(editing: &mut Editing, path: &[&str], value: &Value) -> Result<(), DocumentError> {
    let Some(entry) = editing.entry(path) else { return Err(DocumentError::NoPath) };
    if !entry.has_own_lines {
        return rewrite(editing, path, value);
    }
    let wanted = editing.with(path, value);
    let mut ways = Vec::new();
    ways.extend(within_line(editing, &entry, value));
    if let (Value::List(old), Value::List(new)) = (entry.value, value) {
        ways.extend(items(editing, &entry, old, new)?);
    }
    // Its edits were read one by one: it need not be read again.
    let map = if let (Value::Map(old), Value::Map(new)) = (entry.value, value)
        && !old.is_empty()
        && !new.is_empty()
    {
        key_by_key(editing, path, old, new).filter(|edited| edited.says(&wanted))
    } else {
        None
    };
    for text in ways {
        if editing.take(text, &wanted).is_ok() {
            return Ok(());
        }
    }
    if let Some(edited) = map {
        *editing = edited;
        return Ok(());
    }
    rewrite(editing, path, value)
}

/// Writes all lines of a value anew; in a `{...}` those of the map around it.
fn rewrite(editing: &mut Editing, path: &[&str], value: &Value) -> Result<(), DocumentError> {
    let (Some(entry), Some((last, above))) = (editing.entry(path), path.split_last()) else {
        return Err(DocumentError::NoPath);
    };
    if entry.has_own_lines {
        let text = whole(editing, &entry, value)?;
        let wanted = editing.with(path, value);
        return editing.take(text, &wanted).map_err(|()| editing.uneditable(path));
    }
    let mut around = editing.get(above).cloned().unwrap_or(Value::Null);
    if let Value::Map(entries) = &mut around
        && let Some((_, old)) = entries.iter_mut().find(|(key, _)| key == last)
    {
        *old = value.clone();
    }
    rewrite(editing, above, &around)
}

/// One word for another, in the same line: what stands behind it stays.
fn within_line(editing: &Editing, entry: &Entry<'_>, value: &Value) -> Option<String> {
    let text = write::single_line(value)?;
    let Place { key_end, value_at, value_end, .. } = *entry.place;
    let old = editing.text.get(value_at..value_end)?;
    if old.contains('\n') || old.starts_with(['|', '>']) {
        return None;
    }
    let old_is_empty_flow = entry.place.inside.is_empty() && old.is_empty();
    if old_is_empty_flow {
        // `[]`, `{}` and nothing at all have no end that the parser tells.
        let rest = editing.text.get(key_end..lines::end(&editing.text, key_end))?;
        let colon = key_end + rest.find(':')? + 1;
        let rest = editing.text.get(colon..lines::end(&editing.text, colon))?;
        let code = rest.trim_start_matches([' ', '\t']);
        let at = colon + rest.len() - code.len();
        let long = ["[]", "{}"].iter().find(|empty| code.starts_with(**empty)).map_or(0, |empty| empty.len());
        if long == 0 && !matches!(entry.value, Value::Null) {
            return None;
        }
        let gap = if long == 0 { colon..colon } else { at..at + long };
        let space = if long == 0 { " " } else { "" };
        return Some(editing.spliced(gap.start, gap.end, &format!("{space}{text}")));
    }
    if !entry.place.inside.is_empty() {
        return None;
    }
    Some(editing.spliced(value_at, value_end, &text))
}

/// The items of a list that differ, the others stay as they are.
fn items(
    editing: &Editing,
    entry: &Entry<'_>,
    old: &[Value],
    new: &[Value],
) -> Result<Option<String>, DocumentError> {
    if old.is_empty() || new.is_empty() {
        return Ok(None);
    }
    let Some((indent, starts, end)) = item_lines(editing, entry, old.len()) else { return Ok(None) };
    let same = |(a, b): &(&Value, &Value)| a.says_the_same(b);
    let head = old.iter().zip(new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
    let edge = |at: usize| starts.get(at).copied().unwrap_or(end);
    let mut text = String::new();
    for value in new.get(head..new.len() - tail).unwrap_or_default() {
        text.push_str(&write::item(value, indent)?);
    }
    let from = edge(head);
    let to = edge(old.len() - tail);
    // Comments and blank lines in front of what comes next stay with it.
    let to = if to > from { trimmed(&editing.text, from, to, indent, false) } else { to };
    Ok(Some(editing.spliced(from, to, &text)))
}

/// How far the items of a list are indented, where each begins, and where the last one ends.
fn item_lines(editing: &Editing, entry: &Entry<'_>, count: usize) -> Option<(usize, Vec<usize>, usize)> {
    let below = lines::end(&editing.text, entry.place.key_end);
    let mut at = below;
    let mut indent = None;
    let mut starts = Vec::new();
    for line in editing.text.get(below..entry.end)?.split_inclusive('\n') {
        let code = line.trim_start_matches(' ').trim_end();
        if code == "-" || code.starts_with("- ") {
            let found = lines::indent(line);
            if *indent.get_or_insert(found) == found {
                starts.push(at);
            }
        }
        at += line.len();
    }
    (starts.len() == count).then_some((indent?, starts, entry.end))
}

/// A map, key by key.
fn key_by_key(
    editing: &Editing,
    path: &[&str],
    old: &[(String, Value)],
    new: &[(String, Value)],
) -> Option<Editing> {
    let mut edited = editing.clone();
    let below = |key: &'_ str| -> Vec<String> {
        path.iter().map(|part| (*part).to_owned()).chain([key.to_owned()]).collect()
    };
    for (key, value) in new {
        let path = below(key);
        set(&mut edited, &path.iter().map(String::as_str).collect::<Vec<_>>(), value).ok()?;
    }
    for (key, _) in old.iter().filter(|(key, _)| find(new, key).is_none()) {
        let path = below(key);
        remove(&mut edited, &path.iter().map(String::as_str).collect::<Vec<_>>()).ok()?;
    }
    Some(edited)
}

/// All lines of a key anew. Its own spelling and a comment behind it stay.
fn whole(editing: &Editing, entry: &Entry<'_>, value: &Value) -> Result<String, DocumentError> {
    let text = &editing.text;
    let Place { key_at, key_end, .. } = *entry.place;
    let line_end = lines::end(text, key_end);
    let rest = text.get(key_end..line_end).unwrap_or_default();
    let colon = key_end + rest.find(':').map_or(0, |at| at + 1);
    let indent = key_at - lines::start(text, key_at);
    let mut new = String::new();
    write::below(&mut new, value, indent, indent + 2)?;
    if let Some(comment) = comment_behind(editing, entry, colon) {
        let at = new.find('\n').unwrap_or(new.len());
        new.insert_str(at, &format!(" {comment}"));
    }
    Ok(editing.spliced(colon, entry.end, &new))
}

/// The comment in the line of a key, behind whatever stands there of its value.
fn comment_behind<'a>(editing: &'a Editing, entry: &Entry<'_>, colon: usize) -> Option<&'a str> {
    let text = &editing.text;
    let line_end = lines::end(text, colon);
    let is_scalar = !entry.value.is_nested();
    let value_end = entry.place.value_end;
    let from = if is_scalar && value_end > colon && value_end < line_end { value_end } else { colon };
    let rest = text.get(from..line_end)?.trim_end();
    rest.get(comment_at(rest)?..)
}

/// Where a comment begins, in a line with quotes or without.
fn comment_at(rest: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    // What a quote may follow that is no apostrophe.
    let (mut before, mut word_before) = (' ', ':');
    for (at, c) in rest.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '#' && before.is_whitespace() => return Some(at),
            None if matches!(c, '"' | '\'') && "[{,:".contains(word_before) => quote = Some(c),
            Some(_) | None => {}
        }
        before = c;
        if !c.is_whitespace() {
            word_before = c;
        }
    }
    None
}

/// A new key, behind another one or behind the last.
fn append(
    editing: &mut Editing,
    above: &[&str],
    after: Option<&str>,
    key: &str,
    value: &Value,
) -> Result<(), DocumentError> {
    let path: Vec<&str> = above.iter().copied().chain([key]).collect();
    let siblings = editing.map_at(above)?.unwrap_or_default();
    let behind = after.or_else(|| siblings.last().map(|(key, _)| key.as_str()));
    let wanted = editing.with_new(above, after, key, value);
    let (at, indent) = match behind {
        None => (editing.text.len(), 0),
        Some(sibling) => {
            let sibling: Vec<&str> = above.iter().copied().chain([sibling]).collect();
            let Some(entry) = editing.entry(&sibling) else { return Err(editing.uneditable(&path)) };
            if !entry.has_own_lines {
                let mut around = siblings.to_vec();
                around.push((key.to_owned(), value.clone()));
                return rewrite(editing, above, &Value::Map(around));
            }
            (entry.end, entry.place.key_at - lines::start(&editing.text, entry.place.key_at))
        }
    };
    let text = write::entry(key, value, indent)?;
    let text = editing.spliced(at, at, &text);
    editing.take(text, &wanted).map_err(|()| editing.uneditable(&path))
}
