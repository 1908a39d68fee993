//! A body cut into what is moved, kept and replaced as one: a step with the lines below it, a box, any other line.

use std::collections::BTreeSet;

use super::step;

/// One piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// What it is known by. Two pieces of one version may share that of a plain line, and no other.
    pub key: Key,
    /// Its lines, without their ends.
    pub lines: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// A step with a mark, a box, a numbered item: the same one wherever it stands.
    Named(String),
    /// What a line says.
    Line(String),
}

impl Piece {
    /// The name of one that is the same wherever it stands.
    pub(super) fn name(&self) -> Option<&str> {
        if let Key::Named(name) = &self.key { Some(name) } else { None }
    }
}

/// Cuts a body.
pub(super) fn cut(text: &str) -> Vec<Piece> {
    let lines: Vec<&str> = split(text);
    let mut names = BTreeSet::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    let mut at = 0;
    while let Some(line) = lines.get(at).copied() {
        let was_in_code = fence.is_some();
        fence = after_fence(fence, line);
        let item = if was_in_code || fence.is_some() { None } else { Item::of(line) };
        let name = item.as_ref().and_then(Item::name).filter(|name| names.insert(name.clone()));
        let (key, count) = match (name, item) {
            (Some(name), Some(item)) => (Key::Named(name), 1 + lines_below(&lines, at + 1, &item)),
            _ => (Key::Line(line.trim_end().to_owned()), 1),
        };
        let own = lines.get(at..at + count).unwrap_or_default();
        // A fence that is opened below an item and not closed there.
        for line in own.iter().skip(1) {
            fence = after_fence(fence, line);
        }
        pieces.push(Piece { key, lines: own.iter().map(|line| (*line).to_owned()).collect() });
        at += count;
    }
    pieces
}

/// The lines of a text. One that ends in a line feed has no empty line behind it.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').map(|line| line.trim_end_matches('\n').trim_end_matches('\r')).collect()
}

/// Puts pieces together, their lines ending as those of another text do.
pub(super) fn join(pieces: &[Piece], model: &str) -> String {
    let is_crlf = model.find('\n').is_some_and(|at| model.get(..at).is_some_and(|line| line.ends_with('\r')));
    let mut out = String::new();
    for line in pieces.iter().flat_map(|piece| &piece.lines) {
        out.push_str(line);
        out.push_str(if is_crlf { "\r\n" } else { "\n" });
    }
    if !model.is_empty() && !model.ends_with('\n') {
        out.truncate(out.trim_end_matches(['\r', '\n']).len());
    }
    out
}

pub(super) fn after_fence(open: Option<(char, usize)>, line: &str) -> Option<(char, usize)> {
    let code = line.trim();
    let mark = code.chars().next().filter(|c| matches!(c, '`' | '~'));
    let long = mark.map_or(0, |mark| code.len() - code.trim_start_matches(mark).len());
    match (open, mark) {
        (Some((was, least)), Some(mark)) if mark == was && long >= least && code.len() == long => None,
        (None, Some(mark)) if long >= 3 && !(mark == '`' && code.trim_start_matches('`').contains('`')) => {
            Some((mark, long))
        }
        (open, _) => open,
    }
}

/// How many lines below an item belong to it: those indented further, and blank lines between them.
fn lines_below(lines: &[&str], from: usize, item: &Item<'_>) -> usize {
    if !item.takes_lines {
        return 0;
    }
    let mut count = 0;
    for (at, line) in lines.get(from..).unwrap_or_default().iter().enumerate() {
        let code = line.trim_start();
        if code.is_empty() {
            continue;
        }
        if line.len() - code.len() <= item.indent || step::step_of(line).is_some() {
            break;
        }
        count = at + 1;
    }
    count
}

/// The first line of an item of a list.
pub(super) struct Item<'a> {
    indent: usize,
    has_box: bool,
    /// What it says, without its number, its box and the mark of a step.
    pub text: String,
    step: Option<&'a str>,
    takes_lines: bool,
    is_numbered: bool,
}

impl<'a> Item<'a> {
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let code = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - code.len();
        let digits = code.len() - code.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_numbered = (1..=9).contains(&digits);
        let rest = if is_numbered {
            code.get(digits..)?.strip_prefix(['.', ')'])?
        } else {
            code.strip_prefix(['-', '*', '+'])?
        };
        let text = rest.trim_start_matches([' ', '\t']);
        if text.len() == rest.len() {
            return None;
        }
        let step = step::step_of(text);
        let has_box = matches!(text.as_bytes(), [b'[', b' ' | b'x' | b'X', b']', ..]);
        let words = if has_box { text.get(3..).unwrap_or_default() } else { text };
        let words = match words.split_once("<!-- scupper:step=") {
            Some((words, _)) if step.is_some() => words,
            _ => words,
        };
        let takes_lines = step.is_some() || (is_numbered && indent == 0);
        Some(Self { indent, has_box, text: words.trim().to_owned(), step, takes_lines, is_numbered })
    }

    /// What the item is known by.
    fn name(&self) -> Option<String> {
        if let Some(step) = self.step {
            Some(format!("step {step}"))
        } else if self.text.is_empty() {
            None
        } else if self.has_box {
            Some(format!("box {}", self.text))
        } else if self.is_numbered && self.indent == 0 {
            Some(format!("number {}", self.text))
        } else {
            None
        }
    }
}
