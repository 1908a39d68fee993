//! What people did to a document that is written anew stays: three versions in, one out.
//!
//! The base is what was written the last time. What a person changed since then is theirs: ticks, words, order, steps added and
//! taken away, keys, comments. What only the new version changed is taken over. Where both changed the same line, the
//! person's stays, and ours is listed under *Notes*, once.
//!
//! A step is known by its mark, a comment that no renderer shows ([`step_mark`]), so it is the same step wherever it was moved
//! and whatever it says now. Boxes and numbered items without one are known by what they say.
//!
//! The order of the result is the person's. Each line of theirs that was not in the base is in the result: this is checked at
//! the end, and where it does not hold, their text is the result and everything else is a conflict.

mod front;
mod notes;
mod number;
mod pieces;
mod sequence;
mod step;

use crate::document::{Document, DocumentError};

pub use number::merge_numbered;
pub use step::{step_id, step_mark, step_of};

use pieces::Piece;

/// Most lines that a document may have to be merged.
const MOST_LINES: usize = 20_000;

/// Two versions made one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The document.
    pub text: String,
    /// What was not taken over. It stands under *Notes* in the text as well.
    pub conflicts: Vec<Conflict>,
}

/// Something that both versions changed, each in its own way: the person's stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key of the front matter, or the heading that it stands under; `body` where there is none.
    pub place: String,
    /// What the person wrote; empty where they took something away.
    pub theirs: String,
    /// What was not taken over.
    pub ours: String,
}

/// Merges what was generated anew into what a person made of the last version. Without a base, everything that they have is
/// theirs.
pub fn merge(base: Option<&str>, theirs: &str, ours: &str) -> Result<Merged, DocumentError> {
    let base = base.filter(|base| Document::parse(base).is_ok());
    if base.is_some_and(|base| same_text(base, theirs)) {
        return Ok(Merged { text: like(theirs, ours), conflicts: Vec::new() });
    }
    let mut document = Document::parse(theirs)?;
    if base.is_some_and(|base| same_text(base, ours)) || same_text(theirs, ours) {
        return Ok(Merged { text: theirs.to_owned(), conflicts: Vec::new() });
    }
    let base = base.map(Document::parse).transpose()?;
    let ours = Document::parse(ours)?;
    let mut conflicts = front::merge(base.as_ref(), &mut document, &ours)?;
    let body = document.body().to_owned();
    let old = base.as_ref().map(Document::body);
    match merged_body(old, &body, ours.body()) {
        Some((text, found)) => {
            document.set_body(&text);
            conflicts.extend(found);
        }
        None => conflicts.push(Conflict {
            place: "body".to_owned(),
            theirs: String::new(),
            ours: "a new version that cannot be merged".to_owned(),
        }),
    }
    for conflict in conflicts.iter_mut().filter(|conflict| conflict.place.is_empty()) {
        "body".clone_into(&mut conflict.place);
    }
    notes::add(&mut document, &conflicts);
    Ok(Merged { text: document.text().to_owned(), conflicts })
}

/// The body, and what was not taken over. `None` where no way is found that keeps every line of theirs.
fn merged_body(base: Option<&str>, theirs: &str, ours: &str) -> Option<(String, Vec<Conflict>)> {
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    if [base.unwrap_or_default(), theirs, ours].iter().any(|text| lines(text) > MOST_LINES) {
        return None;
    }
    let (theirs_pieces, ours_pieces) = (pieces::cut(theirs), pieces::cut(ours));
    // Without a base, what both have is what was there before.
    let base_pieces = base.map_or_else(|| sequence::common(&theirs_pieces, &ours_pieces), pieces::cut);
    for way in [sequence::Way::Both, sequence::Way::Theirs] {
        let merged = sequence::merge(&base_pieces, &theirs_pieces, &ours_pieces, way);
        if keeps_all(&base_pieces, &theirs_pieces, &ours_pieces, &merged.pieces) {
            return Some((pieces::join(&merged.pieces, theirs), merged.conflicts));
        }
    }
    None
}

/// Whether everything of theirs is in a result: each line that the base does not have, and each step and box that was not
/// taken away by the new version.
fn keeps_all(base: &[Piece], theirs: &[Piece], ours: &[Piece], merged: &[Piece]) -> bool {
    let lines_of = |pieces: &[Piece]| {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for line in pieces.iter().flat_map(|piece| &piece.lines) {
            *counts.entry(line.trim_end().to_owned()).or_default() += 1;
        }
        counts
    };
    let (was, have) = (lines_of(base), lines_of(merged));
    let count = |counts: &std::collections::BTreeMap<String, usize>, line: &str| {
        counts.get(line).copied().unwrap_or(0)
    };
    let lines_stay = lines_of(theirs).iter().all(|(line, times)| {
        let new = times.saturating_sub(count(&was, line));
        line.is_empty() || count(&have, line) >= new
    });
    let is_among = |pieces: &[Piece], key: &str| pieces.iter().any(|piece| piece.name() == Some(key));
    lines_stay
        && theirs
            .iter()
            .filter_map(Piece::name)
            .all(|key| is_among(merged, key) || (is_among(base, key) && !is_among(ours, key)))
}

/// Whether two texts differ in nothing but how their lines end.
fn same_text(a: &str, b: &str) -> bool {
    let bare = |text: &'_ str| -> Vec<String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned()).collect()
    };
    a == b || bare(a) == bare(b)
}

/// A text with the line ends, and the mark at the beginning, that another has.
fn like(model: &str, text: &str) -> String {
    let bom = if model.starts_with('\u{feff}') && !text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let is_crlf = model.find('\n').is_some_and(|at| model.get(..at).is_some_and(|line| line.ends_with('\r')));
    if is_crlf {
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        format!("{bom}{text}")
    } else {
        format!("{bom}{text}")
    }
}

#[cfg(test)]
#[allow(clippy::format_push_string, clippy::format_collect, reason = "tests")]
mod tests;
