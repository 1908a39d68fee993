//! Secrets that stand beside their name: `name=X`, `name: X`, `"name": "X"`, `--name X`, `<name>X</name>`,
//! `Authorization: Bearer X`.

use std::ops::Range;

use super::{Context, is_harmless, names};

const QUOTES: [char; 3] = ['"', '\'', '`'];
const SCHEMES: [&str; 7] = ["bearer", "basic", "token", "digest", "apikey", "negotiate", "aws4-hmac-sha256"];

/// How name and value stand to each other.
enum Beside {
    /// `=`, `:`, `=>`, or a blank after an option.
    Value,
    /// `<name>` before, `</name>` after.
    Element,
}

pub(super) fn find(text: &str, context: Context, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(start) = text[from..].find(is_name).map(|at| from + at) {
        let end = text[start..].find(|c| !is_name(c)).map_or(text.len(), |at| start + at);
        from = end;
        if let Some(secret) = beside(text, start..end, context) {
            // `--token password: X`: what stands in the place of the value names the next one.
            let names_another = text[secret.clone()].ends_with([':', '='])
                || text[secret.end..].trim_start().starts_with([':', '=']);
            from = if names_another { end } else { secret.end.max(end) };
            found.push(secret);
        }
    }
}

/// The value of an argument or assignment that is nothing but `NAME=value`: all of it, blanks and delimiters too.
pub(super) fn whole(text: &str) -> Option<Range<usize>> {
    let (name, value) = text.split_once('=')?;
    let is_secret = !name.is_empty() && name.chars().all(is_name) && names::is_secret(name);
    (is_secret && !is_harmless(value)).then(|| name.len() + 1..text.len())
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The secret beside the name, if it is such a name and there is one.
fn beside(text: &str, at: Range<usize>, context: Context) -> Option<Range<usize>> {
    let name = &text[at.clone()];
    let before = text[..at.start].chars().next_back();
    let (how, value_at) = separator(text, &at, before)?;
    let in_query = matches!(before, Some('?' | '&')) && names::is_secret_in_query(name);
    if !in_query && !names::is_secret(name) {
        return None;
    }
    let enclosing = before.filter(|c| QUOTES.contains(c));
    let value = match how {
        Beside::Element => value_at..text[value_at..].find('<').map_or(text.len(), |end| value_at + end),
        Beside::Value if names::is_header(name) => header(text, value_at, enclosing),
        Beside::Value => value(text, value_at, enclosing),
    };
    let shown = &text[value.clone()];
    let counts = context == Context::Line
        && names::may_count(name)
        && shown.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '%'));
    (!counts && !is_harmless(shown)).then_some(value)
}

/// What stands between a name and a value, and where the value begins.
fn separator(text: &str, name: &Range<usize>, before: Option<char>) -> Option<(Beside, usize)> {
    let rest = &text[name.end..];
    if before == Some('<') && rest.starts_with('>') {
        return Some((Beside::Element, name.end + 1));
    }
    let unquoted = rest.trim_start_matches('\\').trim_start_matches(QUOTES);
    let quoted = unquoted.len() < rest.len() && rest.starts_with(['\\', '"', '\'', '`']);
    let unquoted = unquoted.strip_prefix(']').unwrap_or(unquoted);
    let after = unquoted.trim_start();
    let position = |rest: &str| text.len() - rest.trim_start().len();
    if let Some(rest) = after.strip_prefix('=') {
        return Some((Beside::Value, position(rest.trim_start_matches('=').trim_start_matches('>'))));
    }
    if let Some(rest) = after.strip_prefix(':') {
        let is_path = rest.starts_with(':') || (rest.starts_with("//") && unquoted.len() == after.len());
        return (!is_path).then(|| (Beside::Value, position(rest.trim_start_matches(['=', '>']))));
    }
    let is_option = text[name.clone()].starts_with('-');
    if quoted && (is_option || names::is_header(&text[name.clone()])) {
        // A list of arguments or a pair in a log: `["--token", "X"]`, `('Cookie', 'X')`.
        let rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        return rest.trim_start_matches('\\').starts_with(QUOTES).then(|| (Beside::Value, position(rest)));
    }
    let blank = after.len() < unquoted.len();
    if blank && !quoted && is_option {
        let word = after.split(' ').next().unwrap_or(after);
        return (!names::is_option(word)).then(|| (Beside::Value, position(after)));
    }
    // `ALTER USER bob PASSWORD 'X'`, `IDENTIFIED BY PASSWORD "X"`.
    (blank && !quoted && after.starts_with(['"', '\''])).then(|| (Beside::Value, position(after)))
}

