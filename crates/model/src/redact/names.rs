//! Which names stand beside secrets. Names are taken apart into words first (`DB_PASSWORD`, `accessToken`,
//! `--api-key`), so that `tokenizer`, `max_tokens` and `keep-alive` are what they are.

use std::ops::Range;

/// Words of which one anywhere in another word is enough: nothing harmless contains them.
const INSIDE: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "secretkey",
    "privatekey",
    "accesskey",
    "accesstoken",
    "credential",
    "requirepass",
    "masterauth",
    "setcookie",
    "xoauth",
];
/// Words that say it alone.
const WHOLE: [&str; 14] = [
    "pass",
    "pwd",
    "sshpass",
    "dbpass",
    "userpass",
    "rootpass",
    "adminpass",
    "keypass",
    "storepass",
    "smtppass",
    "creds",
    "authorization",
    "bearer",
    "passwort",
];
/// Words that say it at the end of a name.
const AT_END: [&str; 5] = ["auth", "cookie", "cookies", "jwt", "pw"];
/// Words that make a secret of a `key` behind them.
const BEFORE_KEY: [&str; 16] = [
    "api",
    "secret",
    "private",
    "access",
    "auth",
    "encryption",
    "signing",
    "master",
    "account",
    "shared",
    "license",
    "admin",
    "deploy",
    "webhook",
    "hmac",
    "subscription",
];
/// Last words of names that tell something about a secret and not the secret.
const ABOUT: &[&str] = &[
    "age",
    "alg",
    "algorithm",
    "arn",
    "backend",
    "bucket",
    "budget",
    "bytes",
    "check",
    "class",
    "cmd",
    "column",
    "command",
    "cost",
    "count",
    "counts",
    "days",
    "dir",
    "directory",
    "domain",
    "enabled",
    "endpoint",
    "env",
    "error",
    "errors",
    "expiration",
    "expires",
    "expiry",
    "fd",
    "field",
    "file",
    "files",
    "format",
    "header",
    "helper",
    "hours",
    "index",
    "interval",
    "kind",
    "label",
    "len",
    "length",
    "lifetime",
    "limit",
    "limits",
    "manager",
    "max",
    "method",
    "min",
    "minutes",
    "mode",
    "ms",
    "name",
    "names",
    "num",
    "number",
    "offset",
    "path",
    "paths",
    "policy",
    "pos",
    "position",
    "prefix",
    "prompt",
    "provider",
    "rate",
    "ref",
    "required",
    "rotation",
    "scheme",
    "scope",
    "scopes",
    "seconds",
    "size",
    "sock",
    "socket",
    "source",
    "state",
    "status",
    "stdin",
    "store",
    "strength",
    "suffix",
    "timeout",
    "ttl",
    "type",
    "uri",
    "url",
    "usage",
    "used",
    "validator",
    "var",
    "version",
    "window",
];
/// First words of switches that ask about a secret.
const SWITCHES: [&str; 9] = ["no", "ask", "skip", "without", "has", "is", "show", "missing", "prompt"];

/// Whether a value beside this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let words = words(name);
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    if ABOUT.contains(&last.as_str()) || (words.len() > 1 && SWITCHES.contains(&first.as_str())) {
        return false;
    }
    if last == "id" && (words.len() < 2 || words[words.len() - 2] != "secret") {
        return false;
    }
    // The working directory, in every environment.
    if name == "PWD" || name == "OLDPWD" {
        return false;
    }
    words.iter().any(|word| {
        WHOLE.contains(&word.as_str())
            || word.ends_with("token")
            || (word.contains("secret") && !word.contains("secretar"))
            || INSIDE.iter().any(|part| word.contains(part))
    }) || AT_END.contains(&last.as_str())
        || words.windows(2).any(|pair| pair[1] == "key" && BEFORE_KEY.contains(&pair[0].as_str()))
        || is_key_of_environment(name, &words)
}

/// `STRIPE_KEY`: in capitals, as only environments have it.
fn is_key_of_environment(name: &str, words: &[String]) -> bool {
    words.len() > 1
        && words.last().is_some_and(|word| word == "key")
        && !name.contains(|c: char| c.is_ascii_lowercase() || c == '-')
        && !["public", "primary", "foreign", "sort", "partition", "cache"]
            .contains(&words[words.len() - 2].as_str())
}

/// Names that are secret in the query of an address only.
pub(super) fn is_secret_in_query(name: &str) -> bool {
    ["key", "sig", "signature", "code", "sas"].iter().any(|word| name.eq_ignore_ascii_case(word))
        || words(name).last().is_some_and(|word| word == "signature" || word == "credential")
}

/// Names whose value goes to the end of the line: headers of HTTP.
pub(super) fn is_header(name: &str) -> bool {
    let name = name.trim_start_matches('-');
    ["authorization", "proxy-authorization", "cookie", "set-cookie"]
        .iter()
        .any(|header| name.eq_ignore_ascii_case(header))
}

/// Names that also count things (`pass: 12`, `token: 5`): a plain number beside them is no secret in a log.
pub(super) fn may_count(name: &str) -> bool {
    ["pass", "token", "auth"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether text in the place of a value is the next option instead.
pub(super) fn is_option(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else { return false };
    match rest.strip_prefix('-') {
        Some(long) => {
            let name = long.split('=').next().unwrap_or(long);
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        }
        None => rest.len() == 1 && rest.starts_with(|c: char| c.is_ascii_alphabetic()),
    }
}

/// Arguments that are secrets because the one before is an option with a telling name.
pub(super) fn after_flags(arguments: &[&str]) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    let mut awaited = false;
    for (index, argument) in arguments.iter().enumerate() {
        if awaited && !is_option(argument) {
            awaited = false;
            if !super::is_harmless(argument) && !argument.is_empty() {
                found.push((index, 0..argument.len()));
            }
            continue;
        }
        awaited = argument.starts_with('-')
            && argument.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && is_secret(argument);
    }
    found
}

/// `DB_PASSWORD`, `dbPassword`, `--db-password` and `DBPassword` are all `db`, `password`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().take(256).collect();
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = index.checked_sub(1).map(|i| chars[i]);
        let begins = c.is_ascii_uppercase()
            && (before.is_some_and(|b| b.is_ascii_lowercase())
                || (before.is_some_and(|b| b.is_ascii_uppercase())
                    && chars.get(index + 1).is_some_and(char::is_ascii_lowercase)));
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
