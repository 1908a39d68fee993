//! What stands where nobody has written anything yet.

/// Words that stand for text that nobody has written yet, as a whole entry.
const NUMBERED: &[&str] =
    &["task", "criteria", "criterion", "step", "item", "requirement", "bullet", "todo", "test"];

/// The same as sentences of templates.
const TEMPLATE: &[&str] = &[
    "add any additional notes here",
    "add notes here",
    "lorem ipsum",
    "insert text here",
    "your text here",
    "fill this in",
    "fill me in",
    "to be determined",
    "to be filled in",
    "to be written",
    "description goes here",
    "describe the issue here",
    "replace this text",
    "coming soon",
];

/// Steps and criteria that fit any task, and so say nothing of this one.
const FITS_ANY: &[&str] = &[
    "all steps completed successfully",
    "requirements met and verified",
    "no critical issues or blockers remaining",
    "documentation updated if applicable",
    "task reviewed and approved",
    "add missing cleanup exception handling",
    "fix confirmed resource leaks",
];

/// An entry of a template has few words.
const MOST_WORDS: usize = 12;

/// What kind of nothing stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Empty {
    /// A word in place of text that is still to come.
    Placeholder,
    /// It would fit any other task as well.
    FitsAny,
}

/// Whether an entry, or a line, is a placeholder.
pub(in crate::lint) fn empty(text: &str) -> Option<Empty> {
    let plain = text.replace('*', "");
    let text = plain.trim().trim_matches('_').trim();
    let marked = ["TODO", "TBD", "FIXME", "XXX", "TBA"];
    let after_colon = text.rsplit_once(": ").map_or(text, |(_, value)| value.trim_matches(['_', ' ', '.']));
    let begins = |mark: &str| {
        text.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', ' ', '(', '.']))
    };
    if marked.iter().any(|mark| begins(mark) || after_colon == *mark) {
        return Some(Empty::Placeholder);
    }
    // What is longer says something.
    let few: Vec<&str> = super::split(text).take(MOST_WORDS + 1).collect();
    if few.len() > MOST_WORDS {
        return None;
    }
    let words: Vec<String> = few.into_iter().map(str::to_lowercase).collect();
    if let [first, second] = words.as_slice()
        && NUMBERED.contains(&first.as_str())
        && second.len() <= 3
        && second.bytes().all(|b| b.is_ascii_digit())
    {
        return Some(Empty::Placeholder);
    }
    let joined = words.join(" ");
    if TEMPLATE.iter().any(|template| joined.len() >= template.len() && joined.contains(template)) {
        return Some(Empty::Placeholder);
    }
    FITS_ANY.contains(&joined.as_str()).then_some(Empty::FitsAny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_whole_entries() {
        for placeholder in
            ["Task 1", "Criteria 12", "TODO", "TBD: who?", "**Owner:** TBD", "Add any additional notes here."]
        {
            assert_eq!(empty(placeholder), Some(Empty::Placeholder), "{placeholder}");
        }
        for fine in [
            "Task 1 of the migration",
            "Remove the TODOs",
            "Step 1: reproduce it",
            "Test 12 fails",
            "mastodon",
        ] {
            assert_eq!(empty(fine), None, "{fine}");
        }
        assert_eq!(empty("Task reviewed and approved"), Some(Empty::FitsAny));
        assert_eq!(empty("Task reviewed and approved by Ada"), None);
    }
}
