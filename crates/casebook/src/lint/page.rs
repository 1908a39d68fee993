//! A document as the rules read it: each line with what it is and where it stands. Plain text in, so that a document whose front
//! matter cannot be read, or that is no Markdown, is looked at as well.

use std::borrow::Cow;

/// Entries of one list that are looked at.
pub(super) const MOST_ITEMS: usize = 1_000;
/// Bytes of a line that are looked at.
pub(super) const MOST_OF_LINE: usize = 64 << 10;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Between the `---` at the top.
    FrontMatter,
    /// `#` to `######`, with how many.
    Heading(u8),
    /// Begins or ends a fence.
    Fence,
    /// Inside a fence.
    Code,
    /// Everything else, also an empty line.
    Prose,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// As it stands there, without its end.
    pub raw: &'a str,
    /// The same without comments: hidden ids are nothing that somebody says.
    pub text: Cow<'a, str>,
    /// For prose: without comments, and with spaces for what stands in backticks.
    pub prose: Cow<'a, str>,
    /// What it is.
    pub kind: Kind,
    /// Two spaces or more at its end, which break the line in Markdown.
    pub breaks: bool,
}

impl Line<'_> {
    /// Spaces before it.
    pub fn indent(&self) -> usize {
        self.raw.len() - self.raw.trim_start_matches(' ').len()
    }
}

/// An entry of a list, with everything that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where it begins.
    pub line: usize,
    /// Its text with that of its sub-entries, without markers; code of fences not.
    pub text: String,
    /// The same without what stands in backticks.
    pub prose: String,
}

/// The whole document.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    /// Every line.
    pub lines: Vec<Line<'a>>,
    /// Lines of which only the beginning is looked at.
    pub too_long: Vec<usize>,
    /// Of each heading which line it is, its level and its title: what is asked for by title looks at these alone.
    headings: Vec<(usize, u8, &'a str)>,
}

impl<'a> Page<'a> {
    /// Reads it.
    pub fn of(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut page = Self { lines: Vec::new(), too_long: Vec::new(), headings: Vec::new() };
        let mut reader = Reader { fence: None, comment: false, front_matter: has_front_matter(text) };
        for (index, whole) in text.split('\n').enumerate() {
            let whole = whole.strip_suffix('\r').unwrap_or(whole);
            let raw = beginning(whole, MOST_OF_LINE);
            if raw.len() < whole.len() {
                page.too_long.push(index + 1);
            }
            let (kind, text, prose) = reader.read(raw, index == 0);
            let breaks = raw.ends_with("  ");
            if let Kind::Heading(level) = kind {
                page.headings.push((index, level, title_of(raw)));
            }
            page.lines.push(Line { number: index + 1, raw, text, prose, kind, breaks });
        }
        page
    }

    /// The first heading of level 1: its title and line.
    pub fn title(&self) -> Option<(&str, usize)> {
        self.headings().find(|(level, _, _)| *level == 1).map(|(_, title, line)| (title, line))
    }

    /// The headings: level, title, line.
    pub fn headings(&self) -> impl Iterator<Item = (u8, &str, usize)> {
        self.headings.iter().map(|(index, level, title)| (*level, *title, index + 1))
    }

