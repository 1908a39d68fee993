//! What words say: claims, numbers, placeholders, citations. Whole words, whatever their case; every function takes one piece of
//! prose and looks at no more than that.

/// What is claimed where nothing was measured. A star stands for one word.
const CLAIMS: &[&str] = &[
    "completely eliminated",
    "completely fixed",
    "completely gone",
    "completely removed",
    "completely resolved",
    "completely solved",
    "fully eliminated",
    "fully fixed",
    "fully resolved",
    "fully tested",
    "fully validated",
    "fully verified",
    "totally eliminated",
    "totally fixed",
    "entirely eliminated",
    "entirely fixed",
    "permanently eliminated",
    "permanently fixed",
    "permanently resolved",
    "complete resolution",
    "no leaks",
    "no * leaks",
    "no more leaks",
    "no more * leaks",
    "leak is gone",
    "leaks are gone",
    "leak eliminated",
    "leaks eliminated",
    "leak has been eliminated",
    "leaks have been eliminated",
    "all validation passed",
    "all validations passed",
    "all validation complete",
    "all checks passed",
    "all tests pass",
    "all tests passed",
    "all tests passing",
    "all issues resolved",
    "works perfectly",
    "perfectly stable",
    "completely stable",
    "rock solid",
    "testing confirms fix",
    "testing confirms the fix",
    "testing confirmed fix",
    "testing confirmed the fix",
    "problem solved",
    "issue is fixed",
    "leak is fixed",
    "can never leak",
    "will never leak",
    "never leaks",
];

/// Before a claim they turn it into none.
const NOT_CLAIMED: &[&str] = &[
    "not",
    "n't",
    "until",
    "unless",
    "if",
    "whether",
    "when",
    "should",
    "must",
    "would",
    "claims",
    "claimed",
    "claim",
    "never",
    "goal",
    "ensure",
    "verify",
    "want",
    "expect",
    "requires",
    "no evidence",
    "nothing shows",
    "before",
];

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

/// After a number they make a measure of it.
const UNITS: &[&str] = &[
    "b",
    "kb",
    "mb",
    "gb",
    "tb",
    "kib",
    "mib",
    "gib",
    "tib",
    "byte",
    "bytes",
    "k",
    "m",
    "g",
    "ms",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hour",
    "hours",
    "d",
    "day",
    "days",
    "request",
    "requests",
    "req",
    "ops",
    "operation",
    "operations",
    "restart",
    "restarts",
    "crash",
    "crashes",
    "kill",
    "kills",
    "oom",
    "descriptor",
    "descriptors",
    "fd",
    "fds",
    "socket",
    "sockets",
    "thread",
    "threads",
    "task",
    "tasks",
    "process",
    "processes",
    "sample",
    "samples",
    "rps",
    "connection",
    "connections",
    "object",
    "objects",
    "worker",
    "workers",
    "user",
    "users",
    "file",
    "files",
    "child",
    "children",
];

/// The words of a text, in lower case, with what is no letter or digit between them left out.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
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

/// The claim in a sentence that no number stands beside. A question, a condition and a denial claim nothing.
pub(super) fn bare_claim(sentence: &str) -> Option<&'static str> {
    if has_digit(sentence) || sentence.trim_end().ends_with('?') || cites(sentence) {
        return None;
    }
    let words = words(sentence);
    let claim = CLAIMS.iter().find_map(|claim| found_at(&words, claim).map(|at| (*claim, at)))?;
    let before = words.get(..claim.1).unwrap_or_default();
    let denied = |denial: &str| {
        let is_it = |word: &String| word == denial || (denial == "n't" && word.ends_with("n't"));
        if denial.contains(' ') { found_at(before, denial).is_some() } else { before.iter().any(is_it) }
    };
    (!NOT_CLAIMED.iter().any(|denial| denied(denial))).then_some(claim.0)
}

fn found_at(words: &[String], phrase: &str) -> Option<usize> {
    (0..words.len()).find(|at| {
        let mut rest = words.get(*at..).unwrap_or_default().iter();
        phrase.split(' ').all(|wanted| rest.next().is_some_and(|word| wanted == "*" || word == wanted))
    })
}

/// What kind of nothing stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// A word in place of text that is still to come.
    Placeholder,
    /// It would fit any other task as well.
    FitsAny,
}

