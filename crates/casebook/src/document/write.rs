//! Values as they are written: what this writes, `PyYAML` and js-yaml read back as what it was.
//!
//! Both of them take some plain words for something else (`yes`, `1:30`, `0o7`), so text is written plain only where no reader
//! could doubt it. Dates are the exception: the tools that share these files write them plain.

use super::{DocumentError, Value};

/// The longest key that is written: readers take no longer ones without a `?` before them.
const LONGEST_KEY: usize = 200;

/// `key: value`, and the lines below it, each ending in a line feed, at this many spaces.
pub(super) fn entry(key: &str, value: &Value, indent: usize) -> Result<String, DocumentError> {
    let mut out = " ".repeat(indent);
    out.push_str(&name(key)?);
    out.push(':');
    below(&mut out, value, indent, indent + 2)?;
    Ok(out)
}

/// `- item`, and the lines below it.
pub(super) fn item(value: &Value, indent: usize) -> Result<String, DocumentError> {
    let mut out = " ".repeat(indent);
    out.push('-');
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            for (at, (key, value)) in entries.iter().enumerate() {
                let text = entry(key, value, indent + 2)?;
                if at == 0 {
                    out.push(' ');
                    out.push_str(text.trim_start_matches(' '));
                } else {
                    out.push_str(&text);
                }
            }
        }
        other => below(&mut out, other, indent, indent + 2)?,
    }
    Ok(out)
}

/// What comes after the colon of a key, or the dash of an item, and the end of the line.
pub(super) fn below(
    out: &mut String,
    value: &Value,
    indent: usize,
    inner: usize,
) -> Result<(), DocumentError> {
    match value {
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            for value in items {
                out.push_str(&item(value, inner)?);
            }
        }
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            for (key, value) in entries {
                out.push_str(&entry(key, value, inner)?);
            }
        }
        Value::Text(text) if is_block(text) => block(out, text, indent + 2),
        other => {
            out.push(' ');
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
    Ok(())
}

/// A key: plain, else in double quotes.
fn name(text: &str) -> Result<String, DocumentError> {
    if text.len() > LONGEST_KEY {
        return Err(DocumentError::LongKey { bytes: text.len(), most: LONGEST_KEY });
    }
    Ok(if is_plain(text) { text.to_owned() } else { quoted(text) })
}

/// A value in one line. `None` where it takes several.
pub(super) fn single_line(value: &Value) -> Option<String> {
    let is_long = value.is_nested() || matches!(value, Value::Text(text) if is_block(text));
    (!is_long).then(|| scalar(value))
}

/// A value that takes no line of its own. Lists and maps come here empty.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::Text(text) if is_plain(text) || is_time(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// With a point and, in an exponent, a sign: without them `PyYAML` reads text.
fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{number:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

/// Whether some text is read as just this text by every reader without quotes.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    if !(first.is_ascii_alphabetic() || matches!(first, '/' | '_')) || text.ends_with([' ', ':']) {
        return false;
    }
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || " _-./:@+()~=".contains(c);
    text.chars().all(is_harmless) && !text.contains(": ") && !is_word_of_yaml(text)
}

/// What some reader takes for a truth value or for nothing.
fn is_word_of_yaml(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "none", "nan", "inf"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// A date, or a date and a time: `2025-07-14T02:48:59.917Z`, `2026-02-27 10:45:30`, `2026-02-27`.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let like = |pattern: &[u8], part: &[u8]| {
        pattern.len() == part.len()
            && pattern.iter().zip(part).all(|(want, byte)| match want {
                b'9' => byte.is_ascii_digit(),
                want => want == byte,
            })
    };
    let Some((date, rest)) = bytes.split_at_checked(10) else { return false };
    if !like(b"9999-99-99", date) {
        return false;
    }
    let Some((time, rest)) = rest.split_at_checked(9) else { return rest.is_empty() };
    if !like(b"T99:99:99", time) && !like(b" 99:99:99", time) {
        return false;
    }
    let rest = match rest.split_first() {
        Some((b'.', digits)) => {
            let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
            if !(1..=9).contains(&end) {
                return false;
            }
            digits.get(end..).unwrap_or_default()
        }
        _ => rest,
    };
    rest.is_empty() || rest == b"Z"
}

/// Whether some text can be written as a block with `|`: several lines that no reader breaks elsewhere.
fn is_block(text: &str) -> bool {
    let content = text.strip_suffix('\n').unwrap_or(text);
    content.contains('\n')
        && !content.starts_with([' ', '\t', '\n'])
        && !content.ends_with('\n')
        && content.lines().all(|line| line.is_empty() || !line.trim().is_empty())
        && content.chars().all(|c| c == '\n' || (c == '\t' || !c.is_control()) && !is_odd(c))
}

/// `|-` and the lines, indented. A text that ends in a line feed gets `|`.
fn block(out: &mut String, text: &str, indent: usize) {
    let (content, header) = text.strip_suffix('\n').map_or((text, " |-\n"), |content| (content, " |\n"));
    out.push_str(header);
    for line in content.split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// What some reader breaks a line at, refuses, or shows as something else than it is.
const fn is_odd(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// In double quotes, in one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_odd(c) => {
                let code = u32::from(c);
                let escape = if code < 0x100 { format!("\\x{code:02X}") } else { format!("\\u{code:04X}") };
                out.push_str(&escape);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