    /// The first section whose title begins with this (plain letters), in whatever case: the lines after its heading, up to the next one of its
    /// level or above. With the heading's line.
    pub fn section(&self, title: &str) -> Option<(usize, &[Line<'a>])> {
        self.section_where(|found| {
            found.split_at_checked(title.len()).is_some_and(|(beginning, rest)| {
                beginning.eq_ignore_ascii_case(title) && !rest.starts_with(char::is_alphanumeric)
            })
        })
    }

    /// The first section whose title is as asked for.
    pub fn section_where(&self, is_it: impl Fn(&str) -> bool) -> Option<(usize, &[Line<'a>])> {
        self.sections_where(is_it).next()
    }

    /// All of them.
    pub fn sections_where(&self, is_it: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &[Line<'a>])> {
        let found = self.headings.iter().enumerate().filter(move |(_, (_, _, title))| is_it(title));
        found.map(|(nth, (index, level, _))| {
            let next = self.headings.iter().skip(nth + 1).find(|(_, other, _)| other <= level);
            let end = next.map_or(self.lines.len(), |(index, _, _)| *index);
            (index + 1, self.lines.get(index + 1..end).unwrap_or_default())
        })
    }

    /// Prose and headings.
    pub fn written(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter().filter(|line| matches!(line.kind, Kind::Prose | Kind::Heading(_)))
    }

    /// What follows `**Name:**` or `**Name**:` at the beginning of a line, before the first section; with its line.
    pub fn header(&self, name: &str) -> Option<(String, &Line<'a>)> {
        self.headers()
            .find(|(found, _, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value, line)| (value, line))
    }

    /// Every such line of the header.
    pub fn headers(&self) -> impl Iterator<Item = (String, String, &Line<'a>)> {
        self.lines
            .iter()
            .take_while(|line| !matches!(line.kind, Kind::Heading(level) if level > 1))
            .filter(|line| line.kind == Kind::Prose)
            .filter_map(|line| field(line.raw).map(|(name, value)| (name, value, line)))
    }
}

/// What a heading says.
fn title_of(raw: &str) -> &str {
    raw.trim().trim_start_matches('#').trim().trim_end_matches('#').trim()
}

/// `**Name:** value` or `**Name**: value`, also as an entry of a list.
pub(super) fn field(raw: &str) -> Option<(String, String)> {
    let text = raw.trim();
    let text = marker(text).map_or(text, |(_, rest)| rest);
    let (name, rest) = text.strip_prefix("**")?.split_once("**")?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, rest),
        None => (name, rest.strip_prefix(':')?),
    };
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

/// The entries of the lists of a section. What is indented under an entry belongs to it.
pub(super) fn items(lines: &[Line<'_>]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut top = usize::MAX;
    let mut open = false;
    for line in lines {
        match line.kind {
            Kind::Heading(_) => open = false,
            Kind::Prose => {
                let indent = line.indent();
                let entry = marker(line.text.trim_start());
                match entry {
                    Some((width, rest)) if !open || indent < top + 2 => {
                        if items.len() >= MOST_ITEMS {
                            break;
                        }
                        let (_, text) = ticked(rest);
                        let skipped = line.text.len() - line.text.trim_start().len() + width;
                        let prose = line.prose.get(skipped..).unwrap_or_default();
                        let prose = ticked_prose(prose);
                        let (text, prose) = (text.to_owned(), prose.to_owned());
                        items.push(Item { line: line.number, text, prose });
                        (top, open) = (indent, true);
                    }
                    _ if !open || line.text.trim().is_empty() => {}
                    _ if indent > top || entry.is_none() && indent == top && !line.text.trim().is_empty() => {
                        if let Some(item) = items.last_mut() {
                            let text = entry.map_or(line.text.trim(), |(_, rest)| rest);
                            item.text.push(' ');
                            item.text.push_str(text);
                            item.prose.push(' ');
                            item.prose.push_str(line.prose.trim());
                        }
                    }
                    _ => open = false,
                }
            }
            Kind::Fence | Kind::Code | Kind::FrontMatter => {}
        }
    }
    items
}

fn ticked_prose(prose: &str) -> &str {
    let trimmed = prose.trim_start();
    match trimmed.as_bytes() {
        [b'[', _, b']', ..] => trimmed.get(3..).unwrap_or_default().trim(),
        _ => trimmed.trim(),
    }
}

/// A box at the beginning of an entry, and what comes after it.
pub(super) fn ticked(text: &str) -> (Option<bool>, &str) {
    for (mark, ticked) in [("[ ]", false), ("[x]", true), ("[X]", true)] {
        if let Some(rest) = text.strip_prefix(mark) {
            return (Some(ticked), rest.trim());
        }
    }
    (None, text)
}

/// Whether a line begins an entry of a list: how many bytes the marker has, and what comes after it.
pub(super) fn marker(text: &str) -> Option<(usize, &str)> {
    let rest = text.strip_prefix(['-', '*', '+']).or_else(|| {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text.get(digits..).filter(|_| (1..=9).contains(&digits))?.strip_prefix(['.', ')'])
    })?;
    let trimmed = rest.trim_start_matches(' ');
    (rest.is_empty() || trimmed.len() < rest.len()).then(|| (text.len() - trimmed.len(), trimmed.trim_end()))
}

fn has_front_matter(text: &str) -> bool {
    let mut lines = text.split('\n').map(str::trim_end);
    lines.next() == Some("---") && lines.any(|line| line == "---" || line == "...")
}

/// At most so many bytes, whole characters.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What was open at the end of the last line.
struct Reader {
    /// The character of an open fence, and how many of it.
    fence: Option<(char, usize)>,
    comment: bool,
    front_matter: bool,
}

impl Reader {
    fn read<'a>(&mut self, raw: &'a str, is_first: bool) -> (Kind, Cow<'a, str>, Cow<'a, str>) {
        let as_is = |kind| (kind, Cow::Borrowed(raw), Cow::Borrowed(""));
        if self.front_matter {
            if !is_first && matches!(raw.trim_end(), "---" | "...") {
                self.front_matter = false;
            }
            return as_is(Kind::FrontMatter);
        }
        if let Some((sign, length)) = self.fence {
            if fence(raw)
                .is_some_and(|(other, many, info)| other == sign && many >= length && info.is_empty())
            {
                self.fence = None;
                return as_is(Kind::Fence);
            }
            return as_is(Kind::Code);
        }
        if !self.comment
            && let Some((sign, length, info)) = fence(raw)
            && !(sign == '`' && info.contains('`'))
        {
            self.fence = Some((sign, length));
            return as_is(Kind::Fence);
        }
        let text = self.without_comments(raw);
        let prose = match &text {
            Cow::Borrowed(text) => without_code(text),
            Cow::Owned(text) => Cow::Owned(without_code(text).into_owned()),
        };
        (heading(&prose).map_or(Kind::Prose, Kind::Heading), text, prose)
    }

    fn without_comments<'a>(&mut self, raw: &'a str) -> Cow<'a, str> {
        if !self.comment && !raw.contains("<!--") {
            return Cow::Borrowed(raw);
        }
        let mut kept = String::with_capacity(raw.len());
        let mut rest = raw;
        loop {
            let end = if self.comment { "-->" } else { "<!--" };
            let Some((before, after)) = rest.split_once(end) else { break };
            if !self.comment {
                kept.push_str(before);
            }
            self.comment = !self.comment;
            rest = after;
        }
        if !self.comment {
            kept.push_str(rest);
        }
        Cow::Owned(kept)
    }
}

