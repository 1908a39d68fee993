//! What a body consists of, line by line: headings, code, check boxes, links, list items.
//!
//! Code and HTML comments are looked past: what stands in them is no heading, no box and no link. This is no renderer; it is as
//! exact as an edit of one line needs.

/// What a body consists of. Lines are those of the document, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Headings, in their order.
    pub headings: Vec<Heading>,
    /// Fenced code.
    pub fences: Vec<Fence>,
    /// Check boxes.
    pub boxes: Vec<CheckBox>,
    /// Links, images and addresses in angle brackets.
    pub links: Vec<Link>,
    /// Items of lists, boxes among them.
    pub items: Vec<ListItem>,
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// From 1 to 6.
    pub level: usize,
    /// Without its number signs.
    pub text: String,
    /// Its line.
    pub line: usize,
}

/// Fenced code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The line that opens it.
    pub line: usize,
    /// The line that closes it, or the last one where nothing does.
    pub end_line: usize,
    /// What stands behind the opening fence.
    pub info: String,
    /// What stands in it, as far as it is indented less the indentation of the fence.
    pub text: String,
    /// Whether a line closes it.
    pub is_closed: bool,
}

/// A check box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckBox {
    /// Its line.
    pub line: usize,
    /// Whether it is ticked.
    pub ticked: bool,
    /// What stands behind it.
    pub text: String,
    /// The heading above it. `None` where it stands above all headings.
    pub section: Option<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its line.
    pub line: usize,
    /// What is shown.
    pub text: String,
    /// Where it leads.
    pub target: String,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListItem {
    /// Its line.
    pub line: usize,
    /// How many columns its mark is indented.
    pub indent: usize,
    /// Its number in a numbered list.
    pub number: Option<u64>,
    /// What stands behind its mark, a box included.
    pub text: String,
    /// The heading above it. `None` where it stands above all headings.
    pub section: Option<String>,
}

/// A box in a line: its state, and where its mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boxed {
    pub ticked: bool,
    /// In bytes from the beginning of the line.
    pub mark_at: usize,
}

/// Reads a body whose first line has this number.
pub(super) fn outline(body: &str, first_line: usize) -> Outline {
    let mut out = Outline::default();
    let mut open: Option<Open> = None;
    let mut in_comment = false;
    let mut paragraph: Option<(usize, String)> = None;
    let mut last = first_line;
    for (at, line) in body.lines().enumerate() {
        let number = first_line.saturating_add(at);
        last = number;
        if let Some(fence) = &mut open {
            if fence.is_closed_by(line) {
                out.fences.extend(open.take().map(|fence| fence.close(number, true)));
            } else {
                fence.add(line);
            }
            continue;
        }
        if in_comment {
            in_comment = !line.contains("-->");
            continue;
        }
        let code = line.trim_start();
        if let Some(fence) = Open::by(line, number) {
            open = Some(fence);
            paragraph = None;
            continue;
        }
        if code.starts_with("<!--") && !code.contains("-->") {
            in_comment = true;
            continue;
        }
        if let Some((line, text)) = paragraph.take()
            && let Some(level) = underline(code)
        {
            out.headings.push(Heading { level, text, line });
            continue;
        }
        if let Some((level, text)) = atx(line) {
            out.headings.push(Heading { level, text: text.clone(), line: number });
            links(&text, number, &mut out.links);
            continue;
        }
        let section = || out.headings.last().map(|heading| heading.text.clone());
        if let Some(item) = item(line) {
            let text = without_comments(item.text);
            if let Some(found) = box_of(line) {
                let behind = line.get(found.mark_at + 2..).unwrap_or_default();
                let text = without_comments(behind).trim().to_owned();
                out.boxes.push(CheckBox { line: number, ticked: found.ticked, text, section: section() });
            }
            let (indent, number_of) = (item.indent, item.number);
            let text = text.trim().to_owned();
            out.items.push(ListItem { line: number, indent, number: number_of, text, section: section() });
        } else if !code.is_empty() && line.len() - code.len() < 4 && !code.starts_with(['>', '|', '<']) {
            paragraph = Some((number, code.trim_end().to_owned()));
        }
        links(line, number, &mut out.links);
    }
    out.fences.extend(open.map(|fence| fence.close(last, false)));
    out
}

/// A fence that is open.
struct Open {
    line: usize,
    mark: char,
    length: usize,
    indent: usize,
    info: String,
    text: String,
}

impl Open {
    /// The fence that a line opens. In lists fences are indented further than elsewhere.
    fn by(line: &str, number: usize) -> Option<Self> {
        let code = line.trim_start();
        // Behind the mark of an item.
        let code = item(line).map_or(code, |item| item.text.trim_start());
        let mark = code.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = code.trim_start_matches(mark);
        let length = code.len() - rest.len();
        if length < 3 || (mark == '`' && rest.contains('`')) {
            return None;
        }
        let indent = line.len() - code.len();
        Some(Self { line: number, mark, length, indent, info: rest.trim().to_owned(), text: String::new() })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let code = line.trim();
        code.len() >= self.length && code.chars().all(|c| c == self.mark)
    }

