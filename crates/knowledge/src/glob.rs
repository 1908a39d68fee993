//! Name patterns of `--keep` and `--child-lifetime`: `*` is any bytes, `?` is one byte, all else is itself.
//!
//! No classes, no escapes: what people write here are names such as `chrome` and `*-mcp-server`. It works on bytes
//! because process names may be anything. Only the last `*` is ever tried again (an earlier one can not help where a
//! later one fails), so the time is at most pattern times text, and the space constant.

/// Whether the whole text matches the pattern.
pub fn matches(pattern: &str, text: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut p, mut t) = (0, 0);
    // Where to go on when the match fails: just after the last `*`, and how far into the text that one reached.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, reached)) => {
                    p = after_star;
                    t = reached + 1;
                    retry = Some((after_star, t));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, with no thought for time.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
            Some((b'?', rest)) => !text.is_empty() && by_definition(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && by_definition(rest, &text[1..]),
        }
    }

    #[test]
    fn names_match_as_people_expect() {
        for (pattern, text, expected) in [
            ("chrome", "chrome", true),
            ("chrome", "chrome2", false),
            ("*-mcp-server", "github-mcp-server", true),
            ("*-mcp-server", "github-mcp-server2", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("a?c*", "abc", true),
            ("**a**", "xay", true),
        ] {
            assert_eq!(matches(pattern, text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(matches("a*", b"a\xff\n"));
    }

    #[test]
    fn a_hostile_pattern_ends_in_time() {
        // 2^50 steps for one that backtracks into every star.
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(&pattern, &vec![b'a'; 20_000]));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[abc]{0,10}") {
            prop_assert_eq!(matches(&pattern, text.as_bytes()), by_definition(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn every_text_matches_itself_and_a_star(text in "[a-z0-9 ./()-]{0,40}") {
            prop_assert!(matches(&text, text.as_bytes()));
            prop_assert!(matches("*", text.as_bytes()));
        }
    }
}
