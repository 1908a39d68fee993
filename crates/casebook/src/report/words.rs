//! Numbers, times and names as a report writes them.

use std::time::Duration;

use scupper_model::{EndedBy, HowEnded, Timestamp, Watched};

const BYTES: [(&str, f64); 5] = [
    ("TiB", 1_099_511_627_776.0),
    ("GiB", 1_073_741_824.0),
    ("MiB", 1_048_576.0),
    ("KiB", 1024.0),
    ("B", 1.0),
];

/// What begins and ends a piece of code within a sentence: characters that nothing recorded holds, since they mean nothing.
pub(super) const CODE: [char; 2] = ['\u{e000}', '\u{e001}'];

/// A command, a path or a name, to be shown as code within a sentence.
pub fn code(text: &str) -> String {
    format!("{}{}{}", CODE[0], text.replace(CODE, ""), CODE[1])
}

/// A sentence as plain text: code between backticks.
pub fn plain(text: &str) -> String {
    text.replace(CODE, "`")
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^53")]
pub const fn float(value: u64) -> f64 {
    value as f64
}

/// An amount of what a series counts: `512 MiB`, `1.5 GiB`, `42 sockets`.
pub fn amount(series: Watched, value: f64) -> String {
    match series {
        Watched::Memory => bytes(value),
        other => format!("{} {}", number(value), other.name().replace('_', " ")),
    }
}

/// An amount of memory; also a negative one.
pub fn bytes(value: f64) -> String {
    let (name, one) = BYTES.into_iter().find(|(_, one)| value.abs() >= *one).unwrap_or(("B", 1.0));
    format!("{} {name}", number(value / one))
}

/// A number with few digits, and no zeros that say nothing.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let digits = match size {
        size if size >= 99.95 => 0,
        size if size >= 0.995 => 1,
        size if size >= 0.0995 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Growth with its sign: `+30 MiB per hour`.
pub fn rate(series: Watched, per_hour: f64) -> String {
    format!("{}{} per hour", if per_hour > 0.0 { "+" } else { "" }, amount(series, per_hour))
}

/// A span of time by its two largest units: `3 h 20 min`.
pub fn span(time: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    if time < Duration::from_secs(10) && time.subsec_millis() > 0 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    let seconds = time.as_secs();
    let mut parts = Vec::new();
    let mut left = seconds;
    for (name, length) in UNITS {
        let whole = left / length;
        left %= length;
        if whole > 0 {
            parts.push(format!("{whole} {name}"));
        }
        // Two units next to each other, never days and seconds.
        if parts.len() == 2 || (!parts.is_empty() && whole == 0) {
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// Milliseconds as a span.
pub fn span_of(millis: u64) -> String {
    span(Duration::from_millis(millis))
}

/// How long after (or before) a moment: `+1:02:03`, `-0:00:12`, `+3 d 1:02:03`.
pub fn relative(at: Timestamp, to: Timestamp) -> String {
    let (sign, millis) = if at >= to { ('+', at.0 - to.0) } else { ('-', to.0 - at.0) };
    let seconds = millis / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days} d ") } else { String::new() };
    format!("{sign}{days}{hours}:{minutes:02}:{:02}", seconds % 60)
}

/// A moment to the second: `2026-11-22 20:54:38 UTC`.
pub fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

/// A moment to the minute: `2026-11-22 20:54`.
pub fn minute(at: Timestamp) -> String {
    utc(at).get(..16).unwrap_or_default().to_owned()
}

/// A day.
pub fn day(at: Timestamp) -> String {
    utc(at).get(..10).unwrap_or_default().to_owned()
}

/// How a process ended.
pub fn ended(how: HowEnded) -> String {
    match how {
        HowEnded::Exited { code } => format!("exit code {code}"),
        HowEnded::Signaled { signal, core_dumped } => {
            format!("{}{}", signal_name(signal), if core_dumped { ", core dumped" } else { "" })
        }
        HowEnded::NotStarted { code } => format!("not started, code {code}"),
        HowEnded::Unknown => "nobody saw how".to_owned(),
    }
}

/// By whom it was ended.
pub fn ended_by(by: &EndedBy) -> String {
    match by {
        EndedBy::Itself => "by itself".to_owned(),
        EndedBy::Scupper { reason } => format!("by scupper: {}", reason.describe()),
        EndedBy::Forwarded { passed_on, .. } => format!("after {} from outside", signal_name(*passed_on)),
        EndedBy::OomKiller { .. } => "by the kernel's OOM killer".to_owned(),
        EndedBy::Unknown => "by whom is unknown".to_owned(),
    }
}

/// The name of a signal that ends processes; the number of any other.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(amount(Watched::Memory, 536_870_912.0), "512 MiB");
        assert_eq!(amount(Watched::Memory, 1.5 * 1_073_741_824.0), "1.5 GiB");
        assert_eq!(amount(Watched::Sockets, 42.0), "42 sockets");
        assert_eq!(rate(Watched::Memory, 30.0 * 1_048_576.0), "+30 MiB per hour");
        assert_eq!(rate(Watched::Memory, -2048.0), "-2 KiB per hour");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(number(f64::NAN), "unknown");
        assert_eq!(number(-0.000_001), "0");
    }

    #[test]
    fn times_are_told_with_two_units_and_from_a_moment() {
        assert_eq!(span_of(12_000_000), "3 h 20 min");
        assert_eq!(span_of(86_400_000 * 2 + 5000), "2 d");
        assert_eq!(span_of(1500), "1.5 s");
        assert_eq!(span_of(0), "0 s");
        let at = Timestamp(1_767_323_045_000);
        assert_eq!(utc(at), "2026-01-02 03:04:05 UTC");
        assert_eq!((minute(at), day(at)), ("2026-01-02 03:04".to_owned(), "2026-01-02".to_owned()));
        assert_eq!(relative(Timestamp(at.0 + 3_723_000), at), "+1:02:03");
        assert_eq!(relative(Timestamp(at.0 - 12_000), at), "-0:00:12");
        assert_eq!(relative(Timestamp(at.0 + 90_000_000), at), "+1 d 1:00:00");
        assert_eq!(relative(Timestamp(u64::MAX), Timestamp(0)).chars().next(), Some('+'));
    }
}
