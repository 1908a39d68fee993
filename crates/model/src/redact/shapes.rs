//! Secrets that are known by their own shape, whatever stands beside them.

use std::ops::Range;

use super::is_harmless;

/// What follows a prefix.
#[derive(Clone, Copy)]
enum Tail {
    Alphanumeric,
    Capitals,
    /// Letters, digits, `_` and `-`.
    Words,
    /// Also dots.
    Dotted,
}

/// Prefix, tail and how long the tail is at least.
const PREFIXES: &[(&str, Tail, usize)] = &[
    ("sk-", Tail::Words, 16),
    ("sk_live_", Tail::Alphanumeric, 16),
    ("sk_test_", Tail::Alphanumeric, 16),
    ("rk_live_", Tail::Alphanumeric, 16),
    ("whsec_", Tail::Alphanumeric, 16),
    ("ghp_", Tail::Alphanumeric, 20),
    ("gho_", Tail::Alphanumeric, 20),
    ("ghu_", Tail::Alphanumeric, 20),
    ("ghs_", Tail::Alphanumeric, 20),
    ("ghr_", Tail::Alphanumeric, 20),
    ("github_pat_", Tail::Words, 20),
    ("glpat-", Tail::Dotted, 16),
    ("xoxa-", Tail::Words, 10),
    ("xoxb-", Tail::Words, 10),
    ("xoxe-", Tail::Words, 10),
    ("xoxp-", Tail::Words, 10),
    ("xoxr-", Tail::Words, 10),
    ("xoxs-", Tail::Words, 10),
    ("xapp-", Tail::Words, 10),
    ("AKIA", Tail::Capitals, 16),
    ("ASIA", Tail::Capitals, 16),
    ("AIza", Tail::Words, 30),
    ("ya29.", Tail::Words, 20),
    ("npm_", Tail::Alphanumeric, 30),
    ("pypi-", Tail::Words, 50),
    ("hf_", Tail::Alphanumeric, 30),
    ("gsk_", Tail::Alphanumeric, 30),
    ("xai-", Tail::Alphanumeric, 30),
    ("SG.", Tail::Dotted, 40),
    ("dop_v1_", Tail::Alphanumeric, 40),
    ("shpat_", Tail::Alphanumeric, 24),
    ("dckr_pat_", Tail::Words, 20),
    ("AGE-SECRET-KEY-1", Tail::Capitals, 40),
];

/// Shortest line that counts as the inside of a PEM block; whole lines there have 64 or 70 characters.
const PEM_LINE: usize = 60;

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    for &(prefix, tail, least) in PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            let start = at + prefix.len();
            let length = text[start..].find(|c| !tail.holds(c)).unwrap_or(text.len() - start);
            if length >= least && begins_here(text, at) && looks_random(&text[start..start + length]) {
                found.push(at..start + length);
            }
        }
    }
    web_tokens(text, found);
    private_keys(text, found);
}

impl Tail {
    const fn holds(self, c: char) -> bool {
        match self {
            Self::Alphanumeric => c.is_ascii_alphanumeric(),
            Self::Capitals => c.is_ascii_uppercase() || c.is_ascii_digit(),
            Self::Words => c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
            Self::Dotted => c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'),
        }
    }
}

/// Not in the middle of a word: `task-…` is no `sk-…`.
fn begins_here(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Unlike a name made of words: it holds a digit, or capitals among small letters.
fn looks_random(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        || (text.contains(|c: char| c.is_ascii_lowercase())
            && text.contains(|c: char| c.is_ascii_uppercase()))
        || text.chars().all(|c| c.is_ascii_uppercase())
}

/// JSON web tokens: `eyJ….….…`, the last part possibly empty, encrypted ones with more parts.
fn web_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("eyJ") {
        let length = text[at..].find(|c| !Tail::Dotted.holds(c)).unwrap_or(text.len() - at);
        let token = text[at..at + length].trim_end_matches('.');
        let mut parts = token.split('.');
        let long_enough = parts.next().is_some_and(|part| part.len() >= 8)
            && parts.next().is_some_and(|part| part.len() >= 6);
        if long_enough && begins_here(text, at) {
            found.push(at..at + token.len());
        }
    }
}

/// PEM: a block on one line (`\n` escaped), its first line, or a line from its middle.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(begin) = text[from..].find("-----BEGIN ").map(|at| from + at) {
        let Some(label) = text[begin..].find("PRIVATE KEY").filter(|&at| at < 60) else {
            from = begin + 1;
            continue;
        };
        let body = begin + label;
        let start = text[body..].find("-----").map_or(text.len(), |at| body + at + 5);
        let end = text[start..].find("-----END").map_or(text.len(), |at| start + at);
        let inside = text[start..end].trim();
        if !inside.is_empty() && !is_harmless(inside) {
            found.push(start..end);
        }
        from = end.max(begin + 1);
    }
    let line = text.trim();
    let is_base64 = line.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
    if line.len() >= PEM_LINE
        && is_base64
        && line.contains(|c: char| c.is_ascii_digit())
        && line.contains(|c: char| c.is_ascii_lowercase())
        && line.contains(|c: char| c.is_ascii_uppercase())
    {
        let start = text.len() - text.trim_start().len();
        found.push(start..start + line.len());
    }
}
