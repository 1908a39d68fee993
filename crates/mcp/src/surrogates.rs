//! Halves of characters in JSON. JavaScript cuts text in the middle of a character where it is told to, and writes the half
//! that is left as `\ud83d`. That is JSON (RFC 8259, 8.2), but no text, and the parser refuses it: such an escape in
//! somebody's history would make all of `~/.claude.json` unreadable.

/// The same text with every lone surrogate escape made `\ufffd`, which is as long: positions stay what they are.
pub(crate) fn without_halves(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while let Some(found) = text.as_bytes()[at..].iter().position(|&byte| byte == b'\\') {
        at += found;
        match surrogate(text, at) {
            Some(Half::High) if surrogate(text, at + 6) == Some(Half::Low) => at += 12,
            Some(_) => {
                out[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            None => at += 2,
        }
        if at >= out.len() {
            break;
        }
    }
    // Only ASCII was replaced, by ASCII.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// The half of a character that is escaped here.
fn surrogate(text: &str, at: usize) -> Option<Half> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_nothing_moves() {
        for (text, wanted) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ude00\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\u00e9 \n""#, r#""\u00e9 \n""#),
            ("\\", "\\"),
            ("\\\u{e9}\u{e9}", "\\\u{e9}\u{e9}"),
            (r"\ud83", r"\ud83"),
        ] {
            assert_eq!(without_halves(text), wanted);
        }
    }
}
