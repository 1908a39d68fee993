//! Text of strangers as Markdown may hold it: a command line, a name or a message stays one piece of text, and never
//! becomes a heading, a link, HTML, or an escape of a terminal.

use scupper_model::printable;

use super::words::CODE;

/// Characters of one piece of text, at most.
const MOST: usize = 2000;
/// Characters of one line of a fence, at most.
const MOST_OF_A_LINE: usize = 1000;

/// A sentence, with the pieces that are code between backticks.
pub fn inline(text: &str) -> String {
    let text = printable(text.as_bytes(), MOST);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(CODE[0]) {
        escape(&before.replace(CODE[1], ""), &mut out);
        let (inner, behind) = after.split_once(CODE[1]).unwrap_or((after, ""));
        out.push_str(&code(inner));
        rest = behind;
    }
    escape(&rest.replace(CODE[1], ""), &mut out);
    out
}

fn escape(text: &str, out: &mut String) {
    // At the beginning of a line a few characters more mean something.
    let mut start = out.is_empty();
    let mut digits = false;
    let mut previous = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let inside_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let means = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' => true,
            // `snake_case` is no emphasis.
            '_' => !(inside_word(previous) && inside_word(next)),
            '&' => next.is_some_and(|c| c.is_ascii_alphabetic() || c == '#'),
            '#' | '+' | '-' | '=' | ':' => start,
            '.' | ')' => digits,
            '!' => next == Some('['),
            _ => false,
        };
        if means {
            out.push('\\');
        }
        out.push(c);
        digits = (start || digits) && c.is_ascii_digit();
        start = start && c == ' ';
        previous = Some(c);
    }
}

/// A piece of code within a line.
pub fn code(text: &str) -> String {
    let text = printable(text.replace(CODE, "").as_bytes(), MOST);
    if text.trim().is_empty() {
        // Without a character to show there is no code.
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A sentence in a table: without code, since a pipe ends a cell within code as well.
pub fn cell(text: &str) -> String {
    let mut out = " ".to_owned();
    escape(&printable(text.replace(CODE, "").as_bytes(), MOST), &mut out);
    out.trim().to_owned()
}

/// Lines of a file in a fence, each indented by so many spaces.
pub fn fence(text: &str, language: &str, indent: usize) -> String {
    let ticks = "`".repeat(longest_run(text).max(2) + 1);
    let indent = " ".repeat(indent);
    let language: String = language.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let mut out = format!("{indent}{ticks}{language}\n");
    for line in text.lines() {
        let shown: Vec<String> =
            line.split('\t').map(|part| printable(part.as_bytes(), MOST_OF_A_LINE)).collect();
        out.push_str(format!("{indent}{}", shown.join("\t")).trim_end());
        out.push('\n');
    }
    out.push_str(&indent);
    out.push_str(&ticks);
    out
}

fn longest_run(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::words;

    #[test]
    fn strangers_do_not_become_markup() {
        assert_eq!(inline("<script>alert(1)</script>"), "\\<script\\>alert(1)\\</script\\>");
        assert_eq!(inline("# not a heading"), "\\# not a heading");
        assert_eq!(inline("1. not a list"), "1\\. not a list");
        assert_eq!(inline("- [x] done"), "\\- \\[x\\] done");
        assert_eq!(inline("![a](http://b)"), "\\!\\[a\\](http://b)");
        assert_eq!(inline("a\nb\u{1b}[31m\u{202e}"), "a\u{fffd}b\u{fffd}\\[31m\u{fffd}");
        assert_eq!(inline("snake_case _em_ &lt; & 5 | 6"), "snake_case \\_em\\_ \\&lt; & 5 \\| 6");
        assert_eq!(cell("-1:00 | <b>"), "-1:00 \\| \\<b\\>");
        assert_eq!(inline("300.5 MiB, v1.2"), "300\\.5 MiB, v1.2");
    }

    #[test]
    fn code_ends_where_it_ends() {
        assert_eq!(code("a `b` c"), "``a `b` c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "(empty)");
        assert_eq!(inline(&format!("run {} now", words::code("a*b* \u{e001}`<b>"))), "run ``a*b* `<b>`` now");
        // A marker that somebody else wrote begins code at most.
        assert_eq!(inline("x \u{e000}<b>"), "x `<b>`");
        assert_eq!(fence("```\n# x\t\u{1b}", "py`<", 2), "  ````py\n  ```\n  # x\t\u{fffd}\n  ````");
    }
}
