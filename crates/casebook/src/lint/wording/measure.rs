//! Numbers with units, and what has to stand beside them.

use super::{has_digit, words};

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

/// Whether a number with a unit, a share or a rate stands in it. A date, a line number or a version is none.
pub(in crate::lint) fn has_measure(text: &str) -> bool {
    measures(text).next().is_some()
}

/// The units of the numbers in a text, in lower case; `%` for shares.
pub(in crate::lint) fn measures(text: &str) -> impl Iterator<Item = String> + '_ {
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
pub(in crate::lint) fn has_window(text: &str) -> bool {
    const TIMES: &[&str] = &[
        "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h", "hour",
        "hours", "d", "day", "days",
    ];
    measures(text).any(|unit| TIMES.contains(&unit.as_str()))
        || words(text).iter().any(|word| word == "window")
}

/// Whether it says what was done meanwhile.
pub(in crate::lint) fn has_workload(text: &str) -> bool {
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
pub(in crate::lint) fn has_count(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
