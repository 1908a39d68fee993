//! A note of the inbox: its text, and what of it is prose, a heading, a bullet, or code. Text is data: nothing of it is
//! followed, and what a terminal would obey is replaced.

/// Bytes of a note, at most.
pub const LARGEST_NOTE: u64 = 1 << 20;
/// Characters of a title that are kept.
const LONGEST_TITLE: usize = 200;
/// What stands for a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// A note, read.
#[derive(Clone, Debug)]
pub struct Note {
    name: String,
    text: String,
    title: String,
    lines: Vec<Line>,
    hidden: Option<Hidden>,
}

/// Characters of a note that are replaced in whatever is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// How many.
    pub count: usize,
    /// The line of the first of them.
    pub line: usize,
}

/// Why there is no plan for a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// There is no text in it.
    #[error("is empty: write what is to be done")]
    Empty,
    /// It has bytes that no text has.
    #[error("is no text: a zero byte in line {line}")]
    Binary {
        /// The line, from 1.
        line: usize,
    },
    /// Front matter and nothing behind it.
    #[error("has front matter and no text behind it")]
    NoBody,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Front matter, code, the marks of a fence.
    Code,
    /// Front matter.
    Front,
    /// Nothing.
    Blank,
    /// A heading and its text.
    Heading(String),
    /// A bullet or a numbered point.
    Bullet { text: String, ticked: Option<bool> },
    /// Anything else.
    Prose,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// From 1, in the file.
    pub number: usize,
    pub text: String,
    pub what: What,
    /// Whether the title was taken from it.
    pub is_title: bool,
}

/// A bullet of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bullet {
    /// Its line, from 1.
    pub line: usize,
    /// Its text without the mark and the box.
    pub text: String,
    /// Whether its box is ticked; `None` where it has none.
    pub ticked: Option<bool>,
    /// The heading it stands under; empty where there is none.
    pub section: String,
}

impl Note {
    /// Reads a note. `name` is its file name.
    pub fn parse(name: &str, text: &str) -> Result<Self, NoteError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(at) = text.find('\0') {
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            return Err(NoteError::Binary { line });
        }
        if text.trim().is_empty() {
            return Err(NoteError::Empty);
        }
        let (text, hidden) = shown(&text.replace("\r\n", "\n").replace('\r', "\n"));
        let mut lines = lines(&text);
        let Some((index, title)) = title(&lines) else { return Err(NoteError::NoBody) };
        if let Some(line) = lines.get_mut(index) {
            line.is_title = true;
        }
        let title = if title.is_empty() { stem(name).replace(['_', '-'], " ") } else { title };
        Ok(Self { name: name.to_owned(), text, title, lines, hidden })
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text: without a byte order mark, lines end with LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its first heading, else its first line, else what its file name says.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its first line without `#`, whatever it is: what the original tool takes for the title.
    pub(super) fn first_line(&self) -> &str {
        let mut shown = self.lines.iter().filter(|line| !matches!(line.what, What::Front | What::Blank));
        let first = shown.next().map(|line| line.text.trim().trim_matches('#').trim());
        first.filter(|text| !text.is_empty()).unwrap_or(&self.title)
    }

    /// Characters that are replaced.
    pub const fn hidden(&self) -> Option<Hidden> {
        self.hidden
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Its bullets and numbered points, in order; not those in code.
    pub fn bullets(&self) -> Vec<Bullet> {
        let mut section = String::new();
        let mut bullets = Vec::new();
        for line in &self.lines {
            match &line.what {
                What::Heading(text) => section.clone_from(text),
                What::Bullet { text, ticked } => bullets.push(Bullet {
                    line: line.number,
                    text: text.clone(),
                    ticked: *ticked,
                    section: section.clone(),
                }),
                _ => {}
            }
        }
        bullets
    }
}

/// A file name without `.md`, in any case.
pub fn stem(name: &str) -> &str {
    match name.len().checked_sub(3).and_then(|at| name.get(at..)) {
        Some(end) if end.eq_ignore_ascii_case(".md") => name.get(..name.len() - 3).unwrap_or(name),
        _ => name,
    }
}

/// The text with every character replaced that a terminal or a reader would obey instead of showing it.
fn shown(text: &str) -> (String, Option<Hidden>) {
    let mut hidden: Option<Hidden> = None;
    let mut line = 1;
    let text = text
        .chars()
        .map(|c| {
            line += usize::from(c == '\n');
            if !is_hidden(c) {
                return c;
            }
            let first = hidden.get_or_insert(Hidden { count: 0, line });
            first.count += 1;
            REPLACEMENT
        })
        .collect();
    (text, hidden)
}

/// Control characters, and those that turn text around or are not seen. Joiners stay: scripts and emoji need them.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'
        | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn lines(text: &str) -> Vec<Line> {
    let texts: Vec<&str> = text.lines().collect();
    let front = front_matter(&texts);
    let mut fence: Option<(char, usize)> = None;
    let mut lines = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let what = if index < front {
            What::Front
        } else if let Some((mark, length)) = fence {
            if closes(text, mark, length) {
                fence = None;
            }
            What::Code
        } else if let Some(opened) = opens(text) {
            fence = Some(opened);
            What::Code
        } else {
            what(text)
        };
        lines.push(Line { number: index + 1, text: (*text).to_owned(), what, is_title: false });
    }
    lines
}

