//! Addresses as they are shown: never with what somebody may have meant as a password.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself (RFC 3986, unreserved).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &PART.remove(b'/');

/// Of a refused address that much is shown.
const SHOWN: usize = 200;
/// Instead of what is not.
const HIDDEN: &str = "***";

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

pub(super) fn encoded_path(path: &Path) -> String {
    utf8_percent_encode(&path.to_string_lossy(), PATH).to_string()
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn host(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A refused address, printable, without whatever may be a password: shown is only what stands where no password can
/// stand, and looks as it should.
pub(super) fn without_secrets(text: &str) -> String {
    let shown = match text.split_once("://") {
        Some((scheme, rest)) => {
            let scheme = if is_word(scheme) { scheme } else { HIDDEN };
            format!("{scheme}://{}", behind_scheme(rest))
        }
        None => match text.split_once(':') {
            Some((scheme @ ("embedded" | "unix"), path)) => format!("{scheme}:{path}"),
            _ => behind_scheme(text),
        },
    };
    let clean: String = shown.chars().flat_map(char::escape_default).collect();
    match clean.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &clean[..end]),
        None => clean,
    }
}

fn behind_scheme(rest: &str) -> String {
    let (who, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, behind)| ("***@", behind));
    let (rest, more) = rest.find(['?', '#']).map_or((rest, ""), |at| (&rest[..at], HIDDEN));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.split(',').all(is_host) {
        return format!("{who}{authority}{path}{more}");
    }
    let first = authority.split(':').next().filter(|name| is_word(name)).unwrap_or_default();
    format!("{who}{first}{HIDDEN}")
}

/// A host, with or without a port of digits.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, "")) => (host, "0"),
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("none")),
        None => text.split_once(':').unwrap_or((text, "0")),
    };
    let is_address = |host: &str| host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    (is_word(host) || host.is_empty() || text.starts_with('[') && is_address(host))
        && port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
}
