//! The front matter while it is edited: where each key stands, how far its lines reach, and what it would say after an edit.

use super::read::{self, Front, Place};
use super::value::{Value, find};
use super::{DocumentError, lines};

/// The front matter while it is edited.
#[derive(Debug, Clone)]
pub(super) struct Editing {
    pub text: String,
    pub entries: Vec<(String, Value)>,
    pub places: Vec<Place>,
    /// The number of its first line in the document.
    pub first_line: usize,
    pub line_end: &'static str,
}

/// Where a key stands, and how far its lines reach.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub place: &'a Place,
    pub value: &'a Value,
    /// From the beginning of its first line to the end of its last. Blank lines and comments below it are not among them.
    pub start: usize,
    pub end: usize,
    /// Nothing but spaces stands before it, and it is no part of a `{...}`.
    pub has_own_lines: bool,
}

/// Where a key stands.
pub(super) fn place_of<'a>(
    mut entries: &'a [(String, Value)],
    mut places: &'a [Place],
    path: &[&str],
) -> Option<&'a Place> {
    let (last, above) = path.split_last()?;
    for key in above {
        let at = entries.iter().position(|(name, _)| name == key)?;
        entries = entries.get(at)?.1.as_map()?;
        places = &places.get(at)?.inside;
    }
    places.get(entries.iter().position(|(name, _)| name == last)?)
}

impl Editing {
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(find(&self.entries, first)?, |value, key| value.get(key))
    }

    /// The entries of the map at a path: `None` where there is none, or an empty one.
    pub fn map_at(&self, path: &[&str]) -> Result<Option<&[(String, Value)]>, DocumentError> {
        if path.is_empty() {
            return Ok(Some(&self.entries));
        }
        match self.get(path) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Map(entries)) => {
                Ok(Some(entries).filter(|entries| !entries.is_empty()).map(Vec::as_slice))
            }
            Some(other) => {
                Err(DocumentError::NoMap { line: self.line(path), path: path.join("."), kind: other.kind() })
            }
        }
    }

    /// The line of a path in the document, or of what is there of it.
    pub fn line(&self, path: &[&str]) -> usize {
        let place = (1..=path.len())
            .rev()
            .find_map(|long| place_of(&self.entries, &self.places, path.get(..long).unwrap_or_default()));
        let at = place.map_or(0, |place| place.key_at);
        lines::number(&self.text, at) + self.first_line - 1
    }

    pub fn uneditable(&self, path: &[&str]) -> DocumentError {
        DocumentError::Uneditable { line: self.line(path), path: path.join(".") }
    }

    /// What stands under a path, with its lines.
    pub fn entry(&self, path: &[&str]) -> Option<Entry<'_>> {
        let mut entries = self.entries.as_slice();
        let mut places = self.places.as_slice();
        let mut limit = self.text.len();
        let mut has_own_lines = true;
        for (depth, key) in path.iter().enumerate() {
            let at = entries.iter().position(|(name, _)| name == key)?;
            let (place, value) = (places.get(at)?, &entries.get(at)?.1);
            let start = lines::start(&self.text, place.key_at);
            let before = self.text.get(start..place.key_at)?;
            has_own_lines &= before.chars().all(|c| c == ' ');
            let next = places.get(at + 1).map_or(limit, |next| lines::start(&self.text, next.key_at));
            let end = trim_entry(&self.text, place, value, next.min(limit));
            if depth + 1 == path.len() {
                return Some(Entry { place, value, start, end, has_own_lines });
            }
            // Inside of braces, behind an alias or a tag, nothing has lines of its own.
            has_own_lines &= lines::start(&self.text, place.value_at) > start
                && !self.text.get(place.value_at..)?.starts_with(['{', '[', '*', '&', '!']);
            (entries, places, limit) = (value.as_map()?, &place.inside, end);
        }
        None
    }

    /// A text with a part of it replaced, its lines ending as the others do.
    pub fn spliced(&self, from: usize, to: usize, new: &str) -> String {
        let new = lines::with_line_end(new, self.line_end);
        let part = |range: std::ops::Range<usize>| self.text.get(range).unwrap_or_default();
        format!("{}{new}{}", part(0..from), part(to.max(from)..self.text.len()))
    }

    /// Takes a text over where it says what is wanted.
    pub fn take(&mut self, text: String, wanted: &Value) -> Result<(), ()> {
        let Ok(Front { entries, places }) = read::read(&text) else { return Err(()) };
        let found = Value::Map(entries);
        if !found.says_the_same(wanted) {
            return Err(());
        }
        if let Value::Map(entries) = found {
            (self.text, self.entries, self.places) = (text, entries, places);
        }
        Ok(())
    }

    /// Whether it says what is wanted.
    pub fn says(&self, wanted: &Value) -> bool {
        let Value::Map(wanted) = wanted else { return false };
        self.entries.len() == wanted.len()
            && self
                .entries
                .iter()
                .all(|(key, value)| find(wanted, key).is_some_and(|other| value.says_the_same(other)))
    }

    /// All entries, with another value at a path that is there.
    pub fn with(&self, path: &[&str], value: &Value) -> Value {
        self.changed(path, |entries, at| {
            if let Some((_, old)) = entries.get_mut(at) {
                *old = value.clone();
            }
        })
    }

    /// All entries, without the one at a path.
    pub fn without(&self, path: &[&str]) -> Value {
        self.changed(path, |entries, at| {
            entries.remove(at);
        })
    }

    /// All entries, and a new one in the map at a path.
    pub fn with_new(&self, above: &[&str], after: Option<&str>, key: &str, value: &Value) -> Value {
        let mut root = self.entries.clone();
        let mut map = Some(&mut root);
        for name in above {
            map = map.and_then(|map| match map.iter_mut().find(|(key, _)| key == name) {
                Some((_, Value::Map(inner))) => Some(inner),
                _ => None,
            });
        }
        if let Some(map) = map {
            let at = after.and_then(|after| map.iter().position(|(key, _)| key == after));
            let at = at.map_or(map.len(), |at| at + 1);
            map.insert(at, (key.to_owned(), value.clone()));
        }
        Value::Map(root)
    }

    fn changed(&self, path: &[&str], change: impl FnOnce(&mut Vec<(String, Value)>, usize)) -> Value {
        let mut root = self.entries.clone();
        let mut map = Some(&mut root);
        if let Some((last, above)) = path.split_last() {
            for name in above {
                map = map.and_then(|map| match map.iter_mut().find(|(key, _)| key == name) {
                    Some((_, Value::Map(inner))) => Some(inner),
                    _ => None,
                });
            }
            if let Some(map) = map
                && let Some(at) = map.iter().position(|(key, _)| key == last)
            {
                change(map, at);
            }
        }
        Value::Map(root)
    }
}