/// The value of a header: to the end of the line or of the quotes it stands in, its scheme not included.
fn header(text: &str, at: usize, enclosing: Option<char>) -> Range<usize> {
    let mut range = match quoted(text, at) {
        Some(range) => range,
        None => at..enclosing.and_then(|quote| text[at..].find(quote)).map_or(text.len(), |end| at + end),
    };
    let value = &text[range.clone()];
    if let Some((scheme, rest)) = value.split_once(' ')
        && SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        range.start = range.end - rest.trim_start().len();
    }
    range
}

/// A value: quoted, a list or an object, or up to a blank.
fn value(text: &str, at: usize, enclosing: Option<char>) -> Range<usize> {
    if let Some(range) = quoted(text, at) {
        return range;
    }
    let rest = &text[at..];
    if rest.starts_with(['{', '[']) && !rest.starts_with(super::REDACTED) {
        return at..at + nested(rest);
    }
    let end = rest
        .char_indices()
        .find(|&(index, c)| {
            c.is_whitespace() || Some(c) == enclosing || ends_here(c, &rest[index + c.len_utf8()..])
        })
        .map_or(rest.len(), |(index, _)| index);
    let mut value = &rest[..end];
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')] {
        while value.ends_with(close) && value.matches(open).count() < value.matches(close).count() {
            value = &value[..value.len() - 1];
        }
    }
    at..at + value.len()
}

/// Whether a character in a bare value ends it, going by what follows: a delimiter before the next pair or at the
/// end, a quote before a delimiter. Otherwise it may be part of a password.
fn ends_here(c: char, rest: &str) -> bool {
    match c {
        ',' | ';' | '&' => {
            let after_name = rest.trim_start_matches(is_name);
            rest.is_empty()
                || rest.starts_with(|c: char| c.is_whitespace() || QUOTES.contains(&c))
                || (after_name.len() < rest.len() && after_name.starts_with(['=', ':']))
        }
        '"' | '\'' | '`' => {
            rest.is_empty()
                || rest.starts_with(|c: char| {
                    c.is_whitespace() || matches!(c, ',' | ';' | ')' | ']' | '}' | ':')
                })
        }
        _ => false,
    }
}

/// The inside of quotes that open at `at`, escaped as `\"` or not, with a prefix such as `b"` or not.
fn quoted(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let unprefixed = rest.trim_start_matches(['b', 'B', 'u', 'U', 'r', 'R', 'f', 'F']);
    let rest = if rest.len() - unprefixed.len() <= 2 { unprefixed } else { rest };
    let backslashes = rest.len() - rest.trim_start_matches('\\').len();
    let quote = rest[backslashes..].chars().next().filter(|c| QUOTES.contains(c))?;
    let start = text.len() - rest.len() + backslashes + 1;
    let mut escapes = 0;
    for (index, c) in text[start..].char_indices() {
        if c == quote && (escapes == backslashes || (backslashes == 0 && escapes % 2 == 0)) {
            return Some(start..start + index - backslashes.min(escapes));
        }
        escapes = if c == '\\' { escapes + 1 } else { 0 };
    }
    Some(start..text.len())
}

/// Length of the list or object that opens the text; all of the text where it does not close.
fn nested(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut inside: Option<char> = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match (inside, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(quote), c) if c == quote => inside = None,
            (None, '"' | '\'') => inside = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}
