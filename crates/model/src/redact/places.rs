//! Secrets that are known by their place: the password in an address, what follows `Bearer`, the path of a webhook.

use std::ops::Range;

use super::is_harmless;

/// Addresses whose path is the key to them.
const WEBHOOKS: [&str; 5] = [
    "hooks.slack.com/services/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "outlook.office.com/webhook/",
    "api.telegram.org/bot",
];

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, separator) in text.match_indices("://") {
        if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) {
            let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
            address(text, at + separator.len(), is_web, found);
        }
    }
    for marker in WEBHOOKS {
        for (at, _) in text.match_indices(marker) {
            let start = at + marker.len();
            let end = end_of_word(text, start);
            found.extend((!is_harmless(&text[start..end])).then_some(start..end));
        }
    }
    for scheme in ["bearer ", "basic "] {
        after_scheme(text, scheme, found);
    }
}

/// User and password of an address. A password may hold what should have been encoded: the last `@` counts.
/// Where there is no password, what stands alone in an address of the web is a token more often than a name.
fn address(text: &str, start: usize, is_web: bool, found: &mut Vec<Range<usize>>) {
    let word = &text[start..end_of_word(text, start)];
    let authority = word.split(['/', '?', '#']).next().unwrap_or(word);
    let user_info = match authority.rfind('@') {
        Some(end) => &authority[..end],
        None => match (authority.split_once(':'), word.rfind('@')) {
            (Some((host, port)), Some(end))
                if !host.starts_with('[') && !is_port(port, &word[authority.len()..]) =>
            {
                &word[..end]
            }
            _ => return,
        },
    };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let is_alone = password.is_empty() || password == "x-oauth-basic";
    if looks_made(user) || (is_web && is_alone && user != "git" && !is_harmless(user)) {
        found.push(start..start + user.len());
    }
    if !is_harmless(password) {
        found.push(start + user_info.len() - password.len()..start + user_info.len());
    }
}

/// Whether it is a port, going by what follows, and not the beginning of a password that holds a `/`, `?` or `#`.
fn is_port(text: &str, rest: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) && !rest.starts_with('#')
}

/// A name that a machine made: a token in the place of the user.
fn looks_made(user: &str) -> bool {
    user.len() >= 16 && user.contains(|c: char| c.is_ascii_digit()) && !user.contains(['.', '%', '@'])
}

fn after_scheme(text: &str, scheme: &str, found: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices(scheme) {
        if lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) {
            continue;
        }
        let start = at + scheme.len();
        let length = text[start..]
            .find(|c: char| {
                !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '+' | '/' | '=' | '-'))
            })
            .unwrap_or(text.len() - start);
        let value = &text[start..start + length];
        // `Bearer realm="x"` is a challenge, `bearer authentication` is prose.
        let is_pair = value.trim_end_matches('=').contains('=');
        let is_word = value.chars().skip(1).all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '-' | '/'));
        if value.len() >= 8 && !is_pair && !is_word {
            found.push(start..start + length);
        }
    }
}

fn end_of_word(text: &str, start: usize) -> usize {
    text[start..]
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>'))
        .map_or(text.len(), |length| start + length)
}