/// Spaces for what stands in backticks.
fn without_code(raw: &str) -> Cow<'_, str> {
    if !raw.contains('`') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let ticks = from.len() - from.trim_start_matches('`').len();
        let (opening, inside) = from.split_at(ticks);
        // A run of as many backticks ends it.
        let mut at = 0;
        let end = loop {
            let Some(found) = inside.get(at..).and_then(|tail| tail.find('`')) else { break None };
            let tail = inside.get(at + found..).unwrap_or_default();
            let many = tail.len() - tail.trim_start_matches('`').len();
            if many == ticks {
                break Some(at + found);
            }
            at += found + many;
        };
        let Some(end) = end else {
            // No other run of this length: it is text. So is every later one, which keeps this from being quadratic.
            out.push_str(opening);
            out.push_str(inside);
            return Cow::Owned(out);
        };
        out.extend(std::iter::repeat_n(' ', end + 2 * ticks));
        rest = inside.get(end + ticks..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a line begins or ends a fence: its character, how many, and what comes after them.
fn fence(raw: &str) -> Option<(char, usize, &str)> {
    let text = raw.trim();
    let sign = text.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let rest = text.trim_start_matches(sign);
    let many = text.len() - rest.len();
    (many >= 3).then_some((sign, many, rest.trim()))
}

fn heading(raw: &str) -> Option<u8> {
    let text = raw.trim_end();
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    ((1..=6).contains(&level) && (rest.is_empty() || rest.starts_with([' ', '\t'])))
        .then(|| u8::try_from(level).unwrap_or(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_hides_headings_and_a_longer_one_hides_a_shorter() {
        let page = Page::of("# A\n````\n# no\n```\n# no\n````\n## B\n~~~x\n## no\n~~~\n");
        let found: Vec<_> = page.headings().collect();
        assert_eq!(found, [(1, "A", 1), (2, "B", 7)]);
    }

    #[test]
    fn comments_and_code_are_no_prose() {
        let page = Page::of("a `TODO` b <!-- TODO\nTODO --> c ``x ` y`` d");
        let prose: Vec<&str> = page.lines.iter().map(|line| line.prose.trim()).collect();
        assert_eq!(prose, ["a        b", "c           d"]);
    }

    #[test]
    fn sections_end_at_the_next_heading_of_their_level() {
        let page = Page::of("## Tests Added\n- a\n### more\n- b\n## Tests Addedly\n- c\n");
        let (line, lines) = page.section("tests added").unwrap();
        assert_eq!((line, items(lines).len()), (1, 2));
        assert!(page.section("tests").is_some() && page.section("test").is_none());
    }

    #[test]
    fn a_section_is_looked_for_among_headings_alone_and_only_until_it_is_found() {
        let text = format!(
            "# T\n{}## Evidence\n- a\n## Evidence\n- b\n{}",
            "x\n".repeat(1_000),
            "## z\n".repeat(1_000)
        );
        let page = Page::of(&text);
        let asked = std::cell::Cell::new(0);
        let found = page.section_where(|title| {
            asked.set(asked.get() + 1);
            title == "Evidence"
        });
        let lines: Vec<&str> = found.unwrap().1.iter().map(|line| line.raw).collect();
        assert_eq!((lines, asked.get()), (vec!["- a"], 2));
    }

    #[test]
    fn what_is_indented_belongs_to_the_entry() {
        let page = Page::of("1. **Why?** a\n   - evidence `x`\n   b\n\n2. c\n- [x] d\n- [ ] e `f`\n");
        let items = items(&page.lines);
        let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(texts, ["**Why?** a evidence `x` b", "c", "d", "e `f`"]);
        assert_eq!(items.last().unwrap().prose, "e");
    }

    #[test]
    fn a_header_is_read_in_both_ways_of_writing_it() {
        let page = Page::of("# T\n\n**Date**: 2026-02-02\n**Owner:** me  \n\n## S\n**Status:** no\n");
        assert_eq!(page.header("date").map(|(value, _)| value).as_deref(), Some("2026-02-02"));
        let (owner, line) = page.header("owner").unwrap();
        assert_eq!((owner.as_str(), line.breaks, line.number), ("me", true, 4));
        assert!(page.header("status").is_none());
    }

    #[test]
    fn a_line_of_ten_megabytes_is_looked_at_in_part() {
        let text = format!("# A\n{}\n## B\n", "`x".repeat(5 << 20));
        let page = Page::of(&text);
        assert_eq!(page.too_long, [2]);
        assert_eq!(page.headings().count(), 2);
    }
}
