//! Redaction: command lines, environments and log lines lose their secrets before they are stored or shown.
//!
//! A value is taken for a secret by the name beside it (`--api-key X`, `TOKEN=X`, `password: X`), by its place
//! (`scheme://user:X@host`, `Bearer X`, `mysql -pX`), or by its own shape (`sk-...`, `ghp_...`, a JWT, a PEM key).
//! Where it is not clear how far a secret goes, too much is taken rather than too little. What merely resembles one
//! stays: `--keep-alive 5`, `max_tokens=100`, `passenger`.
//!
//! The order matters: clean up (so that no escape sequence stands between a name and its value), redact, and only
//! then cut to length, because half a secret has no shape. Redacting twice changes nothing.

mod names;
mod pairs;
mod places;
mod programs;
mod shapes;
#[cfg(test)]
mod tests;

use std::ops::Range;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Characters that are looked at; what comes after them is dropped unseen.
const MOST_READ: usize = 16 << 10;
/// Characters of one argument or assignment that are kept.
const MOST_OF_ARGUMENT: usize = 200;
/// Characters of a command line that are kept.
const MOST_OF_COMMAND: usize = 4_000;
/// Characters of a log line that are kept.
const MOST_OF_LINE: usize = 2_000;

/// A command line as one redacted, printable string of at most about 4,000 characters.
pub fn redact_command<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> String {
    cut(&redact_arguments(arguments).join(" "), MOST_OF_COMMAND)
}

/// The arguments of a command, each redacted, printable and at most about 200 characters long. A secret may be an
/// argument of its own (`--token X`), so they have to be looked at together.
pub fn redact_arguments<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut left = MOST_READ;
    let arguments: Vec<String> = arguments
        .into_iter()
        .map_while(|argument| {
            let text = clean(&String::from_utf8_lossy(&argument[..argument.len().min(4 * MOST_READ)]));
            let fits = left > 0;
            left = left.saturating_sub(text.len() + 1);
            fits.then_some(text)
        })
        .collect();
    settle(arguments, |arguments| pass_over_arguments(arguments))
}

fn pass_over_arguments(arguments: &[String]) -> Vec<String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut secrets: Vec<Vec<Range<usize>>> =
        arguments.iter().map(|text| find(text, Context::Argument)).collect();
    for (index, text) in arguments.iter().enumerate() {
        if index == 0 || !is_script_option(words[index - 1]) {
            secrets[index].extend(pairs::whole(text));
        }
    }
    for (index, range) in programs::find(&words).into_iter().chain(names::after_flags(&words)) {
        secrets[index].push(range);
    }
    arguments
        .iter()
        .zip(secrets)
        .map(|(text, secrets)| cut(&replace(text, secrets), MOST_OF_ARGUMENT))
        .collect()
}

/// One `NAME=value` of an environment, redacted and printable, at most about 200 characters.
pub fn redact_assignment(assignment: &[u8]) -> String {
    let text = clean(&String::from_utf8_lossy(&assignment[..assignment.len().min(4 * MOST_READ)]));
    let pass = |text: &String| {
        let mut secrets = find(text, Context::Argument);
        secrets.extend(pairs::whole(text));
        cut(&replace(text, secrets), MOST_OF_ARGUMENT)
    };
    settle(text, pass)
}

/// One line of a log, redacted and printable, at most about 2,000 characters. Escape sequences are dropped.
pub fn redact_line(line: &str) -> String {
    let pass = |text: &String| cut(&replace(text, find(text, Context::Line)), MOST_OF_LINE);
    settle(clean(line), pass)
}

/// Redacts and cuts until nothing changes: a marker or a cut can bring a name next to what looks like a value. One
/// pass finds everything in all but made-up text.
fn settle<T: PartialEq>(mut text: T, pass: impl Fn(&T) -> T) -> T {
    for _ in 0..8 {
        let next = pass(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Where a text comes from: an argument or assignment holds one thing, a line holds prose as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Argument,
    Line,
}

/// `-c`, `-lc`: the next argument is a program, not a value.
fn is_script_option(word: &str) -> bool {
    word.len() <= 4 && word.starts_with('-') && word.ends_with('c')
}

/// Where the secrets are, in any order, possibly overlapping.
fn find(text: &str, context: Context) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    pairs::find(text, context, &mut found);
    places::find(text, &mut found);
    shapes::find(text, &mut found);
    // A shell command in one argument, or in a log.
    if text.contains(' ') {
        let words: Vec<&str> = text.split(' ').collect();
        let mut starts = vec![0];
        starts.extend(words.iter().scan(0, |at, word| {
            *at += word.len() + 1;
            Some(*at)
        }));
        for (index, range) in programs::find(&words) {
            found.push(starts[index] + range.start..starts[index] + range.end);
        }
    }
    found
}

fn replace(text: &str, mut secrets: Vec<Range<usize>>) -> String {
    secrets.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut kept_to = 0;
    let mut secrets = secrets.into_iter().peekable();
    while let Some(mut secret) = secrets.next() {
        while let Some(next) = secrets.next_if(|next| next.start <= secret.end) {
            secret.end = secret.end.max(next.end);
        }
        out.push_str(&text[kept_to..secret.start]);
        out.push_str(REDACTED);
        kept_to = secret.end;
    }
    out.push_str(&text[kept_to..]);
    out
}

/// One line without terminal sequences and control characters.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MOST_READ));
    let mut chars = text.chars().take(MOST_READ).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                // A control sequence: parameters, then one final byte.
                while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || crate::text::is_unseen(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// At most `max` characters, a marker never cut in two; what is cut is marked.
fn cut(text: &str, max: usize) -> String {
    let Some((mut end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    for (start, marker) in text.match_indices(REDACTED) {
        if (start..start + marker.len()).contains(&end) && start < end {
            end = start + marker.len();
        }
    }
    if end == text.len() || &text[end..] == "..." {
        return text.to_owned();
    }
    format!("{}...", &text[..end])
}

/// Whether a value has nothing to hide: a mask, a marker of ours, a word such as `null`.
fn is_harmless(value: &str) -> bool {
    const WORDS: [&str; 11] =
        ["true", "false", "null", "none", "nil", "undefined", "yes", "no", "on", "off", "empty"];
    let rest = value.strip_prefix(REDACTED).unwrap_or(value);
    rest.chars().all(|c| matches!(c, '*' | '.' | '-' | '_' | '\u{2022}' | '\u{2026}'))
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}
