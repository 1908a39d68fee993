//! Edits: what stands in the place of some bytes of a text. What is moved is named by where it stood, so that it is
//! the same bytes in the new text, and can be hidden when the edit is shown.

use std::ops::Range;

/// Something in the place of some bytes.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// The bytes that go; an empty range where something is only put in.
    pub at: Range<usize>,
    /// What comes.
    pub with: Vec<Piece>,
}

/// A part of what comes.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// New text.
    New(String),
    /// These bytes of the old text.
    Moved(Range<usize>),
}

impl Edit {
    pub(crate) fn remove(at: Range<usize>) -> Self {
        Self { at, with: Vec::new() }
    }

    pub(crate) fn replace(at: Range<usize>, with: impl Into<String>) -> Self {
        Self { at, with: vec![Piece::New(with.into())] }
    }

    pub(crate) fn moved(at: Range<usize>, from: Range<usize>) -> Self {
        Self { at, with: vec![Piece::Moved(from)] }
    }
}

/// Puts edits in order, so that they can be applied. `None` where two of them are about the same bytes.
pub(crate) fn in_order(mut edits: Vec<Edit>) -> Option<Vec<Edit>> {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    edits.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start).then_some(edits)
}

/// The new text. The edits are in order.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    render(0..text.len(), edits, |range| text[range].to_owned())
}

/// The new text of a part of the old one; `old` says what of the old text is shown for a range of it.
pub(crate) fn render(part: Range<usize>, edits: &[Edit], old: impl Fn(Range<usize>) -> String) -> String {
    let mut out = String::new();
    let mut at = part.start;
    for edit in edits {
        out.push_str(&old(at..edit.at.start));
        for piece in &edit.with {
            match piece {
                Piece::New(text) => out.push_str(text),
                Piece::Moved(range) => out.push_str(&old(range.clone())),
            }
        }
        at = edit.at.end;
    }
    out.push_str(&old(at..part.end));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_move_and_remove() {
        let edits = vec![Edit::remove(3..5), Edit::moved(0..1, 3..4), Edit::replace(5..5, "!")];
        let edits = in_order(edits).unwrap();
        assert_eq!(apply("abcdef", &edits), "dbc!f");
    }

    #[test]
    fn edits_of_the_same_bytes_are_refused() {
        assert!(in_order(vec![Edit::remove(0..2), Edit::remove(1..3)]).is_none());
        assert!(in_order(vec![Edit::remove(1..3), Edit::replace(3..3, "x")]).is_some());
    }
}
