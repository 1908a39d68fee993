//! Numbers of steps: where a step is put in, taken away or moved, those behind it count on.
//!
//! The number of a marked step says where it stands, and nothing else: while three versions are compared it is left out of
//! account, so that a step of which only the number differs counts as untouched. Items that a person put in keep what they say,
//! number included; they take a place in the count, as they do wherever the list is shown.

use std::collections::BTreeMap;

use super::pieces::after_fence;
use super::{Merged, merge, step};
use crate::document::DocumentError;

/// Merges as [`merge`] does, and numbers the marked steps of the result by where they stand. Where nothing new comes in, the
/// person's text stays as it is, numbers included.
pub fn merge_numbered(base: Option<&str>, theirs: &str, ours: &str) -> Result<Merged, DocumentError> {
    let was: BTreeMap<&str, &str> = base
        .into_iter()
        .flat_map(lines)
        .filter_map(|line| line.step.map(|step| (step.id, step.number)))
        .collect();
    let compared: String = rewritten(theirs, |step, _| was.get(step.id).map(|number| (*number).to_owned()));
    let mut merged = merge(base, &compared, ours)?;
    merged.text = if merged.text == compared {
        theirs.to_owned()
    } else {
        rewritten(&merged.text, |_, place| Some(place.to_string()))
    };
    Ok(merged)
}

/// A line, with its end.
struct Line<'a> {
    text: &'a str,
    /// Which item of the list below its heading it begins, counted from 1.
    place: usize,
    step: Option<Numbered<'a>>,
}

/// What begins a step that has a mark and a number.
struct Numbered<'a> {
    id: &'a str,
    number: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut fence = None;
    let mut place = 0;
    text.split_inclusive('\n').map(move |text| {
        let was_in_code = fence.is_some();
        fence = after_fence(fence, text);
        let is_code = was_in_code || fence.is_some();
        if !is_code && text.starts_with('#') {
            place = 0;
        }
        let number = number_of(text).filter(|_| !is_code);
        place += usize::from(number.is_some());
        let step = number.zip(step::step_of(text)).map(|(number, id)| Numbered { id, number });
        Line { text, place, step }
    })
}

/// The number of an item that stands at the edge: `12` of `12. words`.
fn number_of(line: &str) -> Option<&str> {
    let long = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = line.split_at_checked(long)?;
    let rest = rest.strip_prefix(['.', ')'])?;
    ((1..=9).contains(&long) && rest.starts_with([' ', '\t'])).then_some(number)
}

/// A text with other numbers at its marked steps.
fn rewritten(text: &str, number: impl Fn(&Numbered<'_>, usize) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    for line in lines(text) {
        let new = line.step.and_then(|step| {
            let rest = line.text.strip_prefix(step.number)?;
            Some((number(&step, line.place)?, rest))
        });
        if let Some((number, rest)) = new {
            out.push_str(&number);
            out.push_str(rest);
        } else {
            out.push_str(line.text);
        }
    }
    out
}
