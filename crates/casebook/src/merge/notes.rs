//! What was not taken over, under *Notes*: once, however often the document is written anew.

use super::{Conflict, step_id};
use crate::document::{Document, Heading};

const BEFORE: &str = "<!-- scupper:kept=";
/// Of a text that is listed.
const LONGEST_SHOWN: usize = 400;

/// Lists conflicts at the end of *Notes*, which comes into being where it is not there.
pub(super) fn add(document: &mut Document, conflicts: &[Conflict]) {
    let mut new = Vec::new();
    for conflict in conflicts {
        let id = step_id(&[&conflict.place, &conflict.ours]);
        let mark = format!("{BEFORE}{id} -->");
        if document.body().contains(&mark) || new.iter().any(|line: &String| line.contains(&mark)) {
            continue;
        }
        new.push(format!(
            "- Not taken over ({}): {} {mark}",
            one_line(&conflict.place),
            one_line(&conflict.ours)
        ));
    }
    if new.is_empty() {
        return;
    }
    let headings = document.outline().headings;
    let body = document.body().to_owned();
    let first = document.body_line();
    let mut lines: Vec<&str> = body.split_inclusive('\n').collect();
    let found = headings.iter().position(|heading| heading.text == "Notes" && heading.level == 2);
    let end = found.map(|at| end_of(&headings, at, first, lines.len()));
    let mut text = String::new();
    let at = end.map_or(lines.len(), |end| {
        // Behind the last line of it that says something.
        let blank =
            lines.get(..end).unwrap_or_default().iter().rev().take_while(|line| line.trim().is_empty());
        end - blank.count()
    });
    let rest: Vec<&str> = lines.split_off(at.min(lines.len()));
    text.push_str(&lines.concat());
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if found.is_none() {
        if !text.is_empty() && !text.ends_with("\n\n") && !text.ends_with("\n\r\n") {
            text.push('\n');
        }
        text.push_str("## Notes\n\n");
    }
    for line in new {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&rest.concat());
    document.set_body(&text);
}

/// The index of the line behind a section.
fn end_of(headings: &[Heading], at: usize, first: usize, lines: usize) -> usize {
    let level = headings.get(at).map_or(2, |heading| heading.level);
    let next = headings.iter().skip(at + 1).find(|heading| heading.level <= level);
    next.map_or(lines, |heading| heading.line.saturating_sub(first).min(lines))
}

/// In one line, short, and with nothing in it that ends a comment or begins one.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace("<!--", "(").replace("-->", ")");
    let mut shown: String = text.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
