//! What words say: claims, numbers, placeholders, citations. Whole words, whatever their case; every function takes one piece of
//! prose and looks at no more than that.

mod citing;
mod claims;
mod empty;
mod measure;

pub(super) use citing::{cites, is_hex, issue_ids, uuids};
pub(super) use claims::bare_claim;
pub(super) use empty::{Empty, empty};
pub(super) use measure::{has_count, has_measure, has_window, has_workload};

/// The words of a text, in lower case, with what is no letter or digit between them left out.
pub(super) fn words(text: &str) -> Vec<String> {
    split(text).map(str::to_lowercase).collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty())
}

/// Sentences: what stands between `. `, `! `, `? `, `; ` and ends of lines.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut last = '\n';
    for (at, c) in text.char_indices() {
        if c == '\n' || (c == ' ' && matches!(last, '.' | '!' | '?' | ';')) {
            found.push(text.get(start..at).unwrap_or_default().trim());
            start = at;
        }
        last = c;
    }
    found.push(text.get(start..).unwrap_or_default().trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Whether somebody says openly that there is nothing, or that it is not known.
pub(super) fn says_unknown(text: &str) -> bool {
    let words = words(text);
    let all = words.join(" ");
    let begins = |beginning: &str| {
        all.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let beginnings = [
        "none",
        "unknown",
        "not known",
        "not recorded",
        "not measured",
        "not yet",
        "nothing",
        "no evidence",
        "no event",
        "no events",
        "no incident",
        "no test",
        "no tests",
        "no change",
        "no changes",
        "no command",
        "no commands",
        "no soak",
        "no other",
        "not run",
        "not written",
        "not proved",
        "not verified",
        "not checked",
        "not available",
        "not applicable",
        "n a",
        "no rule",
        "no series",
        "no linked",
        "no documentation",
        "no recorded",
        "no measurement",
    ];
    let inside = [
        "not known",
        "not recorded",
        "not measured",
        "is unknown",
        "are unknown",
        "unproved",
        "cannot be told",
        "not proved",
    ];
    beginnings.iter().any(|beginning| begins(beginning)) || inside.iter().any(|part| all.contains(part))
}

/// Whether an answer is called an assumption.
pub(super) fn is_assumption(text: &str) -> bool {
    words(text).iter().any(|word| {
        matches!(
            word.as_str(),
            "assumption" | "assumptions" | "assumed" | "assume" | "hypothesis" | "unproved" | "unproven"
        )
    })
}

/// A digit.
pub(super) fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// The first emoji of a line.
pub(super) fn emoji(text: &str) -> Option<char> {
    if text.is_ascii() {
        return None;
    }
    text.chars().find(|c| {
        matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b50}' | '\u{2b55}' | '\u{231a}' | '\u{231b}'
            | '\u{23e9}'..='\u{23f3}')
            // Signs of old: scissors to dingbat digits are letters of their own in many fonts, ticks and crosses are not.
            && !matches!(c, '\u{2776}'..='\u{2794}' | '\u{2798}'..='\u{27bf}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_know_may_say_so() {
        assert!(says_unknown("None known.") && says_unknown("The commit is not recorded"));
        assert!(!says_unknown("nonetheless") && !says_unknown("No resource leaks"));
    }

    #[test]
    fn ticks_are_emoji_and_arrows_are_not() {
        assert_eq!(emoji("\u{2705} done"), Some('\u{2705}'));
        assert_eq!(emoji("a \u{2192} b \u{394} \u{b7} \u{e9} \u{2265}"), None);
    }
}
