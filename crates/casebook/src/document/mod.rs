//! Markdown with front matter, edited in place: what nobody touched stays as it was, to the byte.
//!
//! A document is its text. What is read from it (keys, headings, boxes) is looked up in that text, and an edit replaces just
//! the lines it is about: quotes, folding, comments, unknown keys, line ends and everything else that people and other
//! programs put there survive. After each edit the front matter is read anew, and an edit that would say anything else than
//! it should is refused.

mod edit;
mod editing;
mod lines;
mod outline;
mod read;
mod value;
mod write;

use std::ops::Range;

use thiserror::Error;

pub use outline::{CheckBox, Fence, Heading, Link, ListItem, Outline};
pub use value::Value;

use editing::Editing;
use read::{Front, Place};

const BOM: char = '\u{feff}';
const DASHES: &str = "---";

/// Why a document was not read, or not edited.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The file begins with `---`, and no other such line follows.
    #[error("line 1: the front matter that begins here never ends: a line `---` is missing")]
    Unclosed,
    /// The front matter cannot be read, or is larger than anybody would write by hand.
    #[error("line {line}: the front matter cannot be read: {problem}")]
    FrontMatter {
        /// The line of the document, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A line begins with a tab, which is no indentation.
    #[error("line {line}: a tab is no indentation of front matter: use spaces")]
    Tab {
        /// The line of the document, from 1.
        line: usize,
    },
    /// A value has too many bytes.
    #[error("line {line}: the front matter cannot be read: a value has more than 1 MiB")]
    LongValue {
        /// The line of the document, from 1.
        line: usize,
    },
    /// A key to be written has too many bytes.
    #[error("a key of {bytes} bytes cannot be written: {most} are the most")]
    LongKey {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// A key was to be set below a value that is no map.
    #[error("line {line}: `{path}` is {kind}: nothing can be set below it")]
    NoMap {
        /// The line of that value, from 1.
        line: usize,
        /// Its keys, with points between them.
        path: String,
        /// What it is instead.
        kind: &'static str,
    },
    /// A key was to be written behind one that is not there.
    #[error("there is no `{key}` in the front matter")]
    NoKey {
        /// The key that is missing.
        key: String,
    },
    /// An edit of these lines would have changed more than it should.
    #[error("line {line}: `{path}` is written in a way that cannot be edited in place: edit it by hand")]
    Uneditable {
        /// Where it stands, from 1.
        line: usize,
        /// Its keys, with points between them.
        path: String,
    },
    /// No key was named.
    #[error("no key was named")]
    NoPath,
    /// A line was to be ticked that has no box.
    #[error("line {line}: there is no check box to tick")]
    NoBox {
        /// The line, from 1.
        line: usize,
    },
}

/// Markdown, with front matter or without.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    /// The lines between the dashes, in `text`. `None` where there is no front matter.
    front: Option<Range<usize>>,
    body_at: usize,
    entries: Vec<(String, Value)>,
    places: Vec<Place>,
    /// How its lines end.
    line_end: &'static str,
}

