//! What is named of what was recorded: events, incidents, hashes, links.

/// Whether something recorded is named: an event's id, an incident, a hash, a link.
pub(in crate::lint) fn cites(text: &str) -> bool {
    uuids(text).next().is_some() || issue_ids(text).next().is_some() || text.contains("](") || has_hash(text)
}

/// The ids of events in a text.
pub(in crate::lint) fn uuids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter(|word| is_uuid(word))
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn has_hash(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.len() == 64 && is_hex(word))
}

/// Hexadecimal digits alone.
pub(in crate::lint) fn is_hex(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `ISS-0109` and the like.
pub(in crate::lint) fn issue_ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| {
        word.strip_prefix("ISS-").is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cited_is_recognised() {
        assert!(cites("see ISS-0109") && cites("[run](run.md)") && !cites("see the issue"));
        assert_eq!(uuids("event `0198c5f0-7d3a-7c1e-9f00-0123456789ab`,").count(), 1);
        assert_eq!(uuids("0198c5f0-7d3a-7c1e-9f00-0123456789abc").count(), 0);
    }
}