/// Where the lines of an entry end: blank lines and comments below it belong to what comes next.
fn trim_entry(text: &str, place: &Place, value: &Value, limit: usize) -> usize {
    let leaf = last_leaf(place, value);
    let header = text.get(leaf.value_at..).unwrap_or_default();
    let is_block = header.starts_with(['|', '>']);
    let keeps = is_block && header.lines().next().is_some_and(|line| line.contains('+'));
    let leaf_line = lines::start(text, leaf.value_at);
    let indent = lines::indent(text.get(leaf_line..).unwrap_or_default());
    let least = if is_block || leaf.value_end == leaf.value_at {
        lines::end(text, leaf.value_at.max(leaf.key_end))
    } else {
        lines::end(text, leaf.value_end.saturating_sub(1))
    };
    let least = least.max(lines::end(text, place.key_end));
    if keeps { limit } else { trimmed(text, least, limit, indent, is_block) }
}

/// The value that a value ends with.
fn last_leaf<'a>(place: &'a Place, value: &Value) -> &'a Place {
    let mut place = place;
    let mut value = value;
    loop {
        let last = match value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|(_, value)| value),
            _ => None,
        };
        let (Some(last), Some(inner)) = (last, place.inside.last()) else { return place };
        (place, value) = (inner, last);
    }
}

/// The end of the last line in a range that is neither blank nor a comment. In a block of text, only lines that are not
/// indented further than its beginning are comments.
pub(super) fn trimmed(text: &str, from: usize, to: usize, indent: usize, is_block: bool) -> usize {
    let mut end = to.max(from);
    while let Some(before) = text.get(from..end).filter(|before| !before.is_empty()) {
        let stripped = before.strip_suffix('\n').unwrap_or(before);
        let start = from + stripped.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..end).unwrap_or_default();
        let code = line.trim();
        let is_comment = code.starts_with('#') && !(is_block && lines::indent(line) > indent);
        if !code.is_empty() && !is_comment {
            break;
        }
        end = start;
    }
    end
}