impl Document {
    /// Reads a document. One without front matter is fine; one whose front matter cannot be read for certain is refused.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let line_end = lines::line_end(text);
        let Some((front, body_at)) = lines::front_matter(text)? else {
            let body_at = if text.starts_with(BOM) { BOM.len_utf8() } else { 0 };
            return Ok(Self {
                text: text.to_owned(),
                front: None,
                body_at,
                entries: Vec::new(),
                places: Vec::new(),
                line_end,
            });
        };
        let Front { entries, places } = read::read(text.get(front.clone()).unwrap_or_default())?;
        Ok(Self { text: text.to_owned(), front: Some(front), body_at, entries, places, line_end })
    }

    /// The whole of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has front matter, be it an empty one.
    pub const fn has_front_matter(&self) -> bool {
        self.front.is_some()
    }

    /// The keys of the front matter, in the order in which they stand.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// What stands under a key, or under a key of a key: `["state_metadata", "previous_state"]`.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = value::find(&self.entries, first)?;
        rest.iter().try_fold(value, |value, key| value.get(key))
    }

    /// The text under a key. `None` where it is missing or no text.
    pub fn text_of(&self, path: &[&str]) -> Option<&str> {
        self.get(path)?.as_text()
    }

    /// The line of a key, from 1.
    pub fn line_of(&self, path: &[&str]) -> Option<usize> {
        let at = editing::place_of(&self.entries, &self.places, path)?.key_at;
        let start = self.front.as_ref()?.start;
        Some(lines::number(&self.text, start.saturating_add(at)))
    }

    /// What stands below the front matter: everything, where there is none. It begins with the first line after the dashes,
    /// which is an empty one in most documents.
    pub fn body(&self) -> &str {
        self.text.get(self.body_at..).unwrap_or_default()
    }

    /// The line that the body begins with, from 1.
    pub fn body_line(&self) -> usize {
        lines::number(&self.text, self.body_at)
    }

    /// Replaces the body. Where the document's lines end in CRLF, so do those of the new body.
    pub fn set_body(&mut self, body: &str) {
        if body == self.body() {
            return;
        }
        let body = lines::with_line_end(body, self.line_end);
        self.text.truncate(self.body_at);
        self.text.push_str(&body);
    }

    /// Writes a value under a key: its own lines change and no others. Missing keys are appended; of a map the keys that
    /// differ are written, those that it does not have are removed, and its order stays. Nothing changes where the value is
    /// there already.
    pub fn set(&mut self, path: &[&str], value: &Value) -> Result<(), DocumentError> {
        self.change(|front| edit::set(front, path, value))
    }

    /// Writes a value under a key of the front matter; where the key is new, right behind another.
    pub fn set_after(&mut self, after: &str, key: &str, value: &Value) -> Result<(), DocumentError> {
        self.change(|front| edit::set_after(front, after, key, value))
    }

    /// Removes a key and its lines. Nothing happens where it is not there.
    pub fn remove(&mut self, path: &[&str]) -> Result<(), DocumentError> {
        if self.get(path).is_none() {
            return Ok(());
        }
        self.change(|front| edit::remove(front, path))
    }

    /// What the body consists of: headings, code, check boxes, links, list items.
    pub fn outline(&self) -> Outline {
        outline::outline(self.body(), self.body_line())
    }

    /// Ticks the box of a line of the document, from 1, or takes the tick away.
    pub fn tick(&mut self, line: usize, ticked: bool) -> Result<(), DocumentError> {
        let Some(range) = lines::range(&self.text, line).filter(|range| range.start >= self.body_at) else {
            return Err(DocumentError::NoBox { line });
        };
        let found = self.text.get(range.clone()).and_then(outline::box_of);
        let Some(found) = found.filter(|_| self.outline().boxes.iter().any(|b| b.line == line)) else {
            return Err(DocumentError::NoBox { line });
        };
        if found.ticked != ticked {
            let at = range.start + found.mark_at;
            self.text.replace_range(at..=at, if ticked { "x" } else { " " });
        }
        Ok(())
    }

    /// Edits the front matter, which comes into being where there is none.
    fn change(
        &mut self,
        edit: impl FnOnce(&mut Editing) -> Result<(), DocumentError>,
    ) -> Result<(), DocumentError> {
        let (before, front, after) = match &self.front {
            Some(range) => {
                let part = |range: Range<usize>| self.text.get(range).unwrap_or_default();
                (part(0..range.start), part(range.clone()), part(range.end..self.text.len()))
            }
            None => (self.text.get(..self.body_at).unwrap_or_default(), "", self.body()),
        };
        let mut editing = Editing {
            text: front.to_owned(),
            entries: self.entries.clone(),
            places: self.places.clone(),
            first_line: lines::number(&self.text, before.len()),
            line_end: self.line_end,
        };
        edit(&mut editing)?;
        if editing.text == front {
            return Ok(());
        }
        let text = if self.front.is_some() {
            format!("{before}{}{after}", editing.text)
        } else {
            let end = self.line_end;
            let gap = if after.is_empty() || after.starts_with(['\n', '\r']) { "" } else { end };
            format!("{before}{DASHES}{end}{}{DASHES}{end}{gap}{after}", editing.text)
        };
        let begins = before.len();
        let front = begins..begins + editing.text.len();
        match lines::front_matter(&text)? {
            // What the edit has read stands where it is looked for: it need not be read again.
            Some((found, body_at)) if self.front.is_some() && found == front => {
                let Editing { entries, places, .. } = editing;
                *self = Self {
                    front: Some(front),
                    body_at,
                    entries,
                    places,
                    line_end: lines::line_end(&text),
                    text,
                };
            }
            _ => *self = Self::parse(&text)?,
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::format_collect, reason = "tests")]
mod tests;