/// Whether an entry, or a line, is a placeholder.
pub(super) fn empty(text: &str) -> Option<Empty> {
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
    let words = words(text);
    if let [first, second] = words.as_slice()
        && NUMBERED.contains(&first.as_str())
        && second.len() <= 3
        && second.bytes().all(|b| b.is_ascii_digit())
    {
        return Some(Empty::Placeholder);
    }
    if words.len() <= 12 {
        let joined = words.join(" ");
        if TEMPLATE.iter().any(|template| joined.contains(template)) {
            return Some(Empty::Placeholder);
        }
        if FITS_ANY.iter().any(|template| joined == *template) {
            return Some(Empty::FitsAny);
        }
    }
    None
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

/// Whether a number with a unit, a share or a rate stands in it. A date, a line number or a version is none.
pub(super) fn has_measure(text: &str) -> bool {
    measures(text).next().is_some()
}

/// The units of the numbers in a text, in lower case; `%` for shares.
pub(super) fn measures(text: &str) -> impl Iterator<Item = String> + '_ {
    // A number at the beginning of a line may be written `300\.5`: it would be a list otherwise.
    let is_inside = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\\');
    text.char_indices()
        .filter(move |(at, c)| {
            let before = text.get(..*at).and_then(|before| before.chars().next_back());
            c.is_ascii_digit()
                && !before.is_some_and(|b| is_inside(b) || b.is_alphanumeric() || matches!(b, '#' | '_'))
        })
        .filter_map(move |(at, _)| {
            let rest = text.get(at..)?.trim_start_matches(is_inside);
            let rest = rest.trim_start_matches(['+', '~', ' ', '\u{a0}', '*', '-']);
            if rest.starts_with('%') {
                return Some("%".to_owned());
            }
            let unit: String = rest.chars().take_while(|c| c.is_alphabetic()).take(16).collect();
            let unit = unit.to_lowercase();
            UNITS.contains(&unit.as_str()).then_some(unit)
        })
}

/// Whether it says for how long.
pub(super) fn has_window(text: &str) -> bool {
    const TIMES: &[&str] = &[
        "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h", "hour",
        "hours", "d", "day", "days",
    ];
    measures(text).any(|unit| TIMES.contains(&unit.as_str()))
        || words(text).iter().any(|word| word == "window")
}

/// Whether it says what was done meanwhile.
pub(super) fn has_workload(text: &str) -> bool {
    words(text).iter().any(|word| {
        matches!(
            word.as_str(),
            "workload"
                | "load"
                | "request"
                | "requests"
                | "req"
                | "rps"
                | "ops"
                | "operation"
                | "operations"
                | "idle"
                | "users"
                | "jobs"
                | "command"
        )
    })
}

/// What is counted where it is said how many were looked at.
const COUNTED: &[&str] =
    &["sample", "samples", "request", "requests", "req", "ops", "operation", "operations", "run", "runs"];

/// Whether it says how many were looked at.
pub(super) fn has_count(text: &str) -> bool {
    let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let n = joined.match_indices("n=").any(|(at, _)| {
        let before = joined.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(char::is_alphanumeric)
            && joined.get(at + 2..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    n || measures(text).any(|unit| COUNTED.contains(&unit.as_str()))
        || words(text).windows(2).any(|pair| match pair {
            [number, what] => has_digit(number) && COUNTED.contains(&what.as_str()),
            _ => false,
        })
}

/// Whether something recorded is named: an event's id, an incident, a hash, a link.
pub(super) fn cites(text: &str) -> bool {
    uuids(text).next().is_some() || issue_ids(text).next().is_some() || text.contains("](") || has_hash(text)
}

/// The ids of events in a text.
pub(super) fn uuids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter(|word| is_uuid(word))
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(word: &str) -> bool {
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
pub(super) fn is_hex(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `ISS-0109` and the like.
pub(super) fn issue_ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| {
        word.strip_prefix("ISS-").is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        })
    })
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
    fn a_claim_without_a_number_is_found_and_one_with_a_number_is_not() {
        for bare in [
            "Node.js memory leak completely eliminated.",
            "COMPLETE RESOLUTION ACHIEVED",
            "All validation passed",
            "No resource leaks",
            "Manual testing confirms fix",
            "There are no more socket leaks",
        ] {
            assert!(bare_claim(bare).is_some(), "{bare}");
        }
        for fine in [
            "Memory stays below 50 MB: completely resolved after 1,550 operations",
            "The leak is not completely eliminated",
            "It isn't fully fixed yet",
            "Are there no memory leaks?",
            "Until there are no leaks, keep the limit on",
            "Verify that no sockets leak",
            "No memory leaks: 0198c5f0-7d3a-7c1e-9f00-0123456789ab",
            "The noleaks flag",
        ] {
            assert_eq!(bare_claim(fine), None, "{fine}");
        }
    }

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

    #[test]
    fn a_measure_has_a_unit() {
        for measured in
            ["grows 100MB/hour", "1,550+ operations", "~50-200MB", "< 3 %", "8 GB in 386 s", "n = 12 samples"]
        {
            assert!(has_measure(measured), "{measured}");
        }
        for not in ["on 2025-01-16", "line 415", "version 1.2", "ISS-0109", "Phase 1", "utf8 things"] {
            assert!(!has_measure(not), "{not}");
        }
    }

    #[test]
    fn workload_window_and_count_are_told_apart() {
        let whole = "RSS +2.1 MB over 30 min at 20 requests/s (n = 1,800)";
        assert!(has_window(whole) && has_workload(whole) && has_count(whole));
        let prose = "All background tasks properly tracked and cancelled";
        assert!(!has_window(prose) && !has_workload(prose) && !has_count(prose));
        assert!(!has_count("version=3") && has_count("over 1,550+ operations"));
    }

    #[test]
    fn what_is_cited_is_recognised() {
        assert!(cites("see ISS-0109") && cites("[run](run.md)") && !cites("see the issue"));
        assert_eq!(uuids("event `0198c5f0-7d3a-7c1e-9f00-0123456789ab`,").count(), 1);
        assert_eq!(uuids("0198c5f0-7d3a-7c1e-9f00-0123456789abc").count(), 0);
    }

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