    fn add(&mut self, line: &str) {
        let spaces = (line.len() - line.trim_start_matches(' ').len()).min(self.indent);
        self.text.push_str(line.get(spaces..).unwrap_or_default());
        self.text.push('\n');
    }

    fn close(self, end_line: usize, is_closed: bool) -> Fence {
        Fence { line: self.line, end_line, info: self.info, text: self.text, is_closed }
    }
}

/// A heading that begins with number signs.
fn atx(line: &str) -> Option<(usize, String)> {
    let code = line.trim_start_matches(' ');
    let rest = code.trim_start_matches('#');
    let level = code.len() - rest.len();
    if line.len() - code.len() > 3
        || !(1..=6).contains(&level)
        || !(rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return None;
    }
    let text = rest.trim();
    // Number signs at its end close it.
    let closed = text.trim_end_matches('#');
    let text = if closed.is_empty() || closed.ends_with([' ', '\t']) { closed.trim_end() } else { text };
    Some((level, without_comments(text).trim().to_owned()))
}

/// A line that makes the line above it a heading.
fn underline(code: &str) -> Option<usize> {
    let code = code.trim_end();
    let only = |mark: char| !code.is_empty() && code.chars().all(|c| c == mark);
    if only('=') {
        Some(1)
    } else if only('-') && code.len() > 1 {
        Some(2)
    } else {
        None
    }
}

struct Item<'a> {
    indent: usize,
    number: Option<u64>,
    text: &'a str,
}

/// An item of a list.
fn item(line: &str) -> Option<Item<'_>> {
    let code = line.trim_start_matches([' ', '\t']);
    let indent = line.len() - code.len();
    let digits = code.len() - code.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = if (1..=9).contains(&digits) {
        let rest = code.get(digits..)?.strip_prefix(['.', ')'])?;
        (code.get(..digits)?.parse().ok(), rest)
    } else {
        (None, code.strip_prefix(['-', '*', '+'])?)
    };
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    // `---` and `* * *` are lines across the page.
    if number.is_none() && is_rule(code) {
        return None;
    }
    Some(Item { indent, number, text: rest })
}

fn is_rule(code: &str) -> bool {
    let marks: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    marks.len() >= 3 && ["-", "*", "_"].iter().any(|mark| marks.replace(mark, "").is_empty())
}

/// The box that a line's item begins with.
pub(super) fn box_of(line: &str) -> Option<Boxed> {
    let item = item(line)?;
    let text = item.text.trim_start();
    let mark = text.strip_prefix('[')?;
    let ticked = match mark.chars().next()? {
        ' ' => false,
        'x' | 'X' => true,
        _ => return None,
    };
    let behind = mark.get(1..)?.strip_prefix(']')?;
    if !(behind.is_empty() || behind.starts_with([' ', '\t', '\r', '\n'])) {
        return None;
    }
    // Where the text stands in the line.
    let at = (line.len() - item.text.len()) + (item.text.len() - text.len()) + 1;
    Some(Boxed { ticked, mark_at: at })
}

/// A line without the comments in it.
fn without_comments(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("<!--") {
        out.push_str(before);
        match behind.split_once("-->") {
            Some((_, behind)) => rest = behind,
            None => return out,
        }
    }
    out.push_str(rest);
    out
}

/// The links of a line, code between backticks left out.
fn links(line: &str, number: usize, out: &mut Vec<Link>) {
    let line = without_code(&without_comments(line));
    let mut rest = line.as_str();
    while let Some(at) = rest.find(['[', '<']) {
        let (mark, found) = rest.split_at(at).1.split_at(1);
        rest = found;
        if mark == "<" {
            let Some((target, behind)) = found.split_once('>') else { continue };
            if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
                out.push(Link { line: number, text: target.to_owned(), target: target.to_owned() });
                rest = behind;
            }
            continue;
        }
        let Some((text, behind)) = found.split_once("](") else { continue };
        let Some(end) = closing(behind) else { continue };
        // `[a] [b](c)`: the link begins with the last bracket.
        let text = text.rsplit_once('[').map_or(text, |(_, text)| text);
        let inner = behind.get(..end).unwrap_or_default().trim();
        let target = match inner.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
            Some((target, _)) => target,
            None => inner.split_whitespace().next().unwrap_or_default(),
        };
        out.push(Link { line: number, text: text.to_owned(), target: target.to_owned() });
        rest = behind.get(end + 1..).unwrap_or_default();
    }
}

/// Where the bracket closes that is open.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A line with spaces for what stands between backticks.
fn without_code(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let (before, code) = rest.split_at(at);
        out.push_str(before);
        let behind = code.trim_start_matches('`');
        let ticks = code.get(..code.len() - behind.len()).unwrap_or_default();
        let Some((_, behind)) = behind.split_once(ticks) else {
            out.push_str(behind);
            return out;
        };
        out.push(' ');
        rest = behind;
    }
    out.push_str(rest);
    out
}
