//! What is claimed where nothing was measured.

use super::{cites, has_digit};

/// Claims, by their first word: what may follow it. A star stands for one word.
const CLAIMS: &[(&str, &[&[&str]])] = &[
    (
        "completely",
        &[&["eliminated"], &["fixed"], &["gone"], &["removed"], &["resolved"], &["solved"], &["stable"]],
    ),
    ("fully", &[&["eliminated"], &["fixed"], &["resolved"], &["tested"], &["validated"], &["verified"]]),
    ("totally", &[&["eliminated"], &["fixed"]]),
    ("entirely", &[&["eliminated"], &["fixed"]]),
    ("permanently", &[&["eliminated"], &["fixed"], &["resolved"]]),
    ("complete", &[&["resolution"]]),
    ("no", &[&["leaks"], &["*", "leaks"], &["more", "leaks"], &["more", "*", "leaks"]]),
    ("leak", &[&["is", "gone"], &["eliminated"], &["has", "been", "eliminated"], &["is", "fixed"]]),
    ("leaks", &[&["are", "gone"], &["eliminated"], &["have", "been", "eliminated"]]),
    (
        "all",
        &[
            &["validation", "passed"],
            &["validations", "passed"],
            &["validation", "complete"],
            &["checks", "passed"],
            &["tests", "pass"],
            &["tests", "passed"],
            &["tests", "passing"],
            &["issues", "resolved"],
        ],
    ),
    ("works", &[&["perfectly"]]),
    ("perfectly", &[&["stable"]]),
    ("rock", &[&["solid"]]),
    (
        "testing",
        &[
            &["confirms", "fix"],
            &["confirms", "the", "fix"],
            &["confirmed", "fix"],
            &["confirmed", "the", "fix"],
        ],
    ),
    ("problem", &[&["solved"]]),
    ("issue", &[&["is", "fixed"]]),
    ("can", &[&["never", "leak"]]),
    ("will", &[&["never", "leak"]]),
    ("never", &[&["leaks"]]),
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

/// The claim in a sentence that no number stands beside. A question, a condition and a denial claim nothing.
pub(in crate::lint) fn bare_claim(sentence: &str) -> Option<String> {
    if has_digit(sentence) || sentence.trim_end().ends_with('?') {
        return None;
    }
    // Most sentences claim nothing: that is found out by one look at each word.
    let words: Vec<&str> = super::split(sentence).collect();
    let (at, length) = (0..words.len()).find_map(|at| Some((at, claim_at(words.get(at..)?)?)))?;
    let before: Vec<String> =
        words.get(..at).unwrap_or_default().iter().map(|word| word.to_lowercase()).collect();
    if NOT_CLAIMED.iter().any(|denial| is_denied(&before, denial)) || cites(sentence) {
        return None;
    }
    Some(words.get(at..at + length).unwrap_or_default().join(" "))
}

/// How many words the claim has that these words begin with.
fn claim_at(words: &[&str]) -> Option<usize> {
    let (first, behind) = words.split_first()?;
    let (_, endings) = CLAIMS.iter().find(|(claim, _)| claim.eq_ignore_ascii_case(first))?;
    let is_it = |ending: &&&[&str]| {
        behind.len() >= ending.len()
            && ending
                .iter()
                .zip(behind)
                .all(|(wanted, word)| *wanted == "*" || wanted.eq_ignore_ascii_case(word))
    };
    endings.iter().find(is_it).map(|ending| 1 + ending.len())
}

fn is_denied(before: &[String], denial: &str) -> bool {
    let is_it = |word: &String| word == denial || (denial == "n't" && word.ends_with("n't"));
    match denial.split_once(' ') {
        Some((first, second)) => {
            before.windows(2).any(|pair| matches!(pair, [a, b] if a == first && b == second))
        }
        None => before.iter().any(is_it),
    }
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
}