/// How many lines the front matter takes, its marks included. One that is not closed is none.
fn front_matter(texts: &[&str]) -> usize {
    if texts.first().is_none_or(|first| first.trim_end() != "---") {
        return 0;
    }
    let end = texts.iter().skip(1).position(|text| matches!(text.trim_end(), "---" | "..."));
    end.map_or(0, |end| end + 2)
}

fn opens(text: &str) -> Option<(char, usize)> {
    let trimmed = text.trim_start();
    let mark = trimmed.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = trimmed.chars().take_while(|c| *c == mark).count();
    let rest = trimmed.get(length..).unwrap_or_default();
    (length >= 3 && !(mark == '`' && rest.contains('`'))).then_some((mark, length))
}

fn closes(text: &str, mark: char, length: usize) -> bool {
    let text = text.trim();
    text.chars().all(|c| c == mark) && text.chars().count() >= length
}

fn what(text: &str) -> What {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return What::Blank;
    }
    let level = trimmed.chars().take_while(|c| *c == '#').count();
    let rest = trimmed.get(level..).unwrap_or_default();
    if (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with(' ')) {
        return What::Heading(rest.trim().trim_end_matches('#').trim().to_owned());
    }
    match point(trimmed) {
        Some(text) => {
            let (text, ticked) = boxed(text);
            What::Bullet { text: text.trim().to_owned(), ticked }
        }
        None => What::Prose,
    }
}

/// The text of a bullet or a numbered point.
fn point(text: &str) -> Option<&str> {
    for mark in ["- ", "* ", "+ "] {
        if let Some(rest) = text.strip_prefix(mark) {
            // `- - -` and `* * *` are lines, no bullets.
            return rest.chars().any(char::is_alphanumeric).then_some(rest);
        }
    }
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let rest = text.get(digits..)?;
    rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))
}

fn boxed(text: &str) -> (&str, Option<bool>) {
    for (mark, ticked) in [("[ ] ", false), ("[x] ", true), ("[X] ", true)] {
        if let Some(rest) = text.trim_start().strip_prefix(mark) {
            return (rest, Some(ticked));
        }
    }
    (text, None)
}

/// The title and the line it is from; `None` where there is nothing but front matter.
fn title(lines: &[Line]) -> Option<(usize, String)> {
    let heading = lines.iter().position(|line| matches!(&line.what, What::Heading(text) if !text.is_empty()));
    let prose = lines.iter().position(|line| matches!(line.what, What::Prose | What::Bullet { .. }));
    let code = lines.iter().position(|line| line.what == What::Code && opens(&line.text).is_none());
    let index = heading.or(prose).or(code)?;
    let text = match lines.get(index).map(|line| (&line.what, &line.text)) {
        Some((What::Heading(text) | What::Bullet { text, .. }, _)) => text.clone(),
        Some((What::Prose, text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    Some((index, text.chars().take(LONGEST_TITLE).collect()))
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R019.

    use super::*;

    fn note(text: &str) -> Note {
        Note::parse("a_note.md", text).unwrap()
    }

    #[test]
    fn r019_the_title_is_never_front_matter() {
        assert_eq!(note("---\ntags: [x]\n---\n\n# Real title\ntext").title(), "Real title");
        assert_eq!(note("---\ntags: [x]\n---\nfirst line").title(), "first line");
        assert_eq!(note("no heading at all\nmore").title(), "no heading at all");
        assert_eq!(note("```\ncode alone\n```").title(), "a note");
        assert_eq!(Note::parse("a.md", "---\na: 1\n---\n\n").unwrap_err(), NoteError::NoBody);
    }

    #[test]
    fn r019_what_is_no_text_is_said_with_its_line() {
        assert_eq!(Note::parse("a.md", " \n\t\n").unwrap_err(), NoteError::Empty);
        assert_eq!(Note::parse("a.md", "a\nb\0").unwrap_err(), NoteError::Binary { line: 2 });
    }

    #[test]
    fn r019_marks_of_windows_are_read_and_what_is_not_shown_is_replaced() {
        let read = note("\u{feff}# A\r\nb\rc\u{1b}[31m\nd\u{202e}e\n");
        assert_eq!(read.text(), "# A\nb\nc\u{fffd}[31m\nd\u{fffd}e\n");
        assert_eq!(read.hidden(), Some(Hidden { count: 2, line: 3 }));
        assert_eq!(note("family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{5d0}").hidden(), None);
    }

    #[test]
    fn bullets_stand_under_their_heading_and_not_in_code() {
        let read = note(
            "- first\n# A\n```sh\n- no\n```\n* [x] done\n  1. one\n---\n- - -\n~~~\n- no\n```\n- no\n~~~\n+ last",
        );
        let found: Vec<_> = read
            .bullets()
            .into_iter()
            .map(|each| (each.line, each.text, each.ticked, each.section))
            .collect();
        let a = || "A".to_owned();
        assert_eq!(
            found,
            [
                (1, "first".to_owned(), None, String::new()),
                (6, "done".to_owned(), Some(true), a()),
                (7, "one".to_owned(), None, a()),
                (15, "last".to_owned(), None, a()),
            ]
        );
    }

    #[test]
    fn a_stem_has_no_ending_in_any_case() {
        assert_eq!(
            (stem("a.md"), stem("b.MD"), stem("c.txt"), stem("\u{e9}")),
            ("a", "b", "c.txt", "\u{e9}")
        );
    }
}
